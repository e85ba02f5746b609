"""A fresh process, from its start to the first gradient: ours with the machine code of an earlier one, beside JAX's.

    python tests/benchmarks/cold_start.py [runs]

The model is the network 2-10-8-1 over 800 samples. Both processes print the sum of the gradient's entries, which is
compared first. A figure is the best of several processes, in seconds, the interpreter's own start included. Both find
the bytecode of their modules, as packages have it that were installed; without it ours take 0.2 s more.
"""

from __future__ import annotations

import importlib.util
import math
import os
import subprocess
import sys
import tempfile
import time

DATA = """
import numpy as np
rng = np.random.default_rng(0)
X, y = rng.normal(size=(800, 2)), (rng.random((800, 1)) > 0.5) * 1.0
sizes = [(2, 10), (10, 8), (8, 1)]
weights = [rng.normal(size=size) for size in sizes]
biases = [np.zeros((1, size[1])) for size in sizes]
"""
OURS = """
import sympy as sp
import symbackprop as sb
N = sp.Symbol("N", integer=True, positive=True)
inputs, target = sp.MatrixSymbol("X", N, 2), sp.MatrixSymbol("y", N, 1)
Ws = [sp.MatrixSymbol(f"W{k}", *size) for k, size in enumerate(sizes)]
bs = [sp.MatrixSymbol(f"b{k}", 1, size[1]) for k, size in enumerate(sizes)]
hidden = inputs
for W, b in zip(Ws[:-1], bs[:-1]):
    hidden = (hidden*W + sp.OneMatrix(N, 1)*b).applyfunc(sp.tanh)
scores = hidden*Ws[-1] + sp.OneMatrix(N, 1)*bs[-1]
loss = sb.binary_cross_entropy(scores.applyfunc(sb.sigmoid), target)
g = sb.compile_grad(loss, [*Ws, *bs], args=[inputs, target, *Ws, *bs])
print(sum(float(part.sum()) for part in g(X, y, *weights, *biases)))
"""
JAX = """
import jax
import jax.numpy as jnp
jax.config.update("jax_enable_x64", True)
def loss(weights, biases):
    hidden = X
    for W, b in zip(weights[:-1], biases[:-1]):
        hidden = jnp.tanh(hidden @ W + b)
    scores = hidden @ weights[-1] + biases[-1]
    return jnp.mean(jax.nn.softplus(scores) - y*scores)
print(sum(float(part.sum()) for part in jax.tree.leaves(jax.jit(jax.grad(loss, argnums=(0, 1)))(weights, biases))))
"""


def best(code: str, runs: int, environment: dict[str, str]) -> tuple[float, float]:
    """Seconds of the best run, and what the process printed."""
    times, printed = [], math.nan
    for _ in range(runs):
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-c", DATA + code], capture_output=True, text=True, check=True, env=environment
        )
        times.append(time.perf_counter() - start)
        printed = float(done.stdout)
    return min(times), printed


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": f"{folder}/bytecode", "SYMBACKPROP_CACHE": f"{folder}/code"}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        nothing_cached = {**environment, "SYMBACKPROP_CACHE": ""}
        best(OURS, 1, environment)
        first, wanted = best(OURS, runs, nothing_cached)
        ours, _ = best(OURS, runs, environment)
        print(f"ours: {first:.2f} s without a cache, {ours:.2f} s with one")
        if importlib.util.find_spec("jax"):
            best(JAX, 1, environment)
            jax, found = best(JAX, runs, environment)
            assert math.isclose(found, wanted, rel_tol=1e-9, abs_tol=1e-9), (found, wanted)
            print(f"JAX:  {jax:.2f} s")


if __name__ == "__main__":
    main()
