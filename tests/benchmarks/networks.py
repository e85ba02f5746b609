"""Value and gradient of classifiers of digits, beside NumPy by hand, JAX and PyTorch: microseconds a call.

    python tests/benchmarks/networks.py

A network 64-32-10 in float64 over a batch of 64 and over a whole set of 1,797 samples, and one of 784-128-10 in float32
over 128; ReLU and softmax cross-entropy. One thread each. Answers are compared with those of NumPy before anything is
timed; the competitors take turns, and a figure is the median over rounds (see `arrays.py`, whose networks these are).
"""

# Matrices have upper-case names here, as in the models.
# ruff: noqa: N806

from __future__ import annotations

import timeit
from typing import Any

import arrays
import jax
import jax.numpy as jnp
import numpy as np
import sympy as sp
import torch

import symbackprop as sb

CASES = (((64, 32, 10), 64, "float64"), ((64, 32, 10), 1797, "float64"), ((784, 128, 10), 128, "float32"))
# Sums of up to 1,797 products of order 1, in different orders.
RTOL = {"float64": 1e-10, "float32": 1e-3}


def compiled(sizes: tuple[int, int, int], dtype: str) -> sb.CompiledFunction:
    N = sp.Symbol("N", integer=True, positive=True)
    inputs, hidden, outputs = sizes
    X, Y = sp.MatrixSymbol("X", N, inputs), sp.MatrixSymbol("Y", N, outputs)
    W1, b1 = sp.MatrixSymbol("W1", inputs, hidden), sp.MatrixSymbol("b1", 1, hidden)
    W2, b2 = sp.MatrixSymbol("W2", hidden, outputs), sp.MatrixSymbol("b2", 1, outputs)
    A, P = sp.MatrixSymbol("A", N, hidden), sp.MatrixSymbol("P", N, outputs)
    steps = [(A, sb.relu(sb.affine(X, W1, b1))), (P, sb.affine(A, W2, b2))]
    parameters = [W1, b1, W2, b2]
    return sb.compile_grad(
        (steps, [sb.cross_entropy(P, Y)]), parameters, args=[*parameters, X, Y], dtype=dtype
    )  # fmt: skip


def drawn(sizes: tuple[int, int, int], samples: int, dtype: str) -> list[Any]:
    rng = np.random.default_rng(samples)
    inputs, hidden, outputs = sizes
    shapes = [(inputs, hidden), (1, hidden), (hidden, outputs), (1, outputs)]
    weights = [rng.normal(0.0, shape[0] ** -0.5, shape) for shape in shapes]
    targets = np.eye(outputs)[rng.integers(0, outputs, samples)]
    return [array.astype(dtype) for array in (*weights, rng.normal(size=(samples, inputs)), targets)]


def competitors(values: list[Any]) -> dict[str, Any]:
    given = [jnp.asarray(value) for value in values]
    jitted = jax.jit(jax.value_and_grad(arrays.jax_64_32_10, argnums=(0, 1, 2, 3)))
    leaves = [torch.tensor(value, requires_grad=number < 4) for number, value in enumerate(values)]

    def by_torch() -> Any:
        value = arrays.torch_64_32_10(*leaves)
        return value.detach(), torch.autograd.grad(value, leaves[:4])

    return {
        "NumPy": lambda: arrays.hand_64_32_10(*values),
        "JAX": lambda: jax.block_until_ready(jitted(*given)),
        "PyTorch": by_torch,
    }


def main() -> None:
    for sizes, samples, dtype in CASES:
        function, values = compiled(sizes, dtype), drawn(sizes, samples, dtype)
        functions = competitors(values)
        functions["ours"] = lambda f=function, v=values: f.value_and_grad(*v)
        value, gradient = functions["NumPy"]()
        for name, other in functions.items():
            found, slopes = other()
            np.testing.assert_allclose(float(found), float(value), rtol=RTOL[dtype], err_msg=name)
            for mine, slope in zip(slopes, gradient, strict=True):
                bound = RTOL[dtype] * np.abs(slope).max()
                np.testing.assert_allclose(np.asarray(mine), slope, rtol=0, atol=bound, err_msg=name)
        base, ratios = arrays.race(functions)
        alone = min(timeit.repeat(lambda f=function, v=values: f.value(*v), number=20, repeat=7)) / 20
        figures = ", ".join(f"{name} {ratio * base * 1e6:.0f} us" for name, ratio in ratios.items())
        times = ratios["ours"] * base / alone
        print(
            f"{'-'.join(map(str, sizes))}, {dtype}, batch {samples}: {figures} ({times:.2f} times the value)",
            flush=True,
        )


if __name__ == "__main__":
    main()
