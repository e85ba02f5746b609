"""Sums, quotients and logarithms of exponentials and tails, where their naive forms overflow or cancel."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from sympy import Symbol, atan, cosh, erf, erfc, exp, gamma, log, sinh, sqrt, tanh

from symbackprop import compile_grad, compile_hessian, compile_jacobian
from symbackprop.check.oracle import Oracle
from symbackprop.frontend import read_model

_path = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _path)
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)
assert_right, rows = accuracy.assert_right, accuracy.rows

x, y, z = (Symbol(name, real=True) for name in "xyz")
p, q = (Symbol(name, positive=True) for name in "pq")
BOTH = (-800.0, -30.0, -1.5, -1e-9, 1e-9, 0.7, 40.0, 800.0)
TOLD = (-300.0, -30.0, -1.5, -1e-9, 1e-9, 0.7, 40.0, 300.0)
"""Where the oracle can still tell the naive form's digits."""
RIGHT = (1e-200, 1e-9, 0.6, 3.0, 40.0, 800.0)
PAIRS = ((1.0, -2.0), (-300.0, 500.0), (900.0, 899.0), (-1e-9, 2e-9), (-800.0, -900.0))

# The form, the row that it has to become, and where it is looked at.
ONE: dict[str, tuple[sp.Expr, str, tuple[float, ...]]] = {
    "log(cosh)": (log(cosh(x)), "log_cosh", BOTH),
    "log of sum": (log(exp(x) + exp(-x)), "log_cosh", BOTH),
    "log(1+cosh)": (log(1 + cosh(x)), "log_cosh", BOTH),
    "log(1+sinh**2)": (log(1 + sinh(x) ** 2), "log_cosh", BOTH),
    "log(sinh)": (log(sinh(p)), "log_sinh", RIGHT),
    "log(exp-1)": (log(exp(p) - 1), "log_expm1", RIGHT),
    "log(1-exp)": (log(1 - exp(-p)), "log1mexp", RIGHT),
    "log(tanh)": (log(tanh(p)), "log1mexp", RIGHT),
    "Bose": (1 / (exp(p) - 1), "reciprocal_expm1", (1e-100, *RIGHT[1:-1], 700.0)),
    "sqrt(exp-1)": (sqrt(exp(p) - 1), "sqrt_expm1", RIGHT),
    "sqrt(1+exp)": (sqrt(1 + exp(2 * x)), "softplus", (-300.0, *BOTH[1:-1], 600.0)),
    "slope": (exp(-x) / (1 + exp(-x)) ** 2, "logistic_slope", (-700.0, *BOTH[1:-1], 700.0)),
    "tanh": ((exp(x) - exp(-x)) / (exp(x) + exp(-x)), "tanh", (-300.0, *BOTH[1:-1], 300.0)),
    "tanh by exp(2x)": ((exp(2 * x) - 1) / (exp(2 * x) + 1), "tanh", (-300.0, *BOTH[1:-1], 300.0)),
    "sech": (2 / (exp(x) + exp(-x)), "sech", (-700.0, *BOTH[1:-1], 700.0)),
    "Gompertz": (exp(-exp(-x)), "double_exponential", (-800.0, -6.0, *BOTH[3:])),
    "cloglog": (1 - exp(-exp(x)), "cloglog_inverse", BOTH[1:]),
    "log cloglog": (log(1 - exp(-exp(x))), "log_cloglog_inverse", TOLD[:-2]),
    "atan(exp)": (atan(exp(x)), "atan_exp", (-700.0, *BOTH[1:-1], 700.0)),
    "log odds": (log(1 / (1 + exp(-x)) / (1 - 1 / (1 + exp(-x)))), "input", TOLD),
    "x**20*exp(-x)": (x**20 * exp(-x), "power_exp", (-300.0, -1.0, 0.5, 20.0, 900.0, 1e17)),
    "log(erfc)": (log(erfc(x)), "log_erfc", (-9.0, -0.3, 1e-9, 0.6, 0.8, 5.0, 30.0, 1e9)),
    "log normal cdf": (log((1 + erf(x / sqrt(2))) / 2), "log_half_erfc", (-20.0, -9.0, -1.0, 0.5, 9.0)),
    "erfcx": (exp(x**2) * erfc(x), "scaled_erfc", (-9.0, -0.3, 1e-9, 0.7, 0.8, 5.0, 30.0, 1e9)),
    "Mills": (exp(-(x**2)) / erfc(x), "erfc_hazard", (-9.0, -0.3, 1e-9, 0.7, 0.8, 5.0, 30.0, 1e9)),
    "log(gamma)": (log(gamma(p)), "log_of_gamma", (0.3, 5.5, 200.0, 1e9)),
}
TWO: dict[str, tuple[sp.Expr, str]] = {
    "logaddexp": (log(exp(x) + exp(y)), "logaddexp"),
    "share": (exp(x) / (exp(x) + exp(y)), "logistic"),
    "three": (exp(x) / (exp(x) + exp(y) + 1), "logistic"),
    "log share": (log(exp(x) / (exp(x) + exp(y) + 1)), "softplus"),
    "tanh of a difference": ((exp(x) - exp(y)) / (exp(x) + exp(y)), "tanh"),
    "cross entropy": (-y * log(1 / (1 + exp(-x))) - (1 - y) * log(1 - 1 / (1 + exp(-x))), "cross_entropy"),
    "mixture": (log(exp(-((x - y) ** 2) / 2) + exp(-((x + y) ** 2) / 2)), "logaddexp"),
}
WEIGHTED: dict[str, tuple[sp.Expr, str]] = {
    "log(p*exp(x)+q)": (log(p * exp(x) + q), "log_exp_sum"),
    "Fermi": (1 / (exp(x) + q), "exp_reciprocal"),
    "weighted share": (p * exp(x) / (p * exp(x) + q), "exp_share"),
    "gamma density": (p**q * exp(-p * exp(x)), "power_exp"),
}


