"""Gradients against oracles that know nothing of differentiation: differences and the complex step of the value.

The oracle is the value's own graph, before any derivative is taken, in arithmetic of arbitrary precision
(`check.oracle`). Beside it stand checks that a user can repeat: the central difference in doubles, and the complex step
where the value is analytic (`check.differences`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symbackprop.check.differences import central, complex_step
from symbackprop.check.oracle import Entry, Oracle
from symbackprop.check.points import Point, drawn, given, none_found
from symbackprop.check.report import VALUE, Component, GradientReport
from symbackprop.check.rounding import EPSILON, change, operations, ulps
from symbackprop.compiler import Compiled, Request, compile_request
from symbackprop.errors import DomainError, OptionError
from symbackprop.frontend import Model, Variable, read_model, split_cse
from symbackprop.ir.interpret import bound_lengths
from symbackprop.options import Options
from symbackprop.runtime import CompiledFunction

_MOST_ENTRIES = 12
# What an accuracy check takes as right whatever the condition: the promise for every row.
_FEW_ULPS = 4
# How many roundings an operation may come to: its own, and those of the operations that its derivative is made of.
_ROUNDINGS = 8


@dataclass(frozen=True, slots=True)
class _Number:
    """The value (no entry), or our derivative in one entry of an input."""

    entry: Entry | None
    ours: float

    @property
    def output(self) -> str:
        return VALUE if self.entry is None else f"d/d{self.entry[0]}"

    @property
    def name(self) -> str:
        if self.entry is None:
            return VALUE
        member, place = self.entry
        return f"{member}[{', '.join(map(str, place))}]" if place else member


@dataclass(frozen=True, slots=True)
class _Check:
    """A model, the function compiled from it, and what to hold that function to."""

    model: Model
    compiled: Compiled
    function: CompiledFunction
    oracle: Oracle
    rtol: float
    accuracy: bool
    step: float | None
    seed: int

    def at(self, point: Point) -> list[Component]:
        """The value and all derivatives at one point."""
        value = self.oracle.value(point)
        if not math.isfinite(value):
            raise DomainError(f"the value is no finite real number at {_shown(point)}; give another point")
        ours, found = self.function.leaves(dict(point))
        numbers = [_Number(None, float(ours)), *_numbers(self.model.wrt, found, self.seed)]
        exact = [(value, value, value)]
        for number in numbers[1:]:
            assert number.entry is not None
            slope = self.oracle.derivative(point, number.entry)
            exact.append((slope.middle, *((slope.left, slope.right) if slope.is_kink else (slope.middle,) * 2)))
        largest = max((abs(middle) for middle, _, _ in exact[1:] if math.isfinite(middle)), default=0.0)
        return [self._component(point, number, *slopes, largest) for number, slopes in zip(numbers, exact, strict=True)]

    def _component(
        self, point: Point, number: _Number, exact: float, left: float, right: float, largest: float
    ) -> Component:
        ours, kink, kappa = number.ours, left != right and left == left, math.nan
        if kink:
            passed = min(left, right) - self.rtol <= ours <= max(left, right) + self.rtol
        elif self.accuracy:
            passed = ulps(ours, exact) <= _FEW_ULPS
            if not passed and math.isfinite(ours) and math.isfinite(exact):
                moves = change(self.oracle, point, number.entry)
                kappa = moves / abs(exact) if exact else math.inf
                count = operations(self.compiled.graph, bound_lengths(self.compiled.graph, point))
                passed = abs(ours - exact) <= _ROUNDINGS * count * EPSILON * moves
        else:
            # Of the value the largest component counts as well: it says what rounding an input of order 1 does.
            passed = abs(ours - exact) <= self.rtol * max(abs(exact), largest, 1e-300) or ours == exact
        slopes = (math.nan, math.nan)
        if number.entry is not None:
            by_step = complex_step(self.model.graph, point, number.entry)
            slopes = central(self.function.value, point, number.entry, self.step), by_step
        return Component(point, number.output, number.name, ours, exact, *slopes, kink, passed, kappa)


def check_grad(
    expr: Any,
    wrt: Any = None,
    at: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    *,
    samples: int = 3,
    seed: int = 0,
    backend: str = "numpy",
    kinks: str = "zero",
    rtol: float = 1e-9,
    accuracy: bool = False,
    step: float | None = None,
) -> GradientReport:
    """Check the compiled value and gradient of `expr` against an oracle of arbitrary precision.

    The oracle takes differences of the value in Arb's balls where python-flint is installed, else in mpmath's numbers;
    precision is raised until both ends of the ball round to the same double. `at` maps symbol names to numbers or
    arrays (one point or a list of points); without it, `samples` points are drawn from (0, 1), (-1, 1) or (1, 3),
    wherever the value is real and finite; symbolic lengths are 2 to 5 there, and of arrays with more than 12 entries 12
    are checked. A component passes where it is within `rtol` of the exact derivative, relative to the larger of that
    and the largest component (rounding in a well-conditioned model stays far below; a wrong derivative does not). At a
    kink, where left and right derivatives differ, any number between the two passes.

    With `accuracy=True` the value and every component must be within 4 ulp, or within what its condition explains: a
    relative error of 8*n*k*2**-53 for n operations, where k is the relative change of the number when all inputs change
    by theirs. `rtol` plays no part then, and every other point that is drawn has magnitudes from 1e-9 to 1e3.

    The report also shows central differences in doubles, with a `step` relative to max(1, |x|) (None: several steps,
    extrapolated), and the complex step where the value is analytic. Neither decides.

    Raises DomainError where no point with a real value is found, UnboundSymbol where `at` misses a symbol.

    >>> import sympy as sp
    >>> from symbackprop import check_grad
    >>> x, y = sp.symbols("x y")
    >>> bool(check_grad(sp.sin(x*y) + x**3, at={"x": 0.5, "y": 2.0}))
    True
    >>> report = check_grad(x*sp.exp(-x), at={"x": 0.75}, accuracy=True)
    >>> report.worst_of("d/dx").exact
    0.11809163818525367
    """
    if samples < 1:
        raise OptionError(f"samples={samples!r} must be at least 1")
    if step is not None and not 0 < step < math.inf:
        raise OptionError(f"step={step!r} must be a positive number, relative to max(1, |x|)")
    let, body = split_cse(expr)
    model = read_model(body, wrt, None, None, let)
    compiled = compile_request(Request(expr, wrt, options=Options(target=backend, kinks=kinks)))
    function = CompiledFunction(compiled.source, compiled.signature, backend, "float64", compiled.stats, "")
    oracle = Oracle(model.graph)
    if at is not None:
        points = given(at, model.arguments)
    else:
        points = drawn(model, samples, seed, _has_value(oracle), wide=accuracy)
        if not points:
            raise none_found()
    check = _Check(model, compiled, function, oracle, rtol, accuracy, step, seed)
    found = [component for point in points for component in check.at(point)]
    values = tuple(c for c in found if c.output == VALUE)
    return GradientReport(tuple(c for c in found if c.output != VALUE), backend, values)


def _has_value(oracle: Oracle) -> Callable[[Point], bool]:
    return lambda point: math.isfinite(oracle.roughly(point))


def _shown(point: Point) -> str:
    return ", ".join(f"{name} = {x}" if not np.ndim(x) else f"{name} = ..." for name, x in point.items())


def _numbers(variables: Sequence[Variable], found: Sequence[Any], seed: int) -> list[_Number]:
    """The entries of the leaves, and what they are derivatives in; of large arrays some that are drawn."""
    rng = np.random.default_rng(seed)
    numbers: list[_Number] = []
    for variable, leaf in zip(variables, found, strict=True):
        entries = entries_of(variable, np.shape(leaf))
        chosen: Sequence[int] = range(len(entries))
        if variable.shape and len(entries) > _MOST_ENTRIES:
            chosen = sorted(rng.choice(len(entries), _MOST_ENTRIES, replace=False))
        flat = np.ravel(leaf)
        numbers += [_Number(entries[k], float(flat[k])) for k in chosen]
    return numbers


def entries_of(variable: Variable, shape: tuple[int, ...]) -> list[Entry]:
    """What the entries of a derivative of this shape are taken in, row by row."""
    if variable.packed or not variable.shape:
        return [(member, ()) for member in variable.members]
    (member,) = variable.members
    return [(member, variable.place)] if variable.place is not None else [(member, p) for p in np.ndindex(shape)]
