"""Slopes beside poles and far out, which overflow or vanish factor by factor and not as a product."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp
from sympy.codegen.cfunctions import exp2

from symbackprop import compile_hessian, softplus
from tests.passes.accuracy import assert_right_at

w, x, y, z = sp.symbols("w x y z", real=True)
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


soft = sp.log(1 + sp.exp(x))
SECONDS = {
    "root": (sp.sqrt(soft), {x: 0.7}),
    "three halves": (soft ** sp.Rational(3, 2), {x: -3.0}),
    "divergence": (soft * sp.log(soft / z) - soft + z, {x: 0.7, z: 1.5}),
    "of erfc": (sp.sqrt(sp.erfc(x)) * sp.log(sp.erfc(x)), {x: 2.5}),
    "of a certainty equivalent": (sp.log(sp.log(y * sp.exp(x) + (1 - y) * sp.exp(z))), {x: 2.0, y: 0.4, z: 1.0}),
    "the same over a factor": (
        sp.log(sp.log(y * sp.exp(x) + (1 - y) * sp.exp(z)) / w),
        {x: 2.0, y: 0.4, z: 1.0, w: 3.0},
    ),
}


@pytest.mark.parametrize("name", SECONDS)
def test_second_derivatives_come_to_an_end(name: str) -> None:
    """Beside a second slope that of softplus over it was made for ever, and a secant of no terms had no first one."""
    expr, point = SECONDS[name]
    symbols = sorted(point, key=str)
    hessian = compile_hessian(expr, symbols, args=symbols, backend="numpy")
    got = np.asarray(hessian(*[point[symbol] for symbol in symbols]), float)
    want = [[float(sp.diff(expr, u, v).subs(point).evalf(30, maxn=500)) for v in symbols] for u in symbols]
    np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-15)
