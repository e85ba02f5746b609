"""What all targets share in turning a graph into a function: names, arguments, comments, results.

Where arrays are values (`whole`) a node is a statement; where they are not (`loops`) it is a statement in a loop.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from copy import copy
from fractions import Fraction
from itertools import product
from typing import Self

from symbackprop.errors import EmitError
from symbackprop.ir import Graph, infix
from symbackprop.ir.signature import Argument, Leaf, Signature
from symbackprop.lower.doors import Doors, extent_expr
from symbackprop.lower.fuse import plan
from symbackprop.lower.naming import Namer, stem
from symbackprop.lower.program import (
    Allocate,
    Apply,
    Assign,
    Expr,
    Function,
    Item,
    Literal,
    Ref,
    Section,
    Statement,
    operands_of,
)
from symbackprop.ops.extents import Extent, Shape
from symbackprop.ops.indexing import SIZE
from symbackprop.ops.leaves import CONST, INPUT, LENGTH
from symbackprop.ops.reduction import REDUCE_SUM

_WIDEST_NOTE = 60
_HEADINGS = {
    "grad": "Adjoints, from the result back to the inputs.",
    "vjp": "Adjoints, from the results back to the inputs.",
    "jvp": "Tangents, from the inputs on to the results.",
    "jacobian": "The Jacobian.",
    "hvp": "Adjoints, and their tangents in the direction v.",
    "hessian": "Adjoints, and their tangents in each direction.",
}


class Scheduler:
    """Turns one graph into one function; subclasses write the nodes."""

    def __init__(self, graph: Graph, signature: Signature, target: str, derivative: bool, silent: bool = False) -> None:
        self.signature, self.derivative, self.target_name = signature, derivative, target
        self.arguments = signature.arguments if derivative else signature.primal_arguments
        self.leaves = signature.leaves if derivative else ()
        self.namer = Namer()
        self.parameters = [self.namer.allocate(argument.name) for argument in self.arguments]
        self.function = Function(
            signature.value_and if derivative else "value",
            self.parameters,
            [],
            leaves=[] if derivative else None,
            bare_value=signature.values.kind == "leaf",
            bare_leaf=signature.structure.kind == "leaf",
        )
        self.arrays: list[Shape] = []
        self.numbers = 0
        # Z1, A1, ... are the user's where steps or arguments are called so.
        names = [*graph.labels.values(), *self.parameters]
        self.users_stems = any(re.fullmatch(r"[ZAza]_?\d+", name) for name in names)
        self.doors = Doors(signature, self.arguments, self.parameters)
        self.function.body.extend(self.doors.build(graph, self.namer.allocate))
        self.leaf_names = [self.namer.allocate(leaf.name) for leaf in self.leaves]
        self.silent = silent
        """Whether lines go without comments: those of a derived loop body have no formula of the user's."""
        self.inners: list[Self] = []
        """The schedulers of the bodies of loops."""
        self.begin(graph, self._places())
        self.primal = graph.reaching(graph.outputs[: signature.value_count])

    def begin(self, graph: Graph, places: dict[str, Expr]) -> None:
        """Start on a graph whose inputs stand at these places."""
        self.graph, self.places = graph, places
        self.assigned = plan(graph, self.target_name)
        self.expr: list[Expr] = [Ref("")] * len(graph.nodes)
        self.named: dict[int, str] = {}
        """Nodes that have a name of their own: the user's inputs and what is assigned."""
        self.target: dict[int, Ref | Item] = {}
        self.formula_width: list[int] = []
        self.result_nodes = frozenset(graph.outputs)
        self.users_own: set[Expr] = set(places.values())
        self.primal = [True] * len(graph.nodes)

    def inside(self, graph: Graph, places: dict[str, Expr], silent: bool) -> Self:
        """A scheduler for the body of a loop in this function, whose names it shares."""
        inner = copy(self)
        inner.silent = self.silent or silent
        inner.function = Function("", [], [])
        inner.begin(graph, places)
        self.inners.append(inner)
        return inner

    def run(self) -> Function:
        self._preferred_names()
        self.walk(not self.derivative)
        self._results()
        self.assemble()
        return self.function

    def walk(self, in_derivative: bool = True) -> None:
        """All nodes in order, with a heading before the first that belongs to the derivative."""
        for index, node in enumerate(self.graph.nodes):
            op = node.op
            if op is CONST:
                whole = node.type.dtype == "int" and isinstance(node.attributes, Fraction)
                self.expr[index] = Literal(int(node.attributes) if whole else node.attributes)
            elif op is INPUT:
                self.expr[index] = self._read(index)
            elif op is LENGTH or op is SIZE:
                self.expr[index] = self.extent(node.attributes)
            else:
                if not in_derivative and not self.primal[index]:
                    in_derivative = True
                    self.section(index, Section(_HEADINGS[self.signature.mode]))
                self.node(index)

    # What the targets do their own way.

    def node(self, index: int) -> None:
        """Compute a node: set its expression, and write statements where it needs them."""
        raise NotImplementedError

    def is_array(self, index: int) -> bool:
        """Whether what is assigned is an array, and not a number."""
        return bool(self.graph.nodes[index].type.shape)

    def section(self, index: int, section: Section) -> None:
        """Put a heading where this node goes."""
        raise NotImplementedError

    def last(self, statement: Statement) -> None:
        """Add a statement after all others."""
        raise NotImplementedError

    def array(self, index: int, name: str | None) -> Expr:
        """A result that is an array, as something to return: its own, and complete."""
        raise NotImplementedError

    def assemble(self) -> None:
        """Put the body together."""

    # Arguments.

    def extent(self, extent: Extent) -> Expr:
        return extent_expr(extent, self.doors.names)

    def _places(self) -> dict[str, Expr]:
        places: dict[str, Expr] = {}
        for argument, name in zip(self.arguments, self.parameters, strict=True):
            for position, member in enumerate(argument.members):
                places[member] = self._place(argument, name, position)
        return places

    def _place(self, argument: Argument, name: str, position: int) -> Expr:
        if argument.packed:
            if argument.batched:
                raise EmitError(f"the packed argument {argument.name} cannot carry a batch axis; pass its parts apart")
            return Item(name, (Literal(position),))
        return Ref(name)

    def _read(self, index: int) -> Expr:
        identifier = self.graph.nodes[index].attributes
        if identifier not in self.places:
            raise EmitError(f"no argument provides {identifier!r}")
        place = self.places[identifier]
        if isinstance(place, Ref):
            self.named[index] = place.name
        return place

    # Names.

    def _preferred_names(self) -> None:
        """Results are called what the user calls them."""
        outputs = self.graph.outputs
        if self.signature.value_count == 1 and outputs[0] not in self.graph.labels:
            self.target[outputs[0]] = Ref(self.namer.allocate("result"))
        position = self.signature.value_count
        for leaf, name in zip(self.leaves, self.leaf_names, strict=True):
            nodes = outputs[position : position + leaf.count]
            position += leaf.count
            if leaf.whole or not leaf.shape:
                self._prefer(nodes[0], Ref(name))
                continue
            for place, node in zip(places_of(leaf), nodes, strict=True):
                self._prefer(node, Item(name, place))

    def _prefer(self, node: int, target: Ref | Item) -> None:
        # What is a step of the value keeps the name of one.
        if not self.primal[node]:
            self.target.setdefault(node, target)

    def pick(self, index: int) -> Ref | Item:
        """What a node is assigned to: its place in the results, or a name of its own."""
        self.numbers += not self.is_array(index)
        known = self.target.get(index)
        if known is not None:
            return known
        label = self._label(index)
        if label:
            return Ref(self.namer.allocate(label))
        wanted = stem(self.graph, index) if self.is_array(index) and not self.users_stems else "v"
        return Ref(self.namer.temporary(wanted))

    def _label(self, index: int) -> str | None:
        label = self.graph.labels.get(index)
        node = self.graph.nodes[index]
        if self.primal[index] and node.op is REDUCE_SUM and not node.type.shape:
            return "total"
        if label is not None or self.primal[index] or index not in self.graph.derived:
            return label
        primal, suffix = self.graph.derived[index]
        if primal not in self.named:
            return None
        summed = node.op is REDUCE_SUM and not node.type.shape
        return f"{self.named[primal]}_{suffix}{'_sum' * summed}"

    # Comments.

    def note(self, index: int, value: Expr, target: Expr) -> str:
        """Which part of the user's expression a line belongs to: a formula if it is short, else a name."""
        if self.silent:
            return ""
        names = self.graph.labels
        node = self.graph.nodes[index]
        if self.primal[index]:
            if index in self.result_nodes or index in names or not self._is_short(index) or node.op is REDUCE_SUM:
                return ""
            return infix(self.graph, index, names) if self._mentions_temporary(value) else ""
        derived = self.graph.derived.get(index)
        if derived is None:
            return ""
        primal, suffix = derived
        if isinstance(target, Ref) and (primal in names or self.graph.nodes[primal].op is INPUT):
            return ""  # x_bar says it already.
        kind = "adjoint" if suffix == "bar" else "tangent"
        if primal in names or self._is_short(primal):
            return f"{kind} of {infix(self.graph, primal, names)}"
        name = self.named.get(primal)
        told = isinstance(target, Ref) and name is not None and target.name.startswith(f"{name}_")
        return f"{kind} of {name}" if name is not None and not told else ""

    def _mentions_temporary(self, value: Expr) -> bool:
        """Whether an expression uses a name that is not the user's."""
        stack: list[Expr] = [value]
        while stack:
            expr = stack.pop()
            if isinstance(expr, Item) and Ref(expr.array) in self.users_own:
                continue
            if isinstance(expr, Ref | Item):
                if expr not in self.users_own:
                    return True
            else:
                stack.extend(operands_of(expr))
        return False

    def _is_short(self, index: int) -> bool:
        """Whether the node's formula fits into a comment."""
        if not self.formula_width:
            widths = self.formula_width
            for node in self.graph.nodes:
                own = len(str(node.attributes)) if node.op in (CONST, INPUT) else len(node.op.name)
                widths.append(min(own + sum([widths[operand] for operand in node.operands]), _WIDEST_NOTE + 1))
        return self.formula_width[index] <= _WIDEST_NOTE

    # Results.

    def _results(self) -> None:
        outputs, count = self.graph.outputs, self.signature.value_count
        self.function.values = [self._result(output, None) for output in outputs[:count]]
        if self.function.leaves is None:
            return
        position = count
        for leaf, name in zip(self.leaves, self.leaf_names, strict=True):
            nodes = outputs[position : position + leaf.count]
            position += leaf.count
            packed = leaf.shape and not leaf.whole
            result = self._packed(leaf, name, nodes) if packed else self._result(nodes[0], name)
            self.function.leaves.append(result)

    def _result(self, index: int, name: str | None) -> Expr:
        """A result as something to return, under its name."""
        if self.graph.nodes[index].type.shape:
            return self.array(index, name)
        expr = self.expr[index]
        if name is None or expr == Ref(name):
            return expr
        self.last(Assign(Ref(name), expr))
        return Ref(name)

    def _packed(self, leaf: Leaf, name: str, nodes: Sequence[int]) -> Expr:
        if any(self.graph.nodes[node].type.shape for node in nodes):
            raise EmitError(f"the derivative in {leaf.what} cannot have one row a sample; name its parts apart in wrt")
        self.allocate(Allocate(name, tuple(Literal(extent) for extent in leaf.shape if isinstance(extent, int))))
        for place, node in zip(places_of(leaf), nodes, strict=True):
            if self.expr[node] != Item(name, place):
                self.last(Assign(Item(name, place), self.expr[node]))
        return Ref(name)

    def allocate(self, statement: Allocate) -> None:
        """Add an array before everything that may use it."""
        raise NotImplementedError

    def applied(self, index: int) -> Apply:
        """An elementwise node over the expressions of its operands."""
        node = self.graph.nodes[index]
        return Apply(node.op, tuple([self.expr[operand] for operand in node.operands]))


def places_of(leaf: Leaf) -> list[tuple[Expr, ...]]:
    """The places of a leaf's entries in its array, row by row."""
    extents = [range(extent) for extent in leaf.shape if isinstance(extent, int)]
    return [tuple(Literal(number) for number in place) for place in product(*extents)]
