"""A sum is opened: its indices become axes, its ranges are checked, and Kronecker deltas replace indices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.errors import UnsupportedExpression
from symbackprop.frontend.integers import affine
from symbackprop.frontend.problems import short
from symbackprop.frontend.ranges import Affine, Axis, Inequalities, Scope, extreme, fixed, index_of, nonnegative
from symbackprop.ops.extents import extent_text, minus, plus

if TYPE_CHECKING:
    from symbackprop.frontend.indexed import Indices


@dataclass(frozen=True, slots=True)
class Opened:
    """A sum whose indices are bound."""

    axes: tuple[Axis, ...]
    scope: Scope
    """The scope of the body."""
    replaced: tuple[Affine, ...]
    """What is not negative where an index that was replaced would have been in its range."""


def opened(w: Indices, expr: Any, scope: Scope) -> Opened:
    """Bind the indices of a sum, the outermost (listed last) first."""
    w.survey.mask(expr)
    axes = []
    for limit in reversed(expr.limits):
        axis = _axis(w, limit, scope)
        axes.append(axis)
        scope = scope.binding(axis.symbol, w.survey.bits[axis.symbol], index_of(axis))
        if axis.ragged:
            scope = scope.under(Inequalities((*axis.inside(), axis.high.minus(axis.low))))
    _in_reading_order(axes)
    if isinstance(expr, sp.Sum):
        return _without_deltas(w, expr.function, axes, scope)
    return Opened(tuple(axes), scope, ())


def _in_reading_order(axes: list[Axis]) -> None:
    """Where no range depends on another one of the same sum, let their axes stand as they are listed.

    Sum(A[i, j], (i, ...), (j, ...)) then takes A as it is, though SymPy means j to be the outer index.
    """
    own = set(axes)
    if any(axis in own for other in axes for bound in (other.low, other.high) for axis, _ in bound.terms):
        return
    depths = sorted(axis.depth for axis in axes)
    for axis, depth in zip(reversed(axes), depths, strict=True):
        axis.depth = depth


def _axis(w: Indices, limit: Any, scope: Scope) -> Axis:
    symbol = limit[0]
    if len(limit) != 3:
        raise UnsupportedExpression(f"the sum over {symbol} has no limits; give both: ({symbol}, low, high)")
    text = f"the range of {symbol}, from {short(limit[1])} to {short(limit[2])},"
    lows, highs = _bounds(w, limit[1], sp.Max, scope), _bounds(w, limit[2], sp.Min, scope)
    if not lows or not highs:
        raise UnsupportedExpression(
            f"{text} is not made of integers, lengths and multiples of outer indices; for limits from data"
            " sum over a fixed range, with a Piecewise that picks the terms"
        )
    axis = Axis(symbol, scope.depth, lows[0], highs[0])
    here = index_of(axis)
    axis.besides = (*[here.minus(low) for low in lows[1:]], *[high.minus(here) for high in highs[1:]])
    start, end = extreme(axis.low, False, {}), extreme(axis.high, True, {})
    if start is None or end is None:
        raise UnsupportedExpression(f"{text} has no known extent; bound it by integers and lengths alone")
    axis.start, axis.length = start, plus(minus(end, start), 1)
    for low in lows:
        for high in highs:
            _check_range(w, high.minus(low).plus(fixed(1)), text)
    return axis


def _bounds(w: Indices, bound: Any, several: Any, scope: Scope) -> list[Affine]:
    """A bound, or those of which it is the largest or the smallest, one that is free of indices first."""
    parts = bound.args if isinstance(bound, several) else (bound,)
    forms = [affine(w, part, scope, lengths=True) for part in parts]
    known = [form for form in forms if form is not None]
    return sorted(known, key=lambda form: bool(form.terms)) if len(known) == len(forms) else []


def _check_range(w: Indices, values: Affine, text: str) -> None:
    """Refuse a range that is reversed; one that may be, by its lengths, is checked at the call."""
    shortest = extreme(values, False, {})
    if shortest is None:
        raise UnsupportedExpression(f"{text} may be reversed; bound it by integers and lengths alone")
    if nonnegative(shortest):
        return
    if nonnegative(minus(-1, shortest)):
        raise UnsupportedExpression(
            f"{text} is reversed: it has {extent_text(shortest)} values at its shortest. SymPy would subtract the"
            " terms between (Karr's convention); an empty range ends one below its start: exchange the limits, or"
            " begin the outer range later"
        )
    w.t.require(shortest, 0, f"{text} is reversed")


def _without_deltas(w: Indices, body: Any, axes: list[Axis], scope: Scope) -> Opened:
    """Sum over j of KroneckerDelta(i, j)*f(j) is f(i) where i is in the range of j: no axis for j."""
    conditions: list[Affine] = []
    for factor in body.args if isinstance(body, sp.Mul) else (body,):
        if not isinstance(factor, sp.KroneckerDelta):
            continue
        forms = [affine(w, argument, scope) for argument in factor.args[:2]]
        if forms[0] is None or forms[1] is None:
            continue
        difference = forms[0].minus(forms[1])
        axis, coefficient = difference.terms[-1] if difference.terms else (None, 0)
        shaping = {term[0] for other in axes for bound in (other.low, other.high) for term in bound.terms}
        if axis not in axes or coefficient not in (1, -1) or axis in shaping or axis.ragged:
            continue
        meant = Affine(difference.terms[:-1], difference.constant).scaled(-1 if coefficient == 1 else 1)
        axes = [other for other in axes if other is not axis]
        scope = scope.binding(axis.symbol, w.survey.bits[axis.symbol], meant)
        inside = (meant.minus(axis.low), axis.high.minus(meant))
        scope = scope.under(Inequalities(inside))
        conditions.extend(inside)
    return Opened(tuple(axes), scope, tuple(conditions))
