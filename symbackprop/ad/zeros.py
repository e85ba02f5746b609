"""Products that are 0 under a function whose slope there is infinite: data at zero.

(x/K)**n with 0 < n < 1 has at x = 0 an infinite slope in x/K, and 0 times that is nan; but it is 0 there for every K,
whose derivative is 0. So it is with every factor beside one that is 0 and that no variable moves together with it: what
it gets is 0, whatever the slope. A slope of nan stays nan. Only where nothing is differentiated again: the 0 is that of
a point.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from symbackprop.ir import Functions, Graph
from symbackprop.ops import REGISTRY
from symbackprop.ops.leaves import CONST

_MUL, _DIV, _NEG, _POW, _ABS, _EQ, _AND, _SELECT = (
    REGISTRY[name] for name in ("mul", "div", "neg", "pow", "abs", "eq", "logical_and", "select")
)
_STEEP = {REGISTRY[name]: places for name, places in (("sqrt", (0,)), ("cbrt", (0,)), ("power_share", (0, 1)))}
"""Where rows have slopes that are infinite at 0, and values that are not."""


class Zeros:
    """The products and quotients that roots and powers are taken of, and those that are their factors."""

    def __init__(self, graph: Graph, needed: list[bool], wrt: Sequence[int]) -> None:
        self._nodes = graph.nodes
        self._products = _under_roots(graph, needed)
        self._moved_by = _moved_by(graph, len(needed), wrt) if self._products else []

    def beside(self, f: Functions, index: int, position: int, bar: int, contribution: int) -> int:
        """What an operand receives, 0 where another one makes such a product 0."""
        if index not in self._products:
            return contribution
        op, (x, y), *_ = self._nodes[index]
        if op is _DIV and position == 0:
            return contribution
        own, other = (y, x) if position == 1 else (x, y)
        if self._nodes[other].op is CONST or self._moved_by[own] & self._moved_by[other]:
            return contribution
        builder, zero = f.builder, f.builder.const(0)
        infinite = builder.add(_EQ, (builder.add(_ABS, (bar,)), builder.const("inf")))
        at_zero = builder.add(_AND, (builder.add(_EQ, (other, zero)), infinite))
        return builder.add(_SELECT, (at_zero, zero, contribution))


def _moved_by(graph: Graph, count: int, wrt: Sequence[int]) -> list[int]:
    """For each node the variables that it depends on, a bit each."""
    masks = [0] * count
    for number, node in enumerate(wrt):
        if node < count:
            masks[node] |= 1 << number
    for index in range(count):
        for operand in graph.nodes[index].operands:
            masks[index] |= masks[operand]
    return masks


def _under_roots(graph: Graph, needed: list[bool]) -> frozenset[int]:
    nodes = graph.nodes
    found: set[int] = set()
    # Sweeps add nodes behind those that they go through.
    for index in range(len(needed) - 1, -1, -1):
        op, operands, *_ = nodes[index]
        if not needed[index]:
            continue
        if op is _POW:
            found.update(() if _is_smooth(graph, operands[1]) else operands[:1])
        elif op in _STEEP:
            found.update(operands[place] for place in _STEEP[op])
        elif index in found and (op is _MUL or op is _DIV or op is _NEG):
            found.update(operands if op is _MUL else operands[:1])
    return frozenset(index for index in found if nodes[index].op is _MUL or nodes[index].op is _DIV)


def _is_smooth(graph: Graph, exponent: int) -> bool:
    """Whether a power has finite slopes, or no value, at 0."""
    node = graph.nodes[exponent]
    return node.op is CONST and isinstance(node.attributes, Fraction) and not 0 < node.attributes < 1
