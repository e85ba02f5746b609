"""`out=`: gradients written into arrays that the caller keeps."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop import compile_function, compile_grad
from symbackprop.errors import CallError, ShapeMismatch

n = sp.Symbol("n", integer=True, positive=True)
A, x, s = sp.MatrixSymbol("A", n, n), sp.MatrixSymbol("x", n, 1), sp.Symbol("s")
loss = s * (x.T * A * x)
POINT = {"A": np.arange(9.0).reshape(3, 3), "x": np.ones((3, 1)), "s": 2.0}


every_backend = pytest.mark.parametrize("backend", ["numpy", "python", "numba"])


@every_backend
def test_results_are_written_and_returned(backend: str) -> None:
    g = compile_grad(loss, {"A": A, "x": x, "s": s}, backend=backend)
    out = {"A": np.full((3, 3), np.nan), "x": np.full((3, 1), np.nan), "s": np.full((), np.nan)}
    assert g(**POINT, out=out) is out
    value, again = g.value_and_grad(**POINT, out={name: array.copy() for name, array in out.items()})
    assert value == 72.0
    for name, expected in g(**POINT).items():
        np.testing.assert_array_equal(out[name], expected)
        np.testing.assert_array_equal(again[name], expected)


@every_backend
def test_a_strided_array_of_another_precision_is_filled(backend: str) -> None:
    g = compile_grad(loss, x, backend=backend)
    out = np.zeros((6, 2), np.float32)
    g(**POINT, out=out[::2, :1])
    np.testing.assert_array_equal(out[::2, :1], g(**POINT))
    assert not out[1::2].any() and not out[:, 1].any()


@every_backend
def test_a_symbol_called_out_is_an_argument(backend: str) -> None:
    out = sp.Symbol("out")
    assert compile_grad(out**2, out, backend=backend)(out=3.0) == 6.0


@every_backend
def test_values_are_written_too(backend: str) -> None:
    out = np.empty((3, 1))
    assert compile_function(A * x, backend=backend)(A=POINT["A"], x=POINT["x"], out=out) is out
    np.testing.assert_array_equal(out, POINT["A"] @ POINT["x"])


@every_backend
@pytest.mark.parametrize(
    ("out", "error", "words"),
    [
        ((np.zeros((3, 3)), np.zeros(3)), ShapeMismatch, r"out\[1\] has shape \(3,\), and the result has shape"),
        ((np.zeros((3, 3)),), CallError, "must hold 2 arrays"),
        ((np.zeros((3, 3)), np.zeros((3, 1), int)), CallError, "array of floats"),
        ((np.zeros((3, 3)), [0.0]), CallError, "array of floats"),
    ],
)
def test_nothing_is_written_where_a_place_does_not_fit(
    out: Any, error: type[Exception], words: str, backend: str
) -> None:
    g = compile_grad(loss, (A, x), backend=backend)
    with pytest.raises(error, match=words):
        g(**POINT, out=out)
    assert not np.any(out[0])


def test_machine_code_fills_the_arrays_themselves() -> None:
    g = compile_grad(loss, [A, (x, s)], dtype="float32")
    out: Any = [np.empty((3, 3), np.float32), (np.empty((3, 1), np.float32), np.empty((), np.float32))]
    g.value_and_grad(**POINT, out=out)
    wanted = g(**POINT)
    np.testing.assert_array_equal(out[0], wanted[0])
    np.testing.assert_array_equal(out[1][0], wanted[1][0])
    assert out[1][1] == wanted[1][1]


def test_nothing_is_allocated_for_a_gradient_that_has_its_array() -> None:
    z, k = sp.IndexedBase("z", shape=(n,)), sp.Symbol("k", integer=True)
    g = compile_grad(sp.Sum(sp.sin(z[k]) ** 2, (k, 0, n - 1)), z)
    given = np.linspace(0, 1, 1_000_000)
    out = np.empty_like(given)
    g(given, out=out)
    tracemalloc.start()
    g.value_and_grad(given, out=out)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    np.testing.assert_array_equal(out, g(given))
    assert most < 20_000


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_an_argument_may_be_the_place_of_the_result(backend: str) -> None:
    """The gradient reads all of x after it has written a part of it: what shares memory is not filled in place."""
    g = compile_grad(loss, [A, x], backend=backend)
    wanted = g(**POINT)
    at = {"A": POINT["A"].copy(), "x": POINT["x"].copy(), "s": 2.0}
    g(**at, out=[at["A"], at["x"]])
    np.testing.assert_array_equal(at["A"], wanted[0])
    np.testing.assert_array_equal(at["x"], wanted[1])
    both = np.empty((3, 3))
    g(**POINT, out=[both, both[:, :1]])
    np.testing.assert_array_equal(both[:, :1], wanted[1])


def test_arrays_passed_for_scalars_are_written_too() -> None:
    g = compile_grad(sp.sin(s), s)
    out = np.empty(4)
    g(np.arange(4.0), out=out)
    np.testing.assert_array_equal(out, g(np.arange(4.0)))
