"""Which nodes get a statement of their own.

A node that is used once is written where it is used, as long as the line stays readable; a node with a name of the
user's own, or with several users, is assigned. What only moves entries (a broadcast, a transpose, a slice) is written
where it is used, whatever the number of its users.
"""

from __future__ import annotations

from symbackprop.ir import Graph
from symbackprop.ir.text import number_text
from symbackprop.ops import REGISTRY, Op
from symbackprop.ops.contraction import ADD_DIAGONAL, BROADCAST, CONTRACT, DIAGONAL, DIAGONALIZE, RESHAPE, TRANSPOSE
from symbackprop.ops.control import SCAN
from symbackprop.ops.indexing import GATHER, IOTA, PAD, SCATTER_ADD, SIZE, SLICE
from symbackprop.ops.leaves import CONST, INPUT, LENGTH

# An assignment's right side stays within this many characters, so that lines stay under 100.
WIDEST = 64
VIEWS = frozenset({BROADCAST, TRANSPOSE, RESHAPE, SLICE, DIAGONAL})
LEAVES = frozenset({CONST, INPUT, LENGTH, SIZE, IOTA})
# Rows that a whole-array target writes in several statements.
_STATEMENTS = frozenset({ADD_DIAGONAL, PAD, SCATTER_ADD, DIAGONALIZE})
# What `lower.ranges` makes of a condition on indices is no wider, and mostly nothing.
_WIDEST_OF_INDICES = 20
_AND = REGISTRY["logical_and"]
_ON_INDICES = frozenset(REGISTRY[name] for name in ("int_add", "int_sub", "int_mul", "to_real", "ge", "logical_and"))
_NOTHING = (-1, "")


def plan(graph: Graph, target: str, name_width: int = 5) -> list[bool]:
    """For every node of a graph without dead ones, whether it is assigned."""
    loops = target != "numpy"
    uses = _uses(graph)
    in_loops = {operand for node in graph.nodes if node.op is SCAN for operand in node.operands}
    met_as_it_is = _met_as_it_is(graph) if loops else [True] * len(graph.nodes)
    results = set(graph.outputs)
    counted = _counted(graph) if loops else [False] * len(graph.nodes)
    assigned = [False] * len(graph.nodes)
    overheads: dict[Op, int] = {}
    width = [name_width] * len(graph.nodes)
    for index, node in enumerate(graph.nodes):
        op = node.op
        if op in LEAVES:
            width[index] = _leaf_width(op, node.attributes, name_width)
            continue
        own = overheads.get(op)
        if own is None:
            own = overheads[op] = _overhead(op, target)
        total = own + sum([width[operand] for operand in node.operands])
        if op in VIEWS:
            width[index] = total
            continue
        inline = (
            (uses[index] == 1 or counted[index])
            and (total <= WIDEST or counted[index])
            and index not in results
            and index not in in_loops
            and index not in graph.labels
            and graph.derived.get(index, _NOTHING)[0] not in graph.labels
            and (op.elementwise or op is GATHER if loops else op not in _STATEMENTS)
            and (not node.type.shape or met_as_it_is[index] or counted[index])
        )
        if inline:
            width[index] = min(total, _WIDEST_OF_INDICES) if counted[index] and op is not _AND else total
        else:
            assigned[index] = True
    return assigned


def _uses(graph: Graph) -> list[int]:
    """How often each node is written; what a view is made of is written wherever the view is."""
    uses = graph.use_counts()
    for index in range(len(graph.nodes) - 1, -1, -1):
        node = graph.nodes[index]
        if node.op in VIEWS:
            uses[node.operands[0]] += uses[index] - 1
    return uses


def _leaf_width(op: Op, attributes: object, name_width: int) -> int:
    if op is CONST:
        return len(number_text(attributes)) + 2  # type: ignore[arg-type]
    return len(str(attributes)) if op is INPUT else name_width


def _counted(graph: Graph) -> list[bool]:
    """Whether a node is arithmetic on indices and lengths alone: cheaper to do again than to store and to read."""
    found = [False] * len(graph.nodes)
    for index, node in enumerate(graph.nodes):
        if node.op in LEAVES:
            found[index] = node.op is not INPUT
        elif node.op in VIEWS or node.op in _ON_INDICES:
            found[index] = all(map(found.__getitem__, node.operands))
    return found


def _met_as_it_is(graph: Graph) -> list[bool]:
    """Whether an array is used by elementwise rows and sums of its own shape alone: then a loop may compute it where it
    is used, and never twice.
    """
    met = [True] * len(graph.nodes)
    if not any(node.type.shape for node in graph.nodes):
        return met
    for node in graph.nodes:
        reduction = node.op.name.startswith("reduce_")
        for operand in node.operands:
            own = graph.nodes[operand].type.shape
            if not reduction and (not node.op.elementwise or own != node.type.shape):
                met[operand] = False
    return met


def _overhead(op: Op, target: str) -> int:
    if op is CONTRACT:
        return 5
    if op in VIEWS or not op.elementwise:
        return 8 if op not in (BROADCAST, TRANSPOSE) else 2
    spelling = getattr(op, target)
    if spelling is None:
        return 12
    return len(spelling.callee) + 4 + (0 if spelling.operator else 2 * (op.arity or 1))
