"""Differences over a difference of parameters, and what vanishes with one, over arrays: decay chains and annuities.

Written inside a Sum or with the divisor before it; (exp(a*x) - exp(b*x))/(a - b) had slopes of nan at a = b.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy as sp
from sympy import cos, exp, log, sinh

from symbackprop import compile_grad, compile_hessian
from symbackprop.check.oracle import Oracle
from symbackprop.frontend import read_model

n = sp.Symbol("n", integer=True, positive=True)
i = sp.Symbol("i", integer=True)
c, t, y = (sp.IndexedBase(name, shape=(n,)) for name in "cty")
a, b = sp.symbols("a b", real=True)
r = sp.Symbol("r", positive=True)


def total(term: Any) -> sp.Sum:
    return sp.Sum(term, (i, 0, n - 1))


FORMS: dict[str, tuple[sp.Expr, list[dict[str, float]]]] = {
    "decay chain": (
        total((y[i] - r * a / (a - b) * (exp(-b * t[i]) - exp(-a * t[i]))) ** 2),
        [{"a": 0.3, "b": 0.3, "r": 2.0}, {"a": 0.3, "b": 0.3 + 1e-9, "r": 2.0}, {"a": 0.3, "b": 0.7, "r": 2.0}],
    ),
    "two rates": (
        total(exp(a * t[i]) - exp(b * t[i])) / (a - b),
        [{"a": 0.3, "b": 0.3}, {"a": 0.3, "b": 0.3 + 1e-9}, {"a": -900.0, "b": 0.7}],
    ),
    "annuities": (total(c[i] * (1 - (1 + r) ** (-t[i])) / r), [{"r": 1e-12}, {"r": 0.05}]),
    "Box and Cox": (
        total(((t[i] ** a - 1) / a - b) ** 2),
        [{"a": 0.0, "b": 0.3}, {"a": 1e-9, "b": 0.3}, {"a": 1.5, "b": 0.3}],
    ),
    "their likelihood": (
        a * total(log(t[i])) - n * log(total(((t[i] ** a - 1) / a) ** 2) / n) / 2,
        [{"a": 0.0}, {"a": 1e-9}, {"a": 1.5}],
    ),
    "growth": (total(exp(a * t[i]) - 1) / a, [{"a": 0.0}, {"a": 1e-9}, {"a": 0.7}]),
    "squares": (total(1 - cos(a * y[i])) / a**2, [{"a": 0.0}, {"a": 1e-9}, {"a": 0.7}]),
    "among factors": (r * total(c[i] * sinh(a * t[i])) / (3 * a), [{"a": 0.0, "r": 2.0}, {"a": 1e-9, "r": 2.0}]),
}
ARRAYS = {"c": [1.5, -0.7, 2.0], "t": [0.4, 1.3, 0.9], "y": [0.3, -1.2, 2.0]}


def given(expr: sp.Expr, numbers: dict[str, float]) -> dict[str, Any]:
    arrays = {symbol.name for symbol in expr.atoms(sp.Symbol)} & set(ARRAYS)
    return {**numbers, **{name: np.array(ARRAYS[name]) for name in arrays}}


def entries(point: dict[str, Any]) -> list[tuple[str, tuple[int, ...]]]:
    return [(name, place) for name in sorted(point) for place in np.ndindex(np.shape(point[name]))]


def beside(point: dict[str, Any]) -> dict[str, Any]:
    """The point, moved so little that no double tells: the limit is a value there."""
    return {**point, "a" if "a" in point else "r": Fraction(point.get("a", point.get("r"))) + Fraction(1, 2**300)}


@pytest.mark.parametrize("backend", ["numpy", "numba", "python"])
@pytest.mark.parametrize("name", FORMS)
def test_values_and_slopes(name: str, backend: str) -> None:
    expr, points = FORMS[name]
    oracle = Oracle(read_model(expr, None, None, None, ()).graph)
    compiled = compile_grad(expr, backend=backend)
    for numbers in points:
        point = given(expr, numbers)
        value, gradient = compiled.value_and_grad(**point)
        want = [oracle.value(beside(point)), *(oracle.derivative(beside(point), e).middle for e in entries(point))]
        got = np.concatenate([np.ravel(value), *map(np.ravel, gradient)])
        np.testing.assert_allclose(got, want, rtol=4e-15, atol=4e-16 * np.max(np.abs(want)))


@pytest.mark.parametrize("name", FORMS)
def test_second_derivatives(name: str) -> None:
    expr, points = FORMS[name]
    wrt = [symbol for symbol in (a, b, r) if symbol.name in points[0]]
    oracle = Oracle(read_model(expr, wrt, None, None, ()).graph)
    compiled = compile_hessian(expr, wrt, backend="numpy")
    for numbers in points:
        point = given(expr, numbers)
        pairs = [((one.name, ()), (other.name, ())) for one in wrt for other in wrt]
        want = [oracle.second(beside(point), *pair) for pair in pairs]
        got = np.ravel(compiled(**point))
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-14 * np.max(np.abs(want)))


def test_no_number_in_is_none_out() -> None:
    for expr, points in FORMS.values():
        for name in points[0]:
            point = given(expr, {**points[0], name: np.nan})
            assert np.isnan(compile_grad(expr, backend="numpy").value_and_grad(**point)[0])


def test_other_sums_stay_as_they_are() -> None:
    """Of a mean, and of what does not vanish with its divisor, no term is divided."""
    for expr in (total(sp.sin(b * t[i])) / a, total((y[i] - a * t[i]) ** 2) / n, total(y[i] - b) / (a - b)):
        assert "series" not in compile_grad(expr, backend="numpy").source
