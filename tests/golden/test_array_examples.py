"""The emitted modules of the array examples: their gradients beside JAX and beside central differences."""

# Matrices have upper-case names here, as in the models.
# ruff: noqa: N803, N806

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jnp = jax.numpy
jax.config.update("jax_enable_x64", True)

ROOT = Path(__file__).resolve().parents[2]
Point = dict[str, Any]


def two_layer_network(W1: Any, b1: Any, W2: Any, b2: Any, X: Any, Y: Any) -> Any:
    return jnp.mean((jax.nn.relu(X @ W1 + b1) @ W2 + b2 - Y) ** 2)


def two_moons(W1: Any, b1: Any, W2: Any, b2: Any, W3: Any, b3: Any, X: Any, Y: Any) -> Any:
    Z = jnp.tanh(jnp.tanh(X @ W1 + b1) @ W2 + b2) @ W3 + b3
    return -jnp.mean(Y * jax.nn.log_sigmoid(Z) + (1 - Y) * jax.nn.log_sigmoid(-Z))


def digits(W: Any, b: Any, X: Any, T: Any) -> Any:
    return -jnp.mean(jnp.sum(T * jax.nn.log_softmax(X @ W + b, axis=1), axis=1))


def logistic_regression(w: Any, b: Any, x: Any, y: Any, lam: Any) -> Any:
    z = x @ w + b
    return -jnp.mean(y * jax.nn.log_sigmoid(z) + (1 - y) * jax.nn.log_sigmoid(-z)) + lam / 2 * jnp.sum(w**2)


def gaussian_mixture(a: Any, mu: Any, s: Any, x: Any) -> Any:
    normal = jax.scipy.stats.norm.logpdf(x[:, None, :], mu, jnp.exp(s)[:, None]).sum(axis=2)
    return -jnp.mean(jax.nn.logsumexp(jax.nn.log_softmax(a) + normal, axis=1))


def gaussian_process(f: Any, l: Any, s: Any, x: Any, y: Any) -> Any:  # noqa: E741
    kernel = jnp.exp(2 * f - (x - x.T) ** 2 * jnp.exp(-2 * l) / 2) + jnp.exp(2 * s) * jnp.eye(len(x))
    return -jax.scipy.stats.multivariate_normal.logpdf(y[:, 0], jnp.zeros(len(x)), kernel)


def heat_equation(c: Any, u: Any, lam: Any) -> Any:
    flow = c * jnp.diff(u, axis=1)
    return jnp.sum((jnp.diff(u, axis=0)[:, 1:-1] - jnp.diff(flow, axis=1)[:-1]) ** 2) + lam * jnp.sum(jnp.diff(c) ** 2)


def attention(Q: Any, K: Any, V: Any, Y: Any) -> Any:
    return jnp.mean((jax.nn.softmax(Q @ K.T / jnp.sqrt(Q.shape[1]), axis=1) @ V - Y) ** 2)


def matrix_factorisation(U: Any, V: Any, R: Any, M: Any, lam: Any) -> Any:
    return (jnp.sum((M * (U @ V.T - R)) ** 2) + lam * (jnp.sum(U**2) + jnp.sum(V**2))) / 2


def recurrent_network(W: Any, U: Any, b: Any, V: Any, c: Any, X: Any, Y: Any, h0: Any) -> Any:
    _, states = jax.lax.scan(lambda h, x: (jnp.tanh(h @ W + x[None] @ U + b),) * 2, h0, X)
    return jnp.mean((states[:, 0] @ V + c - Y) ** 2)


REFERENCES: dict[str, tuple[Callable[..., Any], str]] = {
    "two_layer_network": (two_layer_network, "W1 b1 W2 b2"),
    "two_moons": (two_moons, "W1 b1 W2 b2 W3 b3"),
    "digits": (digits, "W b"),
    "logistic_regression": (logistic_regression, "w b"),
    "gaussian_mixture": (gaussian_mixture, "a mu s"),
    "gaussian_process": (gaussian_process, "f l s"),
    "heat_equation": (heat_equation, "c"),
    "attention": (attention, "Q K V"),
    "matrix_factorisation": (matrix_factorisation, "U V"),
    "recurrent_network": (recurrent_network, "W U b V c"),
}


