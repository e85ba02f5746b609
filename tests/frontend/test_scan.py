"""Loops that carry state: values and gradients beside the same loop in JAX, on all backends, stored or checkpointed."""

# Matrices have upper-case names here, as in the models.
# ruff: noqa: N803, N806

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp

from symbackprop import compile_grad, compile_hessian, compile_hvp, compile_jvp
from symbackprop.errors import OptionError, ShapeMismatch, UnsupportedExpression
from symbackprop.frontend.scan import Scan, recurrence

jax.config.update("jax_enable_x64", True)

T, k, d = sp.symbols("T k d", integer=True, positive=True)
t, i = sp.symbols("t i", integer=True)
a, b, s, p, q = sp.symbols("a b s p q")
u, y = sp.IndexedBase("u", shape=(T,)), sp.IndexedBase("y", shape=(T,))
X, Y = sp.MatrixSymbol("X", T, d), sp.MatrixSymbol("Y", T, 1)
W, U, V = sp.MatrixSymbol("W", k, k), sp.MatrixSymbol("U", d, k), sp.MatrixSymbol("V", k, 1)
h, h0 = sp.MatrixSymbol("h", 1, k), sp.MatrixSymbol("h0", 1, k)
# The same operations in nearly the same order: a few ulp of the largest entry.
RTOL = 1e-12


def filtered(checkpoint: int | None = None) -> Any:
    return Scan((s, b, a * sp.sin(s) + u[t]), (t, 0, T - 1), checkpoint=checkpoint)


def filter_states(a: Any, b: Any, u: Any) -> Any:
    states = [b]
    for entry in u:
        states.append(a * jnp.sin(states[-1]) + entry)
    return jnp.stack([jnp.asarray(x, float) for x in states])


def network(checkpoint: int | None = None) -> Any:
    return Scan((h, h0, (h * W + X[t, :] * U).applyfunc(sp.tanh)), (t, 0, T - 1), checkpoint=checkpoint)


def network_states(W: Any, U: Any, h0: Any, X: Any) -> Any:
    states = [h0]
    for x in X:
        states.append(jnp.tanh(states[-1] @ W + x[None] @ U))
    return jnp.concatenate(states)


def close(got: Any, wanted: Any) -> None:
    for ours, theirs in zip(jax.tree.leaves(got), jax.tree.leaves(wanted), strict=True):
        scale = max(1.0, float(np.max(np.abs(theirs), initial=0.0)))
        np.testing.assert_allclose(ours, theirs, rtol=RTOL, atol=RTOL * scale)


@pytest.mark.parametrize("backend", ["numpy", "python", "numba"])
@pytest.mark.parametrize("checkpoint", [None, 1, 2, 4])
def test_last_state_of_a_filter(backend: str, checkpoint: int | None) -> None:
    if backend == "numba" and checkpoint == 1:
        pytest.skip("four seconds of Numba for a case that 2 and 4 cover")
    g = compile_grad(filtered(checkpoint).last(s) ** 2, [a, b, u], backend=backend)
    for n in (0, 1, 4, 5, 11):
        inputs = np.random.default_rng(n).normal(size=n)
        reference = jax.value_and_grad(lambda a, b, u: filter_states(a, b, u)[-1] ** 2, argnums=(0, 1, 2))
        value, gradient = reference(0.7, 0.3, jnp.asarray(inputs))
        ours, ours_bar = g.value_and_grad(a=0.7, b=0.3, u=inputs)
        close([ours, *ours_bar], [value, *gradient])


@pytest.mark.parametrize("backend", ["numpy", "python", "numba"])
def test_states_in_a_sum(backend: str) -> None:
    states = filtered().states(s)
    g = compile_grad(sp.Sum((states[i + 1, 0] - y[i]) ** 2, (i, 0, T - 1)), [a, b, u], backend=backend)
    rng = np.random.default_rng(0)
    inputs, targets = rng.normal(size=9), rng.normal(size=9)
    reference = jax.grad(lambda a, b, u: jnp.sum((filter_states(a, b, u)[1:] - targets) ** 2), argnums=(0, 1, 2))
    close(g(a=0.7, b=0.3, u=inputs, y=targets), reference(0.7, 0.3, jnp.asarray(inputs)))


