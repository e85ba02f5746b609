"""Conditions that single out a point without Eq or Ne: the derivative there is that of what surrounds it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb

X, Y, Z = sp.symbols("x y z", real=True)
i, n = sp.symbols("i n", integer=True)
u, v = (sp.IndexedBase(name, shape=(n,)) for name in "uv")
P, A, R = sp.Piecewise, sp.Abs, sp.Rational
RTOL = 1e-14
E = math.e

GROWTH = (sp.exp(X) - 1) / X
# (f, g): the formulas right and left of a point, and what they tend to.
STUMPFF_2 = (1 - sp.cos(sp.sqrt(Z))) / Z, (sp.cosh(sp.sqrt(-Z)) - 1) / (-Z)
STUMPFF_3 = (sp.sqrt(Z) - sp.sin(sp.sqrt(Z))) / sp.sqrt(Z) ** 3, (sp.sinh(sp.sqrt(-Z)) - sp.sqrt(-Z)) / sp.sqrt(-Z) ** 3
# The surface density of Navarro, Frenk and White's halo: Wright and Brainerd, ApJ 534 (2000), eq. 11.
LENS = (
    (1 - 2 * sp.atan(sp.sqrt((X - 1) / (X + 1))) / sp.sqrt(X**2 - 1)) / (X**2 - 1),
    (1 - 2 * sp.atanh(sp.sqrt((1 - X) / (X + 1))) / sp.sqrt(1 - X**2)) / (X**2 - 1),
)
HALF, SIXTH, THIRD = R(1, 2), R(1, 6), R(1, 3)
C2_SLOPES, C3_SLOPES = ([-1 / 24], [1 / 360]), ([-1 / 120], [1 / 2520])
SCALED = [-6 / 5, 1 / 3], [78 / 35, -2 / 5, -2 / 5, 0]
NFW = P((LENS[1], X < 1), (LENS[0], X > 1), (THIRD, True))
CUBIC = X**2 + 3 * X + (X - 2) ** 3

# Model, point, value, slopes, second derivatives.
POINTS = [
    pytest.param(P((GROWTH, A(X) > 0), (1, True)), [0], 1, [1 / 2], [1 / 3], id="|x| > 0"),
    pytest.param(P((1, A(X) <= 0), (GROWTH, True)), [0], 1, [1 / 2], [1 / 3], id="|x| <= 0"),
    pytest.param(P((GROWTH, (X > 0) | (X < 0)), (1, True)), [0], 1, [1 / 2], [1 / 3], id="Or"),
    pytest.param(P((1, (X >= 0) & (X <= 0)), (GROWTH, True)), [0], 1, [1 / 2], [1 / 3], id="And"),
    pytest.param(P((GROWTH, sp.Not((X >= 0) & (X <= 0))), (1, True)), [0], 1, [1 / 2], [1 / 3], id="Not"),
    pytest.param(P((GROWTH, X**2 > 0), (1, True)), [0], 1, [1 / 2], [1 / 3], id="x**2 > 0"),
    pytest.param(P((GROWTH, X > 0), (1, X >= 0), (GROWTH, True)), [0], 1, [1 / 2], [1 / 3], id="x >= 0 in between"),
    pytest.param(P((GROWTH, X > 0), (GROWTH, X < 0), (1, X <= 0), (7, True)), [0], 1, [1 / 2], [1 / 3], id="<="),
    pytest.param(P((sp.log(X) / (X - 1), A(X - 1) > 0), (1, True)), [1], 1, [-1 / 2], [2 / 3], id="|x - 1| > 0"),
    pytest.param(P((sp.log(X) / (X - 1), (X > 1) | (X < 1)), (1, True)), [1], 1, [-1 / 2], [2 / 3], id="beside 1"),
    pytest.param(P((X**2 + 3 * X, 2 * X - 4 > 0), (CUBIC, 2 - X > 0), (9, True)), [2], 9, [7], [2], id="at 2"),
    pytest.param(P((STUMPFF_2[0], Z > 0), (STUMPFF_2[1], Z < 0), (HALF, True)), [0], 1 / 2, *C2_SLOPES, id="c2"),
    pytest.param(
        P((HALF, sp.Eq(Z, 0)), (STUMPFF_2[0], Z > 0), (STUMPFF_2[1], True)), [0], 1 / 2, *C2_SLOPES, id="c2 with Eq"
    ),
    pytest.param(P((STUMPFF_3[1], Z < 0), (STUMPFF_3[0], Z > 0), (SIXTH, True)), [0], 1 / 6, *C3_SLOPES, id="c3"),
    pytest.param(NFW, [1], 1 / 3, [-2 / 5], [26 / 35], id="NFW"),
    pytest.param(Y * NFW, [1, 3], 1, *SCALED, id="NFW with a density"),
    pytest.param(
        P((Y * LENS[1], X < 1), (Y * LENS[0], X > 1), (Y / 3, True)), [1, 3], 1, *SCALED, id="density in the arms"
    ),
    pytest.param(NFW.subs(X, X / 2), [2], 1 / 3, [-1 / 5], [13 / 70], id="NFW with a radius"),
    pytest.param(
        P(((sp.exp(X) - sp.exp(Y)) / (X - Y), A(X - Y) > 0), (sp.exp(Y), True)), [1, 1], E, [E / 2, E / 2],
        [E / 3, E / 6, E / 6, E / 3], id="divided difference",
    ),
    pytest.param(
        P(((sp.exp(X) - sp.exp(Y)) / (X - Y), (X > Y) | (X < Y)), (sp.exp(Y), True)), [1, 1], E, [E / 2, E / 2],
        [E / 3, E / 6, E / 6, E / 3], id="x > y or x < y",
    ),
    pytest.param(P((3 * X + 2 * Y, X**2 + Y**2 > 0), (0, True)), [0, 0], 0, [3, 2], [0, 0, 0, 0], id="x**2 + y**2 > 0"),
    pytest.param(
        P((sp.sin(X) / X * Y, (Y > 0) & (A(X) > 0)), (Y, True)), [0, 1], 1, [0, 1], [-1 / 3, 0, 0, 0], id="with y > 0"
    ),
    pytest.param(
        P((sp.log(X) / (X - 1), (X > 0) & sp.Ne(X, 1)), (1, True)), [1], 1, [-1 / 2], [2 / 3], id="Ne and x > 0"
    ),
    # Two sides that do not meet are a kink, where the arm's own derivative answers, as ever.
    pytest.param(P((X, X > 0), (-X, X < 0), (0, True)), [0], 0, [0], [0], id="|x|"),
    pytest.param(P((0, sp.Eq(X, 0)), (X, X > 0), (-X, True)), [0], 0, [0], [0], id="|x| with Eq"),
    pytest.param(P((1, X > 0), (-1, X < 0), (0, True)), [0], 0, [0], [0], id="sign"),
    pytest.param(P((X - Y, X > Y), (Y - X, X < Y), (0, True)), [1, 1], 0, [0, 0], [0, 0, 0, 0], id="|x - y|"),
    pytest.param(P((X * sp.log(X), X > 0), (0, X >= 0), (X, True)), [0], 0, [0], [0], id="x*log(x) on one side"),
    # Half lines and intervals.
    pytest.param(P((2 * X, X > 0), (3 * X, True)), [0], 0, [3], [0], id="x > 0"),
    pytest.param(P((2 * X, X > 0), (5 * X, X > -1), (3 * X, True)), [0], 0, [5], [0], id="an interval"),
    pytest.param(P((2 * X, A(X) > 1), (3 * X, True)), [1], 3, [3], [0], id="|x| > 1"),
    pytest.param(P((2 * X, X >= 0), (3 * X, X <= 0), (7, True)), [0], 0, [2], [0], id="nothing left over"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "point", "value", "first", "second"), POINTS)
def test_the_derivative_is_that_around(
    model: sp.Expr, point: list[float], value: float, first: Any, second: Any
) -> None:
    symbols = sorted(model.free_symbols, key=str)
    at = [float(number) for number in point]
    got, gradient = sb.compile_grad(model, symbols, args=symbols, backend="python").value_and_grad(*at)
    assert got == pytest.approx(value, rel=1e-15)
    np.testing.assert_allclose(gradient, first, rtol=RTOL, atol=1e-15)
    hessian = sb.compile_hessian(model, symbols, args=symbols, backend="python")(*at)
    np.testing.assert_allclose(np.ravel(hessian), second, rtol=RTOL, atol=1e-15)


def test_the_oracle_agrees() -> None:
    for model, at in (
        (P((GROWTH, A(X) > 0), (1, True)), {"x": 0.0}),
        (P((STUMPFF_2[0], Z > 0), (STUMPFF_2[1], Z < 0), (HALF, True)), {"z": 0.0}),
        (NFW * Y, {"x": 1.0, "y": 3.0}),
        (P((sp.sin(Y * X) / X, A(X) > 0), (Y, True)), {"x": 0.0, "y": 2.0}),
    ):
        assert sb.check_grad(model, at=at)


def test_the_value_over_nan_stays_what_the_user_wrote() -> None:
    for condition, want in ((A(X) > 0, 1.0), ((X > 0) | (X < 0), 1.0), (sp.Ne(X, 0), math.nan)):
        g = sb.compile_grad(P((GROWTH, condition), (1, True)), X, backend="python")
        np.testing.assert_equal(g.value(math.nan), want)


def test_no_other_arm_is_no_derivative() -> None:
    for model in (P((X, X > 0), (X, X < 0)), P((X, X > 0), (2 * X, X < 0)), P((X, A(X) > 0))):
        value, gradient = sb.compile_grad(model, X, backend="python").value_and_grad(0.0)
        assert math.isnan(value), gradient


@pytest.mark.parametrize("backend", ["python", "numpy"])
def test_points_of_arrays(backend: str) -> None:
    growth = GROWTH.subs(X, u[i])
    for arms in (((growth, A(u[i]) > 0), (1, True)), ((growth, u[i] > 0), (2 * growth / 2, u[i] < 0), (1, True))):
        model = sp.Sum(v[i] * P(*arms, evaluate=False), (i, 0, n - 1))
        u_bar, v_bar = sb.compile_grad(model, [u, v], args=[u, v], backend=backend)([0.0, 1.0], [2.0, 3.0])
        np.testing.assert_allclose(u_bar, [1.0, 3.0], rtol=RTOL)
        np.testing.assert_allclose(v_bar, [1.0, E - 1], rtol=RTOL)


def test_a_slope_that_is_not_known_is_nan() -> None:
    """Stumpff's function of a product, by formulas that have no slope at 0: -y**2/24 in x, 1/2 in y."""
    arms = (STUMPFF_2[0].subs(Z, X * Y) * Y, X > 0), (STUMPFF_2[1].subs(Z, X * Y) * Y, X < 0), (Y / 2, True)
    value, (x_bar, y_bar) = sb.compile_grad(P(*arms), [X, Y], args=[X, Y], backend="python").value_and_grad(0.0, 3.0)
    assert (value, y_bar) == (1.5, 0.5)
    assert math.isnan(x_bar)


