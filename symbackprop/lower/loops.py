"""Loops: what is elementwise over one shape, and the sums over it, in one nest; big products by BLAS."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from symbackprop.ir import Graph, Number
from symbackprop.ir.signature import Signature
from symbackprop.lower.buffers import reuse
from symbackprop.lower.calls import Calls
from symbackprop.lower.entries import Entries, Place, stepped
from symbackprop.lower.fuse import VIEWS
from symbackprop.lower.groups import PLACED, grouped, is_reduction
from symbackprop.lower.in_place import in_place, renamed
from symbackprop.lower.norms import reduce_squares
from symbackprop.lower.places import names_of
from symbackprop.lower.powers import with_running_powers
from symbackprop.lower.program import (
    Accumulate,
    Allocate,
    Apply,
    Assign,
    Expr,
    For,
    Item,
    Literal,
    Ref,
    Section,
    Statement,
    Target,
)
from symbackprop.lower.ranges import bounded
from symbackprop.lower.samples import over_samples
from symbackprop.lower.schedule import Scheduler
from symbackprop.ops import REGISTRY, DType
from symbackprop.ops.array_norms import REDUCE_SQUARES
from symbackprop.ops.contraction import ADD_DIAGONAL, DIAGONALIZE
from symbackprop.ops.extents import Shape
from symbackprop.ops.indexing import PAD
from symbackprop.ops.leaves import CONST, INPUT

_ADD, _EQ, _SELECT = (REGISTRY[name] for name in ("add", "eq", "select"))
_STARTS: dict[str, Number] = {
    "reduce_sum": Fraction(0),
    "reduce_prod": Fraction(1),
    "reduce_max": "-inf",
    "reduce_min": "inf",
}
_SYMBOLS = {"reduce_sum": "+", "reduce_prod": "*", "reduce_max": "max", "reduce_min": "min"}


@dataclass(slots=True)
class Nest:
    """Loops over a shape. `before` and `after` stand inside so many of the loops, around the deeper ones."""

    space: Shape
    before: dict[int, list[Statement]] = field(default_factory=dict)
    after: dict[int, list[Statement]] = field(default_factory=dict)
    body: list[Statement] = field(default_factory=list)


class LoopScheduler(Scheduler):
    """Lowering for targets numba and python."""

    def __init__(self, graph: Graph, signature: Signature, target: str, derivative: bool, silent: bool = False) -> None:
        self.allocations: list[Statement] = []
        self.shapes: dict[str, Shape] = {}
        self.counters: list[str] = []
        self.carried = 0
        """How many arguments a step of a training replaces by the last of its results."""
        super().__init__(graph, signature, target, derivative, silent)

    def begin(self, graph: Graph, places: dict[str, Expr]) -> None:
        super().begin(graph, places)
        self._force_operands_of_calls()
        self.groups = grouped(graph, self.assigned)
        self.nests = [Nest(space if space is not None else ()) for space in self.groups.spaces]
        self.stored: dict[int, str] = {}
        self.entries = Entries(graph, self.stored, self.scalar, self.extent)
        self.calls = Calls(self)

    def _force_operands_of_calls(self) -> None:
        """What a library function reads is an array of its own."""
        graph = self.graph
        for node in graph.nodes:
            if Calls.takes_arrays(graph, node, self.target_name):
                for operand in node.operands:
                    if graph.nodes[operand].op not in (INPUT, CONST) and graph.nodes[operand].type.shape:
                        self.assigned[operand] = True

    def counter(self, depth: int) -> Ref:
        while len(self.counters) <= depth:
            self.counters.append(self.namer.allocate("ijklmnpqr"[len(self.counters)]))
        return Ref(self.counters[depth])

    def place(self, shape: Shape) -> Place:
        return tuple(Literal(0) if extent == 1 else self.counter(depth) for depth, extent in enumerate(shape))

    def scalar(self, index: int) -> Expr:
        return self.expr[index]

    def is_array(self, index: int) -> bool:
        pointwise = self.graph.nodes[index].op.elementwise
        return super().is_array(index) and (self.groups.kept[index] or not pointwise)

    # Statements.

    def section(self, index: int, section: Section) -> None:
        if self.nests:
            # A node that is written where it is used may stand after all groups.
            nest = self.nests[min(self.groups.group[index], len(self.nests) - 1)]
            nest.body.append(section)

    def last(self, statement: Statement) -> None:
        if not self.nests or self.nests[-1].space:
            self.nests.append(Nest(()))
        self.nests[-1].body.append(statement)

    def allocate(self, statement: Allocate) -> None:
        self.allocations.append(statement)

    def new_array(self, name: str, shape: Shape, fill: Number | int | None = None, dtype: DType = "real") -> None:
        self.arrays.append(shape)
        self.shapes[name] = shape
        self.allocate(Allocate(name, tuple(self.extent(extent) for extent in shape), fill, dtype))

    def node(self, index: int) -> None:
        node = self.graph.nodes[index]
        if not self.assigned[index]:
            if not node.type.shape:
                self.expr[index] = self.applied(index) if node.op.elementwise else self._view(index, ())
            return
        nest = self.nests[self.groups.group[index]]
        if node.op is REDUCE_SQUARES:
            reduce_squares(self, index, nest)
        elif is_reduction(node):
            self._reduce(index, nest)
        elif node.op in PLACED:
            self._put(index, nest)
        elif node.op.elementwise or self.groups.spaces[self.groups.group[index]] is not None:
            self._assign(index, nest)
        else:
            self.calls.write(index, nest.body)

    def own(self, index: int) -> tuple[Target, str]:
        target = self.pick(index)
        if isinstance(target, Item) and self.graph.nodes[index].type.shape:
            target = Ref(self.namer.temporary())
        name = target.name if isinstance(target, Ref) else self.namer.temporary()
        if isinstance(target, Ref):
            self.named[index] = name
        return target, name

    def _assign(self, index: int, nest: Nest) -> None:
        node = self.graph.nodes[index]
        shape = node.type.shape
        place = self.place(shape) if shape else ()
        if not shape:
            value: Expr = self.applied(index) if node.op.elementwise else self._view(index, place)
        elif node.op.elementwise:
            value = Apply(node.op, tuple([self.entries.operand(operand, place) for operand in node.operands]))
        else:
            value = self._view(index, place)
        target, name = self.own(index)
        if not shape:
            self.expr[index] = target
        elif self.groups.kept[index]:
            self.new_array(name, shape, None, node.type.dtype)
            target = Item(name, place)
            self.entries.local.pop((index, place), None)
            self.stored[index] = name
        else:
            target = Ref(name)
            self.entries.local[index, place] = target
        nest.body.append(Assign(target, value, self.note(index, value, target)))
        if index in self.graph.labels:
            self.users_own.add(target)

    def _view(self, index: int, place: Place) -> Expr:
        node = self.graph.nodes[index]
        if node.op in VIEWS:
            return self.entries.at(node.operands[0], self.entries.behind(index, place))
        if node.op is ADD_DIAGONAL:
            matrix, vector = node.operands
            on_it = Apply(_SELECT, (Apply(_EQ, place), self.entries.at(vector, place[:1]), Literal(Fraction(0))))
            return Apply(_ADD, (self.entries.at(matrix, place), on_it))
        indices = tuple([self.entries.operand(operand, place) for operand in node.operands[1:]])
        return self.entries.at(node.operands[0], indices)

    def _reduce(self, index: int, nest: Nest) -> None:
        node = self.graph.nodes[index]
        axes, rank = node.attributes, len(nest.space)
        place = self.place(nest.space)
        value = self.entries.at(node.operands[0], place)
        left = [axis for axis in range(rank) if axis not in axes]
        first, symbol = Literal(_STARTS[node.op.name]), _SYMBOLS[node.op.name]
        target, name = self.own(index)
        own = tuple(place[axis] for axis in left)
        note = "" if self.primal[index] else self.note(index, value, target)
        inner = left == list(range(len(left)))
        if left:
            self.stored[index] = name
        else:
            self.expr[index] = Ref(name)
        if inner:
            # The sum over the inner loops is a local of the outer ones.
            local = Ref(self.namer.temporary()) if left else Ref(name)
            nest.before.setdefault(len(left), []).append(Assign(local, first))
            nest.body.append(Accumulate(local, value, note, symbol))
            if left:
                self.new_array(name, tuple(nest.space[axis] for axis in left))
                nest.after.setdefault(len(left), []).append(Assign(Item(name, own), local))
            return
        self.new_array(name, tuple(nest.space[axis] for axis in left), first.number)
        nest.body.append(Accumulate(Item(name, own), value, note, symbol))

    def _put(self, index: int, nest: Nest) -> None:
        node = self.graph.nodes[index]
        place = self.place(nest.space)
        value = self.entries.operand(node.operands[0], place)
        _, name = self.own(index)
        self.new_array(name, node.type.shape, 0)
        note = self.note(index, value, Ref(name))
        self.stored[index] = name
        if node.op is PAD:
            there = tuple(
                stepped(i, step, self.extent(start))
                for i, (start, step, _) in zip(place, node.attributes[1], strict=True)
            )
            nest.body.append(Assign(Item(name, there), value, note))
        elif node.op is DIAGONALIZE:
            there = tuple(place[label] for label in node.attributes[0])
            nest.body.append(Assign(Item(name, there), value, note))
        else:
            there = tuple([self.entries.operand(operand, place) for operand in node.operands[1:]])
            nest.body.append(Accumulate(Item(name, there), value, note))

    # Results.

    def array(self, index: int, name: str | None) -> Expr:
        own = self.stored.get(index)
        if own is not None and self.graph.nodes[index].op is not INPUT and name in (None, own):
            return Ref(own)
        name = name or self.namer.allocate("result")
        shape = self.graph.nodes[index].type.shape
        self.new_array(name, shape)
        place = self.place(shape)
        nest = Nest(shape)
        nest.body.append(Assign(Item(name, place), self.entries.at(index, place)))
        self.nests.append(nest)
        return Ref(name)

    def _read(self, index: int) -> Expr:
        expr = super()._read(index)
        if self.graph.nodes[index].type.shape and isinstance(expr, Ref):
            self.stored[index] = expr.name
        elif self.graph.nodes[index].type.shape and isinstance(expr, Item):
            self.stored[index], self.entries.prefix[index] = expr.array, expr.place
        return expr

    def assemble(self) -> None:
        zeros = {s.name for s in self.allocations if isinstance(s, Allocate) and s.fill == 0}
        made = with_running_powers(bounded(self.statements(), zeros), self._new_name)
        results = [expr.name for expr in self.function.results if isinstance(expr, Ref)]
        if self.target_name == "numba":
            made = self._over_samples(made, set(results))
        if self.carried:
            made = self._in_place(made)
            results = [expr.name for expr in self.function.results if isinstance(expr, Ref)]
        statements, borrowing = reuse(self.allocations, made, results)
        self.function.body.extend(statements)
        for name in borrowing:
            self.arrays.remove(self.shapes[name])

    def _over_samples(self, statements: list[Statement], results: set[str]) -> list[Statement]:
        """One loop over the samples of a batch where many would do."""
        shapes = {name: tuple(self.extent(extent) for extent in shape) for name, shape in self.shapes.items()}
        for argument, name in zip(self.arguments, self.parameters, strict=True):
            shapes[name] = tuple(self.extent(extent) for extent in argument.full_shape)
        counters = [self.counter(depth).name for depth in range(3)]
        fused = over_samples(statements, self.allocations, shapes, results, counters, self._new_name)
        if fused is None:
            return statements
        statements, self.allocations = fused
        self._count_again([s for s in self.allocations if isinstance(s, Allocate)])
        return statements

    def _in_place(self, statements: list[Statement]) -> list[Statement]:
        """New arrays written where those are that they replace."""
        leaves = self.function.leaves
        assert leaves is not None
        own = {a.name for a in self.allocations if isinstance(a, Allocate) and a.fill is None}
        pairs = zip(leaves[-self.carried :], self.parameters, strict=False)
        carried = {new.name: name for new, name in pairs if isinstance(new, Ref) and new.name in own}
        decided = {name for value in self.function.values for name in names_of(value)}
        statements, found = in_place(statements, carried, decided)
        self.function.leaves = [renamed(leaf, found) for leaf in leaves]
        self.allocations = [a for a in self.allocations if not (isinstance(a, Allocate) and a.name in found)]
        for name in found.keys() & self.shapes.keys():
            self.arrays.remove(self.shapes.pop(name))
        return statements

    def _count_again(self, allocations: list[Allocate]) -> None:
        """What arrays there are, after some have shrunk to a row, or to a number."""
        known, self.shapes = self.shapes, {}
        shapes = [*known.values(), *(argument.full_shape for argument in self.arguments)]
        extents = {self.extent(extent): extent for shape in shapes for extent in shape}
        for shape in known.values():
            self.arrays.remove(shape)
        for allocation in allocations:
            shape = tuple(extents[extent] for extent in allocation.extents)
            self.shapes[allocation.name] = shape
            self.arrays.append(shape)

    def _new_name(self, stem: str) -> str:
        return self.namer.temporary(stem) if stem == "v" else self.namer.allocate(stem)

    def statements(self) -> list[Statement]:
        """All nests, one after the other."""
        return [statement for nest in self.nests for statement in self.nested(nest)]

    def nested(self, nest: Nest) -> list[Statement]:
        """The loops of a nest as statements; an axis of length 1 needs none."""
        inner: list[Statement] = nest.body
        for depth in range(len(nest.space), -1, -1):
            if depth < len(nest.space):
                extent = nest.space[depth]
                if inner and extent != 1:
                    inner = [For(self.counter(depth).name, self.extent(extent), tuple(inner))]
            inner = [*nest.before.get(depth, ()), *inner, *nest.after.get(depth, ())]
        return inner
