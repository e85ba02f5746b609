"""Functions of a norm over powers of it, smooth at the origin: sin(h)/h*x, (1 - cos(h))/h**2, (h - sin(h))/h**3.

They are the rotations of Rodrigues and the exponential maps. What vanishes with the norm h is put over so many powers
of h as it has, before a component of h becomes a cosine: the quotient has a series in h, x/h has none.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any, NamedTuple

import mpmath as mp

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.ops.leaves import CONST
from symbackprop.passes.factors import all_factors
from symbackprop.passes.limits import value_of
from symbackprop.passes.norms import norm_of_squares
from symbackprop.passes.rewrite import Rewriter

_DIV, _POW, _HYPOT = (REGISTRY[name] for name in ("div", "pow", "hypot"))
_MOST_NODES = 32
_NEAR = 2


class Radial(NamedTuple):
    """A quotient near the origin, and where that is: far out a component may be about the norm."""

    value: Value
    is_near: Value | None


def radial(r: Rewriter, x: int, y: int) -> Radial | None:
    """A product over a power of a norm, among whose factors are functions of the norm alone."""
    for divisor in all_factors(r, y):
        if r.nodes[divisor].type.shape:
            continue
        norm, power = _power_of_norm(r, divisor)
        if norm is None or power < 1 or power.denominator != 1:
            continue
        factors = all_factors(r, x)
        through = [factor for factor in factors if _is_function_of(r, factor, norm)]
        order = min(int(power), _order(r, through, norm)) if through else 0
        if order > 0:
            found = _parted(r, factors, through, (norm, order), y, divisor, int(power))
            beside = not set(r.operands(norm)).isdisjoint(factors)
            return Radial(found, r.f.lt(r.f.wrap(norm), _NEAR) if beside else None)
    return None


def _parted(
    r: Rewriter, factors: list[int], through: list[int], own: tuple[int, int], y: int, divisor: int, power: int
) -> Value:
    f, (norm, order) = r.f, own
    h = f.wrap(norm)
    below = h if order == 1 else f.pow(h, order)
    above = math.prod(map(f.wrap, through[1:]), start=f.wrap(through[0]))
    # Past the rules: the quotient stands for the one that has a series.
    quotient = f.wrap(r.plain(_DIV, (above.index, below.index)))
    others = [factor for factor in factors if factor not in through]
    rest = math.prod(map(f.wrap, others), start=f.const(1))
    divisors = all_factors(r, y)
    divisors.remove(divisor)
    if power > order:
        rest = rest / (h if power - order == 1 else f.pow(h, power - order))
    for other in divisors:
        rest = rest / f.wrap(other)
    return rest * quotient


def _power_of_norm(r: Rewriter, index: int) -> tuple[int | None, Fraction]:
    """A norm and its power: of h, h**3, u**2 + v**2 and powers of that."""
    op, operands = r.nodes[index].op, r.operands(index)
    if op is _HYPOT or op.name == "norm":
        return index, Fraction(1)
    if op is _POW:
        number = r.number(operands[1])
        norm, power = _power_of_norm(r, operands[0])
        return norm, power * (number or 0)
    squares = norm_of_squares(r, index)
    return (None, Fraction(0)) if squares is None else (squares.index, Fraction(2))


def _is_function_of(r: Rewriter, index: int, norm: int) -> bool:
    return index != norm and r.nodes[index].op is not CONST and _nodes_to(r, index, norm) is not None


def _nodes_to(r: Rewriter, index: int, norm: int) -> list[int] | None:
    """The nodes of a value that depends on a norm and nothing else, in the order of their numbers; None for others."""
    seen = {norm}
    stack = [index]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        if len(seen) > _MOST_NODES or (not r.operands(node) and r.nodes[node].op is not CONST):
            return None
        seen.add(node)
        stack += r.operands(node)
    return sorted(seen - {norm})


def _order(r: Rewriter, factors: list[int], norm: int) -> int:
    """The power of the norm with which a product of functions of it vanishes."""
    near, nearer = (_value(r, factors, norm, mp.mpf(10) ** -digits) for digits in (8, 12))
    if not near or not nearer:
        return 0
    order = mp.log(abs(nearer / near)) / mp.log(mp.mpf(10) ** -4)
    whole = int(mp.nint(order))
    return whole if abs(order - whole) < 1e-3 else 0


def _value(r: Rewriter, factors: list[int], norm: int, h: Any) -> Any:
    total = mp.mpf(1)
    with mp.workdps(60):
        for factor in factors:
            nodes = _nodes_to(r, factor, norm)
            assert nodes is not None
            values = {norm: h}
            for node in nodes:
                value = value_of(r.nodes[node].op, r.nodes[node].attributes, [values[o] for o in r.operands(node)])
                if value is None:
                    return None
                values[node] = value
            total *= values[factor]
    return total