@pytest.mark.parametrize("backend", ["numpy", "python", "numba"])
def test_recurrent_network(backend: str) -> None:
    error = network().states(h)[1 : T + 1, :] * V - Y
    g = compile_grad(error.T * error / T, {"W": W, "U": U, "V": V, "h0": h0}, backend=backend)
    for n, size, width in ((6, 3, 2), (1, 1, 1), (3, 2, 5)):
        rng = np.random.default_rng(n)
        data = {"X": rng.normal(size=(n, width)), "Y": rng.normal(size=(n, 1))}
        shapes = {"W": (size, size), "U": (width, size), "V": (size, 1), "h0": (1, size)}
        params = {name: rng.normal(size=shape) for name, shape in shapes.items()}

        def loss(p: Any, data: Any = data) -> Any:
            out = network_states(p["W"], p["U"], p["h0"], data["X"])[1:] @ p["V"]
            return jnp.sum((out - data["Y"]) ** 2) / len(data["X"])

        close(g(**params, **data), jax.grad(loss)(params))


def test_the_adjoint_of_weights_is_one_product_over_all_steps() -> None:
    error = network().states(h)[1 : T + 1, :] * V - Y
    source = compile_grad(error.T * error / T, [W, U], backend="numpy").source
    assert "U_bar = X.T @ " in source and "W_bar = h_states[:T].T @ " in source
    assert "np.einsum" not in source


@pytest.mark.parametrize("checkpoint", [None, 3])
def test_second_derivatives(checkpoint: int | None) -> None:
    last = network(checkpoint).last(h)
    rng = np.random.default_rng(1)
    point = {"X": rng.normal(size=(7, 2)), "U": rng.normal(size=(2, 3)), "h0": rng.normal(size=(1, 3))}
    w, v = rng.normal(size=(3, 3)), rng.normal(size=(3, 3))

    def loss(w: Any) -> Any:
        return jnp.sum(network_states(w, point["U"], point["h0"], point["X"])[-1] ** 2)

    product = compile_hvp(last * last.T, W, backend="numpy")
    close(product(W=w, v=v, **point), jax.jvp(jax.grad(loss), (w,), (v,))[1])
    if checkpoint is None:
        hessian = compile_hessian(last * last.T, W, backend="numpy")
        close(hessian(W=w, **point), jax.hessian(loss)(w))
        tangent = compile_jvp(last * last.T, W, backend="numpy")
        close(tangent(W=w, W_dot=v, **point), jax.jvp(loss, (w,), (v,))[1])


@pytest.mark.parametrize("backend", ["numpy", "python", "numba"])
def test_several_states_step_together(backend: str) -> None:
    dt, omega = sp.symbols("dt omega")
    oscillator = Scan((p, 1, p - dt * omega * q), (q, 0, q + dt * p), (t, 1, T))
    g = compile_grad(oscillator.last(p) ** 2 + oscillator.last(q), [omega, dt], args=[omega, dt, T], backend=backend)

    def loop(omega: Any, dt: Any) -> Any:
        x, v = 1.0, 0.0
        for _ in range(5):
            x, v = x - dt * omega * v, v + dt * x
        return x**2 + v

    close(g(2.0, 0.1, 5), jax.grad(loop, argnums=(0, 1))(2.0, 0.1))


def test_matrix_and_scalar_states_together() -> None:
    x0 = sp.MatrixSymbol("x0", 2, 1)
    x, A = sp.MatrixSymbol("x", 2, 1), sp.MatrixSymbol("A", 2, 2)
    scan = Scan((x, x0, A * x), (s, 0, s + (x.T * x)[0, 0] / t), (t, 1, T))
    g = compile_grad(scan.last(s), [A, x0], args=[A, x0, T], backend="numpy")

    def loop(A: Any, x: Any) -> Any:
        total = 0.0
        for step in range(1, 5):
            total, x = total + jnp.sum(x * x) / step, A @ x
        return total

    rng = np.random.default_rng(0)
    at = rng.normal(size=(2, 2)), rng.normal(size=(2, 1))
    close(g(*at, 4), jax.grad(loop, argnums=(0, 1))(*at))


