"""Data at zero: powers and roots of products, and what is smooth where a root in it is not.

Stretched exponentials, Hill's and Weibull's curves are fitted to data that begin at 0, where the slope in x/K is
infinite and that in K is 0. cos(sqrt(x)) and acos(x)**2 have series where their roots have none.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop import check_grad, compile_grad, compile_hessian, compile_hvp

x, K, n, a, b, p = sp.symbols("x K n a b p", real=True)
AT = {"x": 0.0, "K": 2.0, "n": 0.7, "a": 3.0, "b": 0.5, "p": 0.0}
INF = math.inf
# The slopes in each symbol, in the order of their names; worked by hand.
AT_ZERO: list[tuple[Any, list[float]]] = [
    ((x / K) ** n, [0.0, 0.0, INF]),
    (sp.exp(-((x / K) ** n)), [0.0, 0.0, -INF]),
    ((x / K) ** n / (1 + (x / K) ** n), [0.0, 0.0, INF]),
    (x**n / (K**n + x**n), [0.0, 0.0, INF]),
    (1 - sp.exp(-((a * x / K) ** n)), [0.0, 0.0, 0.0, INF]),
    (sp.sqrt(a * x), [0.0, INF]),
    (a * (b * x) ** n, [0.0, 0.0, 0.0, INF]),
    (sp.cbrt(a * x), [0.0, INF]),
    (x / (1 + sp.sqrt(x)), [1.0]),
    (K * p / (1 + a * p**n), [0.0, 0.0, 0.0, 2.0]),
    (x * sp.sqrt(x) + a * x, [0.0, 3.0]),
    (x**2 * x**n, [0.0, 0.0]),
    (sp.cos(sp.sqrt(x)), [-0.5]),
    (sp.sqrt(x) * sp.tan(sp.sqrt(x)), [1.0]),
    (sp.sqrt(x) * sp.sin(sp.sqrt(x)), [1.0]),
    (sp.cosh(sp.sqrt(x)), [0.5]),
]


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize(("expr", "wanted"), AT_ZERO, ids=str)
def test_slopes_at_zero(expr: Any, wanted: list[float], backend: str) -> None:
    symbols = sorted(expr.free_symbols, key=str)
    gradient = compile_grad(expr, symbols, backend=backend)(**{s.name: AT[s.name] for s in symbols})
    assert [float(entry) for entry in gradient] == wanted


@pytest.mark.parametrize(("expr", "wanted"), AT_ZERO, ids=str)
def test_slopes_beside_zero(expr: Any, wanted: list[float]) -> None:
    symbols = sorted(expr.free_symbols, key=str)
    # At 1e-300 a third, which is no double, makes 70 ulp of a cubic root.
    points = [{s.name: AT[s.name] or size for s in symbols} for size in (1e-18, 1e-12, 1e-9, 1e-6, 1e-3, 0.5)]
    assert check_grad(expr, symbols, at=points, accuracy=True).passed


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_fit_to_data_that_begin_at_zero(backend: str) -> None:
    i, m = sp.Symbol("i", integer=True), sp.Symbol("m", integer=True, positive=True)
    t, y = (sp.IndexedBase(name, shape=(m,)) for name in "ty")
    loss = sp.Sum((y[i] - a * sp.exp(-((t[i] / K) ** n))) ** 2, (i, 0, m - 1))
    data = {"t": np.array([0.0, 0.5, 1.0]), "y": np.array([2.0, 1.0, 0.5])}
    gradient = compile_grad(loss, [a, K, n], backend=backend)
    beside = gradient(a=2.0, K=1.5, n=0.7, **data | {"t": np.array([1e-300, 0.5, 1.0])})
    np.testing.assert_allclose(gradient(a=2.0, K=1.5, n=0.7, **data), beside, rtol=1e-14)


def test_at_one() -> None:
    """acos(x)**2 is smooth at 1, where acos(x) ends."""
    for point, wanted in ((1.0, -2.0), (1 - 1e-12, -2 - 2 / 3 * 1e-12), (0.5, -2 * math.acos(0.5) / math.sqrt(0.75))):
        (slope,) = compile_grad(sp.acos(x) ** 2, [x], backend="numpy")(point)
        assert math.isclose(slope, wanted, rel_tol=1e-15)


def test_second_derivatives_where_a_root_ends() -> None:
    for expr, point, wanted in ((sp.cos(sp.sqrt(x)), 0.0, 1 / 12), (sp.acos(x) ** 2, 1.0, 2 / 3)):
        assert math.isclose(float(compile_hessian(expr, [x], backend="numpy")(point)[0][0]), wanted, rel_tol=1e-14)


SHARED = [
    (sp.sin(x) * sp.tan(x) * sp.tanh(x)) ** sp.Rational(1, 3),
    (x * sp.sin(x)) ** sp.Rational(1, 4),
    (x * sp.log(1 + x) * (1 + x)) ** n,
]


@pytest.mark.parametrize("expr", SHARED, ids=str)
def test_factors_that_vanish_together_are_no_zeros_of_others(expr: Any) -> None:
    """The slopes are 1 or infinite; what cannot be told is nan, and never 0."""
    slopes = compile_grad(expr, [x], args=sorted(expr.free_symbols, key=str), backend="numpy")
    (slope,) = slopes(**{s.name: AT[s.name] for s in expr.free_symbols})
    assert float(slope) != 0.0


@pytest.mark.parametrize("backend", ["numpy", "python", "numba"])
def test_nan_of_another_input_stays(backend: str) -> None:
    for expr, at in (
        (sp.sqrt(x * a * b), {"a": 2.0, "b": math.nan, "x": 0.0}),
        (sp.sqrt(x / a), {"a": math.nan, "x": 0.0}),
        ((x / K) ** n, {"K": math.nan, "n": 0.7, "x": 0.0}),
        ((x / K) ** n, {"K": 2.0, "n": math.nan, "x": 0.0}),
    ):
        symbols = sorted(expr.free_symbols, key=str)
        value, slopes = compile_grad(expr, symbols, backend=backend).value_and_grad(**at)
        assert math.isnan(value)
        assert all(math.isnan(slope) for slope in slopes)


def test_second_derivatives_at_zero() -> None:
    hessian = compile_hessian((x * a) ** p, [x, a], args=[p, x, a], backend="numpy")
    assert float(hessian(1.0, 0.0, 2.0)[0][1]) == 1.0
    assert float(compile_hessian((x * a * b) ** p, [x, a], args=[p, x, a, b])(1.0, 0.0, 2.0, 3.0)[0][1]) == 3.0
    product = compile_hvp((x / K) ** n, [K, x], args=[K, n, x], backend="numpy")(2.0, 1.0, 0.0, [0.0, 1.0])
    assert [float(entry) for entry in product] == [-0.25, 0.0]


def test_no_slope_where_a_factor_is_zero_is_made_up() -> None:
    """The slope in the factor that is 0 is infinite, and stays so; the domain ends there."""
    slopes = compile_grad(sp.sqrt(a * x), [a, x], backend="numpy")(a=0.0, x=2.0)
    assert [float(s) for s in slopes] == [INF, 0.0]
