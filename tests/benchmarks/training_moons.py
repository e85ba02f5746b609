"""Two moons: a classifier 2-10-8-1 over 800 points at once, by 1,000 steps of gradient descent; for `training_speed`.

A contender imports what it needs when it is called, so that a process of its own pays for nothing else. It gives the
training as a function that runs it from the first parameters, and returns the loss of the last step.
"""

# Matrices have upper-case names here, as in the models.
# ruff: noqa: N806

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Training = Callable[[], float]
TITLE = "Two moons, 2-10-8-1, 800 points at once, 1,000 steps of gradient descent"
EPOCHS, RATE, STEPS, RTOL = 1000, 0.1, 1000, 1e-6
SHAPES = {"W1": (2, 10), "b1": (1, 10), "W2": (10, 8), "b2": (1, 8), "W3": (8, 1), "b3": (1, 1)}


def two_moons(samples: int, seed: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    angle, lower = rng.uniform(0.0, np.pi, samples), np.arange(samples) % 2
    points = np.column_stack([np.cos(angle), np.sin(angle)])
    points[lower == 1] = [1.0, 0.5] - points[lower == 1]
    points += rng.normal(0.0, 0.2, points.shape)
    return (points - points.mean(0)) / points.std(0), lower[:, None].astype(float)


def first_values() -> dict[str, Any]:
    """Biases of 0, and weights as He has them."""
    rng = np.random.default_rng(1)
    return {
        name: rng.normal(0.0, (2.0 / shape[0]) ** 0.5, shape) if name[0] == "W" else np.zeros(shape)
        for name, shape in SHAPES.items()
    }


X, Y = two_moons(800, seed=42)
START = first_values()


def ours(backend: str, cache: bool) -> Training:
    import sympy as sp

    from symbackprop import SGD, affine, binary_cross_entropy, compile_training, relu

    N = sp.Symbol("N", integer=True, positive=True)
    points, classes = sp.MatrixSymbol("X", N, 2), sp.MatrixSymbol("Y", N, 1)
    W1, b1, W2, b2, W3, b3 = params = [sp.MatrixSymbol(name, *shape) for name, shape in SHAPES.items()]
    logits = affine(relu(affine(relu(affine(points, W1, b1)), W2, b2)), W3, b3)
    loss = binary_cross_entropy(logits, classes, from_logits=True)
    t = compile_training(loss, params, [points, classes], optimizer=SGD(lr=RATE), batch=N, backend=backend, cache=cache)
    return lambda: float(t.fit(START, {"X": X, "Y": Y}, epochs=EPOCHS, progress=False).history.loss[-1])


def in_jax() -> Training:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    x, y = jnp.array(X), jnp.array(Y)

    def loss(p: Any) -> Any:
        hidden = jax.nn.relu(x @ p["W1"] + p["b1"])
        logits = jax.nn.relu(hidden @ p["W2"] + p["b2"]) @ p["W3"] + p["b3"]
        return jnp.mean(jax.nn.softplus(logits) - y * logits)

    def step(_: int, carried: Any) -> Any:
        value, gradient = jax.value_and_grad(loss)(carried[0])
        return {name: carried[0][name] - RATE * gradient[name] for name in gradient}, value

    train = jax.jit(lambda p: jax.lax.fori_loop(0, EPOCHS, step, (p, 0.0)))
    return lambda: float(train({name: jnp.array(value) for name, value in START.items()})[1].block_until_ready())


def in_torch() -> Training:
    import torch

    torch.set_num_threads(1)
    x, y = torch.tensor(X), torch.tensor(Y)

    def train() -> float:
        p = {name: torch.tensor(value, requires_grad=True) for name, value in START.items()}
        rule = torch.optim.SGD(p.values(), lr=RATE)
        for _ in range(EPOCHS):
            rule.zero_grad()
            hidden = torch.relu(torch.relu(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"])
            loss = torch.nn.functional.binary_cross_entropy_with_logits(hidden @ p["W3"] + p["b3"], y)
            loss.backward()
            rule.step()
        return loss.item()

    return train


def by_hand() -> float:
    p, n = {name: value.copy() for name, value in START.items()}, len(X)
    for _ in range(EPOCHS):
        Z1 = X @ p["W1"] + p["b1"]
        A1 = np.maximum(Z1, 0.0)
        Z2 = A1 @ p["W2"] + p["b2"]
        A2 = np.maximum(Z2, 0.0)
        Z3 = A2 @ p["W3"] + p["b3"]
        loss = np.mean(np.logaddexp(0.0, Z3) - Y * Z3)
        D3 = (1.0 / (1.0 + np.exp(-Z3)) - Y) / n
        D2 = (D3 @ p["W3"].T) * (Z2 > 0.0)
        D1 = (D2 @ p["W2"].T) * (Z1 > 0.0)
        for name, A, D in (("1", X, D1), ("2", A1, D2), ("3", A2, D3)):
            p[f"W{name}"] -= RATE * (A.T @ D)
            p[f"b{name}"] -= RATE * D.sum(axis=0, keepdims=True)
    return float(loss)


CONTENDERS: dict[str, Callable[[], Training]] = {
    "ours, numba": lambda: ours("numba", cache=False),
    "ours, from the cache": lambda: ours("numba", cache=True),
    "ours, numpy": lambda: ours("numpy", cache=False),
    "JAX, fori_loop": in_jax,
    "NumPy by hand": lambda: by_hand,
    "PyTorch, eager": in_torch,
}
