"""Rotations by the formula of Rodrigues, exponential maps and screened charges: functions of a norm at the origin."""

from __future__ import annotations

import math
from typing import Any

import pytest
import sympy as sp

from symbackprop import check_grad, compile_grad, compile_hessian

x, y, z, q = sp.symbols("x y z q", real=True)
PLANE, SPACE = sp.sqrt(x**2 + y**2), sp.sqrt(x**2 + y**2 + z**2)
# The value at the origin and its gradient there, worked by hand.
FORMS: dict[str, tuple[Any, float, list[float]]] = {
    "sin(h)/h*x": (sp.sin(PLANE) / PLANE * x, 0.0, [1.0, 0.0]),
    "sin(h)/h*x in space": (sp.sin(SPACE) / SPACE * x, 0.0, [1.0, 0.0, 0.0]),
    "(1 - cos(h))/h**2": ((1 - sp.cos(PLANE)) / PLANE**2, 0.5, [0.0, 0.0]),
    "(1 - cos(h))/h**2*x*y": ((1 - sp.cos(SPACE)) / SPACE**2 * x * y + z, 0.0, [0.0, 0.0, 1.0]),
    "(h - sin(h))/h**3": ((PLANE - sp.sin(PLANE)) / PLANE**3 * y, 0.0, [0.0, 1 / 6]),
    "sinh(h)/h*x": (sp.sinh(PLANE) * x / PLANE, 0.0, [1.0, 0.0]),
    "atan(h)/h*x": (sp.atan(PLANE) / PLANE * x + 2 * y, 0.0, [1.0, 2.0]),
    "tan(h/2)/h": (sp.tan(PLANE / 2) / PLANE, 0.5, [0.0, 0.0]),
    "erf(h)/h": (sp.erf(q * SPACE) / SPACE, 4 / math.sqrt(math.pi), [2 / math.sqrt(math.pi), 0.0, 0.0, 0.0]),
    "sin(h)**2/h**2": (sp.sin(PLANE) ** 2 / PLANE**2, 1.0, [0.0, 0.0]),
}
AT = {"x": 0.6, "y": -0.8, "z": 0.3, "q": 2.0}


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("name", FORMS)
def test_at_the_origin(name: str, backend: str) -> None:
    expr, value, slopes = FORMS[name]
    symbols = sorted(expr.free_symbols, key=str)
    got, gradient = compile_grad(expr, symbols, backend=backend).value_and_grad(
        **{s.name: 2.0 if s is q else 0.0 for s in symbols}
    )
    assert math.isclose(got, value, rel_tol=1e-15)
    for found, wanted in zip(gradient, slopes, strict=True):
        assert math.isclose(found, wanted, rel_tol=1e-15)


@pytest.mark.parametrize("name", FORMS)
def test_beside_the_origin(name: str) -> None:
    expr = FORMS[name][0]
    symbols = sorted(expr.free_symbols, key=str)
    sizes = (1e-9, 1e-6, 1e-3, 0.3, 1.0, 3.0)
    points = [{s.name: AT[s.name] * (1 if s is q else size) for s in symbols} for size in sizes]
    assert check_grad(expr, symbols, at=points, accuracy=True).passed


def test_second_derivatives_at_the_origin() -> None:
    """(1 - cos(h))/h**2 is 1/2 - h**2/24."""
    hessian = compile_hessian((1 - sp.cos(PLANE)) / PLANE**2, [x, y], backend="numpy")(1e-5, 0.0)
    assert math.isclose(float(hessian[0][0]), -1 / 12, rel_tol=1e-9)
    assert math.isclose(float(hessian[1][1]), -1 / 12, rel_tol=1e-9)


def test_what_has_no_limit_stays_a_cosine() -> None:
    """exp(-h)/h*x has none at the origin; far out and beside it the slope is that of a cosine."""
    points = [{"x": 0.6 * size, "y": -0.8 * size} for size in (1e-160, 1e-9, 1.0, 30.0)]
    assert check_grad(sp.exp(-PLANE) / PLANE * x, [x, y], at=points, accuracy=True).passed
