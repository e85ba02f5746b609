"""Whole trainings against JAX (the loop in one `fori_loop`, or scanned epochs), PyTorch and NumPy by hand.

Run ``python tests/benchmarks/training_speed.py``. All start from the same parameters and see the same data; the final
losses are compared before anything is said of time. Seconds are those of a second fit, and beside them those of the
first, compilation included, in a process that has imported everything.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import sympy as sp
import torch

from symbackprop import SGD, Adam, affine, binary_cross_entropy, compile_training, cross_entropy, he_normal, relu

jax.config.update("jax_enable_x64", True)
torch.set_num_threads(1)
EPOCHS, RATE = 1000, 0.1


def two_moons(samples: int = 800, seed: int = 42) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    angle, lower = rng.uniform(0.0, np.pi, samples), np.arange(samples) % 2
    points = np.column_stack([np.cos(angle), np.sin(angle)])
    points[lower == 1] = [1.0, 0.5] - points[lower == 1]
    points += rng.normal(0.0, 0.2, points.shape)
    return (points - points.mean(0)) / points.std(0), lower[:, None].astype(float)


X, Y = two_moons()
SHAPES = {"W1": (2, 10), "b1": (1, 10), "W2": (10, 8), "b2": (1, 8), "W3": (8, 1), "b3": (1, 1)}
START = {name: he_normal(s, seed) if name[0] == "W" else np.zeros(s) for seed, (name, s) in enumerate(SHAPES.items())}


def ours(backend: str) -> Callable[[], float]:
    N = sp.Symbol("N", integer=True, positive=True)
    points, classes = sp.MatrixSymbol("X", N, 2), sp.MatrixSymbol("Y", N, 1)
    W1, b1, W2, b2, W3, b3 = params = [sp.MatrixSymbol(name, *shape) for name, shape in SHAPES.items()]
    logits = affine(relu(affine(relu(affine(points, W1, b1)), W2, b2)), W3, b3)
    loss = binary_cross_entropy(logits, classes, from_logits=True)
    t = compile_training(loss, params, [points, classes], optimizer=SGD(lr=RATE), batch=N, backend=backend, cache=False)
    return lambda: float(t.fit(START, {"X": X, "Y": Y}, epochs=EPOCHS, progress=False).history.loss[-1])


def jaxs() -> Callable[[], float]:
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


def torchs() -> Callable[[], float]:
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


# A network 64-32-10 on 1,437 images made up like digits: 20 epochs of Adam, minibatches of 32 in order, 45 steps each.

IMAGES = np.random.default_rng(1).uniform(0.0, 1.0, (1437, 64))
SHOWN = np.eye(10)[(IMAGES @ np.random.default_rng(2).normal(size=(64, 10))).argmax(axis=1)]
LAYERS = {"W1": he_normal((64, 32), 1), "b1": np.zeros((1, 32)), "W2": he_normal((32, 10), 2), "b2": np.zeros((1, 10))}
DIGIT_EPOCHS, BATCH = 20, 32


def our_digits(backend: str) -> Callable[[], float]:
    N = sp.Symbol("N", integer=True, positive=True)
    images, shown = sp.MatrixSymbol("X", N, 64), sp.MatrixSymbol("T", N, 10)
    W1, b1, W2, b2 = params = [sp.MatrixSymbol(name, *value.shape) for name, value in LAYERS.items()]
    loss = cross_entropy(affine(relu(affine(images, W1, b1)), W2, b2), shown)
    t = compile_training(loss, params, [images, shown], optimizer=Adam(), batch=N, backend=backend, cache=False)
    data = {"X": IMAGES, "T": SHOWN}

    def train() -> float:
        run = t.fit(LAYERS, data, epochs=DIGIT_EPOCHS, batch_size=BATCH, shuffle=False, progress=False)
        return float(run.history.loss[-1])

    return train


def jax_digits() -> Callable[[], float]:
    """Epochs in a scan over scans over 44 minibatches, and the last, of 29, behind each: shapes are fixed."""
    whole = len(IMAGES) // BATCH * BATCH
    x, y = jnp.array(IMAGES[:whole]).reshape(-1, BATCH, 64), jnp.array(SHOWN[:whole]).reshape(-1, BATCH, 10)
    rest = jnp.array(IMAGES[whole:]), jnp.array(SHOWN[whole:])

    def loss(p: Any, x: Any, y: Any) -> Any:
        logits = jax.nn.relu(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
        return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(logits), axis=1))

    def step(carried: Any, batch: Any) -> Any:
        p, m, s, t = carried
        value, g = jax.value_and_grad(loss)(p, *batch)
        t = t + 1.0
        m = {name: 0.9 * m[name] + 0.1 * g[name] for name in g}
        s = {name: 0.999 * s[name] + 0.001 * g[name] ** 2 for name in g}
        rate, spread = 0.001 / (1.0 - 0.9**t), jnp.sqrt(1.0 - 0.999**t)
        p = {name: p[name] - rate * m[name] / (jnp.sqrt(s[name]) / spread + 1e-8) for name in g}
        return (p, m, s, t), value * len(batch[0])

    def epoch(carried: Any, _: Any) -> Any:
        carried, losses = jax.lax.scan(step, carried, (x, y))
        carried, last = step(carried, rest)
        return carried, (jnp.sum(losses) + last) / len(IMAGES)

    def run(p: Any) -> Any:
        nothing = {name: jnp.zeros_like(value) for name, value in p.items()}
        return jax.lax.scan(epoch, (p, nothing, nothing, 0.0), None, length=DIGIT_EPOCHS)[1][-1]

    train = jax.jit(run)
    return lambda: float(train({name: jnp.array(value) for name, value in LAYERS.items()}).block_until_ready())


def torch_digits() -> Callable[[], float]:
    x, y = torch.tensor(IMAGES), torch.tensor(SHOWN)

    def train() -> float:
        p = {name: torch.tensor(value, requires_grad=True) for name, value in LAYERS.items()}
        rule = torch.optim.Adam(p.values())
        for _ in range(DIGIT_EPOCHS):
            total = 0.0
            for start in range(0, len(x), BATCH):
                rows = slice(start, start + BATCH)
                rule.zero_grad()
                hidden = torch.relu(x[rows] @ p["W1"] + p["b1"])
                loss = torch.nn.functional.cross_entropy(hidden @ p["W2"] + p["b2"], y[rows])
                loss.backward()
                rule.step()
                total += loss.item() * len(x[rows])
        return total / len(x)

    return train


def compared(title: str, makers: dict[str, Callable[[], Callable[[], float]]], steps: int) -> None:
    """Losses held against each other, and then the times of all."""
    print(title)
    reference = None
    for name, make in makers.items():
        begin = time.perf_counter()
        train = make()
        found = train()
        first = time.perf_counter() - begin
        reference = found if reference is None else reference
        np.testing.assert_allclose(found, reference, rtol=1e-6)
        times = []
        for _ in range(15):
            begin = time.perf_counter()
            train()
            times.append(time.perf_counter() - begin)
        print(f"  {name:<16} {min(times) / steps * 1e6:8.1f} us a step, first {first:6.3f} s, loss {found:.12f}")


def main() -> None:
    ours("numpy")()  # imports, and what SymPy keeps
    moons: dict[str, Callable[[], Callable[[], float]]] = {
        "ours, numba": lambda: ours("numba"),
        "ours, numpy": lambda: ours("numpy"),
        "JAX, fori_loop": jaxs,
        "NumPy by hand": lambda: by_hand,
        "PyTorch": torchs,
    }
    compared("Two moons, 2-10-8-1, 800 points at once, 1,000 steps of gradient descent", moons, EPOCHS)
    digits: dict[str, Callable[[], Callable[[], float]]] = {
        "ours, numba": lambda: our_digits("numba"),
        "ours, numpy": lambda: our_digits("numpy"),
        "JAX, scanned": jax_digits,
        "PyTorch": torch_digits,
    }
    compared("Digits, 64-32-10, minibatches of 32, 900 steps of Adam", digits, DIGIT_EPOCHS * 45)


if __name__ == "__main__":
    main()
