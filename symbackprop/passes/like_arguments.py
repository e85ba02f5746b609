"""Two functions that vanish together, their arguments having a factor in common: sin(n*x)/sin(x), expm1(s*x)/expm1(x).

The value has all its digits; its slope in x is the difference of two poles, n*cot(n*x) and cot(x). Near 0 it is u/v,
from which x cancels, times the quotient of two polynomials.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

from symbackprop.ir import Functions, Node
from symbackprop.ops import REGISTRY, Op
from symbackprop.passes.powers import Powers, over, powers_of, raised
from symbackprop.passes.series import Series, near, series_of

_MUL, _DIV = REGISTRY["mul"], REGISTRY["div"]
ORDERS: dict[Op, int] = {
    REGISTRY[name]: order
    for order, names in (
        (1, "sin tan sinh tanh asin atan asinh atanh expm1 log1p erf"),
        (2, "cosm1 coshm1"),
        (-1, "csc cot csch coth reciprocal_expm1"),
    )
    for name in names.split()
}
"""The power of its argument that a function is like."""
RATIOS: dict[Op, Op] = {REGISTRY["expm1_ratio"]: REGISTRY["expm1"], REGISTRY["sinh_over_sinh"]: REGISTRY["sinh"]}
"""Quotients of two such functions that are rows."""

Split = Callable[[list[Node], int], tuple[Fraction, Powers]]
_Factor = tuple[Op, int, int]
"""A function, its argument, and its power."""


def by_like_arguments(f: Functions, index: int, split: Split, through_one: bool) -> int | None:
    """Such a quotient with its series beside it, where that is found; None elsewhere.

    What goes through one node, and is a function of a multiple of it, is for `passes.removable`.
    """
    nodes = f.builder.nodes
    for (function, u, power), (other, v, below), rest in _pairs(nodes, index):
        (number, own), (divisor, others) = split(nodes, u), split(nodes, v)
        ratio = {base: exponent for base, exponent in over(own, others).items() if exponent}
        if len(ratio) >= len({*own, *others}) or (through_one and not ratio):
            continue
        first, second = over_argument(function), over_argument(other)
        if first is None or second is None:
            continue
        (p, small), (q, close) = near(f.wrap(u), first), near(f.wrap(v), second)
        times = ORDERS[function] * power
        factors = {base: rest.get(base, 0) + times * ratio.get(base, 0) for base in {**rest, **ratio}}
        size = raised(f, factors, (number / divisor) ** times)
        polynomials = raised(f, {p.index: power, q.index: below})
        return f.select(f.logical_and(small, close), size * polynomials, f.wrap(index)).index
    return None


def _pairs(nodes: list[Node], index: int) -> Iterator[tuple[_Factor, _Factor, Powers]]:
    """Two such functions of different arguments, which vanish as fast as they grow, and the other factors."""
    node = nodes[index]
    if node.op in RATIOS:
        function = RATIOS[node.op]
        yield (function, node.operands[0], 1), (function, node.operands[1], -1), {}
        return
    whole = powers_of(nodes, index)
    known = {base: ORDERS[nodes[base].op] * power for base, power in whole.items() if nodes[base].op in ORDERS}
    for first, order in known.items():
        for second, other in known.items():
            u, v = nodes[first].operands[0], nodes[second].operands[0]
            if order > 0 and order == -other and u != v:
                rest = {base: exponent for base, exponent in whole.items() if base not in (first, second)}
                yield (nodes[first].op, u, whole[first]), (nodes[second].op, v, whole[second]), rest


def over_argument(function: Op) -> Series | None:
    """The series of g(u)/u, of g(u)/u**2, or of g(u)*u."""
    order = ORDERS[function]
    steps: tuple[tuple[object, ...], ...] = ((function, None, -1), (_MUL if order < 0 else _DIV, None, 0, -1))
    return series_of(steps if abs(order) == 1 else (*steps, (_DIV, None, 1, -1)))
