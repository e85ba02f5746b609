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

from symbackprop.compiler import Request, compile_request
from symbackprop.errors import DomainError, OptionError, UnboundSymbol
from symbackprop.frontend import read_model, split_cse
from symbackprop.ir import Graph, interpret
from symbackprop.options import Options
from symbackprop.runtime import CompiledFunction

_DIGITS = 60
_STEP = mp.mpf(10) ** -20
_ATTEMPTS = 200
_INTERVALS = ((0.05, 0.95), (-1.0, 1.0), (1.05, 3.0))


@dataclass(frozen=True, slots=True)
class Component:
    """One entry of the gradient at one point, by us and by each oracle (nan where an oracle has no say)."""

    point: Mapping[str, float]
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
    at: Mapping[str, float] | Sequence[Mapping[str, float]] | None = None,
    *,
    samples: int = 3,
    seed: int = 0,
    backend: str = "numpy",
    kinks: str = "zero",
    rtol: float = 1e-9,
) -> GradientReport:
    """Check the compiled gradient of `expr` against differences of its value in 60 digits.

    `at` maps symbol names to numbers (one point or a list of points); without it, `samples` points are drawn from
    (0, 1), (-1, 1) or (1, 3), wherever the value is real and finite. A component passes where it is within `rtol` of
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
    members = [member for variable in model.wrt for member in variable.members]
    request = Request(expr, wrt, options=Options(target=backend, kinks=kinks))
    compiled = compile_request(request)
    function = CompiledFunction(compiled.source, compiled.signature, backend, "float64", compiled.stats, "")
    names = [argument.name for argument in model.arguments]
    points = _given(at, names) if at is not None else _drawn(model.graph, names, samples, seed)
    components: list[Component] = []
    for point in points:
        components.extend(_check_point(model.graph, function, members, point, rtol))
    return GradientReport(tuple(components), backend)


def _given(at: Any, names: list[str]) -> list[dict[str, float]]:
    points = [at] if isinstance(at, Mapping) else list(at)
    result = []
    for given in points:
        point = {getattr(key, "name", key): value for key, value in given.items()}
        missing = [name for name in names if name not in point]
        if missing:
            raise UnboundSymbol(f"at= gives no value for {', '.join(map(repr, missing))}")
        result.append({name: float(point[name]) for name in names})
    return result


def _drawn(graph: Graph, names: list[str], samples: int, seed: int) -> list[dict[str, float]]:
    rng = np.random.default_rng(seed)
    points: list[dict[str, float]] = []
    for attempt in range(_ATTEMPTS):
        # All symbols from one interval first; then each from one of its own.
        chosen = [attempt % 4] * len(names) if attempt % 4 < 3 else rng.integers(0, 3, len(names)).tolist()
        # Few digits, so that a point can be read and typed.
        point = {name: float(f"{rng.uniform(*_INTERVALS[k]):.4g}") for name, k in zip(names, chosen, strict=True)}
        if _value(graph, {name: mp.mpf(x) for name, x in point.items()}) is not None:
            points.append(point)
            if len(points) == samples:
                return points
    if points:
        return points
    raise DomainError(f"no point with a real, finite value was found in {_ATTEMPTS} draws; give one with at={{...}}")


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


def _check_point(
    graph: Graph, function: CompiledFunction, members: list[str], point: dict[str, float], rtol: float
) -> list[Component]:
    _, leaves = function.leaves(point)
    gradient = [float(entry) for leaf in leaves for entry in np.ravel(leaf)]
    inputs = {name: mp.mpf(x) for name, x in point.items()}
    exact = [_derivatives(graph, inputs, name) for name in members]
    largest = max((abs(middle) for _, middle, _ in exact if middle == middle), default=0.0)
    components = []
    for name, ours, (left, middle, right) in zip(members, gradient, exact, strict=True):
        kink = abs(left - right) > 1e-8 * max(abs(left), abs(right))
        if kink:
            passed = min(left, right) - rtol <= ours <= max(left, right) + rtol
        else:
            passed = abs(ours - middle) <= rtol * max(abs(middle), largest, 1e-300) or ours == middle
        central = _central(function.value, point, name)
        components.append(
            Component(point, name, ours, middle, central, _complex_step(graph, inputs, name), kink, passed)
        )
    return components


def _derivatives(graph: Graph, inputs: dict[str, Any], name: str) -> tuple[float, float, float]:
    """The derivative from the left, by the central difference, and from the right."""
    with mp.workdps(_DIGITS):
        h = _STEP * max(1, abs(inputs[name]))
        here, above, below = (_value(graph, {**inputs, name: inputs[name] + shift}) for shift in (0, h, -h))
        if here is None or above is None or below is None:
            return (math.nan,) * 3
        return float((here - below) / h), float((above - below) / (2 * h)), float((above - here) / h)


def _central(value: Callable[..., Any], point: dict[str, float], name: str) -> float:
    x = point[name]
    h = np.cbrt(np.finfo(float).eps) * max(1.0, abs(x))
    above, below = x + h, x - h
    return float((value(**{**point, name: above}) - value(**{**point, name: below})) / (above - below))


def _complex_step(graph: Graph, inputs: dict[str, Any], name: str) -> float:
    """Im f(x + ih)/h; nan where the graph holds an operation that is not analytic."""
    if not all(node.op.analytic for node in graph.nodes):
        return math.nan
    with mp.workdps(_DIGITS):
        try:
            value = interpret(graph, {**inputs, name: mp.mpc(inputs[name], _STEP)}, "mpmath")[0]
        except (ValueError, ZeroDivisionError, OverflowError, TypeError, AttributeError, NoConvergence):
            return math.nan
        return float(value.imag / _STEP) if isinstance(value, mp.mpc) else 0.0


def _relative(ours: float, exact: float) -> float:
    return abs(ours - exact) / abs(exact) if exact else abs(ours)
