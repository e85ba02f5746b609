"""An untaken branch contributes exactly nothing, in first and second order, whatever it is there."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp

from symbackprop import compile_grad, compile_hessian, compile_hvp, compile_jvp
from symbackprop.ad import vjp
from symbackprop.ir import Functions, GraphBuilder, verify
from symbackprop.passes import guard

X, Y = sp.symbols("x y", real=True)

# The untaken arm, the inputs, and why the arm has no finite value or derivative there.
UNTAKEN = [
    pytest.param(sp.sqrt(X), -1.0, id="root of a negative number"),
    pytest.param(sp.sqrt(X), -0.0, id="infinite derivative of a root"),
    pytest.param(sp.log(X), -2.0, id="logarithm of a negative number"),
    pytest.param(sp.log(X), 0.0, id="logarithm of zero"),
    pytest.param(1 / X, 0.0, id="division by zero"),
    pytest.param(X / X**3, 0.0, id="quotient of zeros"),
    pytest.param(sp.exp(-X), -1e4, id="overflow"),
    pytest.param(sp.exp(sp.exp(-X)), -10.0, id="overflow of an overflow"),
    pytest.param(sp.asin(X - 5), -1.0, id="outside the arc sine"),
    pytest.param(X ** sp.Rational(5, 3), -1.0, id="fractional power of a negative number"),
    pytest.param(sp.log(sp.sqrt(X) * sp.log(X)) / X, 0.0, id="all of these"),
    pytest.param(sp.sqrt(X) * sp.Abs(X) * sp.Max(X, Y), -1.0, id="with kinks"),
    pytest.param(Y * sp.sqrt(X) + sp.sin(Y / X), 0.0, id="products with other inputs"),
]
BACKENDS = ["python", "numpy", "numba"]
# The rest of the model: a smooth user of the Piecewise, so that the sweep carries a cotangent into both arms.
OUTER = [
    pytest.param(lambda p: p, id="alone"),
    pytest.param(lambda p: 3 * p, id="so many times"),
    pytest.param(lambda p: sp.exp(Y) * p, id="times"),
    pytest.param(lambda p: p / (1 + Y**2) - p, id="quotient"),
    pytest.param(lambda p: sp.sin(p + X * Y) ** 2, id="inside"),
]


@pytest.mark.parametrize("outer", OUTER)
@pytest.mark.parametrize(("arm", "x"), UNTAKEN)
def test_untaken_arm_leaves_no_trace(arm: sp.Expr, x: float, outer) -> None:
    other = X**2 * Y + sp.cos(X)
    model = outer(sp.Piecewise((arm, X > 0), (other, True)))
    plain = outer(other)
    for compile_it in (compile_grad, compile_hessian):
        got = compile_it(model, [X, Y], args=[X, Y], backend="numpy")(x, 0.75)
        want = compile_it(plain, [X, Y], args=[X, Y], backend="numpy")(x, 0.75)
        # The taken arm alone: only the order in which a few terms are added may differ.
        np.testing.assert_allclose(got, want, rtol=16 * 2.0**-52, atol=16 * 2.0**-52)


@pytest.mark.parametrize(
    "expr", [3 * sp.tan(X) ** 2 / X**2, (2 * sp.besselj(1, X) / X) ** 2, 5 * sp.asin(X) ** 3 / X**3]
)
def test_a_number_of_times_what_has_a_series(expr: sp.Expr) -> None:
    """The number went in where the gate is 0 first, which was no gate any more: the slope at 0 was nan."""
    for at in (0.0, 1e-170):
        assert abs(compile_grad(expr, X, backend="numpy")(at)) <= 16 * at


@pytest.mark.parametrize("backend", BACKENDS)
def test_untaken_root_on_every_target(backend: str) -> None:
    model = sp.Piecewise((sp.sqrt(X), X > 0), (0, True))
    assert compile_grad(model, X, backend=backend)(-1.0) == 0.0
    assert compile_grad(model, X, backend=backend)(4.0) == 0.25
    assert compile_hessian(model, X, backend=backend)(-1.0) == 0.0
    assert compile_hessian(model, X, backend=backend)(4.0) == -1 / 32


@pytest.mark.parametrize(("arm", "x"), UNTAKEN)
def test_forward_sweep_leaves_no_trace_either(arm: sp.Expr, x: float) -> None:
    model = sp.exp(Y) * sp.Piecewise((arm, X > 0), (3 * X, True))
    tangent = compile_jvp(model, [X, Y], args=[X, Y], backend="numpy")
    # exp(y)*(3 + 3*x) along (1, 1), two roundings each.
    assert math.isclose(tangent(x, 0.5, 1.0, 1.0), math.exp(0.5) * (3 + 3 * x), rel_tol=8 * 2.0**-52, abs_tol=1e-15)


def test_nested_arms_leave_no_trace() -> None:
    inner = sp.Piecewise((sp.log(X), X > 1), (sp.sqrt(X), X > 0), (1 / X, X < -1), (X**3, True))
    model = sp.Piecewise((inner * sp.log(Y), Y > 0), (inner * Y, True))
    gradient = compile_grad(model, [X, Y], args=[X, Y], backend="numpy")
    hessian = compile_hessian(model, [X, Y], args=[X, Y], backend="numpy")
    assert gradient(0.0, -2.0) == [0.0, 0.0]
    assert gradient(-0.5, -2.0) == [3 * 0.25 * -2.0, -0.125]
    assert hessian(-0.5, -2.0).tolist() == [[6 * -0.5 * -2.0, 0.75], [0.75, 0.0]]
    assert hessian(0.0, 0.0).tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_no_arm_holds() -> None:
    model = sp.Piecewise((sp.log(X), X > 0))
    assert math.isnan(compile_grad(model, X, backend="numpy").value(-1.0))
    assert math.isnan(compile_grad(model, X, backend="numpy")(-1.0))


def nodes_of_chain(arms: int) -> tuple[int, int]:
    """Nodes of value and gradient of a chain of arms, and of the value alone."""
    pieces = [(sp.sin(X) ** (k + 1) * sp.sqrt(X - k), k + 1 > X) for k in range(arms)]
    function = compile_grad(sp.Piecewise(*pieces, (0, True)), X, backend="numpy")
    value, both = function.stats["operations"]["value"], function.stats["operations"]["value_and_grad"]
    return both, value


def test_a_chain_of_arms_stays_linear() -> None:
    short, long = nodes_of_chain(50), nodes_of_chain(200)
    # Four times the arms, four times the nodes; 5 % for what does not grow.
    assert long[0] <= 4.2 * short[0]
    assert long[1] <= 4.2 * short[1]
    assert long[0] <= 6 * long[1]


def test_a_chain_of_arms_is_right() -> None:
    arms = 200
    pieces = [((k + 1) * X**2 + sp.log(X - k), k + 1 > X) for k in range(arms)]
    function = compile_grad(sp.Piecewise(*pieces, (X, True)), X, backend="numpy")
    points = np.arange(arms) + 0.5
    # 2*(k + 1)*x + 1/(x - k): every term is exact but the last sum.
    np.testing.assert_allclose(function(points), 2 * (points + 0.5) * points + 2.0, rtol=4 * 2.0**-52)
    assert function(arms + 1.0) == 1.0


def test_guard_gates_every_adjoint() -> None:
    """After the pass no product takes a gate: the zero is outermost."""
    f = Functions(GraphBuilder())
    x, y = f.input("x"), f.input("y")
    root = f.select(f.gt(x, 0), f.sqrt(x) * y, f.exp(y))
    builder = GraphBuilder(f.builder.graph([(root * root).index]))
    graph = builder.graph(builder.graph([]).outputs)
    primal = f.builder.graph([(root * root).index])
    bars = vjp(primal, {primal.outputs[0]: builder.const(1)}, [x.index, y.index], builder)
    graph = verify(guard(builder.graph([*primal.outputs, *bars])), "guard")
    for node in graph.nodes:
        if node.op.name in ("mul", "div", "neg"):
            for operand in node.operands:
                made = graph.nodes[operand]
                gate = made.op.name == "select" and graph.nodes[made.operands[2]].attributes == 0
                assert not gate, "a product takes a gated value"


# Models of arrays: what is not taken is nan, infinite, or has such a derivative, and meets sums and products.

n, m, k = sp.symbols("n m k", integer=True)
i, j = sp.symbols("i j", integer=True)
T = sp.Symbol("t", real=True)
u = sp.IndexedBase("u", shape=(n, m))
w = sp.IndexedBase("w", shape=(m,))
y = sp.IndexedBase("y", shape=(n,))
A, B = sp.MatrixSymbol("A", n, m), sp.MatrixSymbol("B", m, k)
Z = sp.Dummy("z")
SQUARE_ABOVE_0 = sp.Lambda(Z, sp.Piecewise((Z**2, Z > 0), (0, True)))


def over_rows(arm: sp.Expr, condition: sp.Basic = y[i] > 0) -> sp.Expr:
    return sp.Sum(sp.sin(sp.Piecewise((arm, condition), (y[i] ** 2, True))), (i, 0, n - 1))


ARRAYS = {
    "sum": over_rows(sp.Sum(sp.log(u[i, j]), (j, 0, m - 1))),
    "product with weights": over_rows(sp.Sum(sp.log(u[i, j]) * w[j], (j, 0, m - 1))),
    "a factor between": over_rows(sp.Sum(sp.log(u[i, j]) * u[i, j] * w[j], (j, 0, m - 1))),
    "norm": over_rows(sp.sqrt(sp.Sum(sp.log(u[i, j]) ** 2, (j, 0, m - 1)))),
    "product": over_rows(sp.Product(1 + 1 / u[i, j], (j, 0, m - 1))),
    "log of exponentials": over_rows(sp.log(sp.Sum(sp.exp(1 / u[i, j]), (j, 0, m - 1)))),
    "one number decides": sp.Piecewise((sp.Sum(sp.sqrt(y[i]) * sp.log(y[i]), (i, 0, n - 1)), T > 0), (T**2, True)),
    "layer": sp.Trace((A.applyfunc(sp.log) * B).applyfunc(SQUARE_ABOVE_0) * sp.OneMatrix(k, n)),
}
DEAD = {
    "u": np.array([[0.5, 0.25, 2.0], [-1.0, 0.0, 0.5], [0.75, 1.5, 0.125]]),
    "y": np.array([1.0, -1.0, 2.0]),
    "w": np.array([0.5, -0.25, 1.0]),
    "t": -1.0,
    "A": np.array([[0.5, 0.25, 2.0], [-1.0, 0.0, 0.5], [0.75, 1.5, 0.125]]),
    "B": np.array([[1.0, -1.0], [2.0, 0.5], [-3.0, -0.1]]),
}


@pytest.mark.parametrize("backend", ["python", "numpy"])
@pytest.mark.parametrize("name", ARRAYS)
def test_untaken_arms_leave_no_trace_in_arrays(name: str, backend: str) -> None:
    """What is not taken may be replaced by anything, to the last bit but those of sums in another order."""
    model = ARRAYS[name]
    inputs = [known for known in (u, w, y, T, A, B) if model.has(known)]
    given = [DEAD[str(known)] for known in inputs]
    alive = [np.array(value) for value in given]
    for known, value in zip(inputs, alive, strict=True):
        if known in (u, A):
            value[1] = 0.25
        if known is y and name == "one number decides":
            value[:] = 0.25
    size = sum(np.size(value) for value in given)
    directions = np.linspace(-1.0, 1.0, size)
    with np.errstate(all="raise"):
        for compile_it, rest in ((compile_grad, []), (compile_hvp, [directions])):
            function = compile_it(model, inputs, args=inputs, backend=backend)
            got, want = function(*given, *rest), function(*alive, *rest)
            for entry, expected, known in zip(got, want, inputs, strict=True):
                if name == "layer" and known in (A, B):
                    # The other row is taken where its product is positive; the dead one is compared with exact zeros.
                    assert np.all(np.isfinite(entry)) and (known is B or not np.any(entry[1]))
                else:
                    np.testing.assert_allclose(entry, expected, rtol=64 * 2.0**-52, atol=1e-15)


def test_the_users_own_nan_stays() -> None:
    """0*nan is nan where no arm is untaken: in a product that the user wrote."""
    model = sp.Piecewise((T, T > 0), (0, True)) * sp.Sum(sp.log(w[j]), (j, 0, m - 1))
    function = compile_grad(model, [w, T], args=[w, T], backend="numpy")
    assert np.isnan(function.value([1.0, -1.0], -1.0))
    w_bar, t_bar = function([1.0, -1.0], -1.0)
    assert t_bar == 0.0
    np.testing.assert_array_equal(w_bar, [0.0, 0.0])
