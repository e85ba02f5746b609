"""The forward and the backward table of a model at a point, both modes side by side, and the sum over paths."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from symbackprop.ir.interpret import bound_lengths
from symbackprop.show import latex
from symbackprop.show.batch import Batch
from symbackprop.show.derivation import DIGITS, Derivation, Edge, bracketed
from symbackprop.show.numbers import factor, natural, number
from symbackprop.show.paths import MANY, counts, passing, paths
from symbackprop.show.tables import Cell, Table, Tabled, as_latex, formula

_SHORT = 200
"""Paths are written in graphs of no more edges than this."""
_COLUMNS = 6
"""Up to so many variables forward mode is shown sweep by sweep."""


class Explanation(Tabled):
    """How a value and its gradient come about at a point; in a notebook, as tables.

    ``value`` and ``gradient`` (by variable; of several values a list, an entry a value) are the result, ``tables`` what
    is shown, ``str(...)``, ``markdown()``, ``html()`` and ``latex()`` how. The steps are those of the expression as it
    was given, not of the optimised program; of a batch, those of the first sample.
    """

    def __init__(
        self,
        derivation: Derivation,
        inputs: Mapping[str, Any],
        compiled: Mapping[str, Any] | None = None,
        batch: Batch | None = None,
    ) -> None:
        self._d, self._batch = derivation, batch
        self._compiled = compiled or {}
        self._of_several = False
        self._point = derivation.at(inputs)
        self._inputs = inputs
        self._lengths = bound_lengths(derivation.graph, inputs)

    # The result.

    @property
    def value(self) -> Any:
        values = [_public(self._value(output)) for output in self._d.outputs]
        return values[0] if len(values) == 1 else values

    @cached_property
    def gradient(self) -> dict[str, Any]:
        """The derivative in each variable; of several values, of each."""
        found: dict[str, Any] = {}
        if self._each:
            gradients = [one.gradient for one in self._each]
            return {own: [gradient[own] for gradient in gradients] for own in gradients[0]}
        if self._d.differentiable:
            for variable in self._d.wrt:
                for member in variable.members:
                    index = self._d.variables[member]
                    bar = self._point.adjoint(index)
                    if variable.shape:
                        bar = np.broadcast_to(bar, np.shape(self._inputs[member]))
                    entry = bar if variable.place is None else bar[variable.place]
                    found[member if variable.place is None else variable.name] = _public(entry)
        return found

    def _name(self, index: int) -> Cell:
        own = self._d.names[index]
        return formula(own, latex.name(own))

    def _value(self, index: int) -> Any:
        values = self._point.values
        if index in values:
            return values[index]
        return self._d.evaluated([index], self._inputs)[0][index]

    @cached_property
    def _each(self) -> list[Explanation]:
        """Of several numbers each alone, where there is something to differentiate in."""
        d = self._d
        shapes = [d.graph.nodes[output].type.shape for output in d.graph.outputs]
        if len(shapes) == 1 or any(shapes) or not d.wrt:
            return []
        each = [Explanation(d.alone(k), self._inputs) for k in range(len(shapes))]
        for one in each:
            one._of_several = True
        return each

    # The tables.

    @cached_property
    def tables(self) -> list[Table]:
        tables = [self.samples] if self._batch is not None else []
        tables += [self.forward]
        if self._d.differentiable:
            tables += [self.backward]
            if self._d.scalar:
                tables += [self.paths]
        tables += [one.backward for one in self._each[:_COLUMNS]]
        if self._d.differentiable or self._each:
            tables += [self.modes]
            if self._swept:
                tables += [self.tangents]
        if self._each:
            tables += [self.jacobian]
        return [*tables, self.result]

    @property
    def samples(self) -> Table:
        """The first samples of a batch side by side, and what the compiled function makes of all of them."""
        d, batch = self._d, self._batch
        assert batch is not None
        top = d.names.get(d.outputs[0], "value")
        shown = d.variables if len(d.variables) <= _COLUMNS and d.differentiable else {}
        rows = []
        for position, inputs in enumerate(batch.points):
            point = d.at(inputs)
            entries = [number(point.adjoint(index)) for index in shown.values()]
            rows.append(tuple(map(Cell, (str(position), number(point.values[d.outputs[0]]), *entries))))
        left = (batch.count or 0) - len(rows)
        if left > 0:
            rows.append(tuple(map(Cell, (f"... {left} more", *[""] * (len(shown) + 1)))))
        if batch.reduce is not None and len(self._compiled) == len(shown) + 1:
            rows.append(tuple(map(Cell, (f"{batch.reduce}, compiled", *map(number, self._compiled.values())))))
        of = ", ".join(sorted(batch.members, key=natural))
        title = f"A batch of {batch.count}: axis 0 of {of} counts samples; the other tables are those of sample 0"
        heads = [f"d{top}/d{d.names.get(index, own)}" for own, index in shown.items()]
        return Table(title, ("sample", top, *heads), rows)

    @property
    def jacobian(self) -> Table:
        """The derivative of each of several values in each variable."""
        d, gradient = self._d, self.gradient
        names = [d.names.get(output, "value") for output in d.outputs]
        if len(gradient) > _COLUMNS:
            rows = [
                (formula(f"d{top}/d{own}", latex.derivative(top, own)), Cell(number(entries[k])))
                for k, top in enumerate(names)
                for own, entries in gradient.items()
            ]
            return Table("The Jacobian, entry by entry", ("derivative", "value"), rows)
        wide = [
            (formula(top, latex.name(top)), *[Cell(number(entries[k])) for entries in gradient.values()])
            for k, top in enumerate(names)
        ]
        return Table("The Jacobian: a row a value, a column a variable", ("value", *gradient), wide)

    @cached_property
    def forward(self) -> Table:
        """Each step with its expression and its value."""
        d, names = self._d, self._d.names
        given = sorted(d.inputs, key=lambda index: natural(names[index]))
        rows = [(self._name(i), Cell("given"), Cell(number(self._value(i)))) for i in given]
        for index in d.steps:
            shown = formula(d.formula(index), latex.formula(d.graph, index, names))
            rows.append((self._name(index), shown, Cell(number(self._value(index)))))
        return Table("Forward: the value, step by step", ("step", "expression", "value"), rows)

    @cached_property
    def backward(self) -> Table:
        """Each adjoint by the chain rule, from the last step to the first."""
        rows = []
        for index, text, by_edges in self._d.adjoint_formulas():
            if index in self._d.active or index in self._d.variables.values():
                own = self._d.names.get(index, "")
                shown = formula(text, self._chain_rule(index) if by_edges else "")
                numbers = self._numbers(index) if by_edges else ""
                bar = number(self._point.adjoint(index))
                adjoint = formula(f"{own}_bar", f"\\bar{{{latex.name(own)}}}")
                rows.append((adjoint, shown, formula(numbers), Cell(bar)))
        own = self._d.names.get(self._d.outputs[0], "")
        title = f"Backward{f' from {own}' if self._of_several else ''}: the adjoints, by the chain rule"
        return Table(title, ("adjoint", "formula", "numbers", "value"), rows)

    def _chain_rule(self, index: int) -> str:
        names = self._d.names
        return " + ".join(
            f"\\bar{{{latex.name(names[e.step])}}}\\,{latex.derivative(names[e.step], names[index])}"
            for e in passing(self._d, index)
        )

    def _numbers(self, index: int) -> str:
        edges = passing(self._d, index)
        return " + ".join(f"{factor(self._point.adjoint(e.step))}*{self._factor(e)}" for e in edges)

    def _factor(self, edge: Edge) -> str:
        return factor(self._point.partial(edge))

    @cached_property
    def paths(self) -> Table:
        """The derivative in each variable as a sum over paths, and how few edges the backward sweep passes."""
        d = self._d
        number_of = counts(d)
        rows = []
        total = sum(number_of[index] for index in d.variables.values())
        for member, index in d.variables.items():
            ways, products = f"{number_of[index]} paths", ""
            if total <= MANY and len(d.edges) <= _SHORT:
                found = paths(d, index)
                ways = "; ".join(" -> ".join(d.names[i] for i in (index, *[e.step for e in path])) for path in found)
                products = " + ".join("*".join(self._factor(edge) for edge in path) or "1" for path in found) or "0"
            own = d.names.get(index, member)
            entry = Cell(number(self._point.adjoint(index)))
            rows.append((formula(own, latex.name(own)), formula(ways), formula(products), entry))
        edges = sum(len(passing(d, index)) for index in d.users)
        title = (
            f"Paths: {total} from the variables to the value; the backward sweep merges them, and passes each of"
            f" {edges} edges once"
        )
        return Table(title, ("variable", "paths", "sum of products", "value"), rows)

    @cached_property
    def _swept(self) -> dict[int, dict[int, int]]:
        """Tangents of all steps along each variable, where these are few numbers."""
        d = self._d
        shown = d.scalar and len(d.variables) <= _COLUMNS
        return {index: d.tangents(index) for index in d.variables.values()} if shown else {}

    @property
    def sweep_back(self) -> int:
        """The operations of the reverse sweep from the one value."""
        d = self._d
        return d.operations([d.adjoints[index] for index in d.variables.values()], self._lengths)

    @cached_property
    def modes(self) -> Table:
        """Forward mode beside reverse mode."""
        d, ones = self._d, self._each or [self]
        entries = sum(int(np.size(self._inputs[member])) for member in d.variables)
        back = [one.sweep_back for one in ones]
        reverse = sum(back)
        why = "one sweep from the value gives all" if len(back) == 1 else f"one sweep a value: {_added(back)}"
        if self._swept:
            each = [
                d.operations([found[o] for o in d.outputs if o in found], self._lengths)
                for found in self._swept.values()
            ]
            forward, note = sum(each), _added(each)
        else:
            first = next(iter(d.variables.values()))
            tangents = d.tangents(first)
            once = max(reverse, d.operations([tangents.get(o, first) for o in d.outputs], self._lengths))
            forward, note = entries * once, f"{entries} times about {once}"
        rows = [
            (Cell("reverse"), Cell(str(len(back))), Cell(str(reverse)), Cell(why)),
            (Cell("forward"), Cell(str(entries)), Cell(str(forward)), Cell(f"one sweep a variable: {note}")),
        ]
        return Table(
            "Both modes: operations beyond the value, in additions", ("mode", "sweeps", "operations", "why"), rows
        )

    @cached_property
    def tangents(self) -> Table:
        """Forward mode: the tangent of each step along each variable."""
        d = self._d
        nodes = [node for found in self._swept.values() for node in found.values()]
        values, _ = d.evaluated(nodes, self._inputs)
        rows = []
        into: dict[int, list[Edge]] = {index: [] for index in d.steps}
        for edge in d.edges:
            if edge.partial is not None:
                into[edge.step].append(edge)
        for index in sorted(d.active):
            terms = [f"{d.names[e.source]}_dot*{_bracketed(d, e)}" for e in into.get(index, [])]
            entries = [Cell(number(values[found[index]])) for found in self._swept.values()]
            own = d.names[index]
            shown = formula(f"{own}_dot", f"\\dot{{{latex.name(own)}}}")
            rows.append((shown, formula(" + ".join(terms)) if terms else Cell("1 along itself, else 0"), *entries))
        heads = [f"along {d.names.get(index, member)}" for member, index in d.variables.items()]
        return Table("Forward mode: the tangents, one sweep a column", ("tangent", "formula", *heads), rows)

    @cached_property
    def result(self) -> Table:
        d = self._d
        rows = [
            (formula(d.names.get(i, "value"), latex.name(d.names.get(i, "value"))), Cell(number(self._value(i))))
            for i in d.outputs
        ]
        top = d.names.get(d.outputs[0], "value")
        for own, entry in self.gradient.items() if not self._each else ():
            rows.append((formula(f"d{top}/d{own}", latex.derivative(top, own)), Cell(number(entry))))
        for what, entry in self._compiled.items() if self._batch is None else ():
            rows.append((Cell(what), Cell(number(entry))))
        if d.wrt and not d.differentiable and not self._each:
            rows.append(
                (Cell("not shown"), Cell("the derivative of a value that is an array: explain one entry of it"))
            )
        how = f"in {DIGITS} digits" if self._point.exact else "in floats"
        return Table(f"Result, computed {how}", ("quantity", "value"), rows)

    def latex(self) -> str:
        """As LaTeX, an array a table."""
        return "\n\n".join(f"$$\n{as_latex(table)}\n$$" for table in self.tables)

    _repr_latex_ = latex


def _added(counts: list[int]) -> str:
    """Counts as a sum; many of them by the first few."""
    return " + ".join([*map(str, counts[:_COLUMNS]), *["..."][: max(0, len(counts) - _COLUMNS)]])


def _public(value: Any) -> Any:
    return value if np.ndim(value) else float(value)


def _bracketed(derivation: Derivation, edge: Edge) -> str:
    return bracketed(derivation.partial_text(edge.partial)) if edge.partial is not None else ""
