"""Layers and losses, of matrices and of scalars, against JAX, and in the tails."""

# Matrices have upper-case names here, as in the models.
# ruff: noqa: N803

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop.errors import OptionError, ShapeMismatch
from symbackprop.frontend import layers
from symbackprop.frontend.reductions import Total

jax = pytest.importorskip("jax")
jnp = jax.numpy
jax.config.update("jax_enable_x64", True)

N, d, k = sp.symbols("N d k", integer=True, positive=True)
SHAPES = {
    "X": (N, d),
    "W": (d, k),
    "b": (1, k),
    "g": (1, k),
    "m": (1, k),
    "v": (1, k),
    "Y": (N, k),
    "T": (N, k),
    "Z": (N, k),
}
X, W, b, g, m, v, Y, T, Z = (sp.MatrixSymbol(name, *shape) for name, shape in SHAPES.items())
SIZES = [{"N": 6, "d": 3, "k": 4}, {"N": 1, "d": 1, "k": 1}, {"N": 5, "d": 1, "k": 2}]
Function = Callable[..., Any]


def sample(names: str, sizes: dict[str, int]) -> dict[str, Any]:
    """Entries of both signs; v positive, T of rows that sum to 1, Y of -1 and 1."""
    rng = np.random.default_rng(3)
    point = {name: rng.normal(size=[sizes.get(str(length), 1) for length in shape]) for name, shape in SHAPES.items()}
    point["v"] = np.abs(point["v"]) + 0.1
    point["T"] = np.exp(point["T"]) / np.exp(point["T"]).sum(axis=1, keepdims=True)
    point["Y"] = np.sign(point["Y"])
    return {name: point[name] for name in names}


def weighed(matrix: Any) -> Any:
    return Total(matrix.applyfunc(sp.sin))


def normalised(x: Any, mean: Any, variance: Any) -> Any:
    return (x - mean) / jnp.sqrt(variance + 1e-5)


def huber(e: Any) -> Any:
    return jnp.mean(jnp.where(jnp.abs(e) <= 0.5, e**2 / 2, 0.5 * (jnp.abs(e) - 0.25)))


CASES: list[tuple[str, Any, str, Function]] = [
    ("affine", weighed(layers.affine(X, W, b)), "XWb", lambda X, W, b: jnp.sum(jnp.sin(X @ W + b))),
    ("affine, no b", weighed(layers.affine(X, W)), "XW", lambda X, W: jnp.sum(jnp.sin(X @ W))),
    ("relu", weighed(layers.relu(Z)), "Z", lambda Z: jnp.sum(jnp.sin(jax.nn.relu(Z)))),
    ("leaky", weighed(layers.leaky_relu(Z)), "Z", lambda Z: jnp.sum(jnp.sin(jax.nn.leaky_relu(Z)))),
    ("sigmoid", weighed(layers.sigmoid(Z)), "Z", lambda Z: jnp.sum(jnp.sin(jax.nn.sigmoid(Z)))),
    ("tanh", weighed(layers.tanh(Z)), "Z", lambda Z: jnp.sum(jnp.sin(jnp.tanh(Z)))),
    ("softplus", weighed(layers.softplus(Z)), "Z", lambda Z: jnp.sum(jnp.sin(jax.nn.softplus(Z)))),
    ("gelu", weighed(layers.gelu(Z)), "Z", lambda Z: jnp.sum(jnp.sin(jax.nn.gelu(Z, approximate=False)))),
    ("gelu, tanh", weighed(layers.gelu(Z, True)), "Z", lambda Z: jnp.sum(jnp.sin(jax.nn.gelu(Z, approximate=True)))),
    ("softmax", weighed(layers.softmax(Z)), "Z", lambda Z: jnp.sum(jnp.sin(jax.nn.softmax(Z, axis=1)))),
    ("log softmax", weighed(layers.log_softmax(Z)), "Z", lambda Z: jnp.sum(jnp.sin(jax.nn.log_softmax(Z, axis=1)))),
    (
        "batch norm, inference",
        weighed(layers.batch_norm(Z, g, b, m, v)),
        "Zgbmv",
        lambda Z, g, b, m, v: jnp.sum(jnp.sin(g * normalised(Z, m, v) + b)),
    ),
    ("mse", layers.mse(Z, T), "ZT", lambda Z, T: jnp.mean((Z - T) ** 2)),
    ("mae", layers.mae(Z, T), "ZT", lambda Z, T: jnp.mean(jnp.abs(Z - T))),
    ("huber", layers.huber(Z, T, sp.Rational(1, 2)), "ZT", lambda Z, T: huber(Z - T)),
    (
        "binary cross-entropy of logits",
        layers.binary_cross_entropy(Z, T, from_logits=True),
        "ZT",
        lambda Z, T: jnp.mean(-T * jax.nn.log_sigmoid(Z) - (1 - T) * jax.nn.log_sigmoid(-Z)),
    ),
    (
        "binary cross-entropy",
        layers.binary_cross_entropy(layers.sigmoid(Z), T),
        "ZT",
        lambda Z, T: jnp.mean(-T * jax.nn.log_sigmoid(Z) - (1 - T) * jax.nn.log_sigmoid(-Z)),
    ),
    (
        "cross-entropy of logits",
        layers.cross_entropy(Z, T),
        "ZT",
        lambda Z, T: -jnp.mean(jnp.sum(T * jax.nn.log_softmax(Z, axis=1), axis=1)),
    ),
    (
        "cross-entropy",
        layers.cross_entropy(layers.softmax(Z), T, from_logits=False),
        "ZT",
        lambda Z, T: -jnp.mean(jnp.sum(T * jax.nn.log_softmax(Z, axis=1), axis=1)),
    ),
    ("hinge", layers.hinge(Z, Y), "ZY", lambda Z, Y: jnp.mean(jnp.maximum(0, 1 - Y * Z))),
    (
        "penalised network",
        layers.mse(layers.tanh(layers.affine(X, W, b)), T) + sp.Trace(W.T * W) / 100,
        "XWbT",
        lambda X, W, b, T: jnp.mean((jnp.tanh(X @ W + b) - T) ** 2) + jnp.sum(W**2) / 100,
    ),
]


