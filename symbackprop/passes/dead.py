"""Dead code: nodes that no result needs."""

from __future__ import annotations

from symbackprop.ir import Graph, GraphBuilder


def dead(graph: Graph) -> Graph:
    """The graph without nodes that reach no output; inputs stay only where they are used."""
    needed = graph.reaching()
    if all(needed):
        return graph
    builder = GraphBuilder()
    new = [0] * len(graph.nodes)
    for index, node in enumerate(graph.nodes):
        if needed[index]:
            new[index] = builder.intern(node._replace(operands=tuple([new[operand] for operand in node.operands])))
    builder.carry_names(graph, new, needed)
    return builder.graph([new[output] for output in graph.outputs])
