"""Products that are 0 under a function whose slope there is infinite: data at zero.

(x/K)**n with 0 < n < 1 has at x = 0 an infinite slope in x/K, and 0 times that is nan; but it is 0 there for every K,
whose derivative is 0. So it is with every factor beside one that is 0: what the others get is 0, whatever the slope.
"""

from __future__ import annotations

from fractions import Fraction

from symbackprop.ir import Functions, Graph, GraphBuilder
from symbackprop.ops import REGISTRY
from symbackprop.ops.leaves import CONST

_MUL, _DIV, _NEG, _POW, _NE, _SELECT = (REGISTRY[name] for name in ("mul", "div", "neg", "pow", "ne", "select"))
_STEEP = {REGISTRY[name]: places for name, places in (("sqrt", (0,)), ("cbrt", (0,)), ("power_share", (0, 1)))}
"""Where rows have slopes that are infinite at 0, and values that are not."""


def under_roots(graph: Graph, needed: list[bool]) -> frozenset[int]:
    """The products and quotients that roots and powers are taken of, and those that are their factors."""
    nodes = graph.nodes
    found: set[int] = set()
    # Sweeps add nodes behind those that they go through.
    for index in range(len(needed) - 1, -1, -1):
        op, operands, *_ = nodes[index]
        if not needed[index]:
            continue
        if op is _POW or op in _STEEP:
            found.update(o for place, o in enumerate(operands) if is_steep(graph, index, place))
        elif index in found and (op is _MUL or op is _DIV or op is _NEG):
            found.update(operands if op is _MUL else operands[:1])
    return frozenset(index for index in found if nodes[index].op is _MUL or nodes[index].op is _DIV)


def is_steep(graph: Graph, index: int, position: int) -> bool:
    """Whether the slope of a row in this operand may be infinite at 0, where its value is not."""
    op, operands, *_ = graph.nodes[index]
    return position in _STEEP.get(op, ()) if op is not _POW else position == 0 and not _is_smooth(graph, operands[1])


def _is_smooth(graph: Graph, exponent: int) -> bool:
    """Whether a power has finite slopes, or no value, at 0."""
    node = graph.nodes[exponent]
    return node.op is CONST and isinstance(node.attributes, Fraction) and not 0 < node.attributes < 1


def of_moving(builder: GraphBuilder, dot: int, term: int) -> int:
    """A tangent through an infinite slope, 0 where what it comes from stands still."""
    zero = builder.const(0)
    return builder.add(_SELECT, (builder.add(_NE, (dot, zero)), term, zero))


def beside_zero(graph: Graph, f: Functions, index: int, position: int, contribution: int) -> int:
    """What an operand of such a product receives, 0 where another one makes it 0."""
    op, (x, y), *_ = graph.nodes[index]
    if op is _DIV and position == 0:
        return contribution
    other = x if op is _DIV or position == 1 else y
    if x == y or graph.nodes[other].op is CONST:
        return contribution
    zero = f.builder.const(0)
    return f.builder.add(_SELECT, (f.builder.add(_NE, (other, zero)), contribution, zero))
