"""The order of the stages for a training loop: those of `compiler`, with an update between derivative and target."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from symbackprop.agreement import agree
from symbackprop.collection import collection_paused
from symbackprop.compiler import (
    DERIVATIVE,
    TARGET,
    Observer,
    Request,
    differentiate,
    header_of,
    optimise,
    understood,
)
from symbackprop.emit import Header
from symbackprop.emit.training import emit_training
from symbackprop.frontend import Model, read_model
from symbackprop.ir import Graph
from symbackprop.ir.signature import Signature
from symbackprop.lower import Program
from symbackprop.lower.training import Loop, lower_training
from symbackprop.passes import simplify


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a training loop: its graph, its signature, and what surrounds it."""

    graph: Graph
    signature: Signature
    loop: Loop
    title: str


@dataclass(frozen=True, slots=True)
class CompiledLoop:
    """The program of a training loop."""

    program: Program
    step: Step
    header: Header
    target: str

    def source(self, regenerate: str = "") -> str:
        """The text of the module; `regenerate` is the command that writes it."""
        header = replace(self.header, regenerate=regenerate)
        return emit_training(self.program, self.step.signature, header, self.target, self.step.loop)


@collection_paused()
def compile_loop(
    request: Request, update: Callable[[Graph, Model], Step], observe: Observer | None = None
) -> CompiledLoop:
    """A training loop: `update` makes a step out of the graph of loss and gradient.

    The gradient goes through the passes before, as that of `compile_grad` does: so its products stand as they are
    wanted, where rules for derivatives would carry transposes out through the update. (Two moons: the same numbers.)
    """
    observe = observe or (lambda step, graph: None)
    options = request.options
    model, graph, formulas = understood(request, observe)
    graph = differentiate(graph, model, agree(model, "grad", graph), options)
    observe("grad", graph)
    step = update(optimise(graph, options.target, 1 + len(request.beside), observe, DERIVATIVE), model)
    observe("update", step.graph)
    graph = optimise(step.graph, options.target, 1, observe, TARGET)
    program = lower_training(graph, step.signature, step.loop, options.target)
    header = replace(header_of(request, model, formulas, ""), title=step.title)
    return CompiledLoop(program, replace(step, graph=graph), header, options.target)


def rule_graph(exprs: list[Any], symbols: list[Any]) -> Graph:
    """Expressions of single numbers as a graph: an update rule, or a schedule."""
    return simplify(read_model(exprs, args=symbols).graph)
