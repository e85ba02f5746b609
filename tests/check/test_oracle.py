"""The oracle: what it says is right to the last bit, in both arithmetics, at points where doubles are at a loss."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop.check.engines import Balls, Engine, Numbers
from symbackprop.check.oracle import Derivative, Oracle
from symbackprop.frontend import read_model

pytest.importorskip("flint", reason="balls are python-flint's")

x, y = sp.symbols("x y")
INF, NAN = math.inf, math.nan
ENGINES = {"balls": (Balls(), Numbers()), "numbers": (Numbers(),)}


def oracle(expr: Any, engines: tuple[Engine, ...]) -> Oracle:
    return Oracle(read_model(expr, None, None, None, ()).graph, engines)


@pytest.fixture(params=ENGINES)
def engines(request: pytest.FixtureRequest) -> tuple[Engine, ...]:
    return ENGINES[request.param]


# Expression, x, value, derivative. Numbers are rounded from 60 digits of the closed form, or exact.
CASES = [
    # Cancellation to nothing in doubles: series of (exp(x) - 1)/x and its kin.
    ((sp.exp(x) - 1) / x, 1e-300, 1.0, 0.5),
    ((sp.exp(x) - 1) / x, 1e-9, 1.0000000005, 0.5000000003333334),
    ((1 - sp.cos(x)) / x**2, 1e-5, 0.49999999999583333, -8.333333333277779e-07),
    (sp.exp(x) - 1 - x, 1e-100, 5e-201, 1e-100),
    # Removable singularities: the limit, and its derivative.
    ((sp.exp(x) - 1) / x, 0.0, 1.0, 0.5),
    (sp.sin(x) / x, 0.0, 1.0, 0.0),
    (x / (sp.exp(x) - 1), 0.0, 1.0, -0.5),
    # Tails.
    (sp.log(1 + sp.exp(x)), 1000.0, 1000.0, 1.0),
    (1 / (1 + sp.exp(-x)), -800.0, 0.0, 0.0),
    (1 / (1 + sp.exp(-x)), -740.0, 4.2e-322, 4.2e-322),
    (sp.tanh(x), 20.0, 1.0, 1.6993417021166355e-17),
    # Denormal results, and results that are exactly 0.
    (x**2, 1e-162, 0.0, 2e-162),
    (x**2 - x, 0.5, -0.25, 0.0),
    (sp.sin(x) ** 2 + sp.cos(x) ** 2, 0.7, 1.0, 0.0),
    # Ends of domains: from inside, with infinite slopes.
    (sp.sqrt(x), 0.0, 0.0, INF),
    (sp.acos(x), 1.0, 0.0, -INF),
    (x ** sp.Rational(3, 2), 0.0, 0.0, 0.0),
    # No real number: at the point, or on the way to what would be one.
    (sp.log(x), -1.0, NAN, NAN),
    (sp.cos(2 * sp.acos(x)), 1.5, NAN, NAN),
    (1 + 10**-40 * sp.sinc(sp.log(x)), -1.0, NAN, NAN),
    # An arm that is not taken may be no number.
    (sp.Piecewise((sp.sqrt(x), x > 0), (x, True)), -4.0, -4.0, 1.0),
    # A jump has no derivative; a derivative may be too large for a double.
    (sp.floor(x), 1.0, 1.0, NAN),
    (sp.log(x), 1e-309, -711.4987937351601, INF),
]


@pytest.mark.parametrize(("expr", "at", "value", "slope"), CASES, ids=lambda case: str(case))
def test_values_and_derivatives(expr: Any, at: float, value: float, slope: float, engines: tuple[Engine, ...]) -> None:
    asked = oracle(expr, engines)
    np.testing.assert_equal(asked.value({"x": at}), value)
    np.testing.assert_equal(asked.derivative({"x": at}, ("x", ())).middle, slope)


@pytest.mark.parametrize(
    ("expr", "left", "right"),
    [(sp.Abs(x), -1.0, 1.0), (sp.Max(x, 2 * x), 1.0, 2.0), (sp.Piecewise((x, x < 0), (3 * x, True)), 1.0, 3.0)],
    ids=str,
)
def test_kinks_have_two_sides(expr: Any, left: float, right: float, engines: tuple[Engine, ...]) -> None:
    slope = oracle(expr, engines).derivative({"x": 0.0}, ("x", ()))
    assert slope.is_kink and (slope.left, slope.right) == (left, right)
    assert not oracle(expr, engines).derivative({"x": 0.5}, ("x", ())).is_kink


def test_a_large_second_derivative_is_no_kink(engines: tuple[Engine, ...]) -> None:
    assert not oracle(sp.exp(10**9 * x), engines).derivative({"x": 0.0}, ("x", ())).is_kink
    assert Derivative(NAN, 0.0, INF).is_kink


def test_second_derivatives(engines: tuple[Engine, ...]) -> None:
    asked, point = oracle(sp.exp(x * y) * sp.sin(y), engines), {"x": 0.5, "y": 2.0}
    e, s, c = math.exp(1), math.sin(2), math.cos(2)
    assert asked.second(point, ("x", ()), ("x", ())) == pytest.approx(4 * e * s, rel=1e-15)
    # d/dy (y exp(xy) sin y), in doubles of the closed form.
    assert asked.second(point, ("x", ()), ("y", ())) == pytest.approx(e * (s + s + 2 * c), rel=4e-15)


def test_directions_and_arrays(engines: tuple[Engine, ...]) -> None:
    n = sp.Symbol("n", integer=True, positive=True)
    w = sp.MatrixSymbol("w", n, 1)
    asked = oracle(sp.Trace(w.T * w), engines)
    point = {"w": np.array([[0.5], [0.25], [-1.0]])}
    assert asked.value(point) == 1.3125
    assert asked.derivative(point, ("w", (2, 0))).middle == -2.0
    assert asked.along(point, {("w", (0, 0)): 1, ("w", (2, 0)): 3}) == 1.0 - 6.0  # type: ignore[dict-item]


def test_rows_without_balls_are_left_to_numbers() -> None:
    # mpmath's references would take a ball for its middle, to 53 bits, and say nothing of its radius.
    a = sp.MatrixSymbol("a", 2, 2)
    point = {"a": np.array([[2.0, 0.5], [0.5, 1.0]])}
    graph = read_model(sp.log(sp.Determinant(a)), None, None, None, ()).graph
    assert Balls().evaluate(graph, point, 256) is None
    assert Oracle(graph).value(point) == 0.5596157879354227
    assert Oracle(graph).derivative(point, ("a", (0, 0))).middle == 1 / 1.75


@pytest.mark.parametrize("seed", range(8))
def test_both_arithmetics_agree_to_the_last_bit(seed: int) -> None:
    rng = np.random.default_rng(seed)
    expr = [
        sp.gamma(x) * sp.erfc(y) + sp.atan2(x, y),
        sp.log(1 + sp.exp(x - y)) * sp.tanh(x * y),
        sp.besselj(1, x) / (1 + y**2) + sp.LambertW(x),
        sp.Mod(x, y) + sp.Max(x, y) ** sp.Rational(7, 3) + sp.frac(x) * sp.ceiling(y),
    ][seed % 4]
    point = {"x": 10 ** rng.uniform(-6, 1), "y": 10 ** rng.uniform(-6, 1)}
    balls, numbers = (oracle(expr, engines) for engines in ((Balls(),), (Numbers(),)))
    assert balls.value(point) == numbers.value(point)
    for name in point:
        assert balls.derivative(point, (name, ())) == numbers.derivative(point, (name, ()))
