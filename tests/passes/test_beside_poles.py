"""Slopes beside poles and far out, which overflow or vanish factor by factor and not as a product."""

from __future__ import annotations

import pytest
import sympy as sp
from sympy.codegen.cfunctions import exp2

from symbackprop import softplus
from tests.passes.accuracy import assert_right_at

x, y, z = sp.symbols("x y z", real=True)
logistic = 1 / (1 + sp.exp(-y))
MODELS = {
    "csch of what vanishes": (sp.csch(exp2(y)), (-604.7, -100.0, 1.5)),
    "csc": (sp.csc(logistic), (-487.2, -3.0, 2.0)),
    "twice": (sp.csc(sp.sech(y) ** 2), (313.7, -300.0, 1.0)),
    "of softplus": (sp.csch(softplus(y)), (-441.7, 3.0)),
    "coth": (sp.coth(sp.exp(y)), (-300.0, 0.3)),
    "cot": (sp.cot(logistic), (-300.0, 0.3)),
    "acsch far out": (sp.acsch(sp.cosh(y)), (-371.0, 600.0, 0.4)),
    "acsch": (sp.acsch(sp.exp(y) - 1), (442.8, 1.0)),
    "powers upside down": (y**2 / sp.csch(y) ** 2, (197.1, 300.0, -2.0)),
    "over erfc": ((8 - 4 * y) / sp.erfc(y), (19.47, 25.0, -3.0, 0.5)),
    "over softplus": (y / softplus(-y - sp.Rational(5, 3)), (465.4, 600.0, -3.0, 0.5)),
}


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("name", MODELS)
def test_slopes_are_representable(name: str, backend: str) -> None:
    expr, places = MODELS[name]
    assert_right_at(expr, [{y: place} for place in places], backend)


QUOTIENTS = {
    "chi square": ((x - z) ** 2 / z**2, ((5e-7, 1.2), (3.0, 3.1), (2.0, 1e-9))),
    "of softplus": (x**2 / sp.log(1 + sp.exp(x)) ** 2 * z, ((15.2, 1.0), (40.0, 2.0), (-3.0, 1.0))),
    "size": (sp.Abs(x) / sp.sqrt(x**2 + z**2), ((-0.8, 2.9e-5), (2.9e-5, 0.8), (3.0, 4.0))),
}


@pytest.mark.parametrize("name", QUOTIENTS)
def test_like_powers(name: str) -> None:
    expr, places = QUOTIENTS[name]
    assert_right_at(expr, [{x: first, z: second} for first, second in places], "numpy")


def test_an_asymptote_as_large_as_the_rest() -> None:
    """log(exp(x) + exp(y)) is x, and y and a rest of -y: over y it is as it stands."""
    expr = sp.log(sp.exp(x) + sp.exp(y)) / y
    assert_right_at(expr, [{x: -9.5e-7, y: -468.4}, {x: 3.0, y: -40.0}, {x: -300.0, y: 2.0}], "numpy")
