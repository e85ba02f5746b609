"""Builtins of the direct route: what they take, what they leave to the door, whose memory is whose, and threads."""

from __future__ import annotations

import gc
import pickle
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb

x, y, a = sp.symbols("x y a", real=True)
n, m, i = sp.symbols("n m i", integer=True)
z, p, table = sp.IndexedBase("z"), sp.IndexedBase("p"), sp.IndexedBase("table", shape=(n, m))
X, Y = sp.MatrixSymbol("X", n, m), sp.MatrixSymbol("Y", m, n)

MODELS: dict[str, tuple[Any, list[Any], list[Any], tuple[Any, ...]]] = {
    # The loss, wrt, args, and arguments that are in order.
    "numbers": (x**2 * sp.sin(y), [x, y], [x, y], (0.5, 2.0)),
    "packed": (x**2 * sp.sin(y) * a, [(x, y)], [(x, y), a], (np.array([0.5, 2.0]), 3.0)),
    "length": (sp.Sum(sp.log(a + i), (i, 1, n)), [a], [a, n], (1.5, 4)),
    "picked": (sp.Sum(z[p[i]] ** 2, (i, 0, n - 1)), [z], [z, p], (np.arange(3.0), np.array([2, 0, 2]))),
    "matrix": (sb.Total((X * Y).applyfunc(sp.tanh)) * a, [X, a], [X, Y, a], (np.eye(2, 3), np.ones((3, 2)), 0.5)),
    "neighbours": (sp.Sum((z[i + 1] - z[i]) ** 2, (i, 0, n - 2)), [z], [z], (np.arange(4.0) ** 2,)),
}
every_model = pytest.mark.parametrize("name", MODELS)


@cache
def compiled(name: str, route: str = "direct", dtype: str = "float64") -> sb.CompiledFunction:
    loss, wrt, args, _ = MODELS[name]
    return sb.compile_grad(loss, wrt, args=args, route=route, dtype=dtype)


def warm(name: str) -> sb.CompiledFunction:
    """A function that has been called: its builtins serve."""
    g = compiled(name)
    g(*MODELS[name][3])
    g.value(*MODELS[name][3])
    assert g.route == "direct"
    assert set(g._quick) == {"value", "derivative", "both"}
    return g


def outcome(call: Callable[..., Any], *args: Any) -> Any:
    """What a call gives: a result, or the class and the text of its error."""
    try:
        return "result", call(*args)
    except Exception as error:
        return "error", type(error), str(error)


def assert_same(got: Any, want: Any) -> None:
    assert type(got) is type(want)
    if isinstance(got, list | tuple):
        assert len(got) == len(want)
        for one, other in zip(got, want, strict=True):
            assert_same(one, other)
    elif isinstance(got, np.ndarray):
        assert (got.dtype, got.shape) == (want.dtype, want.shape)
        np.testing.assert_allclose(got, want, rtol=1e-13, atol=1e-15)
    elif isinstance(got, float | np.floating):
        assert got == pytest.approx(want, rel=1e-13, nan_ok=True)
    else:
        assert got == want


class Own(np.ndarray):
    """A subclass of arrays."""


class Real(float):
    """A subclass of floats."""


class Whole(int):
    """A subclass of integers."""


NUMBERS = [
    1, 0, -3, True, 2**53 + 1, 2**70, -(2**2000), 0.25, -0.0, float("nan"), float("inf"), Real(0.5), Whole(2),
    np.float64(0.5), np.float32(0.5), np.float16(0.5), np.longdouble(0.5), np.int8(3), np.uint64(2**63), np.bool_(True),
    np.array(0.5), np.array(2), np.array([0.5]), np.array([0.5, 0.25]), [0.5, 1.5], (), Fraction(1, 3),
    sp.Rational(1, 3), sp.pi, None, "1.0", b"1", 1j, object, [None], np.array(["a"]), x,
]  # fmt: skip


@pytest.mark.parametrize("position", [0, 1])
def test_whatever_stands_for_a_number_means_the_same_as_on_the_other_route(position: int) -> None:
    g, other = warm("numbers"), compiled("numbers", "njit")
    for number in NUMBERS:
        args = [0.5, 0.5]
        args[position] = number
        assert_same(outcome(g, *args), outcome(other, *args))
        assert_same(outcome(g.value, *args), outcome(other.value, *args))
        assert_same(outcome(g.value_and_grad, *args), outcome(other.value_and_grad, *args))


