"""Subscripted arrays: an access is the array itself, a slice or diagonal of it, or a gather.

Subscripts that are linear in one index each take a slice; others gather. What leaves the array on every path is refused
here; what may leave it for some lengths becomes a fact that is checked at the call (`Translator.at_least`); gathered
places are checked when they are read. An access that only some indices reach (an arm of a Piecewise, a triangle) reads
place 0 where it is not reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.errors import ShapeMismatch
from symbackprop.frontend.integers import affine, affine_node, integer_node, reach
from symbackprop.frontend.placed import Placed, together
from symbackprop.frontend.problems import short
from symbackprop.frontend.ranges import (
    Affine,
    Axis,
    Condition,
    Inequalities,
    Limits,
    Scope,
    fixed,
    nonnegative,
    refined,
)
from symbackprop.ir import Value
from symbackprop.ops.contraction import relabelled
from symbackprop.ops.extents import Extent, extent_text, minus, times

if TYPE_CHECKING:
    from symbackprop.frontend.indexed import Indices


def read(w: Indices, source: Value, name: str, subscripts: Sequence[Any], scope: Scope) -> Placed:
    """The entries of an array at the given subscripts.

    Raises ShapeMismatch for one that is out of range, UnsupportedExpression for one that is no integer expression.
    """
    shape = w.f.shape(source)
    if len(shape) != len(subscripts):
        raise ShapeMismatch(f"{name} has {len(shape)} axes and is given {len(subscripts)} subscripts")
    guarded = [
        _guarded(w, f"{name}[{', '.join(map(short, subscripts))}]", subscript, length, scope)
        for subscript, length in zip(subscripts, shape, strict=True)
    ]
    forms = [affine(w, subscript, scope) for subscript in subscripts]
    if not any(guarded):
        pieces = [_sliced(form) for form in forms]
        known = [piece for piece in pieces if piece is not None]
        if len(known) == len(pieces):
            return _slice(w, source, known)
    places = [
        affine_node(w, form) if form is not None else integer_node(w, subscript, scope)
        for form, subscript in zip(forms, subscripts, strict=True)
    ]
    places = [_kept_inside(w, place, scope) if guard else place for place, guard in zip(places, guarded, strict=True)]
    values, axes = together(w.f, places)
    return Placed(w.f.gather(source, *values), axes)


# Slices.

_Sliced = tuple[Axis | None, Extent, int, Extent]
"""The index that a subscript follows, and the start, step and length of its slice."""


def _sliced(form: Affine | None) -> _Sliced | None:
    if form is None or len(form.terms) > 1:
        return None
    if not form.terms:
        return None, form.constant, 1, 1
    ((axis, step),) = form.terms
    if not isinstance(step, int):
        return None
    return axis, form.plus(fixed(times(axis.start, step))).constant, step, axis.length


def _slice(w: Indices, source: Value, pieces: list[_Sliced]) -> Placed:
    f = w.f
    value = f.slice(source, [piece[1:] for piece in pieces])
    followed = [axis for axis, _, _, _ in pieces if axis is not None]
    value = f.reshape(value, tuple(axis.length for axis in followed))
    if followed:
        value = f.diagonal(value, relabelled(followed))
    distinct = list(dict.fromkeys(followed))
    ordered = sorted(distinct, key=lambda axis: axis.depth)
    return Placed(f.transpose(value, [distinct.index(axis) for axis in ordered]), tuple(ordered))


# Ranges.


def _guarded(w: Indices, text: str, subscript: Any, length: Extent, scope: Scope) -> bool:
    """Whether the subscript may leave the array where it is not reached, so that it needs the guard of its scope."""
    low, high = _ends(w, subscript, scope, None)
    if _inside(low, high, length) or _never(w, subscript, scope):
        return False
    if not scope.guards:
        _refuse_outside(text, low, high, length)
        _require(w, text, low, high, length)
        return False
    limits, complete = known_limits(w, scope)
    if complete:
        low, high = _ends(w, subscript, scope, limits)
        _refuse_outside(text, low, high, length)
    return True


def _ends(w: Indices, subscript: Any, scope: Scope, limits: Limits | None) -> tuple[Extent | None, Extent | None]:
    return reach(w, subscript, scope, False, limits), reach(w, subscript, scope, True, limits)


def _inside(low: Extent | None, high: Extent | None, length: Extent) -> bool:
    if low is None or high is None:
        return False
    return nonnegative(low) and nonnegative(minus(minus(length, 1), high))


def _never(w: Indices, subscript: Any, scope: Scope) -> bool:
    """Whether an index in the subscript has no values at all."""
    form = affine(w, subscript, scope)
    return form is not None and any(axis.length == 0 for axis, _ in form.terms)


def _refuse_outside(text: str, low: Extent | None, high: Extent | None, length: Extent) -> None:
    if low is not None and nonnegative(minus(-1, low)):
        raise ShapeMismatch(
            f"{text} reaches index {extent_text(low)}; indices start at 0: begin the range later, or guard the access"
            " with a Piecewise"
        )
    if high is not None and nonnegative(minus(high, length)):
        raise ShapeMismatch(
            f"{text} reaches index {extent_text(high)} of an axis of length {extent_text(length)}; end the range"
            " earlier, or guard the access with a Piecewise"
        )


def _require(w: Indices, text: str, low: Extent | None, high: Extent | None, length: Extent) -> None:
    if low is not None and not nonnegative(low):
        w.t.require(low, 0, f"{text} reaches index {extent_text(low)}")
    if high is not None and not nonnegative(minus(minus(length, 1), high)):
        w.t.require(minus(length, high), 1, f"{text} reaches index {extent_text(high)}")


# Guards.


def known_limits(w: Indices, scope: Scope) -> tuple[Limits, bool]:
    """Bounds of indices where all guards of a scope hold, and whether every guard was understood."""
    inequalities: list[Affine] = []
    unequal: list[Affine] = []
    complete = True
    for guard in scope.guards:
        if isinstance(guard, Inequalities):
            inequalities.extend(guard.of)
        else:
            complete &= _learn(w, guard, inequalities, unequal)
    return refined(inequalities, unequal), complete


def _learn(w: Indices, guard: Condition, inequalities: list[Affine], unequal: list[Affine]) -> bool:
    """Collect what a condition says about single indices; False where part of it was not understood."""
    stack = [(guard.expr, guard.truth)]
    complete = True
    while stack:
        expr, truth = stack.pop()
        if isinstance(expr, sp.Not):
            stack.append((expr.args[0], not truth))
        elif isinstance(expr, sp.And if truth else sp.Or):
            stack.extend((part, truth) for part in expr.args)
        elif isinstance(expr, sp.core.relational.Relational):
            complete &= _learn_relation(w, expr if truth else expr.negated, guard.scope, inequalities, unequal)
        elif expr not in (sp.true, sp.false):
            complete = False
    return complete


def _learn_relation(w: Indices, relation: Any, scope: Scope, inequalities: list[Affine], unequal: list[Affine]) -> bool:
    left, right = affine(w, relation.lhs, scope), affine(w, relation.rhs, scope)
    if left is None or right is None:
        return False
    difference = left.minus(right)
    if isinstance(relation, sp.Ne):
        unequal.append(difference)
    if isinstance(relation, sp.Eq | sp.Ge | sp.Gt):
        inequalities.append(difference.minus(fixed(int(isinstance(relation, sp.Gt)))))
    if isinstance(relation, sp.Eq | sp.Le | sp.Lt):
        inequalities.append(difference.scaled(-1).minus(fixed(int(isinstance(relation, sp.Lt)))))
    return True


def holds(w: Indices, inequalities: Sequence[Affine]) -> Placed:
    """Whether none of these is negative."""
    f = w.f
    parts = [affine_node(w, affine) for affine in inequalities]
    return _all(w, [Placed(f.ge(f.to_real(part.value), 0), part.axes) for part in parts])


def _all(w: Indices, conditions: list[Placed]) -> Placed:
    values, axes = together(w.f, conditions)
    result = values[0]
    for value in values[1:]:
        result = w.f.logical_and(result, value)
    return Placed(result, axes)


def _kept_inside(w: Indices, place: Placed, scope: Scope) -> Placed:
    """The places where the guards that concern them hold, and 0 elsewhere."""
    conditions = []
    for guard in scope.guards:
        condition = holds(w, guard.of) if isinstance(guard, Inequalities) else w.condition(guard)
        if set(condition.axes) & set(place.axes):
            conditions.append(condition)
    if not conditions:
        return place
    (holding, inside), axes = together(w.f, [_all(w, conditions), place])
    return Placed(w.f.int_select(holding, inside, w.f.size(0)), axes)
