"""Forward accumulation: the other sweep, from the same rows.

Each node's tangent is the sum of its partials times the tangents of its operands; a structural row, being linear,
maps tangents as it maps values. Source: Griewank and Walther, 2nd ed., table 2.5 (tangent recursion).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symbackprop.ad.reverse import partial_of, times_partial
from symbackprop.ir import Functions, Graph, GraphBuilder
from symbackprop.ops import REGISTRY

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
    for index, node in enumerate(graph.nodes):
        if not reaches[index] or index in seeds:
            continue
        total: int | None = None
        for position, operand in enumerate(node.operands):
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
    if not node.op.elementwise:
        return builder.copy(node, (dot,))
    partial = partial_of(graph, f, index, position)
    return None if partial is None else times_partial(builder, dot, partial)
