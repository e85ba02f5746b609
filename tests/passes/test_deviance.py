"""Deviances and relative entropies, which vanish like the square of what their operands differ by."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp

from symbackprop import compile_grad
from tests.passes.accuracy import assert_right_at, rows

x, y, z = sp.symbols("x y z", real=True)
log = sp.log
MODELS = {
    "Poisson": x * log(x / y) - (x - y),
    "doubled": 2 * (x * log(x / y) - x + y),
    "upside down": y - x - x * log(y / x),
    "apart": x * log(x) - x * log(y) - x + y,
    "of a difference": x * (log(x) - log(y)) - x + y,
    "among others": z * (x * log(x / y) - x + y) + 3,
    "Itakura and Saito": x / y - log(x / y) - 1,
    "the same apart": x / y - 1 - log(x) + log(y),
    "coins": x * log(x / y) + (1 - x) * log((1 - x) / (1 - y)),
    "coins apart": x * log(x) - x * log(y) + (1 - x) * log(1 - x) - (1 - x) * log(1 - y),
    "in a chain": x * log(x / y) - x + y + y * log(y / z) - y + z,
}
APART = (0.0, 1e-12, 1e-8, -1e-8, 1e-4, -1e-2, 0.1, 0.25, -0.29, 0.6)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("name", MODELS)
def test_near_and_far(name: str, backend: str) -> None:
    expr = MODELS[name]
    points = [{s: v for s, v in ((x, 0.3), (y, 0.3 + d), (z, 0.31)) if expr.has(s)} for d in APART]
    assert_right_at(expr, points, backend)
    assert "kl_div" in rows(expr)


@pytest.mark.parametrize("ratio", [1e-300, 1e-8, 0.3333, 0.3334, 2.9999, 3.0001, 1e8, 1e300])
def test_all_ratios(ratio: float) -> None:
    assert_right_at(MODELS["Poisson"], [{x: ratio, y: 1.0}, {x: ratio * 1e-3, y: 1e-3}], "numpy")


def test_what_is_empty_costs_what_was_expected() -> None:
    value, (slope,) = compile_grad(MODELS["Poisson"], [y]).value_and_grad(x=0.0, y=2.5)
    assert (value, slope) == (2.5, 1.0)
    assert math.isnan(compile_grad(MODELS["Poisson"], [y]).value(x=math.nan, y=2.5))


@pytest.mark.parametrize("name", ["apart", "of a difference", "the same apart"])
def test_logarithms_of_what_is_negative_stay_none(name: str) -> None:
    assert math.isnan(compile_grad(MODELS[name], [x, y]).value(x=-1.0, y=-2.0))
    assert math.isclose(compile_grad(MODELS["Poisson"], [x, y]).value(x=-1.0, y=-2.0), math.log(2.0) - 1.0)


def test_over_arrays() -> None:
    i, n = sp.symbols("i n", integer=True)
    counts, rates = sp.IndexedBase("counts"), sp.IndexedBase("rates")
    term = counts[i] * log(counts[i] / rates[i]) - counts[i] + rates[i]
    function = compile_grad(sp.Sum(term, (i, 0, n - 1)), [rates])
    given, wanted = np.array([3.0, 0.0, 4e8]), np.array([3.0, 1.5, 4e8 + 20.0])
    value, (slope,) = function.value_and_grad(counts=given, rates=wanted)
    # 20**2/2/4e8 but for the next term of the series, 1e-8 of it.
    assert math.isclose(value, 1.5 + 5e-7 * (1 - 20 / 4e8 * 2 / 3), rel_tol=1e-15)
    assert np.allclose(slope, [0.0, 1.0, 20 / (4e8 + 20)], rtol=1e-15, atol=0)


@pytest.mark.parametrize("expr", [x * log(x / y), x * log(x / y) - x, z * log(x / y) - z + y, x / y - log(x / y) - 2])
def test_other_sums_stay(expr: sp.Expr) -> None:
    assert "kl_div" not in rows(expr)
