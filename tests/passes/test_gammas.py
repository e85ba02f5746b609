"""Quotients of gamma functions: right where each factor overflows, and their slopes with them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from sympy import Rational, Symbol, exp, gamma, log, loggamma, sqrt

from symbackprop import compile_grad

_path = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _path)
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)
assert_right, rows = accuracy.assert_right, accuracy.rows

p, q = (Symbol(name, positive=True) for name in "pq")
HALF = Rational(1, 2)
FORMS: dict[str, tuple[sp.Expr, str]] = {
    "half a step": (gamma(p + HALF) / gamma(p), "rising"),
    "a third, down": (gamma(p) / gamma(p + Rational(1, 3)), "rising"),
    "mean of chi": (sqrt(2) * gamma((p + 1) / 2) / gamma(p / 2), "rising"),
    "rising factorial": (gamma(p + q) / gamma(p), "rising"),
    "among factors": (3 * q * gamma(p + q) / (gamma(p) * (1 + q)), "rising"),
    "beta among factors": (3 * gamma(p) * gamma(q) / gamma(p + q) / (1 + p), "beta"),
    "binomial of a middle": (gamma(p) ** 2 / gamma(2 * p), "beta"),
    "difference of logarithms": (loggamma(p + q) - loggamma(p), "log_rising"),
    "logarithm of a ratio": (log(gamma(p + HALF) / gamma(p)), "log_of_rising"),
    "exponential of a difference": (exp(loggamma(p + HALF) - loggamma(p)), "rising"),
}


@pytest.mark.parametrize("name", FORMS)
def test_quotients_of_gamma_functions(name: str) -> None:
    """gamma(p + 1/2)/gamma(p) was nan from 171.6 on, its slope wrong by 2e3 ulp at 170, its logarithm nan at 1e57."""
    expr, row = FORMS[name]
    assert row in rows(expr)
    for first, second in ((0.02, 3.0), (3.2, 0.37), (9.9, 1e-3), (100.3, 7.5), (171.9, 0.5), (1e6, 0.3), (1e15, 2.5)):
        if not (row == "beta" and first > 1000):
            given = {symbol: value for symbol, value in ((p, first), (q, second)) if expr.has(symbol)}
            assert_right(expr, given, "numpy")


def test_a_whole_step_is_a_product() -> None:
    assert not {"rising", "gamma"} & rows(gamma(p + 2) / gamma(p))
    compiled = compile_grad(gamma(p + 2) / gamma(p), p, backend="numpy")
    for at in (0.3, 170.5, 1e10):
        np.testing.assert_allclose(compiled.value_and_grad(at), (at * (at + 1), 2 * at + 1), rtol=4e-16)


def test_below_zero_and_in_machine_code() -> None:
    """By reflection there is a value where both are negative; both backends have it."""
    x = Symbol("x", real=True)
    for at in (-2.3, -0.7, 0.1, 250.0):
        for backend in ("numpy", "numba"):
            assert_right(gamma(x + HALF) / gamma(x), {x: at}, backend)


SMALL_BASE = [
    gamma(q) / gamma(p + q),
    gamma(p + 1) * gamma(q) / gamma(p + q),
    loggamma(q) - loggamma(q + Rational(3, 2)),
    exp(loggamma(q) - loggamma(q + 5)),
    gamma(q) / gamma(q + Rational(3, 2)),
]


@pytest.mark.parametrize("expr", SMALL_BASE, ids=str)
def test_the_argument_with_fewer_terms_is_the_base(expr: sp.Expr) -> None:
    """(q + 3/2) - 3/2 has lost the digits of a small q: slopes were wrong by 2 and by 14 %."""
    for small in (1e-8, 1e-7, 1e-3, 0.3):
        assert_right(expr, {s: {p: 5.0, q: small}[s] for s in sorted(expr.free_symbols, key=str)}, "numpy")


def test_what_vanishes_beside_a_ratio_meets() -> None:
    z = Symbol("z", real=True)
    ratio = gamma(p**2 + q**2 + 1) / gamma(q**2 + 1)
    function = compile_grad(q * (1 - sp.cos(2 * z)) * ratio / (4 * z**2), z, args=[p, q, z], backend="numpy")
    value, slope = function.value_and_grad(2.5, 1.1, 0.0)
    near, _ = function.value_and_grad(2.5, 1.1, 1e-30)
    assert value == pytest.approx(near, rel=1e-15)
    assert slope == 0


x, y = sp.symbols("x y", real=True)
NEAR_ZERO = (1e-15, -1e-9, 1e-4, -0.03, 0.2)
FAR = (1e-9, 0.3, 3.0, 20.0, 40.0)
AT_WHOLE_NUMBERS: dict[str, tuple[sp.Expr, tuple[float, ...]]] = {
    "beside a pole": (gamma(x - 9), (*NEAR_ZERO, 0.7, 9.5, -1.3)),
    "beside the first pole": (3 * gamma(sp.sin(x) - 1), NEAR_ZERO),
    "of an offset": (gamma(-sp.exp(x)), NEAR_ZERO),
    "of a companion": (gamma(sp.tanh(x) - 2), (-20.0, -0.3, 0.3, 20.0)),
    "upside down": (1 / gamma(x - 9), NEAR_ZERO),
    "logarithm of a pole": (log(gamma(x - 10)), tuple(map(abs, NEAR_ZERO))),
    "logarithm of its size": (log(sp.Abs(gamma(x - 9))), NEAR_ZERO),
    "digamma": (sp.digamma(-x - 9), NEAR_ZERO),
    "one over digamma": (1 / sp.digamma(x - 9), NEAR_ZERO),
    "a pole that is taken away": (x * gamma(x - 9), (1e-15, 1e-9, -0.03, 0.2, 0.7, 10.5, 180.3)),
    "one of digamma": (x * sp.digamma(x - 9), NEAR_ZERO),
    "the same at another place": ((x - 9) * gamma(x - 9), (*NEAR_ZERO, 9 + 1e-9, 11.0)),
    "logarithm near 1": (log(gamma(1 + x)), (*NEAR_ZERO, -0.7, 30.0)),
    "less 1": (gamma(1 + x) - 1, NEAR_ZERO),
    "loggamma of tanh": (loggamma(sp.tanh(x)), FAR),
    "loggamma of erf": (loggamma(sp.erf(x)), (0.3, 5.0, 5.8)),
    "loggamma of logistic": (loggamma(1 / (1 + exp(-x))), FAR),
    "near both zeros": (loggamma(1 + exp(x)), (1e-9, -1e-4, -20.0, 3.0)),
}


@pytest.mark.parametrize("name", AT_WHOLE_NUMBERS)
def test_what_is_near_a_whole_number(name: str) -> None:
    """gamma(x - 9) was wrong by 44 % at x = 1e-15, loggamma(tanh(x)) 0 from 20 on."""
    expr, points = AT_WHOLE_NUMBERS[name]
    for at in points:
        assert_right(expr, {x: at}, "numpy")


BETA_FORMS = {
    "both vanish": y * sp.beta(y, y),
    "as one factor": y * sp.beta(x * y, x * y),
    "as a numerator": y * sp.beta(2 * y / x, y / x),
    "like each other": y * sp.beta(y, sp.sin(y)),
    "without either pole": x * y / (x + y) * sp.beta(x, y),
    "logarithm": log(sp.beta(x, y)),
    "of logarithms": loggamma(x) + loggamma(y) - loggamma(x + y),
    "exponential of logarithms": exp(loggamma(x) + loggamma(y) - loggamma(x + y)),
}


@pytest.mark.parametrize("name", BETA_FORMS)
def test_beta_of_small_numbers(name: str) -> None:
    """The slope of y*beta(y, y) was -2.4e-4 for 6.6e-12 at -1e-12, that of log(beta(x, y)) had lost 4e7 ulp at 1e-9."""
    expr = BETA_FORMS[name]
    for first, second in ((0.7, 1e-9), (1e-9, 2e-7), (1e-8, 0.3), (2.5, 3.5)):
        given = {x: first, y: second}
        assert_right(expr, {symbol: given[symbol] for symbol in sorted(expr.free_symbols, key=str)}, "numpy")


def test_small_steps() -> None:
    """x + a has lost a small a: loggamma(x + a) - loggamma(x) had lost 2e7 ulp at a = 1e-8."""
    for at in (1e-3, 0.3, 1.46, 2.5, 9.9, 30.0):
        for step in (1e-12, -1e-6, 1e-3):
            if at + step > 0:
                assert_right(loggamma(x + y) - loggamma(x), {x: at, y: step}, "numpy")
