"""`g.kernel`: machine code of the direct route in functions that Numba compiles, and as a callback in C."""

from __future__ import annotations

import gc
import math
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp
from numba import NumbaWarning, cfunc, njit
from numba.core.errors import TypingError
from scipy import LowLevelCallable
from scipy.integrate import quad

import symbackprop as sb

x, y, a = sp.symbols("x y a", real=True)
n, m, i = sp.symbols("n m i", integer=True)
z, p = sp.IndexedBase("z"), sp.IndexedBase("p")
X, Y = sp.MatrixSymbol("X", n, m), sp.MatrixSymbol("Y", m, n)

MODELS: dict[str, tuple[Any, Any, list[Any], tuple[Any, ...]]] = {
    "one number": (sp.exp(-(x**2)), x, [x], (0.5,)),
    "numbers": (x**2 * sp.sin(y), [x, y], [x, y], (0.5, 2.0)),
    "packed": (x**2 * sp.sin(y) * a, [(x, y)], [(x, y), a], (np.array([0.5, 2.0]), 3.0)),
    "length": (sp.Sum(sp.log(a + i), (i, 1, n)), [a], [a, n], (1.5, 4)),
    "picked": (sp.Sum(z[p[i]] ** 2, (i, 0, n - 1)), [z], [z, p], (np.arange(3.0), np.array([2, 0, 2]))),
    "matrix": (
        sb.Total((X * Y).applyfunc(sp.tanh)) * a,
        {"a": a, "X": X},
        [X, Y, a],
        (np.eye(2, 3), np.ones((3, 2)), 0.5),
    ),
    "nested": (x * y + a, [x, (y, [a])], [x, y, a], (1.0, 2.0, 3.0)),
}


def flat(nested: Any) -> list[Any]:
    if isinstance(nested, dict):
        nested = list(nested.values())
    return [leaf for item in nested for leaf in flat(item)] if isinstance(nested, (tuple, list)) else [nested]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", MODELS)
def test_the_kernel_gives_what_the_function_gives(name: str, dtype: str) -> None:
    loss, wrt, args, point = MODELS[name]
    g = sb.compile_grad(loss, wrt, args=args, dtype=dtype)
    kernel = g.kernel
    assert g.route == "direct"
    given = [v.astype(dtype) if isinstance(v, np.ndarray) and v.dtype.kind == "f" else v for v in point]
    for found, wanted in zip(flat(kernel(*given)), flat(g.value_and_grad(*given)), strict=True):
        assert np.array_equal(found, wanted)
        assert np.asarray(found).dtype == np.asarray(wanted).dtype or not np.ndim(wanted)


@pytest.mark.parametrize("name", ["numbers", "picked", "matrix"])
def test_the_njit_route_has_the_same_kernel(name: str) -> None:
    loss, wrt, args, point = MODELS[name]
    direct, njit_route = (sb.compile_grad(loss, wrt, args=args, route=route) for route in ("direct", "njit"))
    for found, wanted in zip(flat(direct.kernel(*point)), flat(njit_route.kernel(*point)), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-15)  # two ways to sin and tanh, 1 ulp each


def test_what_needs_casting_is_cast() -> None:
    loss, wrt, args, _ = MODELS["matrix"]
    g = sb.compile_grad(loss, wrt, args=args)
    left, right = np.arange(12).reshape(3, 4)[:, ::2], np.asfortranarray(np.arange(6).reshape(2, 3))
    for found, wanted in zip(flat(g.kernel(left, right, 2)), flat(g.value_and_grad(left, right, 2)), strict=True):
        assert np.array_equal(found, wanted)


def test_compiled_code_calls_it() -> None:
    loss, wrt, args, point = MODELS["matrix"]
    g = sb.compile_grad(loss, wrt, args=args)
    kernel = g.kernel

    @njit
    def descend(left: Any, right: Any, scale: Any, steps: Any) -> Any:
        for _ in range(steps):
            _, (by_scale, by_left) = kernel(left, right, scale)
            left = left - 0.1 * by_left
            scale -= 0.1 * by_scale
        return left, scale

    left, right, scale = point
    found, found_scale = descend(left, right, scale, 5)
    for _ in range(5):
        gradient = g(left, right, scale)
        left, scale = left - 0.1 * gradient["X"], scale - 0.1 * gradient["a"]
    np.testing.assert_allclose(found, left, rtol=1e-14)
    assert math.isclose(found_scale, scale, rel_tol=1e-14)


