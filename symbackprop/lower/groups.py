"""Which nodes share a loop nest.

A group is a nest over one shape (its space); straight-line code is the group over no axes. A node joins the first group
over its space that comes after everything it needs at other places than its own. So elementwise work on one shape, and
the sums over it, run in one nest; a sum over an array is known from the next group on.
"""

from __future__ import annotations

from dataclasses import dataclass

from symbackprop.ir import Graph
from symbackprop.ir.node import Node
from symbackprop.lower.fuse import LEAVES, VIEWS
from symbackprop.ops.array_norms import REDUCE_SQUARES
from symbackprop.ops.contraction import ADD_DIAGONAL, DIAGONALIZE
from symbackprop.ops.extents import Shape
from symbackprop.ops.indexing import GATHER, PAD, SCATTER_ADD
from symbackprop.ops.leaves import CONST

REDUCTIONS = frozenset({"reduce_sum", "reduce_prod", "reduce_max", "reduce_min", "reduce_squares"})
# Each entry of the operand goes to its own place of the result.
_AT_ITS_PLACE = VIEWS | {ADD_DIAGONAL, GATHER}
PLACED = frozenset({PAD, SCATTER_ADD, DIAGONALIZE})


def is_reduction(node: Node) -> bool:
    return node.op.name in REDUCTIONS


def space_of(graph: Graph, index: int) -> Shape | None:
    """The shape that the loops for a node run over; None for a row with loops or a call of its own."""
    node = graph.nodes[index]
    if node.op.elementwise or node.op in _AT_ITS_PLACE:
        return node.type.shape
    if is_reduction(node) or node.op in PLACED:
        return graph.nodes[node.operands[0]].type.shape
    return None


@dataclass(slots=True)
class Groups:
    """For each node its group, and whether it is met outside its own place there: then it is kept in an array."""

    spaces: list[Shape | None]
    group: list[int]
    kept: list[bool]


def grouped(graph: Graph, assigned: list[bool]) -> Groups:
    """Groups for a graph in which `assigned` nodes are statements and the others are written where they are used."""
    count = len(graph.nodes)
    if all(not node.type.shape and (node.op.elementwise or node.op in LEAVES) for node in graph.nodes):
        # Straight-line code, most of which is long.
        return Groups([()] if any(assigned) else [], [0] * count, [False] * count)
    spaces: list[Shape | None] = []
    by_space: dict[Shape, list[int]] = {}
    group = [0] * count
    here = [0] * count  # the first group in which the value may be read at the group's own place
    ready = [0] * count  # the first group in which it may be read anywhere
    for index, node in enumerate(graph.nodes):
        if node.op in LEAVES:
            continue
        space = space_of(graph, index)
        earliest = max([_when(graph, index, operand, here, ready) for operand in node.operands], default=0)
        if not assigned[index]:
            group[index] = here[index] = earliest
            ready[index] = max([ready[operand] for operand in node.operands], default=0)
            continue
        chosen = _choose(space, earliest, spaces, by_space)
        group[index] = chosen
        pointwise = node.op.elementwise or node.op in _AT_ITS_PLACE
        here[index] = chosen if pointwise else chosen + 1
        ready[index] = chosen + (space != ())
    return Groups(spaces, group, _kept(graph, assigned, group))


def _when(graph: Graph, index: int, operand: int, here: list[int], ready: list[int]) -> int:
    return here[operand] if _meets(graph, index, operand) else ready[operand]


def _meets(graph: Graph, index: int, operand: int) -> bool:
    """Whether a node reads this operand at the place at which it is itself computed."""
    node = graph.nodes[index]
    own = graph.nodes[operand].type.shape
    if node.op.elementwise or is_reduction(node):
        return own == space_of(graph, index)
    if node.op in PLACED:
        return own == space_of(graph, index)
    if node.op is ADD_DIAGONAL:
        return operand == node.operands[0]
    if node.op is GATHER:
        return operand != node.operands[0] and own == node.type.shape and operand not in node.operands[:1]
    return False


def _choose(space: Shape | None, earliest: int, spaces: list[Shape | None], by_space: dict[Shape, list[int]]) -> int:
    if space is not None:
        for known in by_space.get(space, ()):
            if known >= earliest:
                return known
        by_space.setdefault(space, []).append(len(spaces))
    spaces.append(space)
    return len(spaces) - 1


def _kept(graph: Graph, assigned: list[bool], group: list[int]) -> list[bool]:
    """Whether an array is read in another group, elsewhere than at its place, or is a result."""
    outside = -2
    where: list[int] = [-1] * len(graph.nodes)  # the only group that reads the node at its place so far
    for output in graph.outputs:
        where[output] = outside
    for index in range(len(graph.nodes) - 1, -1, -1):
        reader = group[index] if assigned[index] else where[index]
        for operand in graph.nodes[index].operands:
            # A norm may read its operand once more, behind its group.
            seen = reader if _meets(graph, index, operand) and graph.nodes[index].op is not REDUCE_SQUARES else outside
            where[operand] = seen if where[operand] in (-1, seen) else outside
    return [
        bool(node.type.shape) and node.op is not CONST and where[index] != group[index]
        for index, node in enumerate(graph.nodes)
    ]