def test_lengths_are_looked_over_on_every_call() -> None:
    g, other = warm("length"), compiled("length", "njit")
    for number in [
        0,
        1,
        4,
        -1,
        -2,
        -(2**62),
        2**70,
        -(2**70),
        True,
        3.0,
        None,
        "3",
        np.int8(3),
        np.int64(-1),
        Whole(2),
    ]:
        assert_same(outcome(g, 1.5, number), outcome(other, 1.5, number))
        # No error is left behind.
        assert_same(outcome(g, 1.5, 4), outcome(other, 1.5, 4))


def forms(array: np.ndarray) -> dict[str, Any]:
    """The same numbers in other layouts, types and classes."""
    wide = np.zeros((*array.shape[:-1], 2 * array.shape[-1]), array.dtype)
    wide[..., ::2] = array
    raw = np.zeros(array.nbytes + 1, np.uint8)
    crooked = raw[1:].view(array.dtype).reshape(array.shape)
    crooked[...] = array
    locked = array.copy()
    locked.flags.writeable = False
    return {
        "strided": wide[..., ::2],
        "backwards": array[::-1].copy()[::-1],
        "fortran": np.asfortranarray(array),
        "misaligned": crooked,
        "swapped": array.astype(array.dtype.newbyteorder("S")),
        "read-only": locked,
        "subclass": array.view(Own),
        "masked": np.ma.array(array),
        "metadata": array.astype(np.dtype(array.dtype.str, metadata={"of": "nothing"})),
        "long long": array.astype(np.longlong) if array.dtype.kind == "i" else array.astype(np.longdouble),
        "narrow": array.astype(np.int8 if array.dtype.kind == "i" else np.float32),
        "objects": array.astype(array.dtype if array.dtype.kind == "i" else object),
        "list": array.tolist(),
        "unpickled": pickle.loads(pickle.dumps(array)),
        "buffer": memoryview(array),
    }


@every_model
def test_arrays_of_every_form(name: str) -> None:
    g, args = warm(name), MODELS[name][3]
    want = g.value_and_grad(*args)
    for position, array in enumerate(args):
        if isinstance(array, np.ndarray):
            for form, given in forms(array).items():
                found = outcome(g.value_and_grad, *args[:position], given, *args[position + 1 :])
                assert found[0] == "result", (form, found)
                np.testing.assert_allclose(
                    np.concatenate([np.ravel(part) for part in (found[1][0], *found[1][1])]),
                    np.concatenate([np.ravel(part) for part in (want[0], *want[1])]),
                    rtol=1e-6 if form == "narrow" else 1e-13,
                )


def wrong_forms(array: np.ndarray) -> list[Any]:
    whole = array.dtype.kind == "i"
    return [
        array[None], array[..., None], array.ravel()[0], array[:0], array[..., :0], np.concatenate([array, array]),
        array.astype(complex), array.astype("datetime64[s]") if whole else array.astype(str), None, "array", 3, 0.5, [],
        [[1.0], [1.0, 2.0]], {}, array.astype(float) if whole else array > 0, array - 100, array + 100,
        array.astype(np.uint64) if whole else array.astype(np.float16),
    ]  # fmt: skip


@every_model
def test_wrong_arguments_raise_what_the_other_route_raises(name: str) -> None:
    g, other, args = warm(name), compiled(name, "njit"), MODELS[name][3]
    for position, array in enumerate(args):
        for given in wrong_forms(np.atleast_1d(array)):
            replaced = (*args[:position], given, *args[position + 1 :])
            assert_same(outcome(g, *replaced), outcome(other, *replaced))
    for count in range(len(args)):
        assert_same(outcome(g, *args[:count]), outcome(other, *args[:count]))
    assert_same(outcome(g, *args, 1.0), outcome(other, *args, 1.0))
    assert_same(outcome(g, *args, 1.0, 2.0), outcome(other, *args, 1.0, 2.0))


@pytest.mark.parametrize("at", [-1, 3, 2**62, -(2**63), 2**63 - 1])
@pytest.mark.parametrize("turn", [0, 4, 19])
def test_an_index_out_of_range_is_an_error_in_every_lane(at: int, turn: int) -> None:
    g = warm("picked")
    picked = np.zeros(20, np.int64)
    picked[turn] = at
    told = rf"out of range.*has shape \(3,\); .* holds {min(at, 0)} to {max(at, 0)}\."
    with pytest.raises(sb.OutOfRange, match=told):
        g(np.arange(3.0), picked)
    np.testing.assert_array_equal(g(np.arange(3.0), np.zeros(20, np.int64))[0], [0.0] * 3)


# Whose memory is whose.