def point_of(name: str) -> Point:
    """The example's own point."""
    given = runpy.run_path(str(ROOT / "examples" / f"{name}.py"))["AT"]
    return {key: np.array(entries, float) if np.ndim(entries) else float(entries) for key, entries in given.items()}


def central(function: Callable[..., Any], point: Point, name: str) -> np.ndarray:
    """The derivative in every entry of one argument, from two values beside it."""
    middle = np.asarray(point[name], float)
    slopes = np.empty(middle.shape)
    for place in np.ndindex(middle.shape):
        values = []
        step = 6e-6 * max(1.0, abs(middle[place]))
        for shift in (-step, step):
            moved = middle.copy()
            moved[place] += shift
            values.append(float(function(**{**point, name: moved if moved.ndim else float(moved)})))
        slopes[place] = (values[1] - values[0]) / (2 * step)
    return slopes


@pytest.mark.parametrize("name", REFERENCES)
def test_gradient_beside_jax_and_central_differences(name: str) -> None:
    reference, wanted = REFERENCES[name]
    names = wanted.split()
    module = runpy.run_path(str(ROOT / "generated" / f"{name}.py"))
    point = point_of(name)
    value, gradient = module["value_and_grad"](**point)
    gradient = gradient if len(names) > 1 else (gradient,)
    expected, slopes = jax.value_and_grad(lambda wrt: reference(**{**point, **wrt}))({key: point[key] for key in names})
    assert module["value"](**point) == pytest.approx(float(expected), rel=1e-13)
    assert value == pytest.approx(float(expected), rel=1e-13)
    for key, ours in zip(names, gradient, strict=True):
        assert np.shape(ours) == np.shape(point[key])
        # Tens of operations, each rounded to 1e-16 of the largest entry; the Gaussian process's matrix has a condition
        # number of about 50.
        largest = float(jnp.abs(slopes[key]).max())
        np.testing.assert_allclose(ours, slopes[key], rtol=1e-12, atol=1e-13 * largest)
        # Truncation and rounding of a central difference are both about eps**(2/3) = 4e-11 of value and gradient.
        np.testing.assert_allclose(ours, central(module["value"], point, key), rtol=0, atol=1e-9 * (1 + largest))


@pytest.mark.parametrize("name", REFERENCES)
def test_no_array_that_is_given_is_changed(name: str) -> None:
    module = runpy.run_path(str(ROOT / "generated" / f"{name}.py"))
    point, before = point_of(name), point_of(name)
    _, gradient = module["value_and_grad"](**point)
    for entries in gradient if isinstance(gradient, tuple) else (gradient,):
        if np.ndim(entries):
            np.asarray(entries)[...] = np.nan
    for key, entries in before.items():
        np.testing.assert_array_equal(point[key], entries)


def test_the_emitted_backward_pass_is_the_textbooks() -> None:
    source = (ROOT / "generated" / "two_layer_network.py").read_text(encoding="utf-8")
    lines = [line.strip() for line in source[source.index("def value_and_grad") :].splitlines()]
    for line in (
        "Z1 = X @ W1 + b1",
        "A1 = np.maximum(Z1, 0.0)",
        "P = A1 @ W2 + b2",
        "A1_bar = P_bar @ W2.T",
        "W2_bar = A1.T @ P_bar",
        "Z1_bar = np.where(Z1 > 0.0, A1_bar, 0.0)",
        "W1_bar = X.T @ Z1_bar",
        "b1_bar = Z1_bar.sum(axis=0, keepdims=True)",
        "b2_bar = P_bar.sum(axis=0, keepdims=True)",
    ):
        assert line in lines