def test_it_is_a_callback_in_c() -> None:
    g = sb.compile_grad(sp.exp(-(x**2) * y), [x, y], args=[x, y])
    kernel = g.kernel

    @cfunc("float64(float64)")
    def bell(at: float) -> Any:
        return kernel(at, 1.0)[0]

    found, _ = quad(LowLevelCallable(bell.ctypes), 0, 2)
    assert math.isclose(found, math.sqrt(math.pi) / 2 * math.erf(2), rel_tol=1e-12)


def test_errors_are_those_of_the_function() -> None:
    g = sb.compile_grad(*MODELS["matrix"][:2], args=MODELS["matrix"][2])
    with pytest.raises(ValueError, match="must have shape"):
        g.kernel(np.ones((2, 3)), np.ones((2, 2)), 1.0)
    with pytest.raises(TypingError, match="X must have 2 axes, not 1"):
        g.kernel(np.ones(3), np.ones((3, 2)), 1.0)
    picked = sb.compile_grad(*MODELS["picked"][:2], args=MODELS["picked"][2])
    for kernel in (picked.kernel, njit(lambda a, b, k=picked.kernel: k(a, b))):
        with pytest.raises(IndexError):
            kernel(np.arange(3.0), np.array([0, 3]))
    kinked = sb.compile_grad(abs(x), x, kinks="raise")
    with pytest.raises(ValueError, match="no derivative"):
        kinked.kernel(0.0)


def test_code_outlives_its_function() -> None:
    kernel = sb.compile_grad(sp.sin(x) * y, [x, y], args=[x, y], cache=False).kernel
    gc.collect()
    assert kernel(0.5, 2.0)[0] == 2 * math.sin(0.5)


def test_numba_keeps_no_address_on_disk(tmp_path: Path) -> None:
    """A cached address would be called in another process, where something else stands."""
    module = tmp_path / "caller.py"
    module.write_text("from numba import njit\n\ndef make(kernel):\n    @njit(cache=True)\n    def call(a):\n"
                      "        return kernel(a)[0]\n    return call\n")  # fmt: skip
    scope: dict[str, Any] = {"__file__": str(module), "__name__": "caller"}
    exec(compile(module.read_text(), str(module), "exec"), scope)
    call = scope["make"](sb.compile_grad(sp.exp(x), x).kernel)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert call(0.0) == 1.0
    assert any(issubclass(w.category, NumbaWarning) and "dynamic globals" in str(w.message) for w in caught)
    assert not list(tmp_path.rglob("*.nbc"))


def test_threads_run_it_side_by_side() -> None:
    """Python's lock is released: another thread counts on while a long call runs."""
    g = sb.compile_grad(sp.Sum(sp.sin(a * z[i]) ** 2, (i, 0, n - 1)), a, args=[a, z])
    kernel, data = g.kernel, np.linspace(0, 1, 2_000_000)
    kernel(1.0, data)
    counted, done = 0, threading.Event()

    def work() -> None:
        for _ in range(20):
            kernel(1.0, data)
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not done.is_set():
        counted += 1
    thread.join()
    assert counted > 100


def test_a_long_program_costs_numba_no_more() -> None:
    """Its own front end takes 10 s for 3,000 statements; here it sees none of them."""
    xs = sp.symbols("x:60", real=True)
    g = sb.compile_grad(sp.Add(*[sp.sin(u * v) for u in xs[:30] for v in xs[30:60]]), [xs], args=[xs])
    at = np.linspace(0, 1, len(xs))
    value, (gradient,) = g.kernel(at)
    wanted, (own,) = g.value_and_grad(at)
    assert value == wanted and np.array_equal(gradient, own)
    assert len(g.kernel.signatures) == 1
    assert not g._runner.direct.natives["value_and_grad"]._hasty
