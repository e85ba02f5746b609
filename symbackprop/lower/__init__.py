"""Lowering: decides fusion, order, names, loops and parts. What it returns is only spelled from here on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symbackprop.ir import Graph
from symbackprop.ir.signature import Signature
from symbackprop.lower.doors import shared
from symbackprop.lower.each import each
from symbackprop.lower.lanes import in_lanes
from symbackprop.lower.loops import LoopScheduler
from symbackprop.lower.pairs import PARTNERS, paired
from symbackprop.lower.program import Program
from symbackprop.lower.schedule import Scheduler
from symbackprop.lower.split import PART, split
from symbackprop.lower.whole import WholeScheduler
from symbackprop.passes import dead

__all__ = ["Program", "Scheduler", "each", "lower"]


def lower(
    graph: Graph,
    signature: Signature,
    target: str,
    derivatives: tuple[bool, ...] = (False, True),
    watch: Callable[[Scheduler], Any] | None = None,
    silent: bool = False,
) -> Program:
    """The program of the values, and of values and derivative, from a graph whose outputs are those in this order.

    `derivatives` says which of the two functions are wanted. `watch` is called with each of their schedulers at the
    end, which know what every node is called. A `silent` program has no comments, and is not to be read.
    """
    count = signature.value_count
    scheduler: type[Scheduler] = WholeScheduler if target == "numpy" else LoopScheduler
    made: list[Scheduler] = []
    if False in derivatives or signature.mode == "function":
        values = dead(Graph(graph.nodes, graph.outputs[:count], graph.labels, graph.derived, graph.origins))
        made.append(scheduler(values, signature, target, derivative=False, silent=silent))
    if True in derivatives and signature.mode != "function":
        made.append(scheduler(graph, signature, target, derivative=True, silent=silent))
    whole = shared([one.run() for one in made], list(made[-1].doors.names.values()))
    if watch is not None:
        for one in made:
            watch(one)
    if silent and any(node.op in PARTNERS for node in graph.nodes):
        whole = [paired(function) for function in whole]
    functions = [part for function in whole for part in split(function, PART[target])]
    if target == "numba":
        functions = [in_lanes(function) for function in functions]
    return Program(functions, made[-1].arrays, made[-1].numbers)
