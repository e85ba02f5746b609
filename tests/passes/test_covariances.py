"""Variances, covariances, correlations and slopes of lines as users write them, of data far from 0.

At 1e8 a variance of 0.15 was 2, and a slope of -4.65 had two digits at 1e7.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp
from sympy import exp, log, sqrt

from symbackprop import check_grad, compile_grad
from symbackprop.frontend import read_model
from symbackprop.passes import dead, simplify, stabilise

n, m = sp.symbols("n m", integer=True, positive=True)
i, k = sp.symbols("i k", integer=True)
x, y, w = (sp.IndexedBase(name, shape=(n,)) for name in "xyw")
Z = sp.IndexedBase("Z", shape=(n, m))
a, b = sp.symbols("a b", real=True)
T = sp.Symbol("T", positive=True)


def total(term: Any) -> sp.Sum:
    return sp.Sum(term, (i, 0, n - 1))


def mean(term: Any) -> sp.Expr:
    return total(term) / n


def weighted(term: Any) -> sp.Expr:
    return total(w[i] * term) / total(w[i])


def thermal(term: Any) -> sp.Expr:
    return total(term * exp(-x[i] / T)) / total(exp(-x[i] / T))


xx, xy, yy = (n * total(u * v) - total(u) * total(v) for u, v in ((x[i], x[i]), (x[i], y[i]), (y[i], y[i])))
xy_sum = total(x[i] * y[i])
rows = sp.Sum(Z[i, k] ** 2, (k, 0, m - 1)) / m - (sp.Sum(Z[i, k], (k, 0, m - 1)) / m) ** 2
FORMS: dict[str, sp.Expr] = {
    "variance": mean(x[i] ** 2) - mean(x[i]) ** 2,
    "unbiased": (total(x[i] ** 2) - total(x[i]) ** 2 / n) / (n - 1),
    "corrected": n / (n - 1) * (mean(x[i] ** 2) - mean(x[i]) ** 2),
    "deviation": sqrt(mean(x[i] ** 2) - mean(x[i]) ** 2),
    "logarithm": log(mean(x[i] ** 2) - mean(x[i]) ** 2),
    "beside another": a + mean(x[i] ** 2) - b - mean(x[i]) ** 2,
    "covariance": mean(x[i] * y[i]) - mean(x[i]) * mean(y[i]),
    "correlation": xy / sqrt(xx * yy),
    "slope": xy / xx,
    "weighted variance": weighted(x[i] ** 2) - weighted(x[i]) ** 2,
    "weighted slope": (total(w[i]) * total(w[i] * x[i] * y[i]) - total(w[i] * x[i]) * total(w[i] * y[i]))
    / (total(w[i]) * total(w[i] * x[i] ** 2) - total(w[i] * x[i]) ** 2),
    "heat capacity": (thermal(x[i] ** 2) - thermal(x[i]) ** 2) / T**2,
    "of rows": sp.Sum(log(rows), (i, 0, n - 1)),
}
ARRAYS = {
    "x": np.array([0.1, 0.7, -0.4, 0.25]),
    "y": np.array([1.0, -2.0, 3.0, -0.5]),
    "w": np.array([0.4, 1.3, 0.9, 2.0]),
    "Z": np.array([[0.1, 0.2, -0.3], [1.0, 2.0, 3.0]]),
}


def given(expr: sp.Expr, shift: float = 0.0) -> dict[str, Any]:
    point = {**{name: value + (name != "w") * shift for name, value in ARRAYS.items()}, "a": 0.5, "b": 0.25, "T": 0.01}
    return {name: point[name] for name in compile_grad(expr, backend="numpy").args}


@pytest.mark.parametrize("backend", ["numpy", "numba", "python"])
@pytest.mark.parametrize("name", FORMS)
def test_far_from_zero(name: str, backend: str) -> None:
    shifts = (0.0,) if name == "heat capacity" else (0.0, 1e8)
    places = [given(FORMS[name], shift) for shift in shifts]
    report = check_grad(FORMS[name], at=places, accuracy=True, backend=backend)
    assert report, str(report)


@pytest.mark.parametrize("name", FORMS)
def test_once_is_enough(name: str) -> None:
    once = dead(stabilise(simplify(read_model(FORMS[name], None, None, None, ()).graph)))
    assert [tuple(node) for node in dead(stabilise(once)).nodes] == [tuple(node) for node in once.nodes]


def test_weights_that_cancel() -> None:
    """They have no mean: what is left of the difference is -sum(w*x)*sum(w*y)."""
    expr = FORMS["weighted slope"]
    for weights in ([1.0, -1.0, 1.0, -1.0], [1.0, -1.0, 1.0, -1.0 + 1e-9], [1.0, -1.0, 1.0, 3.0]):
        report = check_grad(expr, at={**given(expr), "w": np.array(weights)}, accuracy=True)
        assert report, str(report)


@pytest.mark.parametrize("backend", ["numpy", "numba", "python"])
def test_nothing_is_divided_by_data(backend: str) -> None:
    """The intercept of a line and the determinant of Gram were nan where a y is 0: they were those of x/y."""
    intercept = (total(y[i]) * total(x[i] ** 2) - total(x[i]) * xy_sum) / xx
    gram = total(x[i] ** 2) * total(y[i] ** 2) - xy_sum**2
    data = {"x": np.array([1.0, 2.0, 3.0, 4.0]), "y": np.array([0.0, 1.0, 3.0, 2.0])}
    for expr in (intercept, gram):
        report = check_grad(expr, at=data, accuracy=True, backend=backend)
        assert report, str(report)
    weighted_spread = total(w[i]) * total(w[i] * x[i] ** 2) - total(w[i] * x[i]) ** 2
    value, slopes = compile_grad(weighted_spread, [w, x], backend=backend).value_and_grad(w=np.zeros(4), x=data["x"])
    assert value == 0.0 and not np.any(slopes)


def test_data_without_spread_none_and_no_number() -> None:
    deviation = compile_grad(FORMS["deviation"], x, backend="numpy")
    value, slopes = deviation.value_and_grad(x=np.full(3, 7.0))
    assert value == 0.0 and list(slopes) == [0.0] * 3
    slope = compile_grad(FORMS["slope"], [x, y], backend="numpy")
    assert np.isnan(slope.value(x=np.array([1.0, np.nan]), y=np.ones(2)))
    assert np.isnan(slope.value(x=np.ones(0), y=np.ones(0)))


def test_other_products_of_sums_stay() -> None:
    for expr in (
        total(x[i] * y[i]) - total(x[i]) * total(y[i]),
        mean(x[i] ** 2) - total(x[i]) ** 2,
        mean(w[i] * x[i] ** 2) - mean(w[i] * x[i]) ** 2,
        total(w[i] * x[i] * y[i]) / total(y[i]) - total(w[i] * x[i]) * total(w[i] * y[i]) / total(w[i]) ** 2,
    ):
        graph = dead(stabilise(simplify(read_model(expr, None, None, None, ()).graph)))
        assert all(node.op.name != "broadcast" for node in graph.nodes)
