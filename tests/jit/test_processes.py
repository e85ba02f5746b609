"""Compiled functions in threads, on small stacks, and after a fork."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb

n, m, i = sp.symbols("n m i", integer=True)
z = sp.IndexedBase("z")
X, Y = sp.MatrixSymbol("X", n, m), sp.MatrixSymbol("Y", m, n)


def test_threads_that_call_first_at_once() -> None:
    g = sb.compile_grad(sp.Sum(sp.cos(z[i]), (i, 0, n - 1)), z)
    found: list[Any] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        found.append(g(np.arange(5.0)))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    np.testing.assert_allclose(found, [-np.sin(np.arange(5.0))] * 4, rtol=1e-15)


def longest_pause(call: Callable[[], Any]) -> tuple[float, float]:
    """How long a call in a thread takes, and the longest time that this thread did not run meanwhile."""
    spent = [0.0]

    def work() -> None:
        start = time.perf_counter()
        call()
        spent[0] = time.perf_counter() - start

    thread = threading.Thread(target=work)
    thread.start()
    last, longest = time.perf_counter(), 0.0
    while thread.is_alive():
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    thread.join()
    return spent[0], longest


@pytest.mark.parametrize("kind", ["loop", "product"])
def test_a_long_call_gives_up_the_lock(kind: str) -> None:
    if kind == "loop":
        g = sb.compile_function(sp.Sum(sp.sin(z[i]) ** 2, (i, 0, n - 1)), args=[z])
        args: list[Any] = [np.linspace(0.0, 1.0, 40_000_000)]
    else:
        g = sb.compile_function(X * Y, args=[X, Y])
        args = [np.ones((1500, 1500)), np.ones((1500, 1500))]
    g(*[array[:2] if kind == "loop" else array[:2, :2] for array in args])
    attempts = [longest_pause(lambda: g(*args)) for _ in range(3)]
    # The machine may be busy with others; with the lock kept, the pause is the whole call each time.
    assert min(pause / spent for spent, pause in attempts) < 0.5, attempts


def test_a_small_stack_is_enough() -> None:
    """Thirty layers of 32 by 32, whose arrays are 700 kB, in a thread of 256 KiB."""
    weights, h = [sp.MatrixSymbol(f"W{k}", 32, 32) for k in range(30)], sp.MatrixSymbol("h", 32, 32)
    layer = h
    for weight in weights:
        layer = (weight * layer).applyfunc(sp.tanh)
    g = sb.compile_grad(sb.Total(layer), weights)
    given = {weight.name: np.eye(32) / 2 for weight in weights} | {"h": np.eye(32)}
    want = g(**given)
    found: list[Any] = []
    before = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=lambda: found.append(g(**given)))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    np.testing.assert_array_equal(found[0], want)


FORK = """
import os
import sympy as sp
from symbackprop import compile_grad

x = sp.Symbol("x")
g = compile_grad(sp.sin(x) ** 2, x)
want = g(0.3)
child = os.fork()
if not child:
    os._exit(0 if g(0.3) == want and compile_grad(x**2, x)(3.0) == 6.0 else 1)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_function_works_after_fork() -> None:
    """In a process of its own: other tests have libraries loaded that do not survive a fork."""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
