"""Logarithms of sums of exponentials over a factor of their exponents: entropies, sharpness, certainty equivalents."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from sympy import Rational, cosh, exp, log

from symbackprop import compile_function, compile_grad, compile_hessian
from symbackprop.check.oracle import Oracle
from symbackprop.frontend import read_model

_path = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _path)
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)

x, y, z, b, c, k, p, t = sp.symbols("x y z b c k p t", real=True)
PLACES = ((1.0, 2.0, -1.0), (0.3, -0.4, 0.2), (5.0, 5.1, 4.9), (-20.0, 3.0, 7.0))
TEMPERATURES = (1e-3, 0.1, 1.0, 10.0, 1e3, 1e8, -2.0)

MAXIMA = {
    "two": t * log(exp(x / t) + exp(y / t)),
    "softmin": -t * log(exp(-x / t) + exp(-y / t)),
    "mean of two": t * log((exp(x / t) + exp(y / t)) / 2),
    "free energy": -t * log(1 + exp(-x / t)),
    "degenerate": -t * log(1 + 3 * exp(-x / t)),
    "a constant of nature": -k * t * log(1 + exp(-x / (k * t))),
    "three": t * log(exp(x / t) + exp(y / t) + exp(z / t)),
    "mean of three": t * log((exp(x / t) + exp(y / t) + exp(z / t)) / 3),
    "three levels": -t * log(1 + exp(-x / t) + exp(-y / t)),
    "weighted": t * log(p * exp(x / t) + (1 - p) * exp(y / t)),
    "less its weight": t * log(exp(x / t) + exp(y / t)) - t * log(2),
}
SHARP = {
    "softplus": log(1 + exp(b * x)) / b,
    "softplus elsewhere": log(1 + exp(b * (x - y))) / b,
    "half": log((1 + exp(b * x)) / 2) / b,
    "less log 2": log(1 + exp(b * x)) / b - log(2) / b,
    "log cosh": log(cosh(b * x)) / b,
    "three outcomes": -log(p * exp(-b * x) + k * exp(-b * y) + (1 - p - k) * exp(-b * z)) / b,
    "certainty equivalent": -log(Rational(3, 10) * exp(-b * x) + Rational(7, 10) * exp(-b * y)) / b,
}


def assert_hessian(expr: sp.Expr, point: dict[sp.Symbol, float], backend: str) -> None:
    """All second derivatives within 1e-12 of the oracle's; these are not ill-conditioned at our points."""
    symbols = sorted(point, key=str)
    oracle = Oracle(read_model(expr, symbols, None, None, ()).graph)
    given = {symbol.name: value for symbol, value in point.items()}
    got = np.reshape(compile_hessian(expr, symbols, args=symbols, backend=backend)(*given.values()), [len(symbols)] * 2)
    for row, one in zip(got, symbols, strict=True):
        for entry, other in zip(row, symbols, strict=True):
            want = oracle.second(given, (one.name, ()), (other.name, ()))
            assert entry == pytest.approx(want, rel=1e-11, abs=1e-290), f"{one}{other} at {given}"


@pytest.mark.parametrize("name", MAXIMA)
def test_over_a_temperature(name: str) -> None:
    """The slope in t of the first had no digit at (x - y)/t = 37, and one at (1, 2) and t = 1e8."""
    expr = MAXIMA[name]
    symbols = sorted(expr.free_symbols, key=str)
    points = [
        dict(zip((x, y, z, k), (*place, 0.7), strict=True)) | {t: at, p: 0.3} for place in PLACES for at in TEMPERATURES
    ]
    accuracy.assert_right_at(expr, [{s: point[s] for s in symbols} for point in points], "numpy")


