"""Value and gradient of models over a batch, beside JAX: microseconds a call.

    python tests/benchmarks/batch_speed.py

Both are called as their users would call them, JAX vectorised and jitted, one thread or as many as it takes. Gradients
are compared before anything is timed; a figure is the best of several runs, and only the ratios of one run count.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import sympy as sp

import symbackprop as sb

N = sp.Symbol("N", integer=True, positive=True)
x, y, t, w, a, b, omega, phase = sp.symbols("x y t w a b omega phase", real=True)
Case = tuple[sb.CompiledFunction, list[Any], Callable[..., Any]]


def linear() -> Case:
    g = sb.compile_grad((w * x - y) ** 2, [w], args=[w, x, y], batch=[x, y], reduce="mean")
    xs, noise = np.random.default_rng(0).normal(size=(2, 10_000))
    return g, [1.0, xs, 2 * xs + noise], lambda w, x, y: ((w * x - y) ** 2).mean()


def oscillator() -> Case:
    import jax.numpy as jnp

    model = (a * sp.exp(-b * t) * sp.cos(omega * t + phase) - y) ** 2
    g = sb.compile_grad(
        model, [a, b, omega, phase], args=[a, b, omega, phase, t, y], batch=[t, y], reduce="mean"
    )  # fmt: skip
    ts = np.linspace(0, 10, 10_000)
    values = [1.0, 0.3, 2.0, 0.1, ts, np.random.default_rng(0).normal(size=10_000)]
    return g, values, lambda a, b, w, p, t, y: ((a * jnp.exp(-b * t) * jnp.cos(w * t + p) - y) ** 2).mean()


def polynomial() -> Case:
    c = sp.symbols("c0:9")
    model = (sum(c[k] * x**k for k in range(9)) - y) ** 2
    g = sb.compile_grad(model, [c], args=[c, x, y], batch=[x, y], reduce="mean")
    rng = np.random.default_rng(0)
    values = [np.ones(9), rng.uniform(-1, 1, 100_000), rng.normal(size=100_000)]
    return g, values, lambda c, x, y: ((sum(c[k] * x**k for k in range(9)) - y) ** 2).mean()


def logistic() -> Case:
    import jax.numpy as jnp

    X, Y, v = sp.MatrixSymbol("X", N, 20), sp.MatrixSymbol("Y", N, 1), sp.MatrixSymbol("v", 20, 1)
    g = sb.compile_grad(sb.binary_cross_entropy(X * v, Y, from_logits=True), [v], args=[v, X, Y])
    rng = np.random.default_rng(0)
    values = [rng.normal(size=(20, 1)), rng.normal(size=(10_000, 20)), (rng.normal(size=(10_000, 1)) > 0) * 1.0]
    return g, values, lambda v, X, Y: (jnp.logaddexp(0.0, X @ v) - Y * (X @ v)).mean()


def two_moons(activation: Any, theirs: Callable[[Any], Any], dtype: str = "float64") -> Case:
    """A network 2-10-8-1 over 800 samples."""
    import jax.numpy as jnp

    X, Y = sp.MatrixSymbol("X", N, 2), sp.MatrixSymbol("Y", N, 1)
    shapes = {"W1": (2, 10), "b1": (1, 10), "W2": (10, 8), "b2": (1, 8), "W3": (8, 1), "b3": (1, 1)}
    W1, b1, W2, b2, W3, b3 = parameters = [sp.MatrixSymbol(name, *shape) for name, shape in shapes.items()]
    A1, A2, Z = sp.MatrixSymbol("A1", N, 10), sp.MatrixSymbol("A2", N, 8), sp.MatrixSymbol("Z", N, 1)
    layers = [
        (A1, activation(sb.affine(X, W1, b1))),
        (A2, activation(sb.affine(A1, W2, b2))),
        (Z, sb.affine(A2, W3, b3)),
    ]
    loss = (layers, [sb.binary_cross_entropy(Z, Y, from_logits=True)])
    g = sb.compile_grad(loss, parameters, args=[*parameters, X, Y], dtype=dtype)
    rng = np.random.default_rng(0)
    drawn = [*[rng.normal(size=shape) for shape in shapes.values()], rng.normal(size=(800, 2))]
    values = [np.asarray(v, dtype) for v in (*drawn, (rng.normal(size=(800, 1)) > 0) * 1.0)]

    def value(W1: Any, b1: Any, W2: Any, b2: Any, W3: Any, b3: Any, X: Any, Y: Any) -> Any:
        z = theirs(theirs(X @ W1 + b1) @ W2 + b2) @ W3 + b3
        return (jnp.logaddexp(0.0, z) - Y * z).mean()

    return g, values, value


def cases() -> dict[str, Callable[[], Case]]:
    import jax
    import jax.numpy as jnp

    return {
        "linear regression, 10,000": linear,
        "damped oscillator, 10,000": oscillator,
        "polynomial of degree 8, 100,000": polynomial,
        "logistic regression, 20 x 10,000": logistic,
        "two moons, ReLU": lambda: two_moons(sb.relu, jax.nn.relu),
        "two moons, ReLU, float32": lambda: two_moons(sb.relu, jax.nn.relu, "float32"),
        "two moons, tanh": lambda: two_moons(sb.tanh, jnp.tanh),
    }


def best(function: Callable[..., Any], *values: Any) -> float:
    """Microseconds a call."""
    call = partial(function, *values)
    count = max(3, int(0.05 / max(1e-7, timeit.timeit(call, number=3) / 3)))
    return min(timeit.repeat(call, number=count, repeat=7)) / count * 1e6


def waited(function: Callable[..., Any]) -> Callable[..., Any]:
    import jax

    return lambda *values: jax.block_until_ready(function(*values))


def main() -> None:
    import jax

    jax.config.update("jax_enable_x64", True)
    for name, make in cases().items():
        g, values, peer = make()
        value, gradient = g.value_and_grad(*values)
        function = jax.jit(jax.value_and_grad(peer, argnums=tuple(range(len(gradient)))))
        theirs = [jax.numpy.asarray(value) for value in values]
        other, slopes = function(*theirs)
        # float32 rounds at 6e-8, and sums of 800 in another order.
        tolerance = 1e-9 if g.dtype == "float64" else 2e-3
        np.testing.assert_allclose(value, other, rtol=tolerance)
        for own, their in zip(gradient, slopes, strict=True):
            np.testing.assert_allclose(own, their, rtol=tolerance, atol=tolerance)
        alone, mine = best(g.value, *values), best(g.value_and_grad, *values)
        jitted = best(waited(function), *theirs)
        print(
            f"{name:34} ours {mine:8.1f} us ({mine / alone:.2f} times the value)   JAX {jitted:8.1f} us"
            f" ({jitted / mine:.1f} times as long)",
            flush=True,
        )


if __name__ == "__main__":
    main()
