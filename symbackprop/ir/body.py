"""What a scan repeats: a graph of its own, from a state and the number of a step to the next state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from symbackprop.ir.graph import Graph, GraphBuilder
from symbackprop.ops.control import SCAN

STATE, STEP = "state", "step"
"""The identifiers of a body's own inputs."""


@dataclass(eq=False, slots=True)
class Body:
    """One step. Its graph has the inputs `STATE`, `STEP` (an integer), and one for each name in `shared`, which are the
    values around it that it reads; its one output is the next state.

    Bodies are compared by identity, so that a scan is interned like any node; what is derived from a body is kept with
    it, and is one body as well.
    """

    graph: Graph
    shared: tuple[str, ...]
    name: str = "state"
    """What the states are called."""
    sparing: bool = False
    """Whether a step is computed again rather than lifted over all steps, where its adjoint is wanted."""
    derived: dict[Any, Body] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<step of {len(self.graph.nodes)} nodes>"

    @property
    def is_derived(self) -> bool:
        """Whether the steps are those of adjoints or tangents."""
        return self.name.endswith(("_bar", "_dot"))

    def node(self, identifier: str) -> int:
        """The node of an input; -1 where the body does not use it."""
        return self.graph.inputs().get(identifier, -1)

    def derive(self, key: Any, make: Callable[[], Body]) -> Body:
        """What `make` makes of this body, made once."""
        if key not in self.derived:
            self.derived[key] = make()
        return self.derived[key]


def map_bodies(graph: Graph, key: Any, change: Callable[[Graph], Graph]) -> Graph:
    """The graph with every scan's body changed, from the innermost out."""
    if all(node.op is not SCAN for node in graph.nodes):
        return graph
    builder = GraphBuilder()
    new: list[int] = []
    for node in graph.nodes:
        operands = tuple([new[operand] for operand in node.operands])
        attributes = node.attributes
        if node.op is SCAN:
            body, length, kept = attributes
            attributes = (_changed(body, key, change), length, kept)
        new.append(builder.intern(node._replace(operands=operands, attributes=attributes)))
    builder.carry_names(graph, new, [True] * len(new))
    return builder.graph([new[output] for output in graph.outputs])


def _changed(body: Body, key: Any, change: Callable[[Graph], Graph]) -> Body:
    return body.derive(
        ("pass", key), lambda: replace(body, graph=change(map_bodies(body.graph, key, change)), derived={})
    )