@pytest.mark.parametrize("name", SHARP)
def test_times_a_sharpness(name: str) -> None:
    """The slope in b of log(1 + exp(b*x))/b was -9e-16 for -6e-26 at b = 3 and x = 20."""
    expr = SHARP[name]
    symbols = sorted(expr.free_symbols, key=str)
    points = [
        dict(zip((x, y, z), place, strict=True)) | {k: 0.2, p: 0.3, b: at}
        for place in PLACES
        for at in (1e-9, 1e-3, 0.5, 3.0, -3.0, 50.0)
    ]
    accuracy.assert_right_at(expr, [{s: point[s] for s in symbols} for point in points], "numpy")


@pytest.mark.parametrize("name", [*MAXIMA, *SHARP])
def test_second_derivatives(name: str) -> None:
    expr = (MAXIMA | SHARP)[name]
    symbols = sorted(expr.free_symbols, key=str)
    for at in (0.5, 30.0) if name in SHARP else (0.5, 1e4):
        point = {x: 1.0, y: 1.75, z: 0.875, k: 0.25, p: 0.5, t: at, b: 1 / at}
        assert_hessian(expr, {symbol: point[symbol] for symbol in symbols}, "numpy")


@pytest.mark.parametrize("backend", ["numpy", "numba", "python"])
def test_the_mean_is_the_limit(backend: str) -> None:
    """At b = 0 the value is the mean, the slope in b half the variance; both were nan."""
    for expr in (SHARP["half"], SHARP["less log 2"]):
        value, (by_b, by_x) = compile_grad(expr, [b, x], args=[b, x], backend=backend).value_and_grad(0.0, 3.0)
        assert (float(value), float(by_b), float(by_x)) == (1.5, 1.125, 0.5)
    three = compile_grad(SHARP["three outcomes"], [b, k, p, x, y, z], backend=backend).value_and_grad
    value, slopes = three(0.0, 0.2, 0.3, 1.0, 2.0, -1.0)
    got = [float(v) for v in (value, *slopes)]
    assert got == pytest.approx([0.2, -0.78, 3.0, 2.0, 0.3, 0.2, 0.5], rel=1e-15)
    value, (by_b, by_x, by_y) = compile_grad(SHARP["certainty equivalent"], [b, x, y], backend=backend).value_and_grad(
        0.0, 2.0, 4.0
    )
    assert [float(v) for v in (value, by_b, by_x, by_y)] == pytest.approx([3.4, -0.42, 0.3, 0.7], rel=1e-15)


def test_a_sum_near_one_that_vanishes() -> None:
    """p*exp(-u) + (1 - p)*exp(-v) is 1 + ... at 0, and was taken for 1 - 1 far out: its logarithm was -inf."""
    expr = log(p * exp(-x) + k * exp(-y) + (1 - p - k) * exp(-z))
    for place in (250.0, 1e3, 1e5, -1e3):
        accuracy.assert_right(expr, {k: 0.2, p: 0.3, x: place, y: place + 2, z: place + 1}, "numpy")


def test_samples_at_the_limit() -> None:
    """A gradient summed over samples multiplied the zeros of the arm not taken by 1/b**2: nan."""
    batched = compile_grad(SHARP["half"], [b], args=[b, x], batch=[x], reduce="sum", backend="numpy")
    assert batched(0.0, np.array([1.0, 2.0])) == [0.625]


def test_nan_stays_nan() -> None:
    for expr in (MAXIMA["mean of two"], MAXIMA["three"], SHARP["half"]):
        symbols = sorted(expr.free_symbols, key=str)
        function = compile_function(expr, args=symbols, backend="numpy")
        for place in range(len(symbols)):
            assert math.isnan(function(*[math.nan if k == place else 1.5 for k in range(len(symbols))]))


def test_what_is_of_one_variable_keeps_its_series() -> None:
    """softplus(x)/x is a row of its own, and log(cosh(x))/x has a series."""
    for expr in (log(1 + exp(x)) / x, log(cosh(x)) / x, x * log(1 + exp(1 / x))):
        assert not accuracy.rows(expr) & {"smooth_maximum", "sharp_maximum"}
