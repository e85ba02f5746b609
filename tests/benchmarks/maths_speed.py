"""Nanoseconds a term of a sum over 4,096 numbers: our elementary functions, in lanes, and the C library's.

python tests/benchmarks/maths_speed.py [names]
"""

from __future__ import annotations

import sys
import timeit
from unittest import mock

import numpy as np
import sympy as sp
from sympy.codegen.cfunctions import exp2, hypot, log2, log10

from symbackprop import compile_function
from symbackprop.emit import llvm_values

N, i = sp.Symbol("N", integer=True, positive=True), sp.Symbol("i", integer=True)
X, Y = sp.IndexedBase("X", shape=(N,), real=True), sp.IndexedBase("Y", shape=(N,), real=True)
x, y = X[i], Y[i]
MODELS = {
    "exp": sp.exp(x), "expm1": sp.exp(x) - 1, "log": sp.log(x), "log1p": sp.log(1 + x), "pow": x**y,
    "hypot": hypot(x, y), "sinh": sp.sinh(x), "cosh": sp.cosh(x), "tanh": sp.tanh(x), "asinh": sp.asinh(x),
    "acosh": sp.acosh(x + 1), "atanh": sp.atanh(x), "exp2": exp2(x), "log2": log2(x), "log10": log10(x),
    "sin": sp.sin(x), "cos": sp.cos(x), "tan": sp.tan(x), "asin": sp.asin(x), "acos": sp.acos(x), "atan": sp.atan(x),
    "atan2": sp.atan2(y, x), "erf": sp.erf(x), "erfc": sp.erfc(x),
}  # fmt: skip


def nanoseconds(model: sp.Expr, names: dict[str, object], dtype: str) -> float:
    """With those of our functions alone that are given."""
    arguments = [base for base in (X, Y) if model.has(base)]
    with mock.patch.object(llvm_values, "FUNCTIONS", names):
        function = compile_function(sp.Sum(model, (i, 0, N - 1)), args=arguments, dtype=dtype)
        columns = [np.random.default_rng(k).uniform(0.01, 0.99, 4096).astype(dtype) for k in range(len(arguments))]
        function(*columns)
    assert function.route == "direct"
    return min(timeit.repeat(lambda: function(*columns), number=200, repeat=7)) / 200 / 4096 * 1e9


def main() -> None:
    for name in sys.argv[1:] or MODELS:
        figures = [
            nanoseconds(MODELS[name], names, dtype)
            for dtype in ("float64", "float32")
            for names in (dict(llvm_values.FUNCTIONS), {})
        ]
        print(
            "{:6} ours {:5.2f}  libm {:5.2f}   float32: ours {:5.2f}  libm {:5.2f}".format(name, *figures), flush=True
        )


if __name__ == "__main__":
    main()
