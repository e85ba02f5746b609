"""Value and gradient of scalar expressions: from the expression to the first answer, and by the call, beside peers.

    python tests/benchmarks/scalar_speed.py [case ...]

Peers are those that are installed: heyoka and CasADi from the SymPy expression, JAX from what `lambdify(cse=True)`
makes of it. Every one is called as its users would call it, with one vector; its gradient is compared with ours before
anything is compared. Each figure comes out of a process of its own, which has a minute; on a shared machine only the
ratios of one run count.
"""

from __future__ import annotations

import importlib
import json
import subprocess
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
_PATIENCE = 60
"""Seconds for one figure. JAX takes 270 over a product of 1,000, and peers that walk expressions as trees never end
with those of a recurrence."""


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
    "sin(cos(...)), 2,000 deep": lambda: deep(2000),
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


PEERS = {made.__name__: made for made in (ours, heyoka, casadi, jax) if made is ours or find_spec(made.__name__)}


def symbols_of(expr: Any) -> list[Any]:
    """The symbols, each node visited once: SymPy's own walk takes a recurrence of 50 steps for a tree of 2**50."""
    seen, stack = {expr}, [expr]
    while stack:
        new = set(stack.pop().args) - seen
        seen |= new
        stack.extend(new)
    return sorted((node for node in seen if node.is_Symbol), key=lambda s: sp.default_sort_key(s))


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


def measured_here(peer: str, name: str) -> None:
    """Print the figures of one peer as JSON; what it imports, and its own first compilation, is not counted."""
    # SymPy's own functions recurse to the depth of an expression.
    sys.setrecursionlimit(20_000)
    x = sp.Symbol("x")
    PEERS[peer](sp.sin(x) + x**2, [x])(np.ones(1))
    expr = CASES[name]()
    symbols = symbols_of(expr)
    at = np.random.default_rng(0).uniform(0.3, 0.7, len(symbols))
    first, each, gradient = measured(PEERS[peer], expr, symbols, at)
    print(json.dumps([first, each, gradient.tolist()]))


def in_time(peer: str, name: str) -> list[Any] | None:
    """The figures out of a process of its own; None where they are not there in time."""
    command = [sys.executable, __file__, "--peer", peer, name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        return None
    return json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None  # type: ignore[no-any-return]


def main() -> None:
    if sys.argv[1:2] == ["--peer"]:
        measured_here(*sys.argv[2:])
        return
    for name in sys.argv[1:] or CASES:
        own = in_time("ours", name)
        assert own is not None, f"no answer of ours to {name}"
        line = f"{name:28} ours {own[0]:6.3f} s {own[1]:8.2f} us"
        for peer in list(PEERS)[1:]:
            theirs = in_time(peer, name)
            if theirs is None:
                line += f"   {peer} -"
                continue
            np.testing.assert_allclose(own[2], theirs[2], rtol=1e-8, atol=1e-12)
            line += f"   {peer} {theirs[0]:6.3f} s {theirs[1]:8.2f} us ({theirs[1] / own[1]:.1f})"
        print(line, flush=True)


if __name__ == "__main__":
    main()
