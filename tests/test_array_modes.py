"""Jacobians, second derivatives and products of array models, and every form of wrt, args and batch."""

# Matrices have upper-case names here, as in the models.
# ruff: noqa: N803

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp
from sympy.tensor.array.expressions import ArrayContraction, ArraySymbol, ArrayTensorProduct

import symbackprop as sb

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)
flatten_util = pytest.importorskip("jax.flatten_util")
jnp = jax.numpy

Function = Callable[..., Any]
# A dozen roundings of entries of order one, relative to the largest.
RTOL = 1e-12

N, d, k, n = sp.symbols("N d k n", integer=True, positive=True)
i, j, at = sp.symbols("i j at", integer=True)
a, s = sp.symbols("a s")
X, W, b, y = (sp.MatrixSymbol(*g) for g in (("X", N, d), ("W", d, k), ("b", 1, k), ("y", N, 1)))
A, u = sp.MatrixSymbol("A", n, n), sp.MatrixSymbol("u", n, 1)
row, w = sp.MatrixSymbol("row", 1, d), sp.MatrixSymbol("w", d, 1)
x, p = sp.IndexedBase("x"), sp.IndexedBase("p")
T = ArraySymbol("T", (n, d, 2))
over = (i, 0, n - 1)

layer = (X * W + sp.matrices.expressions.special.OneMatrix(N, 1) * b).applyfunc(sp.tanh)
loss = sb.Total(layer) * a + sp.Trace(W.T * W)
BACKENDS = ("numpy", "python", "numba")
backends = pytest.mark.parametrize("backend", BACKENDS)


def point(size: int = 4) -> dict[str, Any]:
    rng = np.random.default_rng(size)
    shapes = {"X": (size, 3), "W": (3, 2), "b": (1, 2), "y": (size, 1), "A": (size, size), "u": (size, 1)}
    shapes |= {"T": (size, 3, 2), "x": (size,), "a": (), "s": ()}
    entries = {name: rng.uniform(-1.0, 1.0, shape) for name, shape in shapes.items()}
    return {**entries, "A": entries["A"] + 3 * np.eye(size), "a": 0.7, "s": 1.3, "p": np.array([1, 0, 1])}


