"""Ordinary inputs on which other systems answer nan, zero or garbage, with the truth: on every backend.

Softplus, sigmoid and log(cosh) overflow; tanh' vanishes at 20; untaken arms leak nan; an Eq arm is taken for the
function; (1 - cos(x))/x**2 and x/(exp(x) - 1) cancel; 0**y and products with zeros are differentiated through
logarithms and quotients; integers wrap around.
"""

from __future__ import annotations

import math

import mpmath as mp
import pytest
import sympy as sp
from sympy import Eq, Piecewise, cos, cosh, exp, log, sqrt, tanh

from symbackprop import compile_grad

x, y = sp.symbols("x y", real=True)
SIGMOID = 1 / (1 + exp(-x))

with mp.workdps(60):
    # The truth where it takes digits to know it.
    VERSINE = float(mp.diff(lambda t: (1 - mp.cos(t)) / t**2, mp.mpf(1e-5)))
    BERNOULLI = float(mp.diff(lambda t: t / mp.expm1(t), mp.mpf(1e-8)))

CASES = {
    "softplus'(1000)": (log(1 + exp(x)), 1000.0, 1.0),
    "sigmoid'(-800)": (SIGMOID, -800.0, 0.0),
    "sigmoid'(-740), denormal": (SIGMOID, -740.0, math.exp(-740)),
    "log(cosh(x))'(800)": (log(cosh(x)), 800.0, 1.0),
    "tanh'(20)": (tanh(x), 20.0, 1.6993417021166355e-17),
    "untaken root": (Piecewise((sqrt(x), x > 0), (0, True)), -1.0, 0.0),
    "arm at a point": (Piecewise((0, Eq(x, 0)), (x, True)), 0.0, 1.0),
    "versine": ((1 - cos(x)) / x**2, 1e-5, VERSINE),
    "Bernoulli": (x / (exp(x) - 1), 1e-8, BERNOULLI),
    "0**y in y": (sp.Pow(0, x, evaluate=False), 2.0, 0.0),
    "integer input": (x**40, 3, 40 * 3.0**39),
}


@pytest.mark.parametrize("backend", ["numpy", "python", "numba"])
@pytest.mark.parametrize("name", CASES)
def test_derivative_is_the_truth(name: str, backend: str) -> None:
    expr, at, truth = CASES[name]
    got = compile_grad(expr, x, args=[x], backend=backend)(at)
    # 4 ulp, and one denormal.
    assert abs(got - truth) <= 4 * math.ulp(truth)


@pytest.mark.parametrize("backend", ["numpy", "python", "numba"])
def test_product_with_a_zero_and_a_wide_integer(backend: str) -> None:
    a, b, c = sp.symbols("a b c")
    assert compile_grad(a * b * c, [a, b, c], backend=backend)(0, 2, 3) == [6.0, 0.0, 0.0]
    assert compile_grad(x**40, x, backend=backend).value(3) == pytest.approx(12157665459056928801.0, rel=1e-15)
