"""Bessel functions that grow or vanish exponentially, in logarithms and ratios, as in von Mises' distribution."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import mpmath as mp
import pytest
import sympy as sp
from sympy import besseli, besselj, besselk, log

from symbackprop import compile_grad
from symbackprop.check.rounding import ulps
from symbackprop.frontend import read_model

_path = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _path)
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)

k, t = sp.symbols("k t", positive=True)
# The slope of a ratio is 1/(2*k**2), between terms near 1: within k**2 roundings.
FORMS = [
    (k * sp.cos(t) - log(2 * sp.pi * besseli(0, k)), (1e-9, 0.3, 2.0, 750.0)),
    (log(besseli(0, k)), (1e-30, 1e-9, 0.03, 0.97, 1.03, 40.0, 800.0)),
    (log(besseli(1, k) / 3), (1e-9, 0.3, 40.0, 800.0)),
    (log(besselk(0, k)), (1e-9, 0.3, 40.0, 800.0)),
    (t * besseli(1, k) / (3 * besseli(0, k)), (1e-9, 0.3, 3.0)),
    (besselk(1, k) / besselk(0, k), (0.3, 3.0)),
    (besselj(0, k) * t, (1e-9, 0.3, 7.0)),
    # Von Mises' and Rice's densities, and Matern's covariances.
    (sp.exp(k * sp.cos(t)) / (2 * sp.pi * besseli(0, k)), (1e-9, 0.3, 40.0, 800.0)),
    (sp.exp(-k) * besseli(0, k) / t, (1e-9, 0.3, 30.0, 800.0)),
    (k / t**2 * sp.exp(-(k**2 + 4) / (2 * t**2)) * besseli(0, 2 * k / t**2), (0.3, 2.0, 400.0)),
    # Their slopes are what two terms, 2*k times as large, differ by.
    (sp.exp(k) * besselk(0, k), (1e-9, 0.3, 3.0)),
    (besselk(1, k) / sp.exp(-k), (0.3, 3.0)),
    (t * sp.exp(k) / (besseli(0, k) * besselk(1, k)), (0.3, 3.0)),
    (k * besselk(1, k) * t, (1e-9, 1e-3, 0.3, 40.0)),
    (2 * (k / t) ** 2 * besselk(2, sp.sqrt(3) * k / t), (1e-9, 1e-3, 0.3, 40.0)),
    (k**3 * besselk(2, k), (1e-9, 1e-3, 0.3, 40.0)),
    (k * besselk(2, k) / besselk(1, k), (1e-100, 1e-9, 0.3, 3.0)),
    (besselk(2, k) / besselk(3, k) / k, (1e-100, 1e-9, 0.3, 3.0)),
    (k * sp.bessely(1, k), (1e-9, 1e-3, 0.3, 3.0)),
    (t * (k / t) ** 2 * sp.bessely(2, 3 * k / t), (1e-9, 1e-3, 0.3, 3.0)),
]


@pytest.mark.parametrize(("expr", "points"), FORMS, ids=str)
def test_value_and_slopes(expr: sp.Expr, points: tuple[float, ...]) -> None:
    for at in points:
        accuracy.assert_right(expr, {symbol: {k: at, t: 0.7}[symbol] for symbol in expr.free_symbols}, "numpy")


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_far_out_neither_factor_is_a_number(backend: str) -> None:
    for expr in (sp.exp(-k) * besseli(0, k), sp.exp(k) * besselk(0, k), sp.exp(k) / besseli(0, k)):
        value, slope = compile_grad(expr, k, backend=backend).value_and_grad(800.0)
        with mp.workdps(30):
            function = sp.lambdify(k, expr, "mpmath")
            assert value == pytest.approx(float(function(mp.mpf(800))), rel=1e-14)
            # The terms of the slope are 1,600 times as large.
            assert slope == pytest.approx(float(mp.diff(function, 800)), rel=1e-11)


SMALL = [
    *(besselj(n, k) for n in (0, 1, 2, 5)),
    *(besseli(n, k) for n in (0, 1, 2, 5)),
    *(besseli(n + 1, k) / besseli(n, k) for n in (0, 1, 2, 5, 50)),
    besseli(2, k) / besseli(3, k),
    k * besseli(1, k) / besseli(2, k),
    besseli(2, k) / (k * besseli(1, k)),
    *(log(besseli(n, k)) for n in (0, 1, 3, 50)),
]


@pytest.mark.parametrize("expr", SMALL, ids=str)
def test_small_arguments(expr: sp.Expr) -> None:
    """SciPy's J of order 1 errs by 210 ulp at 1e-300, I is 0 below 1e-160; ratios of order 50 were nan at 1e-9."""
    for at in (1e-250, 1e-100, 1e-20, 1e-9, 9e-5, 0.3):
        try:
            accuracy.assert_right(expr, {k: at}, "numpy")
        except ZeroDivisionError:
            # What is no double has no unit in the last place.
            assert at < 1e-9


