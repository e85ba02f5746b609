"""A thousand small fits of one model to series of their own, in one call of `fit_many`: fits a second.

    python tests/benchmarks/many_fits.py [fits]

Each series has 50 noisy samples of a damped oscillation, x(t) = a*exp(-c*t)*cos(k*t + p), and 300 steps of Adam over
all of them from the same first parameters. Beside it JAX: one fit as a `fori_loop`, over all series by `vmap`, jitted;
and PyTorch, where all series are one model with an axis more. Losses of every series are compared before anything is
said of time. JAX and PyTorch may use all cores, as our threads do; one thread of ours is there as well.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

STEPS, RATE, SAMPLES = 300, 0.02, 50
START = {"a": 0.8, "c": 0.2, "k": 2.2, "p": 0.0}
Training = Callable[[], Any]


def drawn(fits: int) -> tuple[Any, Any]:
    """Times, the same for all, and positions, a series a row."""
    rng = np.random.default_rng(0)
    times = np.linspace(0.0, 5.0, SAMPLES)
    a, c, k, p = (rng.uniform(low, high, (fits, 1)) for low, high in ((0.7, 1.3), (0.1, 0.4), (1.8, 2.4), (-0.3, 0.3)))
    return times, a * np.exp(-c * times) * np.cos(k * times + p) + rng.normal(0.0, 0.02, (fits, SAMPLES))


def ours(times: Any, positions: Any, threads: int) -> Training:
    import sympy as sp

    from symbackprop import Adam, compile_training

    a, c, k, p, t, x = sp.symbols("a c k p t x", real=True)
    loss = (a * sp.exp(-c * t) * sp.cos(k * t + p) - x) ** 2
    made = compile_training(loss, [a, c, k, p], [t, x], optimizer=Adam(lr=RATE), cache=False)

    def train() -> Any:
        runs = made.fit_many(START, {"t": times, "x": positions}, epochs=STEPS, threads=threads)
        return runs.history.loss[:, -1]

    return train


def in_jax(times: Any, positions: Any) -> Training:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    t = jnp.array(times)

    def loss(q: Any, x: Any) -> Any:
        return jnp.mean((q["a"] * jnp.exp(-q["c"] * t) * jnp.cos(q["k"] * t + q["p"]) - x) ** 2)

    def fit(x: Any) -> Any:
        def step(count: Any, carried: Any) -> Any:
            q, m, s, _ = carried
            value, g = jax.value_and_grad(loss)(q, x)
            m = {name: 0.9 * m[name] + 0.1 * g[name] for name in g}
            s = {name: 0.999 * s[name] + 0.001 * g[name] ** 2 for name in g}
            rate, spread = RATE / (1.0 - 0.9 ** (count + 1.0)), jnp.sqrt(1.0 - 0.999 ** (count + 1.0))
            q = {name: q[name] - rate * m[name] / (jnp.sqrt(s[name]) / spread + 1e-8) for name in g}
            return q, m, s, value

        start = {name: jnp.array(value) for name, value in START.items()}
        nothing = {name: jnp.zeros(()) for name in START}
        return jax.lax.fori_loop(0, STEPS, step, (start, nothing, nothing, jnp.zeros(())))[3]

    train = jax.jit(jax.vmap(fit))
    return lambda: np.asarray(train(jnp.array(positions)).block_until_ready())


def in_torch(times: Any, positions: Any) -> Training:
    import torch

    t, x = torch.tensor(times), torch.tensor(positions)

    def train() -> Any:
        q = {
            name: torch.full((len(x), 1), value, dtype=torch.float64, requires_grad=True)
            for name, value in START.items()
        }
        rule = torch.optim.Adam(q.values(), lr=RATE)
        for _ in range(STEPS):
            rule.zero_grad()
            moved = q["a"] * torch.exp(-q["c"] * t) * torch.cos(q["k"] * t + q["p"])
            losses = torch.mean((moved - x) ** 2, dim=1)
            losses.sum().backward()
            rule.step()
        return losses.detach().numpy()

    return train


def main() -> None:
    fits = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    cores = len(os.sched_getaffinity(0))
    times, positions = drawn(fits)
    makers: dict[str, Callable[..., Training]] = {f"ours, {n} threads": partial(ours, threads=n) for n in {1, cores}}
    for name, maker, package in (("JAX, vmapped", in_jax, "jax"), ("PyTorch, an axis more", in_torch, "torch")):
        if importlib.util.find_spec(package):
            makers[name] = maker
    print(f"{fits} fits of {SAMPLES} samples, {STEPS} steps of Adam each, on {cores} cores")
    reference = None
    for name, maker in makers.items():
        start = time.perf_counter()
        train = maker(times, positions)
        losses = train()
        first = time.perf_counter() - start
        reference = losses if reference is None else reference
        np.testing.assert_allclose(losses, reference, rtol=1e-6, err_msg=name)
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            train()
            best = min(best, time.perf_counter() - start)
        print(f"  {name:<22}{fits / best:10.0f} fits a second, {best:.3f} s; the first time {first:.2f} s", flush=True)


if __name__ == "__main__":
    main()
