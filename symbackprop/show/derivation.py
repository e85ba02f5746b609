"""A model as people read it: its steps in the user's own order, the partial of each in what it uses, and the adjoints.

What goes in is the graph as the front end made it, before any pass rewrites it; out come steps with names, edges with
partials, formulas, and their values at a point. Partials come from the rows, adjoints and tangents from the sweeps of
`ad`: nothing is differentiated here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import mpmath as mp
import numpy as np

from symbackprop.ad import jvp, vjp
from symbackprop.ad.isolated import with_surroundings
from symbackprop.ad.reverse import partial_of
from symbackprop.errors import OptionError, UnsupportedExpression
from symbackprop.frontend import Variable
from symbackprop.ir import Functions, Graph, GraphBuilder, Kinked, Value, infix, interpret
from symbackprop.ir.interpret import bound_lengths
from symbackprop.ir.node import Type
from symbackprop.ir.text import SILENT
from symbackprop.ops import Op
from symbackprop.ops.extents import dimensions, measured
from symbackprop.ops.leaves import CONST, INPUT
from symbackprop.passes import guard
from symbackprop.statistics import NOMINAL, work

DIGITS = 50
"""In so many digits a point is computed, so that what cancels or overflows in floats is right in the tables."""
_LARGEST = 20_000
"""With more numbers than this at a point, floats are used."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A step's use of an earlier one. `partial` is the local derivative: a number, a node of the derivation's builder,
    or None where there is none, or where the step works on arrays as wholes.
    """

    source: int
    step: int
    partial: int | Value | None = None


class Derivation:
    """The steps of a model and how each depends on the others.

    `wrt` are the variables of the derivative; without any there are no adjoints. `name` is what the value is called.
    """

    def __init__(self, graph: Graph, wrt: Sequence[Variable], kinks: str = "zero", name: str = "") -> None:
        # Where there is a derivative, "raise" is any other policy; where there is none, the compiled function says so.
        kinks = "zero" if kinks == "raise" else kinks
        self.wrt, self.kinks = tuple(wrt), kinks
        builder = GraphBuilder(graph)
        members = {m: Type("real", variable.shape) for variable in wrt for m in variable.members}
        nodes = [builder.input(member, type_) for member, type_ in members.items()]
        self.graph, nodes = with_surroundings(builder.graph(graph.outputs), nodes, kinks)
        self.variables = dict(zip(members, nodes, strict=True))
        self.builder = _Folding(self.graph)
        self.f = Functions(self.builder, kinks)
        self.outputs = tuple(self.resolve(output) for output in self.graph.outputs)
        needed, moving = self.graph.reaching(), self.graph.depending(nodes)
        shown = [i for i, n in enumerate(self.graph.nodes) if (needed[i] or i in nodes) and n.op is INPUT]
        self.inputs = tuple(shown)
        self.steps = tuple(
            i for i, n in enumerate(self.graph.nodes) if needed[i] and n.operands and n.op.name not in SILENT
        )
        self.active = {i for i in (*self.inputs, *self.steps) if moving[i] and self.graph.nodes[i].type.dtype == "real"}
        self.names = self._names(name)

    def resolve(self, index: int) -> int:
        """The step or leaf behind what only moves or repeats entries."""
        while self.graph.nodes[index].op.name in SILENT:
            index = self.graph.nodes[index].operands[0]
        return index

    def _names(self, name: str) -> dict[int, str]:
        names = {index: str(self.graph.nodes[index].attributes) for index in self.inputs}
        taken = set(names.values())

        def free(wanted: str) -> str:
            made, number = wanted, 1
            while made in taken:
                number += 1
                made = f"{wanted}_{number}"
            taken.add(made)
            return made

        of_steps = set(self.steps)
        for index, label in sorted(self.graph.labels.items()):
            if index in of_steps:
                names[index] = free(label)
        for number, output in enumerate(self.outputs, 1):
            if output in of_steps and output not in names:
                several = f" {number}" if len(self.outputs) > 1 else ""
                names[output] = free(f"{name or 'value'}{several}")
        count = 0
        for index in self.steps:
            if index not in names:
                count += 1
                while f"v{count}" in taken:
                    count += 1
                names[index] = f"v{count}"
        return names

    # What it consists of.

    @property
    def differentiable(self) -> bool:
        """Whether there is one real number, and something to differentiate it in."""
        return bool(self.wrt) and len(self.outputs) == 1 and not self.graph.nodes[self.graph.outputs[0]].type.shape

    def alone(self, value: int) -> Derivation:
        """The derivation of one of several values, its steps called as they are here."""
        labels = {index: name for index, name in self.names.items() if self.graph.nodes[index].operands}
        graph = Graph(self.graph.nodes, (self.graph.outputs[value],), labels)
        return Derivation(graph, self.wrt, self.kinks, self.names[self.outputs[value]])

    @property
    def scalar(self) -> bool:
        """Whether every step is a number."""
        return all(not self.graph.nodes[index].type.shape for index in (*self.inputs, *self.steps))

    def formula(self, index: int, width: int = 200) -> str:
        """A step in terms of those before it."""
        names = self.names
        own = names.pop(index)
        text = infix(self.graph, index, names, width)
        names[index] = own
        return text

    @cached_property
    def edges(self) -> list[Edge]:
        known = {*self.inputs, *self.steps}
        found = []
        for index in self.steps:
            for position, operand in enumerate(self.graph.nodes[index].operands):
                source = self.resolve(operand)
                if source in known:
                    found.append(Edge(source, index, self._partial(index, position, source)))
        return found

    def _partial(self, index: int, position: int, source: int) -> int | Value | None:
        node = self.graph.nodes[index]
        if not node.op.elementwise or not {index, source} <= self.active:
            return None
        partial = partial_of(self.graph, self.f, index, position)
        return partial.partial if isinstance(partial, Kinked) else partial

    def partial_text(self, partial: int | Value) -> str:
        if not isinstance(partial, Value):
            return str(partial)
        return infix(self.builder.graph(()), partial.index, self.names)

    @cached_property
    def users(self) -> dict[int, list[Edge]]:
        """For each step the edges to those that use it, where a derivative passes."""
        found: dict[int, list[Edge]] = {index: [] for index in (*self.inputs, *self.steps)}
        for edge in self.edges:
            if {edge.source, edge.step} <= self.active:
                found[edge.source].append(edge)
        return found

    # Derivatives.

    @cached_property
    def seed(self) -> int:
        """The adjoint of the value, which is 1: an input, so that formulas can name it."""
        output = self.graph.outputs[0]
        return self.builder.input(f"adjoint of %{output}", self.graph.nodes[output].type)

    @cached_property
    def adjoints(self) -> dict[int, int]:
        """The adjoint of each active step and input, as a node of the builder."""
        if not self.differentiable:
            return {}
        targets = sorted({*self.active, *self.variables.values()})
        found = vjp(self.graph, {self.graph.outputs[0]: self.seed}, targets, self.builder, self.kinks)
        return dict(zip(targets, found, strict=True))

    def adjoint_formulas(self) -> list[tuple[int, str, bool]]:
        """Steps from the last to the first: each with its adjoint by the chain rule, and whether that is written as a
        sum over the edges; of arrays it is what the sweep computes.
        """
        names = dict(self.names)
        if self.adjoints:
            names[self.seed] = f"{self.names[self.outputs[0]]}_bar"
        found = []
        whole = self.builder.graph(())
        for index in sorted(self.adjoints, reverse=True):
            bar, by_edges = self.adjoints[index], self.by_edges(index)
            if index == self.outputs[0]:
                text, by_edges = "1", False
            elif by_edges:
                text = " + ".join(
                    f"{self.names[e.step]}_bar*{bracketed(self.partial_text(e.partial))}"
                    for e in self.users[index]
                    if e.partial is not None
                )
            else:
                # Equal adjoints are one node; here it goes by the name of the step that hands it on.
                names |= {self.adjoints[e.step]: f"{self.names[e.step]}_bar" for e in self.users[index]}
                own = names.pop(bar, None) if len(self.users[index]) != 1 else None
                text = own or infix(whole, bar, names, 200)
            if bar >= len(self.graph.nodes) and whole.nodes[bar].op is not CONST:
                names.setdefault(bar, f"{self.names[index]}_bar")
            found.append((index, text, by_edges))
        return found

    def by_edges(self, index: int) -> bool:
        """Whether the adjoint is the sum of adjoint times partial over the edges: where all are numbers."""
        of = self.graph.nodes
        edges = [edge for edge in self.users[index] if edge.partial is not None]
        return bool(edges) and all(
            not of[i].type.shape and of[edge.step].op.elementwise for edge in edges for i in (edge.source, edge.step)
        )

    def tangents(self, variable: int) -> dict[int, int]:
        """The tangent of each active step along one variable, as nodes of the builder."""
        targets = sorted(self.active)
        one = self.builder.broadcast(self.builder.const(1), self.graph.nodes[variable].type.shape)
        return dict(zip(targets, jvp(self.graph, {variable: one}, targets, self.builder, self.kinks), strict=True))

    def operations(self, results: Sequence[int], lengths: Mapping[str, int]) -> int:
        """What results cost beyond the value, in additions."""
        whole = self.builder.graph(tuple(results))
        needed = whole.reaching()
        total = 0
        for index in range(len(self.graph.nodes), len(whole.nodes)):
            if needed[index]:
                extent = work(whole, index)
                total += measured(extent, {**dict.fromkeys(dimensions(extent), NOMINAL), **lengths})
        return total

    # At a point.

    def at(self, inputs: Mapping[str, Any]) -> Point:
        """Values of all steps, partials and adjoints. Raises OptionError where an input is missing."""
        missing = [self.names[i] for i in self.inputs if self.graph.nodes[i].attributes not in inputs]
        if missing:
            raise OptionError(f"the point misses {', '.join(map(repr, missing))}")
        partials = [edge.partial.index for edge in self.edges if isinstance(edge.partial, Value)]
        wanted = dict.fromkeys([*self.inputs, *self.steps, *self.adjoints.values(), *partials])
        values, exact = self.evaluated(list(wanted), inputs)
        for output, step in zip(self.graph.outputs, self.outputs, strict=True):
            # A number that was the one entry of an array.
            if not self.graph.nodes[output].type.shape and step in values:
                for node in {step, self.adjoints.get(step, step)}:
                    values[node] = values[node].item() if isinstance(values[node], np.ndarray) else values[node]
        return Point(self, values, exact)

    def evaluated(self, nodes: Sequence[int], inputs: Mapping[str, Any]) -> tuple[dict[int, Any], bool]:
        """Values of nodes of the builder at a point, and whether they were computed in many digits."""
        given = dict(inputs)
        lengths = bound_lengths(self.graph, given)
        if self.adjoints:
            seed = self.builder.nodes[self.seed]
            shape = [measured(extent, lengths) for extent in seed.type.shape]
            given[seed.attributes] = np.ones(shape) if shape else 1.0
        # Of an arm that is not taken derivatives are zeros, and no nan times 0: `guard` sees to it, and spares values.
        nodes = sorted(nodes)
        whole = guard(self.builder.graph(tuple(nodes)), values=sum(n < len(self.graph.nodes) for n in nodes))
        if len(whole.nodes) + sum(np.size(value) for value in given.values()) <= _LARGEST:
            try:
                with mp.workdps(DIGITS):
                    exact = interpret(whole, given, "mpmath")
                    return dict(zip(nodes, map(_plain, exact), strict=True)), True
            except (ArithmeticError, UnsupportedExpression, TypeError, ValueError):
                # What mpmath refuses (1/0) is an infinity in floats.
                pass
        return dict(zip(nodes, map(_plain, interpret(whole, given)), strict=True)), False


@dataclass(frozen=True, slots=True)
class Point:
    """A derivation's values at a point, by nodes of its builder."""

    derivation: Derivation
    values: dict[int, Any]
    exact: bool

    def adjoint(self, index: int) -> Any:
        return self.values[self.derivation.adjoints[index]]

    def partial(self, edge: Edge) -> Any:
        """The value of a partial; None where there is none."""
        return self.values[edge.partial.index] if isinstance(edge.partial, Value) else edge.partial