N = 2**10
FAR_OUT = [
    *((sp.exp(-k) * besseli(n, k), N) for n in (0, 1, 2, 5)),
    (sp.exp(k) * besseli(1, k), -N),
    (sp.exp(t - 2 * k) * besseli(sp.Rational(1, 2), 2 * k), N),
    *((sp.exp(k) * besselk(n, k), N) for n in (0, 1, 2, 5)),
    *((besselk(n + 1, k) / besselk(n, k), N) for n in (0, 1, 2, 20)),
    (besselk(1, k) / besselk(2, k), N),
    *((besseli(n + 1, k) / besseli(n, k), N) for n in (0, 1, 2, 20)),
    (k * besseli(1, k) / besseli(2, k), N),
    (t * besseli(0, k) / (k * besseli(1, k)), N),
]


@pytest.mark.parametrize(("expr", "far"), FAR_OUT, ids=str)
def test_slopes_far_out(expr: sp.Expr, far: int) -> None:
    """Below 24 they are what is left of 2*k, or 2*k**2, roundings; they were so everywhere, 1e6 ulp at 1,000."""
    symbols = sorted(expr.free_symbols, key=str)
    oracle, compiled = (
        accuracy.Oracle(read_model(expr, symbols, None, None, ()).graph),
        compile_grad(expr, symbols, backend="numpy"),
    )
    for at in (sp.sign(far) * size for size in (12.0, 25.0, 300.0, abs(far), 1e6)):
        given = {"k": float(at), "t": 0.7}
        named = {symbol.name: given[symbol.name] for symbol in symbols}
        slope = compiled(**named)[0]
        want = oracle.derivative(named, ("k", ())).middle
        allowed = 64 if abs(at) > 24 or expr.has(besselk) else 8 * at * at
        assert ulps(float(slope), want) <= allowed, f"{slope!r} and not {want!r} at {at}"


@pytest.mark.parametrize("order", [2, 5, 20])
def test_ratios_near_zero(order: int) -> None:
    ratio = compile_grad(besselk(order + 1, k) / besselk(order, k), k, backend="numpy")
    value, slope = ratio.value_and_grad(1e-100)
    assert (value, slope) == (pytest.approx(2e100 * order, rel=1e-15), pytest.approx(-2e200 * order, rel=1e-14))


def test_ratios_where_both_functions_overflow() -> None:
    ratio = accuracy.compile_grad(besseli(1, k) / besseli(0, k), k, backend="numpy")
    for at in (800.0, 1e4, 1e6):
        value, slope = ratio.value_and_grad(at)
        assert abs(value - (1 - 1 / (2 * at) - 1 / (8 * at**2) - 1 / (8 * at**3))) < 4e-16 + at**-4
        assert abs(slope - 1 / (2 * at**2) - 1 / (4 * at**3)) < 4e-16 + at**-4


def test_even_orders_are_even() -> None:
    for order in (2, 4):
        u = sp.Symbol("u", real=True)
        function = compile_grad(log(besseli(order, u)), u, backend="numpy")
        value, slope = function.value_and_grad(-1e-5)
        assert (value, -slope) == function.value_and_grad(1e-5)


def test_what_vanishes_beside_a_ratio_meets() -> None:
    ratio = sp.sin(t) * besseli(1, k) / (t * besseli(2, k))
    function = compile_grad(ratio, t, args=[k, t], backend="numpy")
    value, slope = function.value_and_grad(0.5, 0.0)
    assert value == pytest.approx(function.value_and_grad(0.5, 1e-30)[0], rel=1e-15)
    assert slope == 0