@pytest.mark.parametrize(("expr", "names", "reference"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_value_gradient_and_second_derivative(
    array_model: Any, against_jax: Function, expr: Any, names: str, reference: Function
) -> None:
    model = array_model(expr, names)
    for sizes in SIZES:
        against_jax(model, reference, sample(names, sizes))


def test_batch_norm_in_training(array_model: Any, against_jax: Function) -> None:
    model = array_model(weighed(layers.batch_norm(Z, g, b)), "Zgb")

    def reference(Z: Any, g: Any, b: Any) -> Any:
        return jnp.sum(jnp.sin(g * normalised(Z, Z.mean(axis=0), Z.var(axis=0)) + b))

    # Not with one row, whose variance is 0: what is left of the gradient there is rounding.
    against_jax(model, reference, sample("Zgb", SIZES[0]))
    against_jax(model, reference, sample("Zgb", SIZES[2]))


def test_logits_of_any_size(array_model: Any) -> None:
    logits = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4 + 1, -1e4]])
    targets = np.array([[0.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    model = array_model(layers.cross_entropy(Z, T), "Z")
    point = {"Z": logits, "T": targets}
    second = np.log(np.exp(1) + 2) - 1
    assert model.value(point) == pytest.approx((2e4 + second) / 2, rel=1e-15)
    odds = np.array([[1.0, 0.0, 0.0], np.exp([0, 1, 0]) / (np.exp(1) + 2)])
    np.testing.assert_allclose(model.gradient(point)[0], (odds - targets) / 2, rtol=1e-11, atol=1e-300)
    total = array_model(Total(layers.softmax(Z)), "Z")
    assert total.value({"Z": logits}) == pytest.approx(2, rel=1e-11)
    binary = array_model(layers.binary_cross_entropy(Z, T, from_logits=True), "Z")
    point = {"Z": np.array([[1e4, -1e4]]), "T": np.array([[0.0, 0.0]])}
    assert binary.value(point) == 5e3
    np.testing.assert_array_equal(binary.gradient(point)[0], [[0.5, 0.0]])


def test_gelu_far_below_zero(array_model: Any) -> None:
    value = array_model(Total(layers.gelu(sp.MatrixSymbol("Z", 1, 1))), "Z").value({"Z": np.array([[-30.0]])})
    # -30*Phi(-30), from mpmath; 1 + erf would give 0.
    assert value == pytest.approx(-1.4720114182e-196, rel=1e-9)


x, y, w = sp.symbols("x y w")


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (layers.affine(x, w, y), 2.0),
        (layers.relu(-x), 0.0),
        (layers.leaky_relu(-x, 0.5), -0.375),
        (layers.sigmoid(x), 1 / (1 + np.exp(-0.75))),
        (layers.tanh(x), np.tanh(0.75)),
        (layers.softplus(x), np.log1p(np.exp(0.75))),
        (layers.mse(x, y), 0.25**2),
        (layers.mae(x, y), 0.25),
        (layers.huber(x, y, 0.125), 0.125 * (0.25 - 0.0625)),
        (layers.hinge(x, y), 0.625),
        (layers.binary_cross_entropy(x, y), -0.5 * np.log(0.75) - 0.5 * np.log(0.25)),
        (layers.binary_cross_entropy(x, y, from_logits=True), np.log1p(np.exp(0.75)) - 0.375),
        (layers.batch_norm(x, w, y, 0, 1, 0), 2.0),
        (layers.softmax([x, y])[0], 1 / (1 + np.exp(-0.25))),
        (layers.cross_entropy([x, y], [1, 0]), np.log1p(np.exp(-0.25))),
    ],
    ids=str,
)
def test_scalars(array_model: Any, expr: Any, expected: float) -> None:
    # One or two functions, each rounded once.
    assert array_model(expr, ["x"]).value({"x": 0.75, "y": 0.5, "w": 2.0}) == pytest.approx(expected, rel=1e-14)


def test_bad_input() -> None:
    with pytest.raises(ShapeMismatch, match=r"the b of affine must be of shape \(1, k\).*transpose it"):
        layers.affine(X, W, b.T)
    with pytest.raises(ShapeMismatch, match="mse of shapes"):
        layers.mse(X, W)
    with pytest.raises(ShapeMismatch, match="mae of a matrix and a scalar"):
        layers.mae(X, 0)
    with pytest.raises(ShapeMismatch, match="softmax works on rows"):
        layers.softmax(x)
    with pytest.raises(OptionError, match="takes mean and variance"):
        layers.batch_norm(X, mean=m)
    with pytest.raises(OptionError, match="string"):
        layers.relu("x")
