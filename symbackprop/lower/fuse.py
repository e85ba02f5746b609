"""Which nodes get a statement of their own, and what that statement says.

A node that is used once is written where it is used, as long as the line stays readable; a node with a name of the
user's own, or with several users, is assigned. Elementwise work over samples and the sums over them share one loop a
phase: phase 0 is what no sample touches, an odd phase is a loop, and a sum over samples opens the next even phase.
"""

from __future__ import annotations

from dataclasses import dataclass

from symbackprop.ir import Graph
from symbackprop.ir.text import number_text
from symbackprop.ops import Op
from symbackprop.ops.leaves import CONST, INPUT, LENGTH
from symbackprop.ops.reduction import BROADCAST, REDUCE_SUM

# An assignment's right side stays within this many characters, so that lines stay under 100.
WIDEST = 64
_NOTHING = (-1, "")


@dataclass(slots=True)
class Plan:
    """For each node: whether it is assigned, in which phase it is computed, and in which it is last used."""

    assigned: list[bool]
    phase: list[int]
    last_phase: list[int]


def plan(graph: Graph, target: str, name_width: int = 5) -> Plan:
    """Decide for every node of a graph that has no dead ones."""
    loops = target != "numpy"
    phase = _phases(graph) if loops else [0] * len(graph.nodes)
    uses = graph.use_counts()
    last_phase = _phase_of_use(graph, phase)
    results = set(graph.outputs)
    assigned = [False] * len(graph.nodes)
    width = [name_width] * len(graph.nodes)
    for index, node in enumerate(graph.nodes):
        op = node.op
        if op is CONST:
            width[index] = len(number_text(node.attributes)) + 2
            continue
        if op is INPUT:
            width[index] = len(str(node.attributes))
            continue
        if op is LENGTH or (op is BROADCAST and loops):
            continue
        total = _overhead(op, target) + sum([width[operand] for operand in node.operands])
        inline = (
            uses[index] == 1
            and total <= WIDEST
            and index not in results
            and index not in graph.labels
            and graph.derived.get(index, _NOTHING)[0] not in graph.labels
            and last_phase[index] == phase[index]
            and not (op is REDUCE_SUM and loops)
        )
        if inline:
            width[index] = total
        else:
            assigned[index] = True
    return Plan(assigned, phase, last_phase)


def _overhead(op: Op, target: str) -> int:
    spelling = getattr(op, target)
    if spelling is None:
        return 12
    return len(spelling.callee) + 4 + (0 if spelling.operator else 2 * (op.arity or 1))


def _phases(graph: Graph) -> list[int]:
    phase = [0] * len(graph.nodes)
    for index, node in enumerate(graph.nodes):
        earliest = max([phase[operand] for operand in node.operands], default=0)
        if node.op is REDUCE_SUM:
            phase[index] = earliest + 1
        elif node.type.shape:
            phase[index] = earliest | 1
        elif earliest % 2:
            phase[index] = earliest + 1
        else:
            phase[index] = earliest
    return phase


def _phase_of_use(graph: Graph, phase: list[int]) -> list[int]:
    """The phase of the last user; a sum over samples uses its operand inside the loop before it."""
    last = [0] * len(graph.nodes)
    for index, node in enumerate(graph.nodes):
        used_in = phase[index] - 1 if node.op is REDUCE_SUM else phase[index]
        for operand in node.operands:
            last[operand] = max(last[operand], used_in)
    for output in graph.outputs:
        last[output] = max(last[output], phase[output])
    return last
