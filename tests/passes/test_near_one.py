"""Logarithms of what is near 1, and what slopes in an exponent have of them: cos(x)**n, sinc(x)**n, sin(x) at pi/2."""

from __future__ import annotations

import math

import pytest
import sympy as sp
from sympy.codegen.cfunctions import exp2, log1p, log2, log10

from tests.passes.accuracy import assert_right_at

x, n = sp.symbols("x n", real=True)
NEAR = (0.0, 1e-12, -1e-9, 3e-7, -1e-5, 1e-3, 0.1, -0.7)
# Each with the place where it is 1.
FUNCTIONS = {
    "cos": (sp.cos(x), 0.0),
    "sec": (sp.sec(x), 0.0),
    "sech": (sp.sech(x), 0.0),
    "cosh": (sp.cosh(x), 0.0),
    "sinc": (sp.sinc(x), 0.0),
    "sin": (sp.sin(x), math.pi / 2),
    "csc": (sp.csc(x), math.pi / 2),
    "exp2": (exp2(x), 0.0),
    "erfc": (sp.erfc(x), 0.0),
}


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("of", ["logarithm", "even power", "power"])
def test_beside_one(of: str, name: str, backend: str) -> None:
    function, centre = FUNCTIONS[name]
    if of == "even power" and centre:
        pytest.skip("log(sin(x)**2) is one with log(x**2), of which it takes the digits at 0 and not those at pi/2")
    expr = {"logarithm": sp.log(function), "even power": sp.log(function**4), "power": function**n}[of]
    points = [{x: centre + d, **({n: 2.3} if expr.has(n) else {})} for d in NEAR]
    assert_right_at(expr, points, backend)


@pytest.mark.parametrize("expr", [sp.tanh(x) ** n, sp.coth(x) ** n, sp.erf(x) ** n], ids=str)
def test_far_out(expr: sp.Expr) -> None:
    assert_right_at(expr, [{x: place, n: 2.3} for place in (0.3, 2.0, 5.0, 11.0, 17.0, 25.0)], "numpy")


@pytest.mark.parametrize(
    "expr", [log1p(x**2 - 1), log2(exp2(x)), sp.log(exp2(x)), log2(sp.exp(x)), log10(exp2(x)), log1p(x**2 - 1) ** 2]
)
def test_inverses(expr: sp.Expr) -> None:
    assert_right_at(expr, [{x: place} for place in (2.5e-9, -1e-3, 0.7, -3.0, 400.0)], "numpy")


@pytest.mark.parametrize("expr", [1 - sp.sin(x), (1 - sp.sin(x)) / (1 + sp.sin(x)), 1 + sp.sin(x), sp.acos(sp.sin(x))])
def test_beside_the_crests(expr: sp.Expr) -> None:
    quarter = math.pi / 2
    places = [centre + d for centre in (quarter, -quarter) for d in (1e-3, -1e-6, 3e-8, 0.5)]
    assert_right_at(expr, [{x: place} for place in places if math.isfinite(place)], "numpy")


def test_no_digit_is_lost_far_from_the_secant_s_crest() -> None:
    assert_right_at(1 - sp.sech(x), [{x: place} for place in (1e-9, 0.3, 20.0, 40.0, 300.0, 700.0)], "numpy")


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize(
    "expr",
    [
        sp.log(x / sp.sinh(x)),
        sp.log(sp.sinh(x) / x),
        sp.log(x / (4 * sp.pi * sp.sinh(x))),
        sp.log(n * x / sp.sinh(n * x)),
    ],
)
def test_directions_on_a_sphere(expr: sp.Expr, backend: str) -> None:
    places = (1e-8, -1e-3, 0.5, -0.9999, 1.0001, 1.9999, -2.0001, 30.0, 720.0, 1e5, -800.0)
    assert_right_at(expr, [{x: place, **({n: 1.7} if expr.has(n) else {})} for place in places], backend)
