"""Quotients and products of exponentials far out, where value and slope have digits and what is written has none."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from sympy import cos, cosh, csch, erfc, exp, log, sech, sinh
from sympy.codegen.numpy_nodes import logaddexp

from symbackprop import compile_function

_path = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _path)
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)

x, y, z = sp.symbols("x y z", real=True)
a, b, c, r, t = sp.symbols("a b c r t", real=True)
softplus = log(1 + exp(x))


def assert_right(expr: sp.Expr, places: Iterable[float], beside: dict[sp.Symbol, float], backend: str) -> None:
    for at in places:
        given = {x: at, **beside}
        accuracy.assert_right(expr, {s: given[s] for s in sorted(expr.free_symbols, key=str)}, backend)


# Sums whose weights have no known sign: nan from 355 or 710 on, and slopes of 0 where they are tiny.

SIGNED = [
    cosh(x) / (exp(x) + 3 - exp(-x)),
    1 / (exp(x) + 3 - exp(-x)),
    (exp(x) + 1) / (2 * exp(x) - 3 * exp(-x) + 1),
    exp(-x) / (exp(x) - 2 * exp(y) + exp(-x)),
    sinh(x) / (a * exp(x) + b * exp(-x)),
    cosh(x) / (a * cosh(x) + b * sinh(x)),
    exp(x) / (exp(x) + y + b * exp(-x)),
    (a * exp(x) + b * exp(y)) / (c * exp(x) - z * exp(y)),
    exp(x) / (a * exp(y) + b * exp(z) + c * exp(x)),
    (a * exp(x) + b) / (a * exp(x) + c) ** 2,
    x * (a * exp(x) + b * exp(-x)) / (exp(x) + c * exp(-x)) ** 2,
    a * exp(x) / (b * exp(x) + y * (exp(x) - 1)),
]
BESIDE = {a: 2.0, b: -0.5, c: 3.0, y: 0.75, z: 1.5}


@pytest.mark.parametrize("expr", SIGNED, ids=str)
def test_weights_of_any_sign(expr: sp.Expr) -> None:
    assert_right(expr, (-2000.0, -720.0, -700.0, -30.0, 0.3, 3.0, 360.0, 711.0, 2000.0), BESIDE, "numpy")


@pytest.mark.parametrize("backend", ["python", "numba"])
def test_weights_of_any_sign_elsewhere(backend: str) -> None:
    assert_right(SIGNED[0], (-2000.0, -700.0, 0.3, 711.0), BESIDE, backend)


def test_weights_of_any_sign_over_arrays() -> None:
    u, n = sp.IndexedBase("u", shape=(5,), real=True), sp.symbols("n", integer=True)
    total = sp.Sum(exp(u[n]) / (exp(u[n]) + a - exp(-u[n])), (n, 0, 4))
    given = [-800.0, -3.0, 0.5, 30.0, 800.0]
    one = compile_function(exp(x) / (exp(x) + a - exp(-x)), args=[x, a], backend="numpy")
    whole = compile_function(total, args=[u, a], backend="numpy")(np.array(given), 3.0)
    assert whole == pytest.approx(sum(float(one(at, 3.0)) for at in given), rel=1e-15)


# Logistic growth from r*t = -1000 to 1000, as it is written: a share, over the number at first, and with exp(r*t) - 1.
FIRST, LIMIT = b, a
GROWTH = [
    LIMIT / (1 + (LIMIT - FIRST) / FIRST * exp(-r * x)),
    LIMIT * FIRST / (FIRST + (LIMIT - FIRST) * exp(-r * x)),
    LIMIT * FIRST * exp(r * x) / (LIMIT - FIRST + FIRST * exp(r * x)),
    LIMIT / (1 + (LIMIT / FIRST - 1) * exp(-r * x)),
]
BY_GROWTH = [
    LIMIT * FIRST * exp(r * x) / (LIMIT + FIRST * (exp(r * x) - 1)),
    FIRST * exp(r * x) / (1 + FIRST * (exp(r * x) - 1) / LIMIT),
]


@pytest.mark.parametrize("expr", GROWTH + BY_GROWTH, ids=str)
def test_logistic_growth(expr: sp.Expr) -> None:
    # Through exp(r*t) - 1 the slope in the number at first is what two terms of size 1 leave.
    places = (-2000.0, -1380.0, -60.0, 0.5, 4.0) if expr in BY_GROWTH else (-2000.0, -60.0, 0.5, 60.0, 1380.0, 2000.0)
    assert_right(expr, places, {a: 100.0, b: 10.0, r: 0.5}, "numpy")


# A zero below, where the sum and the quotient have a series.

WITH_ZEROS = [
    x / (exp(x) - 1 - x),
    (exp(x) - 1) / (exp(x) - 1 - x),
    1 / (exp(x) - 1 - x),
    x / (x * exp(x) - exp(x) + 1),
    sp.sin(x) / (exp(2 * x) - 3 * exp(x) + 2),
    x / (exp(x) - cos(x)),
    (exp(x) - 1 - x) / (exp(x) - 1),
    (exp(x) - 1 - x) / (exp(x) + 1),
]


@pytest.mark.parametrize("expr", WITH_ZEROS, ids=str)
def test_near_a_zero_below_and_far_from_it(expr: sp.Expr) -> None:
    """x/(exp(x) - 1 - x) was 9e6 at -1e-9 and not -2e9: exp(x) and -1 - x had been taken apart."""
    assert_right(expr, (-800.0, -30.0, -1e-3, -1e-9, 1e-9, 0.5, 30.0, 800.0), {}, "numpy")


# A common asymptote.

ALIKE = [
    softplus / (x + 1),
    softplus / (x + y),
    (x + 1) / softplus,
    softplus / log(exp(x) + 2),
    log(exp(x) + exp(y)) / (x + y + 1),
    softplus / x,
]


@pytest.mark.parametrize("expr", ALIKE, ids=str)
def test_quotients_with_a_common_asymptote(expr: sp.Expr) -> None:
    """The slope of softplus(x)/(x + 1) lost 300 ulp at 700, that of softplus(x)/log(exp(x) + 2) was 0 from 37 on."""
    assert_right(expr, (-340.0, -30.0, -0.3, 0.5, 3.0, 30.0, 690.0, 1e5), {y: 0.7}, "numpy")


def test_logaddexp_over_the_larger() -> None:
    """The slope of logaddexp(x, w)/w is that of softplus(x - w)/w."""
    for at in (-1.0, 0.5, 3.0):
        assert_right(logaddexp(x, erfc(y)) / erfc(y), (-690.0, -30.0, -3.0, 0.0, 30.0, 690.0), {y: at}, "numpy")


# Products.

BESIDE_SOFTPLUS = [
    exp(-x) * softplus,
    y * exp(-2 * x) * softplus / x,
    (exp(y) - exp(-x)) * softplus,
]


@pytest.mark.parametrize("expr", BESIDE_SOFTPLUS, ids=str)
def test_exponential_beside_softplus(expr: sp.Expr) -> None:
    assert_right(expr, (-345.0, -30.0, -1.0, 1.0, 30.0, 700.0), {y: 0.3}, "numpy")
    if expr != BESIDE_SOFTPLUS[1]:
        assert_right(expr, (-800.0, 800.0), {y: 0.3}, "numpy")


def test_difference_of_exponentials_beside_softplus() -> None:
    for first, second in ((1.0, 800.0), (-300.0, 300.0), (300.0, -300.0), (3.0, -700.0), (-20.0, 20.0), (1.0, 2.0)):
        assert_right((-exp(2 * x) + exp(y - x)) * log(1 + exp(x - y)), (first,), {y: second}, "numpy")


HALVED = [
    x**3 / (exp(x) - 1),
    x / (exp(x) - 1),
    a * x**3 / (exp(b * x) - 1),
    x**2 * exp(x) / (exp(x) - 1) ** 2,
]


@pytest.mark.parametrize("backend", ["numpy", "python"])
@pytest.mark.parametrize("expr", HALVED, ids=str)
def test_planck_where_the_occupation_is_denormal(expr: sp.Expr, backend: str) -> None:
    """x**3/(exp(x) - 1) was 0 from 745 on, where it is 1e-315; from 709 on digits were lost, 4e-3 of it at 742."""
    far = () if expr.has(b) else (750.0, 760.0)
    assert_right(expr, (-710.0, 1e-3, 3.0, 709.0, 715.0, 730.0, 742.0, *far), {a: 2.0, b: 1.0}, backend)


@pytest.mark.parametrize("expr", [y * csch(x) ** 2, y * sech(x) ** 2, y / cosh(x) ** 2], ids=str)
def test_squares_that_vanish_before_their_product(expr: sp.Expr) -> None:
    for at, size in ((340.0, 1e200), (372.0, 1e300), (400.0, 1e300), (700.0, 1e300), (2.0, 3.0)):
        assert_right(expr, (at,), {y: size}, "numpy")
