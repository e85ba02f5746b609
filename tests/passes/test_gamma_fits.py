"""What gamma distributions are fitted with: log(x) - digamma(x), trigamma, entropies, and Stirling's formula itself."""

from __future__ import annotations

import math

import pytest
import sympy as sp

from symbackprop import check_grad, compile_grad, compile_hessian
from tests.passes.accuracy import assert_right_at, rows

x, y, b = sp.symbols("x y b", real=True)
psi, trigamma = sp.digamma, lambda u: sp.polygamma(1, u)
MODELS = {
    "maximum of the likelihood": sp.log(x) - psi(x),
    "with the sample's term": sp.log(x) - psi(x) - sp.log(3) + 2,
    "times its shape": x * (sp.log(x) - psi(x)),
    "multiplied out": x * sp.log(x) - x * psi(x),
    "of one more": sp.log(1 + x) - psi(1 + x),
    "slope": 1 / x - trigamma(x),
    "with the next term": psi(x) - sp.log(x) + 1 / (2 * x),
    "entropy": x + sp.log(2) + sp.loggamma(x) + (1 - x) * psi(x),
    "log gamma": sp.loggamma(x) - x * sp.log(x) + x,
    "Binet": sp.loggamma(x) - (x - sp.Rational(1, 2)) * sp.log(x) + x - sp.log(2 * sp.pi) / 2,
    "Stirling as it is written": x * sp.log(x) - x - sp.loggamma(x) - sp.log(2 * sp.pi * x) / 2,
    "in another term": b * (sp.log(x) - psi(x)) + b**2,
}
SHAPES = (1e-300, 1e-8, 0.1, 0.2499, 0.2501, 1.0, 3.7, 15.9, 300.0, 1e5, 1e8, 1e15, 1e100)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("name", MODELS)
def test_all_shapes(name: str, backend: str) -> None:
    expr = MODELS[name]
    points = [{x: shape, **({b: 0.7} if expr.has(b) else {})} for shape in SHAPES]
    # 1/x**2 leaves the range of doubles with the smallest, and what is of the size 1/x**3 with the largest.
    assert_right_at(expr, [point for point in points if 1e-100 < point[x] < 1e90], backend)
    assert "binet" in rows(expr)


def test_second_derivatives() -> None:
    hessian = compile_hessian(MODELS["maximum of the likelihood"], [x])
    # 1/(2*x) + 1/(12*x**2), differentiated twice.
    assert math.isclose(float(hessian(x=1e8)[0, 0]), 1e-24 * (1 + 0.5e-8), rel_tol=1e-14)


def test_what_has_a_value_to_the_left_keeps_it() -> None:
    function = compile_grad(MODELS["slope"], [x])
    assert check_grad(MODELS["slope"], [x], {"x": -0.7}, accuracy=True)
    assert math.isnan(compile_grad(MODELS["maximum of the likelihood"], [x]).value(x=-0.7))
    assert math.isnan(function.value(x=math.nan))


@pytest.mark.parametrize("expr", [sp.log(x) + psi(x), sp.log(y) - psi(x), sp.loggamma(x) - y * sp.log(x)])
def test_other_sums_stay(expr: sp.Expr) -> None:
    assert "binet" not in rows(expr)
