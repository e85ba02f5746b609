"""Where a value takes part in a result: the conditions of the branches that lead from it there.

Only needed where a kink is an error, which it is in a taken branch alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from symbackprop.ir import Graph, GraphBuilder
from symbackprop.ops import REGISTRY
from symbackprop.ops.reduction import REDUCE_MAX

_SELECT, _AND, _OR, _NOT, _GT, _EQ = (
    REGISTRY[name] for name in ("select", "logical_and", "logical_or", "logical_not", "gt", "eq")
)


def conditions(graph: Graph, outputs: Sequence[int], builder: GraphBuilder) -> dict[int, int | None]:
    """For nodes that reach an output, the condition (a node of the builder) under which they take part in one; None
    for always. A condition over entries holds for the entries of a node of its shape, and for others where it holds
    anywhere: then a node may be said to take part that does not.
    """
    taken: dict[int, int | None] = dict.fromkeys(outputs)
    for index in range(max(outputs, default=-1), -1, -1):
        if index not in taken:
            continue
        node = graph.nodes[index]
        for position, operand in enumerate(node.operands):
            own = _through(builder, taken[index], graph, index, operand)
            chosen = _chosen(graph, index, position, builder)
            if chosen is not None:
                chosen = _through(builder, chosen, graph, index, operand) or 0
                own = chosen if own is None else builder.add(_AND, (own, chosen))
            if operand not in taken:
                taken[operand] = own
            else:
                known = taken[operand]
                taken[operand] = None if known is None or own is None else builder.add(_OR, (known, own))
    return taken


def _chosen(graph: Graph, index: int, position: int, builder: GraphBuilder) -> int | None:
    """The condition under which a choice takes this operand; None for one that is always used."""
    node = graph.nodes[index]
    if node.op is _SELECT and position:
        return node.operands[0] if position == 1 else builder.add(_NOT, (node.operands[0],))
    if node.op.name in ("maximum", "minimum"):
        return builder.add(_EQ, (node.operands[position], index))
    return None


def _through(builder: GraphBuilder, condition: int | None, graph: Graph, index: int, operand: int) -> int | None:
    """A condition on a node as one on its operand."""
    if condition is None or not builder.nodes[condition].type.shape:
        return condition
    own = builder.nodes[condition].type.shape
    same = graph.nodes[index].op.elementwise and graph.nodes[operand].type.shape == own
    return condition if same else anywhere(builder, condition)


def anywhere(builder: GraphBuilder, condition: int) -> int:
    """Whether a condition over entries holds for one of them."""
    one, zero = builder.const(1), builder.const(0)
    ones = builder.add(_SELECT, (condition, one, zero))
    every = tuple(range(len(builder.nodes[condition].type.shape)))
    return builder.add(_GT, (builder.structural(REDUCE_MAX, (ones,), every), zero))