@every_model
def test_results_are_new_and_inputs_are_left_alone(name: str) -> None:
    g, args = warm(name), MODELS[name][3]
    before = pickle.dumps(args)
    first, second = g(*args), g(*args)
    for one, other in zip(first, second, strict=True):
        if isinstance(one, np.ndarray):
            assert one.flags.owndata
            assert one.flags.writeable
            assert not np.shares_memory(one, other)
            assert not any(np.shares_memory(one, given) for given in args)
    assert pickle.dumps(args) == before


@every_model
def test_calls_leave_no_references_behind(name: str) -> None:
    g, args = warm(name), MODELS[name][3]
    bad = [*args[:-1], "no number"]
    kept = [*args, None, NotImplemented, float, np.ndarray, np.dtype(float), np.dtype(np.int64), *g._quick.values()]

    def calls(count: int) -> None:
        for _ in range(count):
            g.value(*args)
            g(*args)
            g.value_and_grad(*args)
            # The builtin itself: what it leaves to the door it refuses without an error.
            assert g._quick["both"](*bad) is NotImplemented
            assert g._quick["both"]() is NotImplemented

    calls(100)
    gc.collect()
    before = [sys.getrefcount(item) for item in kept]
    tracemalloc.start()
    calls(100)
    gc.collect()
    start = tracemalloc.get_traced_memory()[0]
    calls(10_000)
    gc.collect()
    grown = tracemalloc.get_traced_memory()[0] - start
    tracemalloc.stop()
    # Immortal objects stay; of others some may be referred to by frames and caches, not by 10,000 calls.
    grown_by = {repr(item): sys.getrefcount(item) - was for item, was in zip(kept, before, strict=True)}
    assert all(abs(count) < 50 for count in grown_by.values()), grown_by
    assert grown < 10_000


def test_errors_give_back_what_was_made() -> None:
    g = warm("picked")
    wrong = np.array([0, 1, 9])
    entry = g._quick["both"]
    large = np.zeros(10_000)
    assert type(entry(large, np.array([10_000]))) is int
    tracemalloc.start()
    start = tracemalloc.get_traced_memory()[0]
    for _ in range(1_000):
        assert type(entry(large[:3], wrong)) is int
        assert type(entry(large, np.array([10_000]))) is int
    grown = tracemalloc.get_traced_memory()[0] - start
    tracemalloc.stop()
    assert grown < 10_000


def test_a_builtin_outlives_its_function() -> None:
    g = sb.compile_grad(x**3 * sp.exp(y), [x, y])
    want = g(2.0, 0.5)
    entry = g._quick["derivative"]
    del g
    gc.collect()
    others = [sb.compile_grad(sp.sin(k * x), x) for k in range(1, 4)]
    assert [other(0.0) for other in others] == [1.0, 2.0, 3.0]
    assert entry(2.0, 0.5) == want
    del entry, others
    gc.collect()


def test_functions_come_and_go() -> None:
    for count in range(30):
        assert sb.compile_grad(x**2 + count * x, x)(1.0) == 2.0 + count
    gc.collect()


# Threads and processes.


def test_threads_share_a_function() -> None:
    g = compiled("matrix", dtype="float64")
    rng = np.random.default_rng(0)
    given = [(rng.normal(size=(k + 1, 5)), rng.normal(size=(5, k + 1)), float(k)) for k in range(8)]
    want = [g.value_and_grad(*args) for args in given]
    failures: list[BaseException] = []

    def work(k: int) -> None:
        try:
            for _ in range(300):
                value, gradient = g.value_and_grad(*given[k])
                assert_same([value, *gradient], [want[k][0], *want[k][1]])
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


@every_model
def test_pickles_work_here(name: str) -> None:
    g, args = warm(name), MODELS[name][3]
    again = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(g))))
    assert again.route == "direct"
    assert_same(again.value_and_grad(*args), g.value_and_grad(*args))
    assert_same(again(*args), g(*args))


def test_pickles_work_in_another_process_and_back() -> None:
    names = list(MODELS)
    given = pickle.dumps([(compiled(name), MODELS[name][3]) for name in names])
    text = (
        "import pickle, sys\n"
        "pairs = pickle.load(sys.stdin.buffer)\n"
        "sys.stdout.buffer.write(pickle.dumps([(g, g.value_and_grad(*args)) for g, args in pairs]))\n"
    )
    done = subprocess.run([sys.executable, "-c", text], input=given, capture_output=True, check=True, timeout=120)
    for name, (back, found) in zip(names, pickle.loads(done.stdout), strict=True):
        args = MODELS[name][3]
        assert_same(found, compiled(name).value_and_grad(*args))
        assert_same(back.value_and_grad(*args), found)