def given(function: Any, values: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {name: value for name, value in {**values, **more}.items() if name in function.args}


def close(got: Any, want: Any) -> None:
    want = np.asarray(want)
    assert np.shape(got) == want.shape
    np.testing.assert_allclose(got, want, rtol=0, atol=RTOL * max(1.0, float(np.max(np.abs(want), initial=0.0))))


def layer_of(X: Any, W: Any, b: Any) -> Any:
    return jnp.tanh(X @ W + b)


def loss_of(X: Any, W: Any, b: Any, a: Any) -> Any:
    return jnp.sum(layer_of(X, W, b)) * a + jnp.sum(W**2)


# Of one variable or several: (model, wrt, names of wrt, the same in JAX).
VALUED: dict[str, tuple[Any, Any, str, Function]] = {
    "a matrix in a matrix": (layer, W, "W", lambda p: layer_of(p["X"], p["W"], p["b"])),
    "a matrix in a scalar": (layer * a, a, "a", lambda p: layer_of(p["X"], p["W"], p["b"]) * p["a"]),
    "a scalar in a matrix": (loss, W, "W", lambda p: loss_of(p["X"], p["W"], p["b"], p["a"])),
    "a solve": (A**-1 * u, u, "u", lambda p: jnp.linalg.solve(p["A"], p["u"])),
    "in itself": (A, A, "A", lambda p: p["A"]),
    "explicit": (
        sp.Matrix([[a * s, sp.Sum(x[i] ** 2, over)], [x[0], 1]]),
        x,
        "x",
        lambda p: jnp.array([[p["a"] * p["s"], jnp.sum(p["x"] ** 2)], [p["x"][0], 1.0]]),
    ),
    "a contraction": (
        ArrayContraction(ArrayTensorProduct(T, T), (2, 5)),
        T,
        "T",
        lambda p: jnp.einsum("ijk,lmk->ijlm", p["T"], p["T"]),
    ),
}


# Compiling with Numba takes seconds: two families are enough there.
JACOBIANS = [(name, backend) for name in VALUED for backend in ("numpy", "python")] + [
    ("a matrix in a matrix", "numba"),
    ("a solve", "numba"),
]


@pytest.mark.parametrize(("name", "backend"), JACOBIANS)
def test_jacobians(name: str, backend: str) -> None:
    expr, wrt, argument, reference = VALUED[name]
    function = sb.compile_jacobian(expr, wrt, backend=backend)
    for size in (4, 2):
        values = point(size)
        value, jacobian = function.value_and_derivative(**given(function, values))
        close(value, reference(values))
        close(jacobian, jax.jacobian(lambda z: reference({**values, argument: z}))(values[argument]))  # noqa: B023


@backends
def test_the_jacobian_in_several_variables_is_one_matrix(backend: str) -> None:
    function = sb.compile_jacobian([layer, loss], [W, a, b], backend=backend)
    values = point()
    blocks = jax.jacobian(
        lambda part: [
            layer_of(values["X"], part["W"], part["b"]),
            loss_of(values["X"], part["W"], part["b"], part["a"]),
        ]
    )({name: jnp.asarray(values[name]) for name in "Wab"})
    rows = [8, 1]
    want = np.block([[np.reshape(blocks[q][name], (rows[q], -1)) for name in "Wab"] for q in range(2)])
    (first, second), jacobian = function.value_and_derivative(**given(function, values))
    assert jacobian.shape == (9, 6 + 1 + 2)
    close(jacobian, want)
    close(first, layer_of(values["X"], values["W"], values["b"]))
    close(second, loss_of(values["X"], values["W"], values["b"], values["a"]))


@backends
def test_second_derivatives(backend: str) -> None:
    values = point()
    rng = np.random.default_rng(1)

    def of_w(w: Any) -> Any:
        return loss_of(values["X"], w, values["b"], values["a"])

    hessian = jax.hessian(of_w)(values["W"])
    second = sb.compile_hessian(loss, W, backend=backend)
    close(second(**given(second, values)), hessian)
    v = rng.normal(size=(3, 2))
    product = sb.compile_hvp(loss, W, backend=backend)
    want = np.einsum("ijkl,kl->ij", hessian, v)
    close(product(**given(product, values), v=v), want)
    # In a list the direction is one vector.
    listed = sb.compile_hvp(loss, [W], backend=backend)
    close(listed(**given(listed, values), v=v.ravel())[0], want)


@pytest.mark.parametrize("backend", ["numpy", "python"])
def test_second_derivatives_in_several_variables(backend: str) -> None:
    values = point()
    flat, unravel = flatten_util.ravel_pytree([values["W"], jnp.asarray(values["a"]), values["b"]])

    def of_all(z: Any) -> Any:
        w, scale, bias = unravel(z)
        return loss_of(values["X"], w, bias, scale)

    want = np.asarray(jax.hessian(of_all)(flat))
    function = sb.compile_hessian(loss, [W, a, b], backend=backend)
    close(function(**given(function, values)), want)
    product = sb.compile_hvp(loss, [W, a, b], backend=backend)
    v = np.linspace(-1.0, 1.0, 9)
    got = product(**given(product, values), v=v)
    assert [np.shape(entry) for entry in got] == [(3, 2), (), (1, 2)]
    close(np.concatenate([np.ravel(entry) for entry in got]), want @ v)


@backends
def test_products_with_the_jacobian(backend: str) -> None:
    values = point()
    rng = np.random.default_rng(2)
    w_dot, b_dot, layer_bar, loss_bar = (rng.normal(size=shape) for shape in ((3, 2), (1, 2), (4, 2), ()))

    def both(w: Any, bias: Any) -> Any:
        return layer_of(values["X"], w, bias), loss_of(values["X"], w, bias, values["a"])

    primal = (values["W"], values["b"])
    forward = sb.compile_jvp((layer, loss), [W, b], backend=backend)
    assert forward.args == ("W", "X", "a", "b", "W_dot", "b_dot")
    got = forward(**given(forward, values), W_dot=w_dot, b_dot=b_dot)
    for own, other in zip(got, jax.jvp(both, primal, (w_dot, b_dot))[1], strict=True):
        close(own, other)
    reverse = sb.compile_vjp((layer, loss), {"w": W, "b": b}, backend=backend)
    bars = dict(zip(reverse.args[-2:], (layer_bar, loss_bar), strict=True))
    pulled = reverse(**given(reverse, values), **bars)
    want = jax.vjp(both, *primal)[1]((layer_bar, loss_bar))
    close(pulled["w"], want[0])
    close(pulled["b"], want[1])
    with pytest.raises(sb.ShapeMismatch, match=r"'W_dot'|dimension"):
        forward(**given(forward, values), W_dot=w_dot.T, b_dot=b_dot)


# wrt, args and names.


@backends
def test_the_gradient_mirrors_wrt(backend: str) -> None:
    values = point()
    want = jax.grad(lambda part: loss_of(values["X"], **part))({name: jnp.asarray(values[name]) for name in "Wab"})
    nested = sb.compile_grad(loss, {"weights": (W, [b]), "scale": a}, backend=backend)
    got = nested(**given(nested, values))
    assert list(got) == ["weights", "scale"] and isinstance(got["weights"], tuple)
    close(got["weights"][0], want["W"])
    close(got["weights"][1][0], want["b"])
    close(got["scale"], want["a"])
    bare = sb.compile_grad(loss, W, backend=backend)
    close(bare(**given(bare, values)), want["W"])
    entry = sb.compile_grad(loss, [W[0, 1], W], backend=backend)
    single, whole = entry(**given(entry, values))
    assert isinstance(single, float) and single == whole[0, 1]


@pytest.mark.parametrize("backend", ["numpy", "python"])
def test_entries(backend: str) -> None:
    third = sb.compile_grad(sp.Sum(x[i] ** 3, over), x[2], backend=backend)
    assert third.wrt == ("x[2]",)
    assert third([1.0, 2.0, 3.0]) == 27.0
    with pytest.raises(sb.ShapeMismatch, match=r"wrt holds x\[2\], which reaches index 2, but n is 2"):
        third([1.0, 2.0])
    of_tensor = sb.compile_grad(sb.Total(T) ** 2, T[1, 0, 1], backend=backend)
    assert of_tensor(np.full((2, 1, 2), 0.5)) == 4.0
    fixed = sp.IndexedBase("fixed", shape=(2, 3))
    for wrong in (x[0, 1], x[-1], x[at], fixed[2, 0], fixed[0, 3]):
        with pytest.raises((sb.ShapeMismatch, sb.OptionError), match="wrt holds"):
            sb.compile_grad(sp.Sum(x[i] ** 3, over) + fixed[0, 0], wrong, backend=backend)


@backends
def test_an_entry_out_of_range_is_refused_by_the_module_itself(backend: str) -> None:
    function = sb.compile_grad(sp.Sum(x[i] ** 2, over), x[9], backend=backend)
    scope: dict[str, Any] = {}
    exec(function.source, scope)
    with pytest.raises(ValueError, match="reaches index 9"):
        scope["grad"](np.ones(5))


@pytest.mark.parametrize("backend", ["numpy", "python"])
def test_args_names_and_lengths(backend: str) -> None:
    mean = loss / N
    values = point()
    want = float(np.sum(np.tanh(values["X"] @ values["W"] + values["b"])) / 4)
    ordered = sb.compile_grad(mean, a, args=[b, X, a, W], backend=backend)
    assert ordered.args == ("b", "X", "a", "W")
    close(ordered(values["b"], values["X"], values["a"], values["W"]), want)
    close(ordered(values["b"], values["X"], W=values["W"], a=values["a"]), want)
    counted = sb.compile_grad(mean, a, args=[N, W, X, a, b], backend=backend)
    close(counted(4, values["W"], values["X"], 0.7, values["b"]), want)
    with pytest.raises(sb.ShapeMismatch, match="axis 0 of 'X' has length 4, where the dimension N is 5 by 'N'"):
        counted(5, values["W"], values["X"], 0.7, values["b"])
    # What arrays tell may be said besides, and is checked.
    close(ordered(**given(ordered, values), N=4), want)
    with pytest.raises(sb.ShapeMismatch, match="where the dimension N is 5 by the argument 'N'"):
        ordered(**given(ordered, values), N=5)
    # What no array tells is an argument.
    series = sb.compile_grad(sp.Sum(a**i / N, (i, 0, N - 1)), a, backend=backend)
    assert series.args == ("N", "a")
    close(series(N=4, a=2.0), (1 + 2 * 2 + 3 * 4) / 4)
    with pytest.raises(sb.CallError, match="'N' must be an integer"):
        series(N=3.5, a=2.0)
    with pytest.raises(sb.CallError, match="not negative, got -1"):
        series(N=-1, a=2.0)


def test_a_wrt_that_does_not_occur_has_a_gradient_of_zeros() -> None:
    absent = sp.MatrixSymbol("Z", 2, d)
    with pytest.warns(sb.SymbackpropWarning, match="'Z'"):
        function = sb.compile_grad(a**2, [absent, a], backend="numpy")
    zeros, slope = function(Z=np.ones((2, 3)), a=2.0)
    assert slope == 4.0
    np.testing.assert_array_equal(zeros, np.zeros((2, 3)))


# Batches.

sample_loss = sp.Trace((row * w).applyfunc(sp.tanh)) * a


@backends
@pytest.mark.parametrize("reduce", ["sum", "mean", None])
def test_batches_of_matrices(backend: str, reduce: str | None) -> None:
    function = sb.compile_grad(sample_loss, {"w": w, "a": a, "row": row}, batch=[row], reduce=reduce, backend=backend)
    rng = np.random.default_rng(0)
    rows, weights = rng.normal(size=(5, 1, 3)), rng.normal(size=(3, 1))

    def each(w: Any, a: Any, row: Any) -> Any:
        return jnp.tanh(row @ w)[0, 0] * a

    values, gradients = jax.vmap(jax.value_and_grad(each, (0, 1, 2)), (None, None, 0))(weights, 0.7, rows)
    scale = 0.2 if reduce == "mean" else 1.0
    value, gradient = function.value_and_grad(w=weights, a=0.7, row=rows)
    total = (lambda z: z) if reduce is None else (lambda z: np.sum(z, axis=0) * scale)
    close(value, total(values))
    close(gradient["w"], total(gradients[0]))
    close(gradient["a"], total(gradients[1]))
    close(gradient["row"], gradients[2] * scale)
    empty = function(w=weights, a=0.7, row=np.ones((0, 1, 3)))
    assert empty["row"].shape == (0, 1, 3)
    assert np.shape(empty["w"]) == ((0, 3, 1) if reduce is None else (3, 1))
    with pytest.raises(sb.ShapeMismatch, match=r"'row' must be a 3-D array of shape \(samples, 1, d\)"):
        function(w=weights, a=0.7, row=np.ones((5, 3)))


@pytest.mark.parametrize("backend", ["numpy", "python"])
def test_batches_of_other_things(backend: str) -> None:
    # An entry of what is shared, and one of what each sample has.
    rows, weights = np.ones((4, 1, 3)), np.full((3, 1), 0.1)
    slope = (1 - np.tanh(0.3) ** 2) * 2.0
    shared = sb.compile_grad(sample_loss, w[1, 0], batch=[row], reduce="sum", backend=backend)
    close(shared(w=weights, a=2.0, row=rows), 4 * slope)
    alone = sb.compile_grad(sample_loss, [w[1, 0], row[0, 2]], batch=[row], backend=backend)(w=weights, a=2.0, row=rows)
    close(alone[0], np.full(4, slope))
    close(alone[1], np.full(4, slope * 0.1))
    # An index for each sample.
    picked = sb.compile_grad(x[at] ** 2 + sp.Sum(x[i], over), x, batch=[at], reduce="sum", backend=backend)
    close(picked(at=[0, 2, 2], x=np.ones(3)), [5.0, 3.0, 7.0])
    with pytest.raises(IndexError):
        picked(at=[0, 3, 2], x=np.ones(3))
    # A matrix for each sample, in a solve that they share the right-hand side of.
    solved = sb.compile_grad(sp.Trace(u.T * A**-1 * u), [A, u], batch=[A], reduce="mean", backend=backend)
    matrices = np.array([np.diag([2.0, 4.0]), np.diag([1.0, 5.0])])
    by_matrix, by_vector = solved(A=matrices, u=np.ones((2, 1)))
    close(by_matrix, [-np.outer(z, z) / 2 for z in ([0.5, 0.25], [1.0, 0.2])])
    close(by_vector, [[1.5], [0.45]])
    # A dimension that is called like ours.
    samples = sp.Symbol("samples", integer=True, positive=True)
    line = sp.MatrixSymbol("line", 1, samples)
    named = sb.compile_grad(sp.Trace(line * line.T) / samples, line, batch=[line], reduce="sum", backend=backend)
    close(named(np.ones((5, 1, 3))), np.full((5, 1, 3), 2 / 3))


@backends
def test_as_scipy_takes_arrays(backend: str) -> None:
    values = point()
    function = sb.compile_grad(loss, [W, a], backend=backend)
    fun, pack = function.as_scipy(X=values["X"], b=values["b"])
    start = pack(W=values["W"], a=values["a"])
    close(start, [*values["W"].ravel(), values["a"]])
    value, flat = fun(start)
    want, (by_w, by_a) = function.value_and_grad(**given(function, values))
    assert value == want
    close(flat, [*by_w.ravel(), by_a])
    with pytest.raises(sb.CallError, match=r"x must have shape \(7,\)"):
        fun(np.ones(6))
    with pytest.raises(sb.ShapeMismatch, match="'W'"):
        pack(W=np.ones((2, 2)), a=1.0)
    early, later = sb.compile_grad(sp.Sum((x[i] - 1) ** 2, over), x, backend=backend).as_scipy()
    with pytest.raises(sb.CallError, match=r"the length n is not known yet; call pack"):
        early(np.ones(3))
    assert early(later(x=[1.0, 2.0]))[1].tolist() == [0.0, 2.0]
    with pytest.raises(sb.CallError, match=r"the entry W\[0, 0\] alone"):
        sb.compile_grad(loss, [W[0, 0], a], backend=backend).as_scipy(X=values["X"], b=values["b"])
