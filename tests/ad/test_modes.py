"""What each mode promises besides being right: activity, products with zeros, and derivatives of derivatives."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop import (
    compile_function,
    compile_grad,
    compile_hessian,
    compile_hvp,
    compile_jacobian,
    compile_jvp,
    compile_vjp,
)
from symbackprop.ad import jvp, vjp
from symbackprop.ir import Functions, GraphBuilder, interpret, verify

X, Y, Z = sp.symbols("x y z", real=True)
# Polynomials and a handful of elementary functions of order 1: a few roundings, of a few terms.
RTOL = 64 * 2.0**-52


def product_of(count: int) -> tuple[list[sp.Symbol], sp.Expr]:
    factors = list(sp.symbols(f"x0:{count}", real=True))
    return factors, sp.prod(factors)


# Speelpenning's product: without a division, so that zeros are no exception.


@pytest.mark.parametrize(
    ("point", "want"),
    [
        ([0.0, 2.0, 3.0], [6.0, 0.0, 0.0]),
        ([2.0, 0.0, 3.0], [0.0, 6.0, 0.0]),
        ([2.0, 3.0, 0.0], [0.0, 0.0, 6.0]),
        ([0.0, 0.0, 3.0], [0.0, 0.0, 0.0]),
        ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
        ([1.0, 2.0, 3.0], [6.0, 3.0, 2.0]),
        ([-1.0, 2.0, -3.0], [-6.0, 3.0, -2.0]),
    ],
)
@pytest.mark.parametrize("backend", ["python", "numpy", "numba"])
def test_product_with_zeros(point: list[float], want: list[float], backend: str) -> None:
    factors, product = product_of(3)
    gradient = compiled_product(backend)
    assert gradient(*point) == want
    assert compile_hessian(product, factors, backend="python")(*point).tolist() == [
        [0.0, point[2], point[1]],
        [point[2], 0.0, point[0]],
        [point[1], point[0], 0.0],
    ]


_PRODUCTS: dict[str, Any] = {}


def compiled_product(backend: str) -> Any:
    if backend not in _PRODUCTS:
        factors, product = product_of(3)
        _PRODUCTS[backend] = compile_grad(product, factors, backend=backend)
    return _PRODUCTS[backend]


@pytest.mark.parametrize("zeros", [0, 1, 2, 5])
def test_long_product_with_zeros(zeros: int) -> None:
    count = 40
    factors, product = product_of(count)
    point = np.linspace(0.6, 1.7, count)
    point[5 : 5 + zeros] = 0.0
    got = compile_grad(product, [tuple(factors)], args=[tuple(factors)], backend="numpy")(point)[0]
    want = np.array([math.prod(np.delete(point, place)) for place in range(count)])
    # 40 factors, half an ulp each on either side.
    np.testing.assert_allclose(got, want, rtol=count * 2.0**-52, atol=0)
    assert np.count_nonzero(got) == (count if zeros == 0 else zeros == 1)


def test_gradient_of_a_product_costs_a_small_multiple() -> None:
    operations = []
    for count in (50, 100, 200):
        factors, product = product_of(count)
        operations.append(compile_grad(product, factors, backend="numpy").stats["operations"]["value_and_grad"])
    # Linear: twice the factors, twice the operations; at most 4 a factor (Baur and Strassen).
    assert operations[2] <= 2.1 * operations[1] <= 4.41 * operations[0]
    assert operations[2] <= 4 * 200


# Activity: nothing is computed for what is not asked for.


def adjoints_added(wrt: list[str]) -> int:
    f = Functions(GraphBuilder())
    x, y, z = (f.input(name) for name in "xyz")
    heavy = f.sin(f.exp(f.tanh(y) * z))
    graph = f.builder.graph([(x * x + heavy).index])
    builder = GraphBuilder(graph)
    inputs = graph.inputs()
    before = len(graph)
    vjp(graph, {graph.outputs[0]: builder.const(1)}, [inputs[name] for name in wrt], builder)
    return len(builder.nodes) - before


def test_reverse_sweep_visits_only_active_nodes() -> None:
    # The seed, x + x of x*x with a unit seed: a handful. The branch of y and z is not entered.
    assert adjoints_added(["x"]) <= 4
    assert adjoints_added(["y"]) > adjoints_added(["x"])
    assert adjoints_added(["x", "y", "z"]) > adjoints_added(["y"])


def test_forward_sweep_visits_only_active_nodes() -> None:
    f = Functions(GraphBuilder())
    x, y = f.input("x"), f.input("y")
    unneeded = f.exp(x)
    graph = f.builder.graph([(f.sin(x) + f.cosh(y)).index, unneeded.index])
    builder = GraphBuilder(graph)
    dot = jvp(graph, {graph.inputs()["x"]: builder.const(1)}, [graph.outputs[0]], builder)
    new = {node.op.name for node in builder.nodes[len(graph) :]}
    assert new <= {"const", "cos", "mul"}
    (value,) = interpret(builder.graph(dot), {"x": 0.0, "y": 0.3})
    assert value == 1.0


def test_an_input_that_nothing_depends_on_has_a_zero_derivative() -> None:
    f = Functions(GraphBuilder())
    x, idle = f.input("x"), f.input("idle")
    graph = f.builder.graph([f.exp(x).index])
    for sweep in ("reverse", "forward"):
        builder = GraphBuilder(graph)
        one = builder.const(1)
        if sweep == "reverse":
            result = vjp(graph, {graph.outputs[0]: one}, [idle.index], builder)
        else:
            result = jvp(graph, {idle.index: one}, graph.outputs, builder)
        made = verify(builder.graph(result))
        assert interpret(made, {"x": 2.0, "idle": 5.0}) == [0.0]


def test_a_constant_has_no_derivative() -> None:
    gradient = compile_grad(sp.Integer(3) + 0 * X + Y - Y + sp.sin(Z) - sp.sin(Z) + X, [X], backend="python")
    assert gradient(0.5) == [1.0]


# Gradients of gradients, against SymPy and against each other.

MODELS = {
    "cubic": X**3 * Y - 2 * X * Z**2 + Y * Z,
    "trigonometric": sp.sin(X * Y) * sp.cos(Z) + sp.tan(X / 4) * Y,
    "exponential": sp.exp(-(X**2) - Y**2) * sp.log(2 + sp.cos(Z)) + sp.exp(X * Z) / 7,
    "quotient": (X * Y + Z) / (1 + X**2 + Z**2),
    "powers": (2 + sp.sin(X)) ** (Y + Z) + sp.sqrt(3 + X * Y),
    "Rosenbrock": (1 - X) ** 2 + 100 * (Y - X**2) ** 2 + 100 * (Z - Y**2) ** 2,
    "linear": 2 * X - 3 * Y + Z / 5,
    "separable": sp.atan(X) + sp.sinh(Y) + sp.log(3 + Z),
}
POINTS = [(0.5, -0.75, 1.25), (-1.1, 0.2, 0.3), (0.0, 0.0, 0.0), (1.3, 1.4, -0.6)]
every_model = pytest.mark.parametrize("expr", MODELS.values(), ids=MODELS)


def exactly(expr: Any, point: tuple[float, ...]) -> float:
    return float(sp.N(expr.subs(dict(zip((X, Y, Z), map(sp.Rational, point), strict=True))), 30))


@every_model
def test_hessian_against_sympy(expr: sp.Expr) -> None:
    symbols = [X, Y, Z]
    truth = sp.hessian(expr, symbols)
    compiled = compile_hessian(expr, symbols, args=symbols, backend="python")
    for point in POINTS:
        want = np.array([[exactly(entry, point) for entry in truth.row(row)] for row in range(3)])
        got = compiled(*point)
        np.testing.assert_allclose(got, want, rtol=RTOL, atol=RTOL * np.max(np.abs(want)))
        np.testing.assert_array_equal(got, got.T)


@every_model
def test_products_and_matrices_agree(expr: sp.Expr) -> None:
    symbols = [X, Y, Z]
    options: dict[str, Any] = {"args": symbols, "backend": "python"}
    hessian = compile_hessian(expr, symbols, **options)
    product = compile_hvp(expr, symbols, **options)
    gradient = compile_grad(expr, symbols, **options)
    forward = compile_jvp(expr, symbols, **options)
    reverse = compile_vjp(expr, symbols, **options)
    jacobian = compile_jacobian(expr, symbols, **options)
    for point, direction in itertools.product(POINTS, [(1.0, 0.0, 0.0), (0.3, -2.0, 0.7)]):
        matrix, first = hessian(*point), np.array(gradient(*point))
        scale = max(1.0, np.max(np.abs(matrix)))
        np.testing.assert_allclose(product(*point, direction), matrix @ direction, rtol=RTOL, atol=RTOL * scale)
        scale = max(1.0, np.max(np.abs(first)))
        np.testing.assert_allclose(forward(*point, *direction), first @ direction, rtol=RTOL, atol=RTOL * scale)
        np.testing.assert_allclose(reverse(*point, 2.5), 2.5 * first, rtol=RTOL, atol=RTOL * scale)
        np.testing.assert_allclose(jacobian(*point), first, rtol=RTOL, atol=RTOL * scale)


@pytest.mark.parametrize("outputs", [1, 2, 5], ids=lambda count: f"{count} outputs")
def test_jacobian_takes_either_mode(outputs: int) -> None:
    symbols = [X, Y, Z]
    exprs = list(MODELS.values())[:outputs]
    jacobian = compile_jacobian(exprs, symbols, args=symbols, backend="python")
    forward = compile_jvp(exprs, symbols, args=symbols, backend="python")
    reverse = compile_vjp(exprs, symbols, args=symbols, backend="python")
    values = compile_function(exprs, args=symbols, backend="python")
    for point in POINTS:
        matrix = jacobian(*point)
        truth = np.array([[exactly(sp.diff(expr, symbol), point) for symbol in symbols] for expr in exprs])
        scale = np.max(np.abs(truth))
        np.testing.assert_allclose(matrix, truth, rtol=RTOL, atol=RTOL * scale)
        for row in np.eye(outputs):
            np.testing.assert_allclose(reverse(*point, *row), row @ truth, rtol=RTOL, atol=RTOL * scale)
        for column in np.eye(3):
            np.testing.assert_allclose(forward(*point, *column), truth @ column, rtol=RTOL, atol=RTOL * scale)
        assert jacobian.value(*point) == values(*point)


def test_cotangent_and_tangent_pair_up() -> None:
    """<J v, w> = <v, J^T w>."""
    symbols = [X, Y, Z]
    exprs = list(MODELS.values())[:4]
    forward = compile_jvp(exprs, symbols, args=symbols, backend="python")
    reverse = compile_vjp(exprs, symbols, args=symbols, backend="python")
    rng = np.random.default_rng(3)
    for point in POINTS:
        tangent, cotangent = rng.normal(size=3), rng.normal(size=4)
        left = np.dot(forward(*point, *tangent), cotangent)
        right = np.dot(tangent, reverse(*point, *cotangent))
        assert math.isclose(left, right, rel_tol=1e-12, abs_tol=1e-12)


@pytest.mark.parametrize("order", [[X, Y], [Y, X]], ids=str)
def test_mixed_derivative_of_a_power_at_exponent_zero(order: list[sp.Symbol]) -> None:
    """d2(x**y)/dx dy = x**(y - 1)*(1 + y*log(x)) = 1/x at y = 0: a partial gated by y == 0 loses it."""
    hessian = compile_hessian(X**Y, order, args=[X, Y], backend="python")
    assert hessian(2.0, 0.0)[0, 1] == 0.5
    product = compile_hvp(X**Y, [X, Y], args=[X, Y], backend="python")
    # d2/dy2 = x**y*log(x)**2, by two products.
    np.testing.assert_allclose(product(2.0, 0.0, [0.0, 1.0]), [0.5, math.log(2.0) ** 2], rtol=4 * 2.0**-52)
    np.testing.assert_allclose(product(2.0, 0.0, [1.0, 0.0]), [0.0, 0.5], rtol=4 * 2.0**-52)