TEMPERATURES: dict[str, sp.Expr] = {
    "Planck": p**3 / (q**2 * (exp(p / q) - 1)),
    "Fermi": p / (q * (exp(p / q) + 1)),
    "Einstein": (p / q) ** 2 * exp(p / q) / (exp(p / q) - 1) ** 2,
    "Einstein by sinh": (p / (2 * q)) ** 2 / sinh(p / (2 * q)) ** 2,
    "Schottky": (p / q) ** 2 * exp(p / q) / (exp(p / q) + 1) ** 2,
    "thermal broadening": 1 / (4 * q * cosh(p / (2 * q)) ** 2),
    "cube": p * exp(p / q) / (exp(p / q) - 1) ** 3,
}
"""Quotients in which an exponential is one factor among others, and overflows at low temperatures."""


@pytest.mark.parametrize("name", TEMPERATURES)
def test_an_exponential_among_factors(name: str) -> None:
    for point in ((47.0, 0.12), (0.5, 1e-4), (5.0, 1e-5), (3.0, 4.0), (2e-3, 40.0), (1e-9, 0.3), (60.0, 0.09)):
        assert_right(TEMPERATURES[name], dict(zip((p, q), point, strict=True)), "numpy")


POLES: dict[str, tuple[sp.Expr, str]] = {
    "u*beta(u, v)": (p * sp.beta(p, q), "beta1p"),
    "the other operand": (q * sp.beta(p, q) / 3, "beta1p"),
    "constant sum": (p * sp.beta(p, 3 - p), "beta1p"),
    "W(u)/u": (sp.LambertW(p) / p, "lambertw_share"),
    "u/W(u)": (q * p / sp.LambertW(2 * p), "lambertw_share"),
    "loggamma at 1": (sp.loggamma(1 + x**2) * p, "loggamma_near"),
    "loggamma at 2": (sp.loggamma(2 + p * q), "loggamma_near"),
    "loggamma of what is near 1": (sp.loggamma(cosh(p)) + q, "loggamma_near"),
}


@pytest.mark.parametrize("name", POLES)
def test_poles_and_zeros_of_special_functions(name: str) -> None:
    expr, row = POLES[name]
    assert row in rows(expr)
    for point in ((1.2, 0.7), (0.5, 1e-4), (1e-3, 2.5), (1e-9, 0.3), (1e-12, 2.0), (2.5, 1e-7)):
        given = dict(zip((p, q), point, strict=True)) | {x: point[0]}
        assert_right(expr, {symbol: value for symbol, value in given.items() if expr.has(symbol)}, "numpy")


@pytest.mark.parametrize("name", ONE)
def test_forms_of_one_variable(name: str) -> None:
    expr, row, points = ONE[name]
    assert row in rows(expr)
    (symbol,) = expr.free_symbols
    for backend in ("numpy", "python") if "gamma" not in name else ("numpy",):
        for at in points:
            assert_right(expr, {symbol: at}, backend)


