"""Sums of exponentials with weights of unknown sign: growth, partition functions and ratios of transfer functions."""

from __future__ import annotations

import math
from typing import Any

import pytest
import sympy as sp

from symbackprop import check_grad, compile_grad
from symbackprop.check.oracle import Oracle
from symbackprop.frontend import read_model

K, N, r, t, a, b, c, d, x, y, g, h, E, F = sp.symbols("K N r t a b c d x y g h E F", real=True)
exp = sp.exp
GROWTH = {"K": 10.0, "N": 2.5, "r": 1.5}
WEIGHTS = {"a": 2.0, "b": 3.0, "c": 1.5, "d": 0.7}
LEVELS = {"g": 2.0, "h": 3.0, "a": 1.0, "E": 1.5, "F": 1.7, "c": 3.0}
TIMES = [-1000.0, -480.0, -30.0, 0.5, 0.7, 30.0, 100.0, 230.0, 400.0, 460.0, 1000.0]
FAR = [-2000.0, -720.0, -350.0, -30.0, -1.5, 0.1, 1.5, 10.0, 300.0, 350.0, 600.0, 720.0, 2000.0]
FORMS: dict[str, tuple[Any, dict[str, float], sp.Symbol, list[float]]] = {
    "logistic growth": (K * N * exp(r * t) / (K + N * (exp(r * t) - 1)), GROWTH, t, TIMES),
    "its square": ((K * N * exp(r * t) / (K + N * (exp(r * t) - 1))) ** 2, GROWTH, t, TIMES),
    "one over it": (1 / (K + N * (exp(r * t) - 1)), GROWTH, t, TIMES),
    "its rate": (a * exp(x) / (b + c * exp(x)) ** 2, WEIGHTS, x, FAR),
    "of two tails": ((a * exp(x) + b * exp(-x)) / (c * exp(x) + d * exp(-x)), WEIGHTS, x, FAR),
    "bilinear": ((a * exp(x) + b) / (c * exp(x) + d), WEIGHTS, x, FAR),
    "numbers of both signs": (sp.cosh(x) / (exp(x) + 3 - exp(-x)), {}, x, FAR),
    "common weight": (a / (c * exp(x) + c * exp(-x)), WEIGHTS, x, FAR),
    "mean energy": (
        (E * g * exp(-y * E) + F * h * exp(-y * F)) / (g * exp(-y * E) + h * exp(-y * F)),
        LEVELS,
        y,
        FAR,
    ),
    "occupation of three": (g * exp(-y * E) / (g * exp(-y * E) + h * exp(-y * F) + a * exp(-y * c)), LEVELS, y, FAR),
    "free energy of three": (sp.log(g * exp(-y * E) + h * exp(-y * F) + a * exp(-y * c)), LEVELS, y, FAR),
    "beside what vanishes": (a * exp(x) * sp.sin(y) / (y * (b + c * exp(x))), WEIGHTS | {"y": 0.0}, x, FAR),
}
# Of an exponent of 1,000 a rounding is 1,000 roundings of the exponential; the gradient has a few such factors.
ROUNDINGS = 2.0**-52 * 64


@pytest.mark.parametrize("name", FORMS)
def test_values_and_slopes_far_out(name: str) -> None:
    expr, point, variable, places = FORMS[name]
    symbols = sorted(expr.free_symbols, key=str)
    oracle = Oracle(read_model(expr, symbols, None, None, ()).graph)
    for backend in ("numpy", "numba"):
        function = compile_grad(expr, symbols, backend=backend)
        for place in places:
            at = {s.name: {**point, variable.name: place}[s.name] for s in symbols}
            value, gradient = function.value_and_grad(**at)
            wanted = [oracle.value(at), *[oracle.derivative(at, (s.name, ())).middle for s in symbols]]
            size = max(1.0, abs(place)) * ROUNDINGS
            for what, got, want in zip(["value", *symbols], [value, *gradient], wanted, strict=True):
                if math.isnan(want):
                    continue
                # Beside 1e-308 nothing has all its digits.
                assert math.isclose(got, want, rel_tol=size, abs_tol=1e-306), (what, place, got, want)


def test_a_weight_of_zero_is_no_dominant_one() -> None:
    """Where the largest exponential has no weight, or next to none, the others are the sum."""
    points = [{"a": 0.5, "b": w, "x": p, "y": 2.0} for w in (0.0, 1e-30, 1e-8) for p in (-3.0, -0.5, 0.5, 3.0)]
    assert check_grad((a + exp(-x)) / (b * exp(x * y) + 3 * exp(-x)), [a, b, x, y], at=points, accuracy=True).passed


@pytest.mark.parametrize("expr", [(a + exp(x)) / (a - exp(x)), (x * exp(x) + a) / (x * exp(x) - a)], ids=str)
def test_terms_in_common_stay_together(expr: Any) -> None:
    points = [{"a": size, "x": place} for size in (1e12, 1e-10, 2.0) for place in (-2.0, 0.5, 2.0, 5.0)]
    assert check_grad(expr, [a, x], at=points, accuracy=True).passed


def test_branches_are_written_once() -> None:
    """The adjoints of a chain of branches are the chain that the value is."""
    expr = sp.Piecewise((a * x, x < -1), (b * x**2, x < 1), (c * x**3, True))
    source = compile_grad(expr, [x], backend="numpy").source
    gradient = source[source.index("# Adjoints") :]
    assert "np.where(v1, a, np.where(v3, b * (2.0 * x), c * (3.0 * v2)))" in gradient
