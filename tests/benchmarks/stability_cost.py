"""What accuracy costs: operations and time with and without the passes for it, on the models of the corpus.

Run ``python tests/benchmarks/stability_cost.py``. Each model is compiled twice, once as it is and once with the passes
`stabilise` and `removable` left out; both answers are compared before either is timed. Times are ratios of two calls in
one run, the median of several rounds that take turns.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import sympy as sp

from symbackprop import compile_grad, sigmoid, softmax, softplus

ROUNDS, BURST = 15, 2e-3
SAMPLES = 1000


@contextmanager
def as_written() -> Iterator[None]:
    """The compiler without its passes for accuracy."""
    with (
        patch("symbackprop.compiler.stabilise", lambda graph: graph),
        patch("symbackprop.compiler.removable", lambda graph: graph),
    ):
        yield


def scalars() -> dict[str, Any]:
    """Plain models of one sample: what people train and fit by the thousand."""
    x, y, w, b, k, t = sp.symbols("x y w b k t")
    v = sp.symbols("v:6")
    r = sp.sqrt(sum((v[i] - v[i + 3]) ** 2 for i in range(3)))
    hidden = [sp.tanh(v[i] * x + v[i + 3]) for i in range(3)]
    return {
        "linear regression": (w * x + b - y) ** 2,
        "logistic regression": -y * sp.log(1 / (1 + sp.exp(-w * x - b)))
        - (1 - y) * sp.log(1 - 1 / (1 + sp.exp(-w * x - b))),
        "2-3-1 network": (sum(hidden) - y) ** 2,
        "damped oscillation": (sp.exp(-b * t) * sp.cos(k * t) - y) ** 2,
        "exponential decay": (w * sp.exp(-k * t) + b - y) ** 2,
        "Lennard-Jones pair": 4 * (r**-12 - r**-6),
        "Rosenbrock": sum(100 * (v[i + 1] - v[i] ** 2) ** 2 + (1 - v[i]) ** 2 for i in range(5)),
        "Lorentzian": (w / (1 + ((x - b) / k) ** 2) - y) ** 2,
        "Gaussian peak": (w * sp.exp(-(((x - b) / k) ** 2) / 2) - y) ** 2,
        "naive sinc": sp.sin(x) / x,
        "naive versine": (1 - sp.cos(x)) / x**2,
    }


def matrices() -> dict[str, tuple[Any, list[Any]]]:
    """Networks over a batch."""
    n = sp.Symbol("N", integer=True, positive=True)
    x, y = sp.MatrixSymbol("X", n, 10), sp.MatrixSymbol("Y", n, 4)
    w1, w2 = sp.MatrixSymbol("W1", 10, 16), sp.MatrixSymbol("W2", 16, 4)
    z = sp.Lambda(sp.Symbol("z"), sp.tanh(sp.Symbol("z")))
    hidden = (x * w1).applyfunc(z)
    output = hidden * w2
    residual = output - y
    return {
        "10-16-4 network": (sp.Trace(residual.T * residual) / n, [w1, w2]),
        "10-16-4 sigmoid": (sp.Trace((sigmoid(output) - y).T * (sigmoid(output) - y)) / n, [w1, w2]),
        "10-4 softmax": (
            sp.Trace((softmax(x * sp.MatrixSymbol("V", 10, 4)) - y).T * y) / n,
            [sp.MatrixSymbol("V", 10, 4)],
        ),
        "10-4 softplus": (sp.Trace(softplus(x * sp.MatrixSymbol("V", 10, 4)).T * y) / n, [sp.MatrixSymbol("V", 10, 4)]),
    }


def burst(call: Callable[[], Any], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start) / calls


def race(one: Callable[[], Any], other: Callable[[], Any]) -> float:
    """How many times as long the first takes."""
    calls = max(1, int(BURST / max(burst(one, 3), 1e-7)))
    return statistics.median(burst(one, calls) / burst(other, calls) for _ in range(ROUNDS))


def compare(name: str, compiled: Callable[[], Any], arguments: tuple[Any, ...]) -> float:
    ours = compiled()
    with as_written():
        plain = compiled()
    flat = [
        np.concatenate([np.ravel(g) for g in [f.value_and_grad(*arguments)[0], *f(*arguments)]]) for f in (ours, plain)
    ]
    # Rounding of models that are well conditioned where they are drawn.
    np.testing.assert_allclose(flat[0], flat[1], rtol=1e-8, atol=1e-10)
    counts = [f.stats["value_and_grad"] for f in (ours, plain)]
    ratio = race(lambda: ours.value_and_grad(*arguments), lambda: plain.value_and_grad(*arguments))
    print(f"{name:<22} {ours.stats['value']:>7} {plain.stats['value']:>7} {counts[0]:>7} {counts[1]:>7}  {ratio:5.2f}")
    return ratio


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backend", choices=("numpy", "numba"), default="numpy")
    backend = parser.parse_args().backend
    rng = np.random.default_rng(0)
    print(f"{backend}: value and gradient over {SAMPLES} samples; operations in additions, time as a ratio")
    print(f"{'model':<22} {'value':>7} {'plain':>7} {'both':>7} {'plain':>7}  time")
    for name, expr in scalars().items():
        symbols = sorted(expr.free_symbols, key=str)
        columns = tuple(rng.uniform(0.2, 1.5, SAMPLES) for _ in symbols)
        compare(name, lambda e=expr, s=symbols: compile_grad(e, s, args=s, backend=backend), columns)
    for name, (expr, wrt) in matrices().items():
        probe = compile_grad(expr, wrt, backend=backend)
        shapes = {
            a.name: tuple(SAMPLES if isinstance(d, str) else d for d in a.shape) for a in probe.signature.arguments
        }
        arrays = tuple(rng.uniform(-0.5, 0.5, shapes[name_]) for name_ in probe.args)
        compare(name, lambda e=expr, w=wrt: compile_grad(e, w, backend=backend), arrays)


if __name__ == "__main__":
    main()
