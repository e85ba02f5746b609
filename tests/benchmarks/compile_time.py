"""How long the compiler itself takes: expression to emitted source, Numba's own time apart.

    python tests/benchmarks/compile_time.py [--million]

Prints the time and memory of each case, beside SymPy's own route (diff, cse and lambdify of value and gradient) where
that finishes in reasonable time. Before anything is timed, the gradient is compared with SymPy's. With ``--million`` a
chain of 1,000,000 sines, built with evaluate=False, goes through every stage (about 5 GB of memory).
"""

from __future__ import annotations

import importlib
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp

import symbackprop as sb
from symbackprop.compiler import Request, compile_request
from symbackprop.options import Options

sys.path.insert(0, str(Path(__file__).parent))
corpus = importlib.import_module("corpus")

# SymPy's route is quadratic in the number of inputs; beyond this many it takes minutes.
_PEER_INPUTS = 101


def ours(expr: Any, target: str = "numba") -> tuple[float, Any]:
    start = time.perf_counter()
    compiled = compile_request(Request(expr, options=Options(target)))
    return time.perf_counter() - start, compiled


def sympy_route(expr: Any, symbols: list[Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    replacements = [expr, *[expr.diff(symbol) for symbol in symbols]]
    function = sp.lambdify(symbols, replacements, cse=True)
    return time.perf_counter() - start, function


def compare(name: str, expr: Any) -> None:
    best, compiled = min((ours(expr) for _ in range(3)), key=lambda pair: pair[0])
    symbols = [sp.Symbol(argument.name) for argument in compiled.signature.arguments]
    line = f"{name:28} {compiled.stats['operations']['value']:>7} operations  {best * 1e3:9.1f} ms"
    if len(symbols) <= _PEER_INPUTS:
        theirs, function = sympy_route(expr, symbols)
        point = np.random.default_rng(0).uniform(0.3, 0.7, len(symbols))
        gradient = sb.compile_grad(expr, symbols, backend="numpy", args=symbols)(*point)
        np.testing.assert_allclose(gradient, function(*point)[1:], rtol=1e-9)
        line += f"   SymPy diff+cse+lambdify {theirs * 1e3:9.1f} ms ({theirs / best:.1f} times as long)"
    print(line, flush=True)


def chain(n: int) -> None:
    x = sp.Symbol("x")
    expr = x
    start = time.perf_counter()
    for _ in range(n):
        expr = sp.sin(expr, evaluate=False)
    built = time.perf_counter() - start
    seconds, compiled = ours(expr, "python")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"chain of {n:>9,} sines: {seconds:6.1f} s for {len(compiled.source) / 1e6:6.1f} MB of source,"
        f" peak {peak:6.0f} MB (SymPy built it in {built:.1f} s)",
        flush=True,
    )


def main() -> None:
    ours(sp.Symbol("x") ** 2)
    compare("Rosenbrock, 12", corpus.rosenbrock(12))
    compare("Rosenbrock, 100", corpus.rosenbrock(100))
    compare("Helmholtz energy, 30", corpus.helmholtz(30))
    compare("network 8-16-16-1", corpus.network((8, 16, 16, 1)))
    compare("Rosenbrock, 2,500", corpus.rosenbrock(2500))
    for n in (1_000, 10_000, 100_000, *((1_000_000,) if "--million" in sys.argv else ())):
        chain(n)


if __name__ == "__main__":
    main()
