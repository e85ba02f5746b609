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
    """The program of `value` and `value_and_grad`, from a graph whose outputs are the value and the gradient."""
    value_only = dead(Graph(graph.nodes, graph.outputs[:1], graph.labels, graph.derived))
    value = Scheduler(value_only, signature, target, "value").run(with_gradient=False)
    both = Scheduler(graph, signature, target, "value_and_grad").run(with_gradient=True)
    return Program([*split(value, PART[target]), *split(both, PART[target])], signature.single)
