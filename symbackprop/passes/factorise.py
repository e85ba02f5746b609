"""One factorisation for all that is asked of a matrix: solutions, its inverse, its determinant.

The value solves with a matrix, its gradient with the transpose, and a log-determinant brings the inverse: each would
factorise by itself. This comes after all derivatives, so that no rule of differentiation meets a factorisation.
"""

from __future__ import annotations

from symbackprop.ir import Functions, Graph, GraphBuilder
from symbackprop.ops.contraction import TRANSPOSE
from symbackprop.ops.factors import DET_SIGN_FACTORED, FACTORISE, INV_FACTORED, LOG_ABS_DET_FACTORED, SOLVE_FACTORED
from symbackprop.ops.linalg import DET_SIGN, INV, LOG_ABS_DET, SOLVE

_OF_FACTORS = {INV: INV_FACTORED, LOG_ABS_DET: LOG_ABS_DET_FACTORED, DET_SIGN: DET_SIGN_FACTORED}


def factorise(graph: Graph, target: str) -> Graph:
    """The graph with matrices that are used twice or more factorised once, for a target that has factorisations.

    Numba has none to offer: its LAPACK calls factorise by themselves, and loops of our own would be slower than three
    of these from a hundred rows on.
    """
    if getattr(FACTORISE, target) is None:
        return graph
    matrix: dict[int, tuple[int, bool]] = {}
    count: dict[int, int] = {}
    for index, node in enumerate(graph.nodes):
        if (node.op is SOLVE or node.op in _OF_FACTORS) and len(graph.nodes[node.operands[0]].type.shape) == 2:
            source, transposed = node.operands[0], False
            if graph.nodes[source].op is TRANSPOSE:
                source, transposed = graph.nodes[source].operands[0], True
            matrix[index] = source, transposed
            count[source] = count.get(source, 0) + 1
    if not any(times > 1 for times in count.values()):
        return graph
    builder = GraphBuilder()
    f = Functions(builder)
    new: list[int] = []
    for index, node in enumerate(graph.nodes):
        operands = tuple([new[operand] for operand in node.operands])
        source, transposed = matrix.get(index, (-1, False))
        if count.get(source, 0) < 2:
            new.append(builder.intern(node._replace(operands=operands)))
            continue
        factors = builder.structural(FACTORISE, (new[source],))
        if node.op is SOLVE:
            new.append(builder.structural(SOLVE_FACTORED, (factors, operands[1]), (transposed,)))
            continue
        made = builder.structural(_OF_FACTORS[node.op], (factors,))
        new.append(f.mt(f.wrap(made)).index if transposed and node.op is INV else made)
    builder.carry_names(graph, new, [True] * len(new))
    return builder.graph([new[output] for output in graph.outputs])
