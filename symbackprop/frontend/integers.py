"""Index expressions: as linear forms in the bound indices where they are, and as integer nodes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.errors import UnsupportedExpression
from symbackprop.frontend.placed import Placed, together
from symbackprop.frontend.problems import short
from symbackprop.frontend.ranges import Affine, Axis, Limits, Scope, extreme, fixed
from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.ops.extents import Extent, floored, minus

if TYPE_CHECKING:
    from symbackprop.frontend.indexed import Indices


def affine(w: Indices, expr: Any, scope: Scope, lengths: bool = False) -> Affine | None:
    """An index expression as a constant and multiples of indices, or None where it is none.

    With `lengths` every symbol that is not bound is the length of something; otherwise only those known to be.
    """
    if expr.is_Integer:
        return fixed(int(expr))
    if isinstance(expr, sp.Symbol | sp.Idx):
        return _of_symbol(w, expr, scope, lengths)
    if isinstance(expr, sp.Add | sp.Mul):
        parts = [affine(w, part, scope, lengths) for part in expr.args]
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        return _total(known) if isinstance(expr, sp.Add) else _product(known)
    if isinstance(expr, sp.Pow) and expr.exp.is_Integer and 0 < expr.exp < 9:
        base = affine(w, expr.base, scope, lengths)
        return None if base is None else _product([base] * int(expr.exp))
    if isinstance(expr, sp.floor):
        numerator, divisor = quotient(expr.args[0])
        inner = affine(w, numerator, scope, lengths) if divisor else None
        return None if inner is None or inner.terms else fixed(floored(inner.constant, divisor))
    return None


def _of_symbol(w: Indices, symbol: Any, scope: Scope, lengths: bool) -> Affine | None:
    bound = scope.bound.get(symbol)
    if bound is not None:
        return bound
    meant = w.survey.definitions.get(symbol)
    if meant is not None:
        return affine(w, meant, scope, lengths)
    if isinstance(symbol, sp.Symbol) and (lengths or symbol in w.t.dimensions):
        return fixed(w.t.extent(symbol))
    return None


def _total(parts: list[Affine]) -> Affine:
    result = fixed(0)
    for part in parts:
        result = result.plus(part)
    return result


def _product(parts: list[Affine]) -> Affine | None:
    result = fixed(1)
    for part in parts:
        if part.terms and result.terms:
            return None
        result = part.scaled(result.constant) if part.terms else result.scaled(part.constant)
    return result


def quotient(expr: Any) -> tuple[Any, int]:
    """Numerator and positive integer divisor; divisor 0 where there is none."""
    numerator, denominator = sp.fraction(sp.together(expr))
    if not denominator.is_Integer:
        return expr, 0
    return (numerator, int(denominator)) if denominator > 0 else (-numerator, -int(denominator))


def reach(w: Indices, expr: Any, scope: Scope, upper: bool, limits: Limits | None) -> Extent | None:
    """The largest (smallest) value of an index expression over all bound indices; None where it cannot be told."""
    form = affine(w, expr, scope)
    if form is not None:
        return extreme(form, upper, limits)
    if isinstance(expr, sp.Mod):
        divisor = affine(w, expr.args[1], scope)
        if divisor is not None and not divisor.terms:
            return minus(divisor.constant, 1) if upper else 0
    if isinstance(expr, sp.floor):
        numerator, by = quotient(expr.args[0])
        inner = reach(w, numerator, scope, upper, limits) if by else None
        return None if inner is None else floored(inner, by)
    return None


def symbols_in(expr: Any) -> Iterator[Any]:
    """The symbols of an index expression outside the subscripts in it, and those subscripted objects themselves."""
    stack = [expr]
    while stack:
        part = stack.pop()
        if isinstance(part, sp.Symbol | sp.Idx | sp.Indexed):
            yield part
        else:
            stack.extend(reversed(getattr(part, "args", ())))


# Integer nodes.


def axis_values(w: Indices, axis: Axis) -> Value:
    """The values that an index takes, along its axis."""
    values = w.f.iota(axis.length)
    return values if axis.start == 0 else w.f.int_add(values, w.f.size(axis.start))


def affine_node(w: Indices, form: Affine) -> Placed:
    """A linear form as integers."""
    f = w.f
    parts = []
    for axis, coefficient in form.terms:
        along = axis_values(w, axis)
        parts.append(Placed(along if coefficient == 1 else f.int_mul(f.size(coefficient), along), (axis,)))
    if form.constant != 0 or not parts:
        parts.append(Placed(f.size(form.constant), ()))
    values, axes = together(f, parts)
    total = values[0]
    for value in values[1:]:
        total = f.int_add(total, value)
    return Placed(total, axes)


def real(w: Indices, integer: Placed) -> Placed:
    return Placed(w.f.to_real(integer.value), integer.axes)


def integer_node(w: Indices, expr: Any, scope: Scope) -> Placed:
    """An index expression as integers. Raises UnsupportedExpression for what is not one."""
    form = affine(w, expr, scope)
    if form is not None:
        return affine_node(w, form)
    if isinstance(expr, sp.Symbol):
        meant = w.survey.definitions.get(expr)
        if meant is not None:
            return integer_node(w, meant, scope)
        return Placed(w.f.wrap(w.t.array(expr, (), "int")), ())
    if isinstance(expr, sp.Idx):
        raise UnsupportedExpression(f"the index {expr} is bound by no sum; sum over it, or give a number or a Symbol")
    if isinstance(expr, sp.Indexed):
        return w.access(expr, scope, "int")
    name, parts = _operation(expr)
    values, axes = together(w.f, [integer_node(w, part, scope) for part in parts])
    result = values[0]
    for value in values[1:]:
        result = _apply(w, name, result, value)
    return Placed(result, axes)


def _operation(expr: Any) -> tuple[str, list[Any]]:
    """The integer row that an expression is, and its operands."""
    rows = {sp.Add: "int_add", sp.Mul: "int_mul", sp.Mod: "int_mod", sp.Max: "max", sp.Min: "min"}
    for kind, name in rows.items():
        if isinstance(expr, kind):
            return name, list(expr.args)
    if isinstance(expr, sp.Pow) and expr.exp.is_Integer and 0 < expr.exp < 9:
        return "int_mul", [expr.base] * int(expr.exp)
    if isinstance(expr, sp.floor):
        numerator, divisor = quotient(expr.args[0])
        if divisor:
            return "int_floordiv", [numerator, sp.Integer(divisor)]
    raise UnsupportedExpression(
        f"{short(expr)} is no integer expression; subscripts are made of integers, indices, integer arrays,"
        " +, -, *, //, Mod, Max and Min"
    )


def _apply(w: Indices, name: str, a: Value, b: Value) -> Value:
    f = w.f
    if name in ("max", "min"):
        order = f.ge if name == "max" else f.le
        return f.int_select(order(f.to_real(a), f.to_real(b)), a, b)
    return f.apply(REGISTRY[name], a, b)
