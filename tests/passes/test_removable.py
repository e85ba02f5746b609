"""Series beside what cancels: where they are put, what they are, and that nothing else changes."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop import compile_grad, compile_hessian
from symbackprop.check.oracle import Oracle
from symbackprop.check.rounding import ulps
from symbackprop.frontend import read_model
from symbackprop.ir import Functions, Graph, GraphBuilder, interpret, verify
from symbackprop.ops import REGISTRY
from symbackprop.passes import removable, simplify, stabilise

x = sp.Symbol("x", real=True)
p = sp.Symbol("p", positive=True)

# Each with its point u0 and its Taylor coefficients there: c0, c1, ...
SERIES: dict[str, tuple[sp.Expr, float, list[tuple[int, int]]]] = {
    "sinc": (sp.sin(x) / x, 0.0, [(1, 1), (0, 1), (-1, 6), (0, 1), (1, 120)]),
    "versine": ((sp.cos(x) - 1) / x**2, 0.0, [(-1, 2), (0, 1), (1, 24), (0, 1), (-1, 720)]),
    "exprel": ((sp.exp(x) - 1) / x, 0.0, [(1, 1), (1, 2), (1, 6), (1, 24), (1, 120)]),
    "Bernoulli": (x / (sp.exp(x) - 1), 0.0, [(1, 1), (-1, 2), (1, 12), (0, 1), (-1, 720)]),
    "x - sin": (x - sp.sin(x), 0.0, [(0, 1), (0, 1), (0, 1), (1, 6), (0, 1), (-1, 120)]),
    "phi2": ((sp.exp(x) - 1 - x) / x**2, 0.0, [(1, 2), (1, 6), (1, 24), (1, 120)]),
    "Langevin": (1 / sp.tanh(x) - 1 / x, 0.0, [(0, 1), (1, 3), (0, 1), (-1, 45), (0, 1), (2, 945)]),
    # In w = (p - 1)/(p + 1): (1 - w)*atanh(w)/w.
    "log over": (sp.log(p) / (p - 1), 1.0, [(1, 1), (-1, 1), (1, 3), (-1, 3), (1, 5)]),
}
ALONE = {
    "x*log(x)": p * sp.log(p),
    "sqrt over": sp.sqrt(p) / p ** sp.Rational(1, 4),
    "Abs": sp.Abs(x) / x,
    "a pole": sp.exp(x) / x,
    "two variables": (sp.exp(x) - sp.exp(p)) / (x - p),
    "rational": (x + 1) / (x + 2),
    "a network": sp.tanh(2 * x + 1) * p + sp.exp(x) * x,
    "nothing cancels": sp.sin(x) / (x + 2),
}


def reached(expr: sp.Expr) -> Graph:
    return stabilise(simplify(read_model(expr, None, None, None, ()).graph))


def polynomials(graph: Graph) -> list[tuple[Fraction, ...]]:
    return [node.attributes for node in graph.nodes if node.op.name == "polynomial"]


@pytest.mark.parametrize("name", SERIES)
def test_coefficients_are_those_of_taylor(name: str) -> None:
    expr, _, coefficients = SERIES[name]
    graph = verify(removable(reached(expr)), "removable")
    (found,) = polynomials(graph)
    # Simple fractions come out exactly; the rest of the list is beside the point here.
    assert list(found[: len(coefficients)]) == [Fraction(*c) for c in coefficients]


@pytest.mark.parametrize("name", ALONE)
def test_what_does_not_cancel_is_left_alone(name: str) -> None:
    graph = reached(ALONE[name])
    assert removable(graph) is graph


@pytest.mark.parametrize("backend", ["numpy", "python"])
@pytest.mark.parametrize("name", SERIES)
def test_value_and_both_derivatives(name: str, backend: str) -> None:
    """From the smallest step beside the point to beyond the radius, on both sides, and at the point itself."""
    expr, centre, _ = SERIES[name]
    (symbol,) = expr.free_symbols
    oracle, entry = Oracle(read_model(expr, [symbol], None, None, ()).graph), (symbol.name, ())
    gradient = compile_grad(expr, symbol, backend=backend)
    hessian = compile_hessian(expr, symbol, backend=backend)
    steps = [0.0, 1e-300, 1e-12, 1e-8, 3e-5, 1e-3, 0.02, 0.11, 0.3, 0.49, 0.51, 0.9, 1.3, 1.99, 2.01, 3.0, 7.0]
    for at in [centre + sign * step for step in steps for sign in (1, -1) if symbol is x or centre + sign * step > 0]:
        point = {symbol.name: at}
        value, slope = gradient.value_and_grad(at)
        # Beyond the radius a factor of a few is left of the cancellation: up to 48 ulp of the second derivative.
        for got, want, allowed in (
            (value, oracle.value(point), 8),
            (slope, oracle.derivative(point, entry).middle, 16),
            (hessian(at), oracle.second(point, entry, entry), 48),
        ):
            # Around a zero of the derivative itself: an ulp of 1.
            near_zero = abs(want) < 0.02 and abs(got - want) <= allowed * 2.0**-52 * 0.02
            if math.isfinite(want):
                assert ulps(float(got), want) <= allowed or near_zero, f"{name} at {at}: {got!r} and not {want!r}"


# Beside what vanishes with them: special functions that have a series, and functions whose slopes are norms.
BESIDE = [
    sp.besselj(1, x) / x,
    (2 * sp.besselj(1, x) / x) ** 2,
    (1 - sp.besselj(0, x)) / x**2,
    sp.besselj(2, 3 * x) / x**2,
    sp.besseli(1, x) / x,
    x / (x + sp.asinh(x)),
    x * sp.asinh(x) / (1 - sp.cos(x)),
]


@pytest.mark.parametrize("expr", BESIDE, ids=str)
def test_airy_discs_and_their_like(expr: sp.Expr) -> None:
    """The slope of besselj(1, x)/x had no digits below 1e-8; that of x/(x + asinh(x)) lost 5 % at 1e-7."""
    oracle, gradient = Oracle(read_model(expr, [x], None, None, ()).graph), compile_grad(expr, x, backend="numpy")
    for at in (1e-300, 1e-9, -1e-7, 1e-5, -1e-3, 0.03, 0.3, -1.4):
        value, slope = gradient.value_and_grad(at)
        assert ulps(float(value), oracle.value({"x": at})) <= 8
        assert ulps(float(slope), oracle.derivative({"x": at}, ("x", ())).middle) <= 16


def test_every_coefficient_counts() -> None:
    """At the edge of its radius the polynomial is the function: the truncation is below an ulp."""
    for name, (expr, centre, _) in SERIES.items():
        graph = removable(reached(expr))
        (node,) = [node for node in graph.nodes if node.op.name == "select"]
        radius = next(
            float(graph.nodes[graph.nodes[k].operands[1]].attributes)
            for k in range(len(graph.nodes))
            if graph.nodes[k].op.name == "lt"
        )
        inside = centre + np.nextafter(radius, 0)
        (symbol,) = expr.free_symbols
        series = Graph(graph.nodes, (node.operands[1],))
        direct = Graph(graph.nodes, (node.operands[2],))
        got, want = (float(interpret(g, {symbol.name: inside})[0]) for g in (series, direct))
        assert math.isclose(got, want, rel_tol=8 * 2.0**-52), name


def test_at_infinity() -> None:
    expr = p * (sp.exp(1 / p) - 1)
    oracle, gradient = Oracle(read_model(expr, [p], None, None, ()).graph), compile_grad(expr, p, backend="python")
    for at in (0.3, 3.0, 40.0, 1e5, 1e9, 1e150):
        value, slope = gradient.value_and_grad(at)
        want = oracle.derivative({"p": at}, ("p", ())).middle
        assert ulps(value, oracle.value({"p": at})) <= 4
        assert ulps(slope, want) <= 16


def test_one_site_serves_what_is_inside_it() -> None:
    """The numerator of a quotient that has a series is only read where it does not cancel."""
    assert len(polynomials(removable(reached((sp.exp(x) - 1 - x) / x**2)))) == 1
    # Read elsewhere as well, it gets a series of its own.
    assert len(polynomials(removable(reached((sp.exp(x) - 1 - x) / x**2 + sp.cos(sp.exp(x) - 1 - x))))) == 2


def test_inside_a_larger_model_and_on_arrays() -> None:
    y = sp.Symbol("y", real=True)
    u = x * y + p
    gradient = compile_grad(y * (1 - sp.cos(u)) / u**2, [x, y, p], args=[x, y, p], backend="numpy")
    columns = np.array([[1e-5, 2.0, 0.5], [1e-7, 1.0, -3.0], [1e-9, 0.25, 1.5 + 1e-6]])  # x, y, p
    value, slopes = gradient.value_and_grad(*columns)
    for k, point in enumerate(columns.T):
        alone = gradient.value_and_grad(*point)
        assert math.isclose(value[k], alone[0], rel_tol=4 * 2.0**-52)
        assert all(math.isclose(s[k], a, rel_tol=8 * 2.0**-52) for s, a in zip(slopes, alone[1], strict=True))
    # (1 - cos u)/u**2 = 1/2 - u**2/24: the slope in x is y*y*(-u/12).
    assert math.isclose(slopes[0][0], 1e-14 * -(1e-12 + 1e-9) / 12, rel_tol=8 * 2.0**-52)


def built(example: Callable[[Functions, Any], Any]) -> Graph:
    f = Functions(GraphBuilder())
    return f.builder.graph([example(f, f.input("x")).index])


def test_equal_expressions_share_one_computation() -> None:
    from symbackprop.passes.series import series_of

    series_of.cache_clear()
    f = Functions(GraphBuilder())
    total = f.const(0)
    for k in range(50):
        u = f.input(f"x{k}")
        total = total + (f.exp(u) - 1 - u) / (u * u)
    graph = removable(f.builder.graph([total.index]))
    assert len(polynomials(graph)) == 50
    assert series_of.cache_info().misses <= 4


def test_polynomial_row() -> None:
    """Value and derivative of the row against NumPy's, in Horner's scheme, with gaps."""
    rng = np.random.default_rng(5)
    for coefficients in ([3], [0, 2], [1, 0, -2], [0, 1, 0, 4], [Fraction(1, 3), 2, 0, 0, 5], [0, 0, 0, 1]):
        exact = tuple(map(Fraction, coefficients))
        f = Functions(GraphBuilder())
        z = f.polynomial(exact, f.input("x"))
        points = rng.uniform(-2, 2, 50)
        want = np.polynomial.polynomial.polyval(points, [float(c) for c in exact])
        got = interpret(f.builder.graph([z.index]), {"x": points})[0]
        # Terms up to 5*2**4 = 80 cancel.
        np.testing.assert_allclose(got, want, rtol=0, atol=80 * 8 * 2.0**-53)
        partial = REGISTRY["polynomial"].partials[0]
        assert callable(partial)
        slope = partial(f, z, f.wrap(f.builder.nodes[z.index].operands[0]))
        assert f.attributes(slope) == tuple(k * c for k, c in enumerate(exact))[1:]


def test_emitted_as_horner() -> None:
    source = compile_grad((1 - sp.cos(x)) / x**2, x, backend="python").source
    assert "0.041666666666666664" in source and "polynomial" not in source


BRANCHES = {
    "asin of sin": (sp.exp(sp.asin(sp.sin(x))) - 1) / x,
    "atan of tan": (sp.exp(sp.atan(sp.tan(x))) - 1) / x,
    "root of a square": (sp.exp(sp.sqrt(x**2 - 2 * x + 1) - 1) - 1) / x,
    "acosh of cosh": (sp.exp(sp.acosh(sp.cosh(x + 1)) - 1) - 1) / x,
    "even in a root": (sp.cos(sp.sqrt(x)) - 1) / x,
    "hyperbolic, even in a root": (sp.cosh(sp.sqrt(x)) - 1) / x,
    "log of a square": (sp.log((x - 1) ** 2) + 2 * x) / x**2,
}


@pytest.mark.parametrize("name", BRANCHES)
def test_a_series_ends_where_the_function_changes_branch(name: str) -> None:
    """All have a series at 0 with a large radius of convergence, and are another function, or none, inside it."""
    expr = BRANCHES[name]
    oracle = Oracle(read_model(expr, [x], None, None, ()).graph)
    gradient = compile_grad(expr, x, backend="python")
    for at in np.linspace(-2.5, 2.5, 41):
        if abs(at) < 0.05 or abs(at - 1) < 0.05 or abs(at + 1) < 0.05:
            continue
        value, slope = gradient.value_and_grad(float(at))
        want = oracle.value({"x": float(at)})
        if math.isfinite(want):
            assert math.isclose(value, want, rel_tol=1e-12), at
            assert math.isclose(slope, oracle.derivative({"x": float(at)}, ("x", ())).middle, rel_tol=1e-11), at
        else:
            assert math.isnan(value), at


def test_quotients_of_polynomials() -> None:
    gradient = compile_grad((x**3 - 1) / (x - 1), x, backend="python")
    hessian = compile_hessian((x**3 - 1) / (x - 1), x, backend="python")
    for at in (1.0, 1 + 1e-9, 1 - 1e-5, 0.5, 2.5, 40.0):
        value, slope = gradient.value_and_grad(at)
        assert math.isclose(value, 1 + at + at**2, rel_tol=8 * 2.0**-52)
        assert math.isclose(slope, 1 + 2 * at, rel_tol=16 * 2.0**-52)
        assert math.isclose(hessian(at), 2, rel_tol=1e-12)


# What is under the root vanishes like a square: its root has a kink, and slopes of all orders beside it.
ROOTS = {
    "acos(sinc)": sp.acos(sp.sin(x) / x),
    "acos(cos)": sp.acos(sp.cos(x)) ** 2,
    "acosh(cosh)": x * sp.acosh(sp.cosh(x)),
    "acos of a bell": sp.acos(sp.exp(-(x**2))),
    "chord": sp.sqrt(2 - 2 * sp.cos(x)),
    "x - log(1 + x)": sp.sqrt(x - sp.log(1 + x)),
}


@pytest.mark.parametrize("name", ROOTS)
def test_roots_of_what_vanishes_like_a_square(name: str) -> None:
    """The second derivative of acos(sin(x)/x) was wrong by 1e7 ulp at 1e-3, and had no digit and no sign at 1e-9."""
    expr = ROOTS[name]
    oracle = Oracle(read_model(expr, [x], None, None, ()).graph)
    gradient, hessian = (mode(expr, x, backend="numpy") for mode in (compile_grad, compile_hessian))
    for at in (1e-9, -1e-5, 1e-3, 0.3, -0.4):
        value, slope = gradient.value_and_grad(at)
        wants = oracle.value({"x": at}), oracle.derivative({"x": at}, ("x", ())).middle
        for got, want in zip((value, slope), wants, strict=True):
            assert ulps(float(got), want) <= 8, (at, got, want)
        want = oracle.second({"x": at}, ("x", ()), ("x", ()))
        assert math.isclose(hessian(at), want, rel_tol=1e-14, abs_tol=1e-15 if want == 0 else 0.0), at


def test_what_has_a_cosine_beside_a_logarithm() -> None:
    """The mass within a halo: x/hypot(x, 1) is analytic, and log(1 + x**2) less its square vanishes like x**4/2."""
    expr = sp.log(1 + x**2) - x**2 / (1 + x**2)
    compiled = compile_grad(expr, x, backend="numpy")
    oracle = Oracle(read_model(expr, [x], None, None, ()).graph)
    for at in (1e-9, -1e-5, 1e-3, 0.1, 0.6, 1e8):
        value, slope = compiled.value_and_grad(at)
        assert ulps(float(value), oracle.value({"x": at})) <= 16
        assert ulps(float(slope), oracle.derivative({"x": at}, ("x", ())).middle) <= 16
