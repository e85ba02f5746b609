"""Quotients whose numerator is a function of a product that the denominator is a factor of: (1 - cos(k*x))/x**2.

All of them vanish together as the product k*x does, whichever of its factors is small.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp

from symbackprop import compile_grad, compile_hessian, logistic, softplus
from symbackprop.ad.modes import gradient
from symbackprop.check.oracle import Oracle
from symbackprop.check.rounding import ulps
from symbackprop.frontend import read_model
from symbackprop.ir import Graph
from symbackprop.passes import simplify, stabilise
from symbackprop.passes.common_factors import without_common
from symbackprop.passes.powers import order_of
from symbackprop.passes.regroup import _Known, regrouped

k, t, x, y = sp.symbols("k t x y", real=True)
tau = sp.Symbol("tau", positive=True)
half = sp.Rational(1, 2)

# Each with the two factors u is a product of; the second divides where it is `tau`.
FORMS: dict[str, tuple[sp.Expr, sp.Symbol, sp.Symbol]] = {
    "versine": ((1 - sp.cos(k * x)) / x**2, k, x),
    "versine, less divided": ((1 - sp.cos(k * x)) / x, k, x),
    "versine of a square": ((1 - sp.cos(k * x**2)) / x**4, k, x),
    "squared sine": (sp.sin(k * x / 2) ** 2 / x**2, k, x),
    "u - sin": ((k * x - sp.sin(k * x)) / x**3, k, x),
    "phi2": ((sp.exp(k * x) - 1 - k * x) / x**2, k, x),
    "hyperbolic": ((sp.cosh(k * x) - 1) / x**2, k, x),
    "exp over a square": ((1 - sp.exp(-k * x)) / (k**2 * x), k, x),
    "mean reversion": ((sp.exp(-k * t) - 1 + k * t) / k**2, t, k),
    "log": (sp.log(1 + k * x) / x, k, x),
    "log, second": ((sp.log(1 + k * x) - k * x) / x**2, k, x),
    "tan": (sp.tan(k * x) / x, k, x),
    "exp": ((1 - sp.exp(-k * x)) / x, k, x),
    "more factors": (2 * y * sp.exp(k) * (sp.exp(-k * x) - 1 + k * x) / (3 * x**2 * sp.cosh(y)), k, x),
    "a root beside it": (sp.sqrt(y) * (1 - sp.cos(-k * x)) / x**2, k, x),
    "atan and a sum": (sp.atan(-k * x) / (x * (1 + y**2)), k, x),
    "a quotient": (tau * sp.sin(x / tau), x, tau),
    "pole": (x / sp.sinh(k * x), k, x),
    "cotangent": (x / sp.tan(k * x), k, x),
    "squared pole": (y * x**2 / sp.sin(k * x) ** 2, k, x),
    "occupation": (x / (sp.exp(k * x) - 1), k, x),
    "occupation of a quotient": (x / (tau * (sp.exp(x / tau) - 1)), x, tau),
    "Langevin": (sp.coth(x / tau) - tau / x, x, tau),
    "Langevin, scaled": (y * (tau * sp.coth(x / tau) - tau**2 / x), x, tau),
    "difference of poles": (1 / k - x / sp.tan(k * x), k, x),
    "first-order lag": (t - tau * (1 - sp.exp(-t / tau)), t, tau),
    "boundary layer": (x - sp.tanh(k * x) / k, k, x),
    "ramp response": (tau**2 * (sp.exp(-t / tau) - 1 + t / tau), t, tau),
}
SIZES = (1e-12, 1e-9, 1e-6, 1e-3, 0.03, 0.2, 0.5, 0.97, 1.03, 1.5, 1.96, 2.04, 3.0)
# A few roundings of u, which tan near pi/2 and 1 + u near 0 amplify by 10; beyond the radius of the series, where
# |u| > 2, what is left of the cancellation: a factor of 4 of a first derivative and up to 30 of a second; of that of
# x/tan(u) at u = 1.5 a fortieth.
ALLOWED = {"value": 24, "first": 32, "second": 320}
LEFT = {
    "plain product": sp.sin(k * x) / y,
    "what does not vanish": sp.cos(k * x) / x,
    "one variable": sp.sin(2 * x) / x,
    "oscillator": y * sp.exp(-k * t) * sp.cos(x * t),
    "frequency times cosine": k * sp.cos(k * x),
    "charge": k * (1 - sp.exp(-t / tau)),
}


def stable(expr: sp.Expr) -> Graph:
    return stabilise(simplify(read_model(expr, None, None, None, ()).graph))


def points(name: str) -> list[dict[str, float]]:
    """u at all sizes, of either sign, by either factor."""
    expr, one, other = FORMS[name]
    found = []
    for size in SIZES:
        for given in (1.3, 0.07, 40.0) if other is tau else (1.3, -0.07, 40.0):
            for sign in (1, -1):
                u = sign * size
                rest = math.sqrt(size / abs(given)) if name == "versine of a square" else u / given
                pair = (u * given, given) if other is tau else (given, rest)
                point = dict(zip((one.name, other.name), pair, strict=True))
                if 1 + point.get("k", 0.0) * point.get("x", 0.0) <= 0 and expr.has(sp.log):
                    continue
                found.append(point | {"y": 0.9} if y in expr.free_symbols else point)
    return found


@pytest.mark.parametrize("name", FORMS)
def test_value_and_derivatives_in_all_variables(name: str) -> None:
    expr = FORMS[name][0]
    symbols = sorted(expr.free_symbols, key=str)
    oracle = Oracle(read_model(expr, symbols, None, None, ()).graph)
    gradient = compile_grad(expr, symbols, args=symbols, backend="python")
    hessian = compile_hessian(expr, symbols, args=symbols, backend="python")
    for point in points(name):
        at = [point[symbol.name] for symbol in symbols]
        value, slopes = gradient.value_and_grad(*at)
        second = hessian(*at)
        compared = [("value", value, oracle.value(point))]
        for i, one in enumerate(symbols):
            compared.append(("first", slopes[i], oracle.derivative(point, (one.name, ())).middle))
            for j, other in enumerate(symbols[: i + 1]):
                compared.append(("second", second[i][j], oracle.second(point, (one.name, ()), (other.name, ()))))
        for what, got, want in compared:
            if math.isfinite(want):
                assert ulps(float(got), want) <= ALLOWED[what], f"{what} at {point}: {got!r} and not {want!r}"


@pytest.mark.parametrize("upside_down", [False, True])
def test_logistic_over_softplus(upside_down: bool) -> None:
    """1 - exp(z)/2 for z far below 0."""
    quotient = y * logistic(x) / softplus(x)
    expr = y**2 / quotient if upside_down else quotient
    oracle = Oracle(read_model(expr, [x, y], None, None, ()).graph)
    gradient = compile_grad(expr, [x, y], args=[x, y], backend="python")
    for at in (-300.0, -40.0, -7.5, -2.0, -0.5, 0.0, 0.7, 3.0, 40.0, 300.0):
        point = {"x": at, "y": 1.25}
        value, slopes = gradient.value_and_grad(at, 1.25)
        assert ulps(value, oracle.value(point)) <= 4
        for name, slope in zip("xy", slopes, strict=True):
            assert ulps(slope, oracle.derivative(point, (name, ())).middle) <= 16


def test_at_zero() -> None:
    """The limit, where either factor or both are 0."""
    gradient = compile_grad((1 - sp.cos(k * x)) / x**2, [k, x], args=[k, x], backend="python")
    assert gradient.value_and_grad(3.0, 0.0) == (4.5, [3.0, 0.0])
    assert gradient.value_and_grad(0.0, 2.0) == (0.0, [0.0, 0.0])
    assert gradient.value_and_grad(0.0, 0.0) == (0.0, [0.0, 0.0])


def test_both_factors_from_one_array() -> None:
    """Everything goes through the array, of which nothing has a series."""
    v = sp.MatrixSymbol("v", 2, 1)
    gradient = compile_grad((1 - sp.cos(v[0, 0] * v[1, 0])) / v[1, 0] ** 2, v, backend="numpy")
    slopes = np.ravel(gradient(np.array([[1.3], [1e-6]])))
    # k - k**3*x**2/6, -k**4*x/12.
    np.testing.assert_allclose(slopes, [1.3, -(1.3**4) * 1e-6 / 12], rtol=1e-11)


def test_over_arrays() -> None:
    gradient = compile_grad((1 - sp.cos(k * x)) / x**2, [k, x], args=[k, x], backend="numpy")
    columns = np.array([[1.3, 1.3, -2.0, 40.0], [1e-6, 3.0, 0.4, 1e-300]])
    value, slopes = gradient.value_and_grad(*columns)
    for column, point in enumerate(columns.T):
        alone = gradient.value_and_grad(*point)
        assert math.isclose(value[column], alone[0], rel_tol=4 * 2.0**-52)
        for slope, want in zip(slopes, alone[1], strict=True):
            assert math.isclose(slope[column], want, rel_tol=8 * 2.0**-52)


@pytest.mark.parametrize("name", LEFT)
def test_nothing_else_is_touched(name: str) -> None:
    graph = stable(LEFT[name])
    assert regrouped(graph) is graph


def test_powers_of_a_product() -> None:
    assert order_of({0: 2, 1: -4, 2: 0}, {0: -1, 1: 2}) == -2
    for ratio in ({0: 1, 1: -2}, {0: 2}, {0: 2, 1: -2, 2: 1}, {}):
        assert order_of(ratio, {0: 2, 1: -2}) == 0


@pytest.mark.parametrize("name", [*FORMS, *LEFT])
def test_what_is_left_out_at_once_is_nothing_that_a_closer_look_finds(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = gradient_of(FORMS[name][0] if name in FORMS else LEFT[name])
    at_once = regrouped(graph, values=1)
    monkeypatch.setattr(_Known, "_is_wide", lambda self, nodes, product: True)
    monkeypatch.setattr(_Known, "without_common", lambda self, nodes, terms: without_common(nodes, terms, {}))
    assert regrouped(graph, values=1).nodes == at_once.nodes


def gradient_of(expr: sp.Expr) -> Graph:
    graph = stable(expr)
    return stabilise(gradient(graph, sorted(graph.inputs().values()), "zero"), values=1)
