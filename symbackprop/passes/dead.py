"""Dead code: nodes that no result needs."""

from __future__ import annotations

from symbackprop.ir import Graph, GraphBuilder, Node


def dead(graph: Graph) -> Graph:
    """The graph without nodes that reach no output; inputs stay only where they are used."""
    needed = graph.reaching()
    if all(needed):
        return graph
    builder = GraphBuilder()
    nodes, new = builder.nodes, [0] * len(graph.nodes)
    for index, node in enumerate(graph.nodes):
        if needed[index]:
            op, operands, attributes, type_ = node
            moved = tuple([new[operand] for operand in operands])
            new[index] = len(nodes)
            # Past the table of the builder: no two nodes become one.
            nodes.append(node if moved == operands else Node(op, moved, attributes, type_))
    builder.carry_names(graph, new, needed)
    return builder.graph([new[output] for output in graph.outputs])
