"""Products with what vanishes like an exponential, half after half.

y*csch(x)**2 is 0 from x = 373 on, whatever y, and x**3 times an occupation has no digits from 709 on. As
(y*csch(x))*csch(x) it has them as far as the product itself: what stands between lies between y and the product.
"""

from __future__ import annotations

from collections.abc import Callable

from symbackprop.ir import Graph
from symbackprop.ir.node import Node
from symbackprop.ops import REGISTRY
from symbackprop.ops.leaves import CONST
from symbackprop.passes.rewrite import Rewriter

_MUL, _POW, _OCCUPATION = (REGISTRY[name] for name in ("mul", "pow", "reciprocal_expm1"))
_VANISHING = frozenset({REGISTRY["sech"], REGISTRY["csch"], _OCCUPATION})
_MOST_FACTORS = 8


def by_halves(graph: Graph, r: Rewriter) -> Callable[[int, int, list[int]], int] | None:
    """What a sweep that expands rows calls `after` a node; None where the graph has no such products."""
    nodes = graph.nodes
    if not any(node.op in _VANISHING for node in nodes):
        return None

    def after(index: int, made: int, new: list[int]) -> int:
        if nodes[index].op is not _MUL:
            return made
        factors = _factors(nodes, index)
        halves = [half for factor in factors if nodes[factor].op in _VANISHING for half in _halves(r, new[factor])]
        whole = [new[factor] for factor in factors if nodes[factor].op not in _VANISHING]
        if len(halves) < 2 or all(r.is_op(factor, CONST) for factor in whole):
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