NORM = sp.sqrt(X**2 + Y**2)
# Functions, what they are given at the origin, and their slopes there.
RADIAL = [
    pytest.param(NORM**2 * sp.log(NORM), 0, [0, 0], id="r**2*log(r), a thin plate"),
    pytest.param(Y * sp.sin(NORM) / NORM, Y, [0, 1], id="y*sin(r)/r"),
    pytest.param(X * (1 - sp.exp(-NORM)) / NORM, X, [1, 0], id="x*(1 - exp(-r))/r"),
    pytest.param(X * (sp.coth(NORM) - 1 / NORM) / NORM, X / 3, [1 / 3, 0], id="Langevin's function"),
    pytest.param(sp.erf(NORM) / NORM, 2 / sp.sqrt(sp.pi), [0, 0], id="erf(r)/r"),
    pytest.param(NORM, 0, [0, 0], id="r, whose kink is 0"),
]


@pytest.mark.parametrize(("function", "arm", "slopes"), RADIAL)
def test_functions_of_a_radius(function: sp.Expr, arm: sp.Expr, slopes: list[float]) -> None:
    for condition in (NORM > 0, X**2 + Y**2 > 0):
        model = P((function, condition), (arm, True))
        got = sb.compile_grad(model, [X, Y], args=[X, Y], backend="python")(0.0, 0.0)
        np.testing.assert_allclose(got, slopes, rtol=RTOL, atol=1e-15)
