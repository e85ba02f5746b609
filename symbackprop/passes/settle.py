"""The last touch before lowering: a product that is only wanted transposed is computed so, and a diagonal matrix that
is added is a vector added to a diagonal.
"""

from __future__ import annotations

from symbackprop.ir import Graph, GraphBuilder, Node
from symbackprop.ops import REGISTRY
from symbackprop.ops.contraction import ADD_DIAGONAL, CONTRACT, DIAGONALIZE, TRANSPOSE
from symbackprop.passes.dead import dead

_ADD = REGISTRY["add"]


def settle(graph: Graph) -> Graph:
    """(a b)^T as one product b^T a^T, where nobody else wants a b, and x + diag(v) without the matrix diag(v).

    A graph without such is returned as it is.
    """
    uses = graph.use_counts()
    nodes = graph.nodes
    wanted = {
        index
        for index, node in enumerate(nodes)
        if node.op is TRANSPOSE and nodes[node.operands[0]].op is CONTRACT and uses[node.operands[0]] == 1
    }
    sums = {index: pair for index, node in enumerate(nodes) if (pair := _diagonal_added(graph, node)) is not None}
    if not wanted and not sums:
        return graph
    gone = {nodes[index].operands[0] for index in wanted}
    builder = GraphBuilder()
    new = [-1] * len(nodes)
    for index, node in enumerate(nodes):
        if index in gone:
            continue
        if index in wanted:
            product = nodes[node.operands[0]]
            left, right, out = product.attributes
            attributes = (left, right, tuple(out[axis] for axis in node.attributes))
            operands = tuple([new[operand] for operand in product.operands])
            new[index] = builder.structural(CONTRACT, operands, attributes)
        elif index in sums:
            matrix, diagonal = sums[index]
            operands = (new[matrix], new[nodes[diagonal].operands[0]])
            new[index] = builder.structural(ADD_DIAGONAL, operands)
        else:
            new[index] = builder.intern(node._replace(operands=tuple([new[operand] for operand in node.operands])))
    kept = [made >= 0 for made in new]
    builder.carry_names(graph, new, kept)
    return dead(builder.graph([new[output] for output in graph.outputs]))


def _diagonal_added(graph: Graph, node: Node) -> tuple[int, int] | None:
    """(x, diag(v)) of a sum of these, of matrices."""
    if node.op is not _ADD or len(node.type.shape) != 2:
        return None
    a, b = node.operands
    for matrix, other in ((a, b), (b, a)):
        made = graph.nodes[other]
        if made.op is DIAGONALIZE and made.attributes[0] == (0, 0) and graph.nodes[matrix].type.shape:
            return matrix, other
    return None