@pytest.mark.parametrize("name", TWO)
def test_forms_of_two_variables(name: str) -> None:
    expr, row = TWO[name]
    assert row in rows(expr)
    for a, b in PAIRS:
        if name not in ("mixture", "cross entropy") or max(abs(a), abs(b)) < 600:
            assert_right(expr, {x: a, y: b / 1000 if name == "cross entropy" else b}, "numpy")


@pytest.mark.parametrize("name", WEIGHTED)
def test_weights_of_unknown_sign(name: str) -> None:
    expr, row = WEIGHTED[name]
    assert row in rows(expr)
    for at in (-700.0, -40.0, -0.3, 1e-9, 2.0, 300.0) if name != "gamma density" else (-30.0, -1.0, 1e-9, 2.0, 4.0):
        for weights in ((0.5, 2.0), (1e-9, 3.0), (40.0, 1e-12), (7.0, 200.0)):
            point = dict(zip((p, q), weights, strict=True))
            assert_right(expr, {x: at, **{s: v for s, v in point.items() if expr.has(s)}}, "numpy")


def test_negative_weights_keep_their_value() -> None:
    a, b = Symbol("a", real=True), Symbol("b", real=True)
    for expr in (log(a * exp(x) + b), 1 / (exp(x) + b), a * exp(x) / (a * exp(x) + b), log(exp(x) * a / b)):
        point = {a: -3.0, b: 0.5 if expr.has(log(a * exp(x) + b)) else -0.5, x: -2.5}
        if expr == log(a * exp(x) + b):
            assert_right(expr, point, "numpy")
        else:
            assert_right(expr, {s: v for s, v in point.items() if expr.has(s)}, "numpy")


@pytest.mark.parametrize("name", ["log(cosh)", "Mills", "log cloglog"])
def test_numba_agrees(name: str) -> None:
    expr, _, points = ONE[name]
    for at in points:
        assert_right(expr, {x: at}, "numba")


@pytest.mark.parametrize("name", ["log(cosh)", "log(1-exp)", "Bose", "Gompertz", "log cloglog", "Mills", "erfcx"])
def test_second_derivatives(name: str) -> None:
    expr, _, points = ONE[name]
    (symbol,) = expr.free_symbols
    oracle = Oracle(read_model(expr, [symbol], None, None, ()).graph)
    hessian = compile_hessian(expr, [symbol], args=[symbol], backend="numpy")
    # Mills' ratio is straight far out: its second derivative, of order x**-3, cancels there.
    for at in points if name != "Mills" else points[:-1]:
        want = oracle.second({symbol.name: at}, (symbol.name, ()), (symbol.name, ()))
        # 16 ulp where well conditioned; exp amplifies the rounding of its argument, |x| or x**2, 4 times in a product.
        growth = max(1.0, min(at * at, 800.0))
        assert float(hessian(at)[0][0]) == pytest.approx(want, rel=16 * growth * 2.0**-52, abs=1e-323)


def test_sums_are_read_with_their_signs() -> None:
    """A difference that may be negative is no logarithm of a sum: nan below, as the logarithm has it."""
    compiled = compile_grad(log(2 * exp(x) - 3), x, backend="numpy")
    assert math.isnan(compiled.value_and_grad(-1.0)[0])
    assert_right(log(2 * exp(x) - 3), {x: 1.0}, "numpy")


@pytest.mark.parametrize("backend", ["numpy", "python", "numba"])
def test_tails_of_what_is_no_number_and_of_infinity(backend: str) -> None:
    exprs = [log(erfc(x) / 2), exp(x**2) * erfc(x), exp(-(x**2)) / erfc(x), log(erfc(x))]
    function = compile_jacobian(exprs, x, backend=backend)
    values, slopes = function.value_and_derivative(math.nan)
    assert all(math.isnan(number) for number in (*values, *slopes))
    assert list(function.value(math.inf)) == [-math.inf, 0.0, math.inf, -math.inf]


def test_an_array_with_one_nan() -> None:
    values = compile_grad(exp(x**2) * erfc(x), x, backend="numpy").value(np.array([0.5, math.nan, 30.0]))
    assert math.isnan(values[1]) and np.all(np.isfinite(values[[0, 2]]))
