"""Shapes that go to 0, or to infinity: generalised Pareto, Student's t, Arps' decline, compound interest."""

from __future__ import annotations

import math
from typing import Any

import pytest
import sympy as sp

from symbackprop import check_grad, compile_grad

k, x, g, M, q, b, c, t, s, a, n = sp.symbols("k x g M q b c t s a n", real=True)
# Each with its limit and the slopes there, in the order of the names of its symbols, worked by hand.
LIMITS: dict[str, tuple[Any, dict[str, float], float, list[float]]] = {
    "survival": (
        (1 + k * x) ** (-1 / k),
        {"k": 0.0, "x": 0.7},
        math.exp(-0.7),
        [0.245 * math.exp(-0.7), -math.exp(-0.7)],
    ),
    "growth": ((1 + k * x) ** (1 / k), {"k": 0.0, "x": 0.7}, math.exp(0.7), [-0.245 * math.exp(0.7), math.exp(0.7)]),
    "of Tsallis": (
        (1 + (1 - q) * x) ** (1 / (1 - q)),
        {"q": 1.0, "x": 0.5},
        math.exp(0.5),
        [0.125 * math.exp(0.5), math.exp(0.5)],
    ),
    "log density": (-(1 + 1 / k) * sp.log(1 + k * x), {"k": 0.0, "x": 0.7}, -0.7, [0.245 - 0.7, -1.0]),
    "stagnation": (
        (1 + (g - 1) / 2 * M**2) ** (g / (g - 1)),
        {"g": 1.0, "M": 0.6},
        math.exp(0.18),
        [0.6 * math.exp(0.18), (0.18 - 0.0162) * math.exp(0.18)],
    ),
}
BESIDE: dict[str, tuple[Any, dict[str, float], sp.Symbol, float]] = {
    "Arps": ((1 + b * c * t) ** (-1 / b), {"c": 2.0, "t": 0.4}, b, 0.0),
    "density": ((1 + k * (x - a) / s) ** (-1 / k - 1) / s, {"x": 0.7, "a": 0.1, "s": 1.5}, k, 0.0),
    "extreme value": (sp.exp(-((1 + k * x) ** (-1 / k))), {"x": 0.7}, k, 0.0),
    "kinetics": ((1 + (n - 1) * k * t) ** (-1 / (n - 1)), {"k": 0.5, "t": 0.7}, n, 1.0),
    "written together": (-(1 + 1 / k) * sp.log(1 + k * x) - sp.log(s), {"x": 0.7, "s": 2.0}, k, 0.0),
}
GROWING: dict[str, tuple[Any, dict[str, float], sp.Symbol]] = {
    "interest": ((1 + a / n) ** (n * t), {"a": 0.05, "t": 3.0}, n),
    "Student": ((1 + x**2 / n) ** (-(n + 1) / 2), {"x": 0.5}, n),
    "decay": ((1 - x / n) ** n, {"x": 0.3}, n),
}


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("name", LIMITS)
def test_limits(name: str, backend: str) -> None:
    expr, point, value, slopes = LIMITS[name]
    symbols = sorted(expr.free_symbols, key=str)
    got, gradient = compile_grad(expr, symbols, backend=backend).value_and_grad(**point)
    assert math.isclose(got, value, rel_tol=4e-16)
    for found, wanted in zip(gradient, slopes, strict=True):
        assert math.isclose(found, wanted, rel_tol=1e-15)


@pytest.mark.parametrize("name", BESIDE)
def test_beside_limits(name: str) -> None:
    expr, rest, shape, limit = BESIDE[name]
    points = [rest | {shape.name: limit + d} for d in (1e-12, -1e-9, 1e-6, -1e-3, 0.1, 0.7, 2.0)]
    assert check_grad(expr, sorted(expr.free_symbols, key=str), at=points, accuracy=True).passed


@pytest.mark.parametrize("name", GROWING)
def test_far_out(name: str) -> None:
    expr, rest, shape = GROWING[name]
    points = [rest | {shape.name: size} for size in (1.5, 7.0, 1e3, 1e6, 1e9, 1e12)]
    assert check_grad(expr, sorted(expr.free_symbols, key=str), at=points, accuracy=True).passed


def test_whole_exponents_keep_their_negative_bases() -> None:
    """(1 - x/n)**n at x = 5, n = 3 is (-2/3)**3."""
    value = compile_grad((1 - x / n) ** n, [x], args=[x, n], backend="numpy").value(5.0, 3.0)
    assert math.isclose(value, (-2 / 3) ** 3, rel_tol=1e-15)
