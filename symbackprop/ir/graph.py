"""The graph and its builder. The intern table belongs to the builder and dies with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Any

from symbackprop.errors import InternalCompilerError, ShapeMismatch
from symbackprop.ir.node import BOOL, INT, REAL, Node, Number, Type
from symbackprop.ir.origin import Origin, complete
from symbackprop.ops import Op
from symbackprop.ops.contraction import BROADCAST, TRANSPOSE
from symbackprop.ops.extents import Extent, shape_text
from symbackprop.ops.leaves import CONST, INPUT, LENGTH
from symbackprop.ops.reduction import REDUCE_SUM

_SCALAR = {"real": REAL, "bool": BOOL, "int": INT}

# Numbers are made over and over again: they are looked up in a tenth of the time.
_whole = lru_cache(maxsize=1024, typed=True)(Fraction)

Derived = tuple[int, str]
"""The node that another is the derivative of, and how: ``(3, "bar")`` for the adjoint of node 3."""


@dataclass(slots=True)
class Graph:
    """A program as data: nodes in topological order, and which of them are its results.

    ``labels`` are the user's own let-bound names; ``derived`` says which nodes are adjoints ("bar") or tangents ("dot")
    of which. Both only suggest how to call things; a pass carries them along, as it does ``origins``, which are
    recorded only where somebody asks for them (see `ir.origin`).
    """

    nodes: list[Node]
    outputs: tuple[int, ...]
    labels: dict[int, str] = field(default_factory=dict)
    derived: dict[int, Derived] = field(default_factory=dict)
    origins: dict[int, Origin] = field(default_factory=dict)

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

    def reaching(self, outputs: Iterable[int] | None = None, first: int = 0) -> list[bool]:
        """For each node whether a result depends on it; of nodes before `first` this is left open."""
        needed = [False] * len(self.nodes)
        outputs = self.outputs if outputs is None else tuple(outputs)
        for output in outputs:
            needed[output] = True
        for index in range(max(outputs, default=-1), max(first, 0) - 1, -1):
            if needed[index]:
                for operand in self.nodes[index].operands:
                    needed[operand] = True
        return needed

    def depending(self, sources: Iterable[int]) -> list[bool]:
        """For each node whether it depends on one of the sources."""
        active = [False] * len(self.nodes)
        sources = [source for source in sources if source >= 0]
        for source in sources:
            active[source] = True
        for index in range(min(sources, default=len(active)), len(active)):
            if not active[index]:
                for operand in self.nodes[index].operands:
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
        self._numbers: dict[str | tuple[int, int], int] = {}
        self.origins: dict[int, Origin] = dict(graph.origins) if graph else {}
        self._interned: dict[Node, int] = {node: index for index, node in enumerate(self.nodes)}

    def add(self, op: Op, operands: tuple[int, ...], attributes: Any = None) -> int:
        """The node of an elementwise operation, of the operands' common shape; scalars go with any shape."""
        return self.intern(Node(op, operands, attributes, self.type_of(op, operands)))

    def type_of(self, op: Op, operands: tuple[int, ...]) -> Type:
        """What an elementwise operation of these operands is. Raises ShapeMismatch where their shapes differ."""
        nodes = self.nodes
        result = _SCALAR[op.result]
        for operand in operands:
            shape = nodes[operand].type.shape
            if shape:
                if result.shape and result.shape != shape:
                    raise ShapeMismatch(f"{op.name} of shapes {shape_text(result.shape)} and {shape_text(shape)}")
                result = Type(result.dtype, shape)
        return result

    def structural(self, op: Op, operands: tuple[int, ...], attributes: Any = None) -> int:
        """The node of an operation with a shape rule of its own; the operand itself where nothing is done to it."""
        assert op.infer is not None
        types = [self.nodes[operand].type for operand in operands]
        if op.trivial is not None and op.trivial(attributes, *[type_.shape for type_ in types]):
            return operands[0]
        return self.intern(Node(op, operands, attributes, Type(*op.infer(attributes, *types))))

    def intern(self, node: Node) -> int:
        """The index of this node, appended if it is new."""
        # Once through the table: a node takes longer to hash than all else here.
        last = len(self.nodes)
        index = self._interned.setdefault(node, last)
        if index == last:
            self.nodes.append(node)
        return index

    def const(self, value: Number | int | float) -> int:
        if isinstance(value, bool):
            return self.intern(Node(CONST, (), value, BOOL))
        exact = value if isinstance(value, str | Fraction) else _whole(value)
        # By its integers: a Fraction takes ten times as long to hash.
        key = exact if isinstance(exact, str) else exact.as_integer_ratio()
        index = self._numbers.get(key)
        if index is None:
            index = self._numbers[key] = self.intern(Node(CONST, (), exact, REAL))
        return index

    def input(self, identifier: str, type_: Type = REAL) -> int:
        return self.intern(Node(INPUT, (), identifier, type_))

    def length(self, extent: Extent) -> int:
        """A length as a real number."""
        return self.const(extent) if isinstance(extent, int) else self.intern(Node(LENGTH, (), extent, REAL))

    def integer(self, value: int) -> int:
        return self.intern(Node(CONST, (), Fraction(value), INT))

    def broadcast(self, operand: int, shape: tuple[Extent, ...], axes: tuple[int, ...] = ()) -> int:
        """The operand with its axis k at axis axes[k] of `shape`; as it is where it has that shape already.

        A node's own axes keep their order: where these do not, a transpose comes first.
        """
        own = self.nodes[operand].type.shape
        if own == shape and not axes:
            return operand
        if len(own) != len(axes):
            raise InternalCompilerError(f"broadcast from {own} to {shape} along {axes}")
        if any(a > b for a, b in pairwise(axes)):
            order = tuple(sorted(range(len(axes)), key=axes.__getitem__))
            operand, axes = self.structural(TRANSPOSE, (operand,), order), tuple(sorted(axes))
        return self.structural(BROADCAST, (operand,), (shape, axes))

    def reduce_sum(self, operand: int, axes: tuple[int, ...] | None = None) -> int:
        """The sum over some axes, or all."""
        every = tuple(range(len(self.nodes[operand].type.shape)))
        return self.structural(REDUCE_SUM, (operand,), every if axes is None else tuple(sorted(axes)))

    def copy(self, node: Node, operands: tuple[int, ...]) -> int:
        """This node over other operands of the same shapes."""
        if not operands:
            return self.intern(node)
        if node.op.elementwise:
            return self.add(node.op, operands, node.attributes)
        return self.structural(node.op, operands, node.attributes)

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
        for index, origin in graph.origins.items():
            if kept[index]:
                self.origins[new[index]] = origin.joined(self.origins.get(new[index]))

    def originate(self, first: int, source: int, how: str) -> None:
        """Where origins are recorded: nodes from `first` on come from the node `source` by a rule, in words."""
        origin = self.origins.get(source)
        if origin is not None:
            for index in range(first, len(self.nodes)):
                self.origins.setdefault(index, origin.then((how,), self.nodes[index].op.name))

    def complete_origins(self, step: str = "", rules: Mapping[int, Sequence[str]] | None = None) -> None:
        """Where origins are recorded: give one to every node after a step; `rules` says which made which nodes."""
        if self.origins:
            complete(self.nodes, self.origins, step, rules or {})

    def graph(self, outputs: Sequence[int]) -> Graph:
        return Graph(self.nodes, tuple(outputs), self.labels, self.derived, self.origins)
