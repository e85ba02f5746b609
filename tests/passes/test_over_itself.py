"""What tends to a constant or vanishes far out: functions over their own argument, numbers over roots, roots less them.

The values have their digits as they are written, or little more; the slopes are differences of what is much larger.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from sympy import acosh, asin, asinh, atanh, cosh, erf, erfc, exp, log, sech, sin, sqrt, tan, tanh
from sympy.codegen.cfunctions import log1p

from symbackprop import compile_grad

_path = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _path)
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)

x, y = sp.symbols("x y", real=True)
FAR = (0.7, 5.0, 20.0, 40.0, 300.0)
FORMS: list[tuple[sp.Expr, tuple[float, ...]]] = [
    # Functions over their own argument, which is small far out.
    (exp(x) * sin(exp(-x)), FAR),
    (y * exp(x) * tan(3 * exp(-x)), FAR),
    (exp(-x * y) * tanh(exp(x * y)), (-40.0, -5.0, 0.7, 3.0)),
    ((1 - exp(-exp(-x))) * exp(x), FAR),
    ((1 - sp.cos(exp(-x))) * exp(2 * x), (0.7, 5.0, 20.0)),
    (tanh(sech(x)) * cosh(x), FAR),
    ((x**2 + 1) * sin(1 / (x**2 + 1)), FAR),
    (y * (x**2 + 2) * sin(3 / (x**2 + 2)), FAR),
    (x * asinh(1 / x), FAR),
    # Functions that have another form beside them, for arguments near 1: the slopes were 0.
    *((f(erfc(x)) * y / erfc(x), (0.1, 0.5, 3.0, 8.0, 20.0)) for f in (asin, atanh)),
    (erfc(x) / asin(erfc(x)), (0.1, 0.5, 3.0, 8.0, 20.0)),
    *((f(u) / u, (0.7, 5.0, 20.0, 300.0)) for f in (asin, atanh) for u in (exp(-x), sech(x), 1 / (1 + exp(x)))),
    # Numbers over roots of their squares and something beside.
    (x / sqrt(x**2 - 1), (1.0001, 1.9, 2.1, 368.0, -1e5)),
    (y * x / sqrt(x**2 - 9), (3.1, 7.0, 1e5)),
    (x / sqrt(x**2 + x * y), (0.3, 1e5)),
    (x / sqrt(x**2 + sin(x)), (0.3, 1e5)),
    (exp(-y) / (x * sqrt(x**2 - 1)), (1.5, 1e5)),
    # Roots less them, and the logarithms of both.
    (x - sqrt(x**2 - 1), (1.0001, 300.0, 1e5)),
    (sqrt(x**2 - 4) - x, (2.1, 1e6, -3.0)),
    (log(sqrt(x**2 + 1) - x), (1e-9, 5.0, -5.0, 1e5)),
    (log(x - sqrt(x**2 - 1)), (1.0001, 300.0, 1e5)),
    (y * log(sqrt(x**2 + 1) + x), (1e-9, 5.0, -1e5)),
    (log1p(erf(x)), (-9.0, -3.0, 1e-9, 2.0)),
    # A multiple of what a function is of, as another sum.
    ((10 - x) / 100 / (exp((10 - x) / 10) - 1), (10 + 1e-9, 10 + 1e-5, 30.0, -300.0)),
    ((x / 8 + 3) / (1 - exp(-(x + 24) / 16)), (-24.0 - 2.0**-20, 30.0)),
    (y * sin(2 * x - 6) / (3 - x), (3 + 1e-8, 7.0)),
    ((x - y) * sp.coth(3 * x - 3 * y), (0.7 + 1e-8, 7.0)),
    # Densities, whose logarithms are sums.
    (log(x**171 * exp(-x) / sp.factorial(171)), (150.0, 3.0)),
    (log(y**x * exp(-y) / sp.gamma(x + 1)), (171.0, 0.3, 1000.0)),
    (log(y**x * 3 ** (x - 1) * exp(-3 * y) / sp.gamma(x)), (180.0, 0.3)),
    (log(exp(-x) * x**3 / (1 + x)), (1000.0, 0.3)),
    (log((1 + exp(-x)) ** -200), (-10.0, 3.0)),
    (log(sp.beta(x, 900)), (600.0, 0.3)),
    (log(sp.binomial(2000, x)), (800.0, 40.0)),
    (log((x * y) ** 300 / (x * y + 1) ** 299), (12.0, 0.02)),
    (log((x / 12) ** 2 * exp(-((x / 12) ** 3))), (144.0, -3.0)),
]


@pytest.mark.parametrize(("expr", "points"), FORMS, ids=str)
def test_value_and_slopes(expr: sp.Expr, points: tuple[float, ...]) -> None:
    for at in points:
        accuracy.assert_right(expr, {symbol: {x: at, y: 0.7}[symbol] for symbol in expr.free_symbols}, "numpy")


@pytest.mark.parametrize(
    ("expr", "at", "value", "slope"),
    [
        ((10 - x) / 100 / (exp((10 - x) / 10) - 1), 10.0, 0.1, 0.005),
        (0.01 * (x + 55) / (1 - exp(-(x + 55) / 10)), -55.0, 0.1, 0.005),
        (0.1 * (x + 40) / (1 - exp(-(x + 40) / 10)), -40.0, 1.0, 0.05),
        (sin(2 * x - 6) / (3 - x), 3.0, -2.0, 0.0),
        ((x - 2) * sp.coth(3 * x - 6), 2.0, 1 / 3, 0.0),
    ],
    ids=str,
)
def test_where_both_vanish(expr: sp.Expr, at: float, value: float, slope: float) -> None:
    """Rates of Hodgkin and Huxley were nan there, since SymPy multiplies a number into a sum."""
    for backend in ("numpy", "numba", "python"):
        found = compile_grad(expr, x, backend=backend).value_and_grad(at)
        assert found == pytest.approx((value, slope), rel=1e-15, abs=1e-16)


def test_a_root_less_its_number_is_an_inverse_function() -> None:
    assert "asinh" in accuracy.rows(log(sqrt(x**2 + 1) - x))
    assert "acosh" in accuracy.rows(log(x - sqrt(x**2 - 1)))
    assert accuracy.rows(acosh(x) + asinh(x)) == {"input", "add", "acosh", "asinh"}


@pytest.mark.parametrize("expr", [expr for expr, _ in FORMS], ids=str)
def test_once_is_enough(expr: sp.Expr) -> None:
    """A second sweep finds nothing more, which `rows` sees to."""
    assert "input" in accuracy.rows(expr)


def test_a_product_that_vanishes_far_out_is_no_series_where_nobody_derives_it() -> None:
    for expr in (exp(1 / (2 + x**2)), exp(1 / (x**2 + x + 3))):
        source = compile_grad(expr, x, backend="python").source
        assert "series" not in source


def test_a_norm_with_a_constant_is_never_0() -> None:
    assert "0.0 if" not in compile_grad(exp(1 / (1 + x**2)), x, backend="python").source


@pytest.mark.parametrize(
    "expr",
    [
        log(sp.Float(-3.5) ** x * y**5),
        log((-5) ** y * (x + 1) ** 9),
        log(sp.beta(x, -sp.Rational(5, 2))),
        log(sp.gamma(-sp.Rational(5, 2)) * x**7 / y),
        log(-(x**5) * y**3),
    ],
    ids=str,
)
def test_products_with_what_is_known_to_be_negative(expr: sp.Expr) -> None:
    """Their logarithms are not taken apart, once and for all: it was asked for ever."""
    given = sorted(expr.free_symbols, key=str)
    value, _ = compile_grad(expr, given, args=given, backend="numpy").value_and_grad(*(2.2, -2.5)[: len(given)])
    assert not np.isinf(value)