class _Folding(GraphBuilder):
    """A builder in which constants are computed, so that the partial of x**2 reads 2*x and not 2*x**(2 - 1)."""

    def add(self, op: Op, operands: tuple[int, ...], attributes: Any = None) -> int:
        constants = [self.nodes[operand].attributes for operand in operands if self.nodes[operand].op is CONST]
        if op.name == "pow" and constants == [1] and self.nodes[operands[1]].op is CONST:
            return operands[0]
        if op.rational is not None and len(constants) == len(operands):
            exact = op.rational(*constants) if all(isinstance(c, Fraction) for c in constants) else None
            if exact is not None:
                return self.const(exact)
        return super().add(op, operands, attributes)


def bracketed(text: str) -> str:
    """A formula as a factor: in brackets where an operator stands outside of any.

    >>> bracketed("cos(x + 1)"), bracketed("-x"), bracketed("x_2")
    ('cos(x + 1)', '(-x)', 'x_2')
    """
    depth = 0
    for char in text:
        depth += (char in "([") - (char in ")]")
        if depth == 0 and char in " -+*/":
            return f"({text})"
    return text


def _plain(value: Any) -> Any:
    """A number, which may be one of mpmath's, beyond the floats; or an array of floats."""
    array = np.asarray(value)
    if array.ndim == 0:
        return value
    return np.array([float(entry) for entry in array.ravel()]).reshape(array.shape)
