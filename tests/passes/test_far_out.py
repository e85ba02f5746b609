"""Quotients and products of exponentials far out, where value and slope have digits and what is written has none."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from pathlib import Path

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


# Logistic growth from r*t = -1000 to 1000, as it is written: a share, and over the number at first.
FIRST, LIMIT = b, a
GROWTH = [
    LIMIT / (1 + (LIMIT - FIRST) / FIRST * exp(-r * x)),
    LIMIT * FIRST / (FIRST + (LIMIT - FIRST) * exp(-r * x)),
    LIMIT * FIRST * exp(r * x) / (LIMIT - FIRST + FIRST * exp(r * x)),
    LIMIT / (1 + (LIMIT / FIRST - 1) * exp(-r * x)),
]


@pytest.mark.parametrize("expr", GROWTH, ids=str)
def test_logistic_growth(expr: sp.Expr) -> None:
    assert_right(expr, (-2000.0, -60.0, 0.5, 60.0, 1380.0, 2000.0), {a: 100.0, b: 10.0, r: 0.5}, "numpy")


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
def test_near_a_zero_below(expr: sp.Expr) -> None:
    """x/(exp(x) - 1 - x) was 9e6 at -1e-9 and not -2e9: exp(x) and -1 - x had been taken apart."""
    assert_right(expr, (-30.0, -1e-3, -1e-9, 1e-9, 0.5), {}, "numpy")


# What vanishes beside a sum of exponentials meets what it vanishes with, and stays whole.

BESIDE_SUMS = [
    sp.sin(x) / (x * (y + cosh(z))),
    sp.sin(x) / (x * (exp(z) + 3 - exp(-z))),
    (1 - cos(x)) / (x**2 * (1 + y * cosh(z))),
    sinh(x) / (x * (y * cosh(z) + 1)),
    (x - sinh(x)) / (exp(z) + y * exp(-z)),
    (exp(x) - 1 - x) / (y * cosh(z) + 1),
    1 / (y + cosh(z)),
    1 / (1 + y * cosh(z)),
    1 / (y * exp(-x) + exp(z)),
]


@pytest.mark.parametrize("expr", BESIDE_SUMS, ids=str)
def test_what_vanishes_beside_a_sum_of_exponentials(expr: sp.Expr) -> None:
    for at, other in ((1e-8, 0.5), (1e-6, 5.0), (1e-3, 50.0), (0.7, 3.0)):
        for weight in (2.0, 1e-12, 1e12):
            assert_right(expr, (at,), {z: other, y: weight}, "numpy")


def test_a_removable_singularity_beside_a_sum_of_exponentials() -> None:
    for expr in BESIDE_SUMS[:4]:
        given = sorted(expr.free_symbols, key=str)
        at = {x: 0.0, y: 2.0, z: 0.5}
        function = compile_function(expr, args=given, backend="numpy")
        near = {**at, x: 1e-30}
        assert function(*[at[s] for s in given]) == pytest.approx(function(*[near[s] for s in given]), rel=1e-15)


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