def test_the_number_of_the_step_and_shifted_inputs() -> None:
    scan = Scan((s, 0, s + t * u[t] * u[t + 1] ** 2), (t, 0, T - 2))
    g = compile_grad(scan.last(s), u, backend="numpy")
    at = np.random.default_rng(0).normal(size=6)
    close(g(u=at), jax.grad(lambda u: sum(j * u[j] * u[j + 1] ** 2 for j in range(5)))(jnp.asarray(at)))


@pytest.mark.parametrize("backend", ["numpy", "python"])
def test_sums_inside_a_step_and_states_in_a_sum_over_the_same_symbol(backend: str) -> None:
    c = sp.IndexedBase("c", shape=(k,))
    scan = Scan((s, b, s + sp.Sum(sp.sin(c[i] * s), (i, 0, k - 1))), (t, 1, 3))
    loss = sp.Sum(scan.states(s)[t, 0] ** 2, (t, 0, 3))
    g = compile_grad(loss, [b, c], backend=backend)

    def loop(b: Any, c: Any) -> Any:
        total = b**2
        for _ in range(3):
            b = b + jnp.sum(jnp.sin(c * b))
            total += b**2
        return total

    at = np.random.default_rng(0).normal(size=4)
    close(g(b=0.3, c=at), jax.grad(loop, argnums=(0, 1))(0.3, jnp.asarray(at)))


def test_checkpoints_with_a_gradient_in_the_start_alone() -> None:
    g = compile_grad(recurrence(a * s, s, b, (t, 1, 10), 3), b, backend="numpy")
    assert g(a=2.0, b=0.5) == 1024.0


def test_newtons_method_is_differentiated() -> None:
    # The 30th iterate of Newton's method for the square root is the square root, and so is its derivative.
    root = recurrence((s + a / s) / 2, s, 1, (t, 1, 30))
    value, gradient = compile_grad(root, a, backend="numpy").value_and_grad(2.0)
    assert value == pytest.approx(np.sqrt(2), rel=1e-15)
    assert gradient == pytest.approx(0.5 / np.sqrt(2), rel=1e-14)


def test_emitted_code_does_not_grow_with_the_number_of_steps() -> None:
    sources = [
        compile_grad(recurrence(a * s * (1 - s), s, b, (t, 1, n)), [a, b], backend="numba").source
        for n in (10, 1000000)
    ]
    assert len(sources[0].splitlines()) == len(sources[1].splitlines())


def test_checkpoints_keep_less() -> None:
    def entries(checkpoint: int | None) -> int:
        g = compile_grad(recurrence(a * s * (1 - s), s, b, (t, 1, 10000), checkpoint), [a, b], backend="numba")
        return int(g.stats["bytes"]) // 8

    assert entries(None) > 20000
    assert entries(100) < 1500


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Scan((s, 0, s + 1)), OptionError, "Scan takes"),
        (lambda: Scan((s, s + 1), (t, 0, 3)), OptionError, "Scan takes"),
        (lambda: Scan(s, 0, s + 1, (t, 0, 3)), OptionError, "Scan takes"),
        (lambda: Scan((s + 1, 0, s), (t, 0, 3)), OptionError, "a state must be"),
        (lambda: Scan((s, 0, s), (s, 1, s), (t, 0, 3)), OptionError, "two steps for one state"),
        (lambda: Scan((s, 0, s), (t, 0, 3), checkpoint=0), OptionError, "checkpoint"),
        (lambda: filtered().last(p), UnsupportedExpression, "no state"),
        (lambda: compile_grad(filtered(2).states(s)[1, 0], a), UnsupportedExpression, "keeps only its last"),
        (lambda: compile_grad(Scan((h, h0, W), (t, 0, 3)).last(h)[0, 0], W), ShapeMismatch, "must agree"),
        (
            lambda: compile_grad(sp.Sum(recurrence(s + i, s, 0, (t, 0, 3)), (i, 0, T - 1)), a),
            UnsupportedExpression,
            "index of a sum",
        ),
    ],
)
def test_bad_scans(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()


def test_steps_and_states_are_no_free_symbols() -> None:
    assert filtered().free_symbols >= {a, b} and not {s, t} & filtered().last(s).free_symbols
    last = filtered().last(s)
    assert last.func(*last.args) == last and last.doit() == last
