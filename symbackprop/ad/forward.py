"""Forward accumulation: the other sweep, from the same rows.

Each node's tangent is the sum of its partials times the tangents of its operands; a structural row, being linear,
maps tangents as it maps values. Source: Griewank and Walther, 2nd ed., table 2.5 (tangent recursion).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symbackprop.ad import scan
from symbackprop.ad.reverse import partial_of, tangent_of, times_partial
from symbackprop.ir import Functions, Graph, GraphBuilder
from symbackprop.ops import REGISTRY
from symbackprop.ops.control import SCAN

_ADD = REGISTRY["add"]


def jvp(
    graph: Graph, seeds: Mapping[int, int], outputs: Sequence[int], builder: GraphBuilder, kinks: str = "zero"
) -> list[int]:
    """Tangents of the nodes `outputs`, given the tangents of some nodes.

    `builder` already holds the nodes of `graph`, under the same indices. Raises MissingDerivative where a needed
    partial is unknown.
    """
    f = Functions(builder, kinks)
    reaches = graph.reaching(outputs)
    tangent: dict[int, int] = dict(seeds)
    for index in range(len(reaches)):
        node = graph.nodes[index]
        if not reaches[index] or index in seeds:
            continue
        together = node.op.linear == "all" or node.op is SCAN
        total = None
        if together:
            scanned = node.op is SCAN
            total = scan.tangent(graph, f, index, tangent) if scanned else _joint(graph, builder, index, tangent)
        for position, operand in enumerate(() if together else node.operands):
            if operand not in tangent:
                continue
            term = _term(graph, f, index, position, tangent[operand])
            if term is not None:
                total = term if total is None else builder.add(_ADD, (total, term))
        if total is not None:
            tangent[index] = builder.broadcast(total, node.type.shape)
            builder.derived.setdefault(tangent[index], (index, "dot"))
    zero = builder.const(0)
    return [
        tangent[node] if node in tangent else builder.broadcast(zero, graph.nodes[node].type.shape) for node in outputs
    ]


def _term(graph: Graph, f: Functions, index: int, position: int, dot: int) -> int | None:
    node = graph.nodes[index]
    builder = f.builder
    if node.op.elementwise:
        partial = partial_of(graph, f, index, position)
        return None if partial is None else times_partial(builder, dot, partial)
    if not node.op.is_linear(position):
        return tangent_of(graph, f, index, position, dot)
    operands = list(node.operands)
    operands[position] = builder.broadcast(dot, graph.nodes[node.operands[position]].type.shape)
    return builder.copy(node, tuple(operands))


def _joint(graph: Graph, builder: GraphBuilder, index: int, tangent: Mapping[int, int]) -> int | None:
    """The row over the tangents of all its operands, zeros where one stands still."""
    node = graph.nodes[index]
    if not any(operand in tangent for operand in node.operands):
        return None
    zero = builder.const(0)
    dots = [builder.broadcast(tangent.get(o, zero), graph.nodes[o].type.shape) for o in node.operands]
    return builder.copy(node, tuple(dots))
