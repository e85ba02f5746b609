"""Products with what vanishes like an exponential or has a pole, half after half.

y*csch(x)**2 is 0 from x = 373 on, whatever y, and x**3 times an occupation has no digits from 709 on. As
(y*csch(x))*csch(x) it has them as far as the product itself: what stands between lies between y and the product. So do
slopes beside poles: that of csch(u) with u = exp(y) is -csch(u)*coth(u)*u, and was infinite from y = -355 on.
"""

from __future__ import annotations

from collections.abc import Callable

from symbackprop.ir import Graph, Value
from symbackprop.ir.node import Node
from symbackprop.ops import REGISTRY, Op
from symbackprop.ops.leaves import CONST
from symbackprop.passes.rewrite import Rewriter

_MUL, _POW, _OCCUPATION = (REGISTRY[name] for name in ("mul", "pow", "reciprocal_expm1"))
_VANISHING = frozenset({REGISTRY["sech"], REGISTRY["csch"], _OCCUPATION})
_WITH_A_POLE: dict[Op, Callable[[Value], tuple[Value, Value]]] = {
    REGISTRY["csch_slope"]: lambda u: (-u.f.csch(u), u.f.coth(u)),
    REGISTRY["coth_slope"]: lambda u: (-u.f.csch(u), u.f.csch(u)),
    REGISTRY["csc_slope"]: lambda u: (-u.f.csc(u), u.f.cot(u)),
    REGISTRY["cot_slope"]: lambda u: (-u.f.csc(u), u.f.csc(u)),
    REGISTRY["acsch_slope"]: lambda u: (-1 / u.f.abs(u), 1 / u.f.hypot(u, 1)),
}
"""Slopes as two factors, which are both large at the pole, or both small far out."""
_MOST_FACTORS = 8


def by_halves(graph: Graph, r: Rewriter) -> Callable[[int, int, list[int]], int] | None:
    """What a sweep that expands rows calls `after` a node; None where the graph has no such products."""
    nodes = graph.nodes
    if not any(node.op in _VANISHING or node.op in _WITH_A_POLE for node in nodes):
        return None

    def after(index: int, made: int, new: list[int]) -> int:
        if nodes[index].op is not _MUL:
            return made
        # The halves of poles stand about what vanishes: beside csc(sech(y)**2) are a pole twice and sech(y) twice.
        whole: list[int] = []
        first: list[int] = []
        vanishing: list[int] = []
        second: list[int] = []
        for factor in _factors(nodes, index):
            op, operands, *_ = nodes[factor]
            if op in _WITH_A_POLE:
                one, other = _WITH_A_POLE[op](r.f.wrap(new[operands[0]]))
                first.append(one.index)
                second.append(other.index)
            elif op in _VANISHING:
                vanishing += _halves(r, new[factor])
            else:
                whole.append(new[factor])
        halves = first + vanishing + second
        if len(halves) < 2 or all(r.is_op(factor, CONST) for factor in whole + vanishing):
            return made
        total, *others = whole + halves
        for factor in others:
            total = r.plain(_MUL, (total, factor))
        return total

    return after


def _halves(r: Rewriter, index: int) -> tuple[int, ...]:
    """What the definition of a row multiplies."""
    return r.operands(index) if r.is_op(index, _MUL) else (index,)


def _factors(nodes: list[Node], index: int) -> list[int]:
    """The factors of a product, those of squares twice."""
    found: list[int] = []
    stack = [index]
    while stack:
        node = nodes[stack[-1]]
        if len(found) + len(stack) < _MOST_FACTORS and node.op is _MUL:
            stack[-1:] = node.operands[::-1]
        elif node.op is _POW and nodes[node.operands[1]].attributes == 2 and nodes[node.operands[0]].op in _VANISHING:
            stack[-1:] = node.operands[:1] * 2
        else:
            found.append(stack.pop())
    return found
