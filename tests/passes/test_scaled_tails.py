"""exp(u)*erfc(v) whose exponents cancel: diffusion into a half space, exponentially modified Gaussians."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import pytest
import sympy as sp
from sympy import erfc, exp, log, sqrt

from symbackprop import compile_function

_path = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _path)
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)

x, h, t, a, b, m, s, r = sp.symbols("x h t a b m s r", real=True)
MODIFIED = r / 2 * exp(r / 2 * (2 * m + r * s**2 - 2 * x)) * erfc((m + r * s**2 - x) / (sqrt(2) * s))


@pytest.mark.parametrize("backend", ["numpy", "numba", "python"])
def test_a_product_under_a_root(backend: str) -> None:
    """exp(h**2*t)*erfc(h*sqrt(t)) was nan from h**2*t = 710 on, and lost 116 ulp at 100."""
    points = [{h: one, t: at} for one in (0.1, 1.0, 30.0) for at in (1e-6, 0.5, 30.0, 1e4)]
    accuracy.assert_right_at(exp(h**2 * t) * erfc(h * sqrt(t)), points, backend)
    # Left of 0 it overflows.
    accuracy.assert_right_at(a * exp(h**2 * t) * erfc(h * sqrt(t)), [{a: 0.5, h: -2.0, t: 3.0}], backend)


def test_a_square_that_is_not_whole() -> None:
    points = [{a: one, b: other} for one in (0.1, 1.0, 30.0, -3.0) for other in (-0.5, 1.0, 30.0)]
    accuracy.assert_right_at(exp(a**2 + 2 * a * b) * erfc(a + b), points, "numpy")
    accuracy.assert_right_at(b * exp(a**2 - 2 * a * b) * erfc(a - b), points, "numpy")


@pytest.mark.parametrize("expr", [MODIFIED, log(MODIFIED)], ids=["density", "logarithm"])
def test_exponentially_modified_gaussian(expr: sp.Expr) -> None:
    points = [
        {r: rate, m: 1.0, s: width, x: at}
        for rate in (0.5, 5.0)
        for width in (0.01, 0.5, 3.0)
        for at in (-30.0, 0.0, 1.0, 3.0, 40.0)
    ]
    if expr is MODIFIED:
        points = [point for point in points if abs(point[x] - 1) < 30 * point[s]]
    accuracy.assert_right_at(expr, points, "numpy")


def test_what_has_nothing_in_common_stays() -> None:
    for expr in (exp(a * b) * erfc(x), exp(-(x**2)) * erfc(x + a) * b, exp(a) * erfc(sqrt(a + b))):
        assert "scaled_erfc" not in accuracy.rows(expr)


def test_nan_stays_nan() -> None:
    function = compile_function(exp(h**2 * t) * erfc(h * sqrt(t)), args=[h, t], backend="numpy")
    assert math.isnan(function(math.nan, 1.0)) and math.isnan(function(1.0, math.nan)) and math.isnan(function(1.0, -1))
