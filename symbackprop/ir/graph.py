"""The graph and its builder. The intern table belongs to the builder and dies with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from symbackprop.errors import InternalCompilerError, ShapeMismatch
from symbackprop.ir.node import BOOL, REAL, Extent, Node, Number, Type
from symbackprop.ops import Op
from symbackprop.ops.leaves import CONST, INPUT, LENGTH
from symbackprop.ops.reduction import BROADCAST, REDUCE_SUM

Derived = tuple[int, str]
"""The node that another is the derivative of, and how: ``(3, "bar")`` for the adjoint of node 3."""


@dataclass(slots=True)
class Graph:
    """A program as data: nodes in topological order, and which of them are its results.

    ``labels`` are the user's own let-bound names; ``derived`` says which nodes are adjoints ("bar") or tangents ("dot")
    of which. Both only suggest how to call things; a pass carries them along.
    """

    nodes: list[Node]
    outputs: tuple[int, ...]
    labels: dict[int, str] = field(default_factory=dict)
    derived: dict[int, Derived] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.nodes)

    def inputs(self) -> dict[str, int]:
        """Identifiers of the inputs to their nodes."""
        return {node.attributes: index for index, node in enumerate(self.nodes) if node.op is INPUT}

    def use_counts(self) -> list[int]:
        """How often each node is used, results included."""
        counts = [0] * len(self.nodes)
        for node in self.nodes:
            for operand in node.operands:
                counts[operand] += 1
        for output in self.outputs:
            counts[output] += 1
        return counts

    def reaching(self, outputs: Iterable[int] | None = None) -> list[bool]:
        """For each node whether a result depends on it."""
        needed = [False] * len(self.nodes)
        for output in self.outputs if outputs is None else outputs:
            needed[output] = True
        for index in range(len(self.nodes) - 1, -1, -1):
            if needed[index]:
                for operand in self.nodes[index].operands:
                    needed[operand] = True
        return needed

    def depending(self, sources: Iterable[int]) -> list[bool]:
        """For each node whether it depends on one of the sources."""
        active = [False] * len(self.nodes)
        for source in sources:
            active[source] = True
        for index, node in enumerate(self.nodes):
            if not active[index]:
                for operand in node.operands:
                    if active[operand]:
                        active[index] = True
                        break
        return active


class GraphBuilder:
    """Appends nodes, each once.

    >>> from symbackprop.ops import REGISTRY
    >>> b = GraphBuilder()
    >>> x = b.input("x")
    >>> b.add(REGISTRY["sin"], (x,)) == b.add(REGISTRY["sin"], (x,))
    True
    """

    def __init__(self, graph: Graph | None = None) -> None:
        self.nodes: list[Node] = list(graph.nodes) if graph else []
        self.labels: dict[int, str] = dict(graph.labels) if graph else {}
        self.derived: dict[int, Derived] = dict(graph.derived) if graph else {}
        self._interned: dict[Node, int] = {node: index for index, node in enumerate(self.nodes)}

    def add(self, op: Op, operands: tuple[int, ...], attributes: Any = None) -> int:
        """The node of an elementwise operation, of the operands' common shape."""
        nodes = self.nodes
        result = REAL if op.result == "real" else BOOL
        for operand in operands:
            shape = nodes[operand].type.shape
            if shape:
                if result.shape and result.shape != shape:
                    raise ShapeMismatch(f"{op.name} of shapes {result.shape} and {shape}")
                result = Type(result.dtype, shape)
        return self.intern(Node(op, operands, attributes, result))

    def intern(self, node: Node) -> int:
        """The index of this node, appended if it is new."""
        index = self._interned.get(node)
        if index is None:
            index = self._interned[node] = len(self.nodes)
            self.nodes.append(node)
        return index

    def const(self, value: Number | int | float) -> int:
        if isinstance(value, bool):
            return self.intern(Node(CONST, (), value, BOOL))
        if isinstance(value, str):
            return self.intern(Node(CONST, (), value, REAL))
        return self.intern(Node(CONST, (), Fraction(value), REAL))

    def input(self, identifier: str, type_: Type = REAL) -> int:
        return self.intern(Node(INPUT, (), identifier, type_))

    def length(self, dimension: str) -> int:
        return self.intern(Node(LENGTH, (), dimension, REAL))

    def broadcast(self, operand: int, shape: tuple[Extent, ...]) -> int:
        type_ = self.nodes[operand].type
        if type_.shape == shape:
            return operand
        if type_.shape:
            raise InternalCompilerError(f"broadcast from {type_.shape} to {shape}")
        return self.intern(Node(BROADCAST, (operand,), shape, Type(type_.dtype, shape)))

    def reduce_sum(self, operand: int) -> int:
        if not self.nodes[operand].type.shape:
            return operand
        return self.intern(Node(REDUCE_SUM, (operand,), None, REAL))

    def copy(self, node: Node, operands: tuple[int, ...]) -> int:
        """This node over other operands, which may have other shapes."""
        if node.op.elementwise and operands:
            return self.add(node.op, operands, node.attributes)
        if node.op is REDUCE_SUM:
            return self.reduce_sum(operands[0])
        if node.op is BROADCAST:
            return self.broadcast(operands[0], node.attributes)
        return self.intern(node)

    def label(self, index: int, name: str) -> None:
        """Suggest a name; the first suggestion stays."""
        self.labels.setdefault(index, name)

    def carry_names(self, graph: Graph, new: Sequence[int], kept: Sequence[bool]) -> None:
        """Take over the names of a graph whose node i is now node new[i], where kept[i]."""
        for index, name in graph.labels.items():
            if kept[index]:
                self.labels.setdefault(new[index], name)
        for index, (primal, suffix) in graph.derived.items():
            if kept[index] and kept[primal]:
                self.derived.setdefault(new[index], (new[primal], suffix))

    def graph(self, outputs: Sequence[int]) -> Graph:
        return Graph(self.nodes, tuple(outputs), self.labels, self.derived)
