"""Value and gradient of scalar expressions: from the expression to the first answer, and by the call, beside peers.

    python tests/benchmarks/scalar_speed.py [case ...]

Peers are those that are installed: heyoka and CasADi from the SymPy expression, JAX from what `lambdify(cse=True)`
makes of it. Every one is called as its users would call it, with one vector; its gradient is compared with ours before
anything is timed. A figure is the best of several runs; on a shared machine only the ratios of one run count.
"""

from __future__ import annotations

import importlib
import sys
import time
import timeit
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import sympy as sp

import symbackprop as sb

sys.path.insert(0, str(Path(__file__).parent))
corpus = importlib.import_module("corpus")
Evaluate = Callable[[Any], tuple[float, Any]]
_PATIENCE = 400
"""JAX takes minutes over expressions of more inputs: 270 s for a product of 1,000."""


def robot_arm(joints: int) -> Any:
    """Squared distance of the tip of a planar arm from a target."""
    angles = sp.symbols(f"q:{joints}")
    turned = [sp.Add(*angles[: k + 1]) for k in range(joints)]
    return (sp.Add(*map(sp.cos, turned)) - 1) ** 2 + (sp.Add(*map(sp.sin, turned)) - 2) ** 2


def deep(n: int) -> Any:
    value: Any = sp.Symbol("x")
    for k in range(n):
        value = (sp.sin, sp.cos)[k % 2](value, evaluate=False)
    return value


CASES: dict[str, Callable[[], Any]] = {
    "Rosenbrock, 100 variables": lambda: corpus.rosenbrock(100),
    "Rosenbrock, 1,000": lambda: corpus.rosenbrock(1000),
    "product of 50": lambda: corpus.product(50),
    "product of 1,000": lambda: corpus.product(1000),
    "Helmholtz energy, 30": lambda: corpus.helmholtz(30),
    "robot arm, 7 joints": lambda: robot_arm(7),
    "network 8-16-16-1": lambda: corpus.network((8, 16, 16, 1)),
    "logistic map, 50 steps": lambda: corpus.logistic_map(50),
    "logistic map, 300 steps": lambda: corpus.logistic_map(300),
    "sin(cos(...)), 500 deep": lambda: deep(500),
}


def ours(expr: Any, symbols: list[Any]) -> Evaluate:
    return sb.compile_grad(expr, [tuple(symbols)], args=[tuple(symbols)]).value_and_grad


def heyoka(expr: Any, symbols: list[Any]) -> Evaluate:
    import heyoka as hy

    own = [hy.expression(symbol.name) for symbol in symbols]
    # It takes no fraction whose denominator is not a power of two.
    fractions = {r: sp.Float(r, 17) for r in expr.atoms(sp.Rational) if r.q & (r.q - 1)}
    made = hy.from_sympy(expr.xreplace(fractions))
    tensors = hy.diff_tensors([made], diff_args=own, diff_order=1)
    function = hy.cfunc([made, *tensors.gradient], vars=own)
    out = np.empty(len(symbols) + 1)

    def call(x: Any) -> tuple[float, Any]:
        function(x, outputs=out)
        return out[0], out[1:]

    return call


def casadi(expr: Any, symbols: list[Any]) -> Evaluate:
    import casadi as ca

    x = ca.SX.sym("x", len(symbols))
    names = {"sin": ca.sin, "cos": ca.cos, "log": ca.log, "exp": ca.exp, "tanh": ca.tanh, "sqrt": ca.sqrt}
    value = sp.lambdify(symbols, expr, modules=[names], cse=True)(*[x[k] for k in range(len(symbols))])
    function = ca.Function("f", [x], [value, ca.gradient(value, x)])
    buffer, evaluate = function.buffer()
    given, result, gradient = np.empty(len(symbols)), np.empty(1), np.empty(len(symbols))
    buffer.set_arg(0, memoryview(given))
    buffer.set_res(0, memoryview(result))
    buffer.set_res(1, memoryview(gradient))

    def call(at: Any) -> tuple[float, Any]:
        given[:] = at
        evaluate()
        # The buffers live as long as the function that fills them.
        assert buffer is not None
        return result[0], gradient

    return call


def jax(expr: Any, symbols: list[Any]) -> Evaluate:
    import jax

    jax.config.update("jax_enable_x64", True)
    value = sp.lambdify(symbols, expr, modules="jax", cse=True)
    function = jax.jit(jax.value_and_grad(lambda v: value(*v)))
    return lambda x: jax.block_until_ready(function(x))  # type: ignore[no-any-return]


PEERS = [peer for peer in (heyoka, casadi, jax) if find_spec(peer.__name__)]


def measured(
    make: Callable[[Any, list[Any]], Evaluate], expr: Any, symbols: list[Any], x: Any
) -> tuple[float, float, Any]:
    """Seconds to the first answer, microseconds a call, and the gradient."""
    start = time.perf_counter()
    function = make(expr, symbols)
    gradient = np.array(function(x)[1], dtype=float).ravel()
    first = time.perf_counter() - start
    count = max(5, int(0.02 / max(1e-7, timeit.timeit(lambda: function(x), number=5) / 5)))
    each = min(timeit.repeat(lambda: function(x), number=count, repeat=7)) / count
    return first, each * 1e6, gradient


def main() -> None:
    # SymPy's own functions recurse to the depth of an expression.
    sys.setrecursionlimit(20_000)
    ours(sp.sin(corpus.x), [corpus.x])(np.ones(1))
    for name in sys.argv[1:] or CASES:
        expr = CASES[name]()
        symbols = sorted(expr.free_symbols, key=lambda s: sp.default_sort_key(s))
        x = np.random.default_rng(0).uniform(0.3, 0.7, len(symbols))
        first, each, gradient = measured(ours, expr, symbols, x)
        line = f"{name:28} ours {first:6.3f} s {each:8.2f} us"
        for peer in PEERS:
            if peer is jax and len(symbols) > _PATIENCE:
                continue
            theirs, call, other = measured(peer, expr, symbols, x)
            np.testing.assert_allclose(gradient, other, rtol=1e-8, atol=1e-12)
            line += f"   {peer.__name__} {theirs:6.3f} s {call:8.2f} us ({call / each:.1f})"
        print(line, flush=True)


if __name__ == "__main__":
    main()
