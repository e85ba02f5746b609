"""Networks of two layers by Adam on minibatches, for `training_speed`: 64-32-10 like that of the digits, and 784-128-10
in float32. Images are made up; they come in their own order, so that all see the same minibatches.

A contender imports what it needs when it is called. JAX stands three times: one jitted step with optax, called for each
minibatch, as most programs are written; each epoch one scan over its minibatches; and the whole training as one scan.
"""

# Matrices have upper-case names here, as in the models.
# ruff: noqa: N806

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

Training = Callable[[], float]


@dataclass(frozen=True)
class Case:
    """A network, how many images it learns, and how."""

    sizes: tuple[int, int, int]
    samples: int
    batch: int
    epochs: int
    dtype: str
    RTOL: float

    @property
    def TITLE(self) -> str:  # noqa: N802
        sizes = "-".join(map(str, self.sizes))
        return f"{sizes}, {self.dtype}, {self.samples} images, {self.STEPS} steps of Adam, minibatches of {self.batch}"

    @property
    def STEPS(self) -> int:  # noqa: N802
        return self.epochs * -(-self.samples // self.batch)

    @property
    def CONTENDERS(self) -> dict[str, Callable[[], Training]]:  # noqa: N802
        return {
            "ours, numba": partial(ours, self, "numba", False),
            "ours, from the cache": partial(ours, self, "numba", True),
            "ours, numpy": partial(ours, self, "numpy", False),
            "JAX, step and optax": partial(jax_steps, self),
            "JAX, epoch scanned": partial(jax_scanned, self, False),
            "JAX, all scanned": partial(jax_scanned, self, True),
            "PyTorch, eager": partial(torch_steps, self),
        }

    def drawn(self) -> tuple[dict[str, Any], Any, Any]:
        """First parameters, images, and what they show, one of the outputs each."""
        rng = np.random.default_rng(1)
        inputs, hidden, outputs = self.sizes
        shapes = {"W1": (inputs, hidden), "b1": (1, hidden), "W2": (hidden, outputs), "b2": (1, outputs)}
        start = {
            name: (rng.normal(0.0, (2.0 / shape[0]) ** 0.5, shape) * (name[0] == "W")).astype(self.dtype)
            for name, shape in shapes.items()
        }
        images = rng.uniform(0.0, 1.0, (self.samples, inputs))
        shown = ((images - 0.5) @ rng.normal(size=(inputs, outputs))).argmax(axis=1)
        return start, images.astype(self.dtype), np.eye(outputs, dtype=self.dtype)[shown]


def ours(case: Case, backend: str, cache: bool) -> Training:
    import sympy as sp

    from symbackprop import Adam, affine, compile_training, cross_entropy, relu

    start, images, shown = case.drawn()
    N = sp.Symbol("N", integer=True, positive=True)
    X, T = sp.MatrixSymbol("X", N, case.sizes[0]), sp.MatrixSymbol("T", N, case.sizes[2])
    W1, b1, W2, b2 = params = [sp.MatrixSymbol(name, *value.shape) for name, value in start.items()]
    loss = cross_entropy(affine(relu(affine(X, W1, b1)), W2, b2), T)
    t = compile_training(
        loss, params, [X, T], optimizer=Adam(), batch=N, backend=backend, dtype=case.dtype, cache=cache
    )  # fmt: skip

    def train() -> float:
        data = {"X": images, "T": shown}
        run = t.fit(start, data, epochs=case.epochs, batch_size=case.batch, shuffle=False, progress=False)
        return float(run.history.loss[-1])

    return train


def jax_loss(case: Case) -> Callable[..., Any]:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", case.dtype == "float64")

    def loss(p: Any, x: Any, y: Any) -> Any:
        logits = jax.nn.relu(x @ p["W1"] + p["b1"]) @ p["W2"] + p["b2"]
        return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(logits), axis=1))

    return jax.value_and_grad(loss)


def jax_steps(case: Case) -> Training:
    loss = jax_loss(case)
    import jax
    import jax.numpy as jnp
    import optax

    start, images, shown = case.drawn()
    rule = optax.adam(1e-3)

    @partial(jax.jit, donate_argnums=(0, 1))
    def step(p: Any, state: Any, x: Any, y: Any) -> Any:
        value, gradient = loss(p, x, y)
        updates, state = rule.update(gradient, state)
        return optax.apply_updates(p, updates), state, value

    cuts = [slice(begin, begin + case.batch) for begin in range(0, case.samples, case.batch)]
    batches = [(jnp.array(images[rows]), jnp.array(shown[rows])) for rows in cuts]

    def train() -> float:
        p = {name: jnp.array(value) for name, value in start.items()}
        state = rule.init(p)
        for _ in range(case.epochs):
            losses = []
            for x, y in batches:
                p, state, value = step(p, state, x, y)
                losses.append(value)
        return sum(float(value) * len(x) for value, (x, _) in zip(losses, batches, strict=True)) / case.samples

    return train


def jax_scanned(case: Case, whole: bool) -> Training:
    """An epoch as a scan over its minibatches, and the last one behind, where it is smaller: shapes are fixed."""
    loss = jax_loss(case)
    import jax
    import jax.numpy as jnp
    import optax

    start, images, shown = case.drawn()
    rule = optax.adam(1e-3)
    full = case.samples // case.batch * case.batch
    x, y = (jnp.array(given[:full]).reshape(-1, case.batch, given.shape[1]) for given in (images, shown))
    rest = jnp.array(images[full:]), jnp.array(shown[full:])

    def step(carried: Any, batch: Any) -> Any:
        p, state = carried
        value, gradient = loss(p, *batch)
        updates, state = rule.update(gradient, state)
        return (optax.apply_updates(p, updates), state), value * len(batch[0])

    def epoch(carried: Any, _: Any) -> Any:
        carried, losses = jax.lax.scan(step, carried, (x, y))
        total = jnp.sum(losses)
        if full < case.samples:
            carried, last = step(carried, rest)
            total = total + last
        return carried, total / case.samples

    all_epochs = jax.jit(lambda carried: jax.lax.scan(epoch, carried, None, length=case.epochs))
    one_epoch = jax.jit(lambda carried: epoch(carried, None))

    def train() -> float:
        p = {name: jnp.array(value) for name, value in start.items()}
        carried = p, rule.init(p)
        if whole:
            return float(all_epochs(carried)[1][-1])
        for _ in range(case.epochs):
            carried, value = one_epoch(carried)
        return float(value)

    return train


def torch_steps(case: Case) -> Training:
    import torch

    torch.set_num_threads(1)
    start, images, shown = case.drawn()
    x, y = torch.tensor(images), torch.tensor(shown)
    cuts = [slice(begin, begin + case.batch) for begin in range(0, case.samples, case.batch)]

    def train() -> float:
        p = {name: torch.tensor(value, requires_grad=True) for name, value in start.items()}
        rule = torch.optim.Adam(p.values())
        for _ in range(case.epochs):
            losses = []
            for rows in cuts:
                rule.zero_grad()
                hidden = torch.relu(x[rows] @ p["W1"] + p["b1"])
                loss = torch.nn.functional.cross_entropy(hidden @ p["W2"] + p["b2"], y[rows])
                loss.backward()
                rule.step()
                losses.append(loss.detach())
        return sum(value.item() * len(x[rows]) for value, rows in zip(losses, cuts, strict=True)) / case.samples

    return train


DIGITS = Case((64, 32, 10), 1437, 32, 20, "float64", 1e-6)
# In float32 the orders of additions show: 1e-7 a sum, over 188 steps.
LARGE = Case((784, 128, 10), 6000, 128, 4, "float32", 1e-3)
