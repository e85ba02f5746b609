"""Lowering: decides fusion, order, names, loops and parts. What it returns is only spelled from here on."""

from __future__ import annotations

from symbackprop.ir import Graph
from symbackprop.ir.signature import Signature
from symbackprop.lower.program import Program
from symbackprop.lower.schedule import Scheduler
from symbackprop.lower.split import PART, split
from symbackprop.passes import dead

__all__ = ["Program", "lower"]


def lower(graph: Graph, signature: Signature, target: str) -> Program:
    """The program of the values, and of values and derivative, from a graph whose outputs are those in this order."""
    count = signature.value_count
    values = dead(Graph(graph.nodes, graph.outputs[:count], graph.labels, graph.derived))
    functions = split(Scheduler(values, signature, target, derivative=False).run(), PART[target])
    if signature.mode != "function":
        functions += split(Scheduler(graph, signature, target, derivative=True).run(), PART[target])
    return Program(functions)
