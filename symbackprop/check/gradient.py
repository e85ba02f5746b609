"""Gradients against oracles that know nothing of differentiation: differences and the complex step of the value.

The oracle is the value's own graph, before any derivative is taken, in arithmetic of 60 digits, where a central
difference with step 1e-20 is right to about 1e-38 (its truncation error is h**2 f'''/6). Beside it stand checks that a
user can repeat in double precision: the central difference with step cbrt(eps)*max(1, |x|), right to about 1e-10, and
the complex step Im f(x + ih)/h (Squire and Trapp, SIAM Rev. 40, 1998), where the value is analytic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np
from mpmath.libmp import NoConvergence

from symbackprop.check.points import Point, drawn, given
from symbackprop.compiler import Request, compile_request
from symbackprop.errors import DomainError, OptionError
from symbackprop.frontend import Model, Variable, read_model, split_cse
from symbackprop.ir import Graph, interpret
from symbackprop.ops import REGISTRY, leaves
from symbackprop.options import Options
from symbackprop.runtime import CompiledFunction

_DIGITS = 60
_STEP = mp.mpf(10) ** -20
_MOST_ENTRIES = 12
# Rows on arrays that are what they are for complex numbers too.
_LINEAR = frozenset(row for row in REGISTRY if not row.elementwise and row.linear) | set(leaves.ROWS)


@dataclass(frozen=True, slots=True)
class Entry:
    """One number of one input, and our derivative in it."""

    member: str
    place: tuple[int, ...]
    ours: float

    def __str__(self) -> str:
        return f"{self.member}[{', '.join(map(str, self.place))}]" if self.place else self.member


@dataclass(frozen=True, slots=True)
class Component:
    """One entry of the gradient at one point, by us and by each oracle (nan where an oracle has no say)."""

    point: Mapping[str, Any]
    name: str
    ours: float
    exact: float
    central: float
    complex_step: float
    kink: bool
    passed: bool

    @property
    def error(self) -> float:
        """Relative to the exact derivative; absolute where that is 0."""
        return _relative(self.ours, self.exact)

    @property
    def ulps(self) -> float:
        """The error in units in the last place of the exact derivative."""
        if self.ours == self.exact:
            return 0.0
        return abs(self.ours - self.exact) / math.ulp(self.exact) if math.isfinite(self.exact) else math.inf


@dataclass(frozen=True, slots=True)
class GradientReport:
    """What `check_grad` found; true where every component passed."""

    components: tuple[Component, ...]
    backend: str

    def __bool__(self) -> bool:
        return self.passed

    @property
    def passed(self) -> bool:
        return all(component.passed for component in self.components)

    @property
    def worst(self) -> Component:
        """The component with the largest error, failures first."""
        return max(self.components, key=lambda c: (not c.passed, c.error if c.error == c.error else math.inf))

    def __str__(self) -> str:
        """A table, one line a component."""
        rows: list[tuple[str, ...]] = [("", "ours", "exact", "central difference", "complex step", "ulps", "")]
        for c in self.components:
            verdict = ("kink" if c.kink else "ok") if c.passed else "WRONG"
            numbers = [f"{x:.12g}" if x == x else "-" for x in (c.ours, c.exact, c.central, c.complex_step)]
            rows.append((f"d/d{c.name}", *numbers, "-" if c.kink else f"{c.ulps:.1f}", verdict))
        widths = [max(len(row[column]) for row in rows) for column in range(7)]
        return "\n".join("  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)


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
) -> GradientReport:
    """Check the compiled gradient of `expr` against differences of its value in 60 digits.

    `at` maps symbol names to numbers or arrays (one point or a list of points); without it, `samples` points are drawn
    from (0, 1), (-1, 1) or (1, 3), wherever the value is real and finite; symbolic lengths are 2 to 5 there, and of
    arrays with more than 12 entries 12 are checked. A component passes where it is within `rtol` of
    the exact derivative, relative to the larger of that and the largest component (rounding in a well-conditioned model
    stays far below; a wrong derivative does not). At a kink, where left and right derivatives differ, any number
    between the two passes.

    Raises DomainError where no point with a real value is found, UnboundSymbol where `at` misses a symbol.

    >>> import sympy as sp
    >>> from symbackprop import check_grad
    >>> x, y = sp.symbols("x y")
    >>> bool(check_grad(sp.sin(x*y) + x**3, at={"x": 0.5, "y": 2.0}))
    True
    """
    if samples < 1:
        raise OptionError(f"samples={samples!r} must be at least 1")
    let, body = split_cse(expr)
    model = read_model(body, wrt, None, None, let)
    request = Request(expr, wrt, options=Options(target=backend, kinks=kinks))
    compiled = compile_request(request)
    function = CompiledFunction(compiled.source, compiled.signature, backend, "float64", compiled.stats, "")
    if at is not None:
        points = given(at, model.arguments)
    else:
        points = drawn(model, samples, seed, lambda point: _value(model.graph, _exact_inputs(point)))
    components: list[Component] = []
    for point in points:
        if _value(model.graph, _exact_inputs(point)) is None:
            raise DomainError(f"the value is no finite real number at {_shown(point)}; give another point")
        components.extend(_check_point(model, function, point, rtol, seed))
    return GradientReport(tuple(components), backend)


def _shown(point: Point) -> str:
    return ", ".join(f"{name} = {x}" if not np.ndim(x) else f"{name} = ..." for name, x in point.items())


def _value(graph: Graph, inputs: Mapping[str, Any]) -> Any:
    """The value in high precision; None where it is not a finite real number."""
    with mp.workdps(_DIGITS):
        try:
            value = interpret(graph, inputs, "mpmath")[0]
        except (ValueError, ZeroDivisionError, OverflowError, TypeError, NoConvergence):
            return None
        if isinstance(value, mp.mpc):
            if value.imag != 0:
                return None
            value = value.real
        return value if mp.isfinite(value) else None


def _entries(variables: Sequence[Variable], found: Sequence[Any], seed: int) -> list[Entry]:
    """What the entries of the leaves are derivatives in; of large arrays some that are drawn."""
    rng = np.random.default_rng(seed)
    entries: list[Entry] = []
    for variable, leaf in zip(variables, found, strict=True):
        if variable.packed:
            entries += [Entry(m, (), float(x)) for m, x in zip(variable.members, np.ravel(leaf), strict=True)]
            continue
        (member,) = variable.members
        if not variable.shape or variable.place is not None:
            entries.append(Entry(member, variable.place or (), float(leaf)))
            continue
        places = list(np.ndindex(np.shape(leaf)))
        if len(places) > _MOST_ENTRIES:
            places = sorted(places[k] for k in rng.choice(len(places), _MOST_ENTRIES, replace=False))
        entries += [Entry(member, place, float(leaf[place])) for place in places]
    return entries


def _check_point(model: Model, function: CompiledFunction, point: Point, rtol: float, seed: int) -> list[Component]:
    _, found = function.leaves(dict(point))
    entries = _entries(model.wrt, found, seed)
    inputs = _exact_inputs(point)
    exact = [_derivatives(model.graph, inputs, entry) for entry in entries]
    largest = max((abs(middle) for _, middle, _ in exact if middle == middle), default=0.0)
    components = []
    for entry, (left, middle, right) in zip(entries, exact, strict=True):
        ours = entry.ours
        kink = abs(left - right) > 1e-8 * max(abs(left), abs(right))
        if kink:
            passed = min(left, right) - rtol <= ours <= max(left, right) + rtol
        else:
            passed = abs(ours - middle) <= rtol * max(abs(middle), largest, 1e-300) or ours == middle
        central = _central(function.value, point, entry)
        step = _complex_step(model.graph, inputs, entry)
        components.append(Component(point, str(entry), ours, middle, central, step, kink, passed))
    return components


def _exact_inputs(point: Point) -> dict[str, Any]:
    """Numbers and arrays in high precision; integers stay integers."""
    return {name: x if np.asarray(x).dtype.kind in "iu" else _lifted(x) for name, x in point.items()}


def _lifted(x: Any) -> Any:
    return np.frompyfunc(mp.mpf, 1, 1)(np.asarray(x, object)) if np.ndim(x) else mp.mpf(x)


def _moved(inputs: Mapping[str, Any], entry: Entry, shift: Any) -> dict[str, Any]:
    """The inputs with one entry shifted."""
    if not np.ndim(inputs[entry.member]):
        return {**inputs, entry.member: inputs[entry.member] + shift}
    array = np.array(inputs[entry.member])
    array[entry.place] = array[entry.place] + shift
    return {**inputs, entry.member: array}


def _at(inputs: Mapping[str, Any], entry: Entry) -> Any:
    return inputs[entry.member][entry.place] if np.ndim(inputs[entry.member]) else inputs[entry.member]


def _derivatives(graph: Graph, inputs: dict[str, Any], entry: Entry) -> tuple[float, float, float]:
    """The derivative from the left, by the central difference, and from the right."""
    with mp.workdps(_DIGITS):
        h = _STEP * max(1, abs(_at(inputs, entry)))
        here, above, below = (_value(graph, _moved(inputs, entry, shift)) for shift in (0, h, -h))
        if here is None or above is None or below is None:
            return (math.nan,) * 3
        return float((here - below) / h), float((above - below) / (2 * h)), float((above - here) / h)


def _central(value: Callable[..., Any], point: Point, entry: Entry) -> float:
    x = float(_at(point, entry))
    h = float(np.cbrt(np.finfo(float).eps)) * max(1.0, abs(x))
    above, below = x + h, x - h
    values = [value(**_moved(point, entry, end - x)) for end in (above, below)]
    return float((values[0] - values[1]) / (above - below))


def _complex_step(graph: Graph, inputs: dict[str, Any], entry: Entry) -> float:
    """Im f(x + ih)/h; nan where the graph holds an operation that is not analytic, or sees whole arrays at once."""
    if not all(node.op.analytic and (node.op.elementwise or node.op in _LINEAR) for node in graph.nodes):
        return math.nan
    with mp.workdps(_DIGITS):
        try:
            value = interpret(graph, _moved(inputs, entry, mp.mpc(0, _STEP)), "mpmath")[0]
        except (ValueError, ZeroDivisionError, OverflowError, TypeError, AttributeError, NoConvergence):
            return math.nan
        return float(value.imag / _STEP) if isinstance(value, mp.mpc) else 0.0


def _relative(ours: float, exact: float) -> float:
    return abs(ours - exact) / abs(exact) if exact else abs(ours)
