"""`out=`: gradients written into arrays that the caller keeps."""

from __future__ import annotations

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


@pytest.mark.parametrize("backend", ["numpy", "python"])
def test_results_are_written_and_returned(backend: str) -> None:
    g = compile_grad(loss, {"A": A, "x": x, "s": s}, backend=backend)
    out = {"A": np.full((3, 3), np.nan), "x": np.full((3, 1), np.nan), "s": np.full((), np.nan)}
    assert g(**POINT, out=out) is out
    value, again = g.value_and_grad(**POINT, out={name: array.copy() for name, array in out.items()})
    assert value == 72.0
    for name, expected in g(**POINT).items():
        np.testing.assert_array_equal(out[name], expected)
        np.testing.assert_array_equal(again[name], expected)


def test_a_strided_array_of_another_precision_is_filled() -> None:
    g = compile_grad(loss, x, backend="numpy")
    out = np.zeros((6, 2), np.float32)
    g(**POINT, out=out[::2, :1])
    np.testing.assert_array_equal(out[::2, :1], g(**POINT))
    assert not out[1::2].any() and not out[:, 1].any()


def test_a_symbol_called_out_is_an_argument() -> None:
    out = sp.Symbol("out")
    assert compile_grad(out**2, out, backend="numpy")(out=3.0) == 6.0


def test_values_are_written_too() -> None:
    out = np.empty((3, 1))
    assert compile_function(A * x, backend="numpy")(A=POINT["A"], x=POINT["x"], out=out) is out
    np.testing.assert_array_equal(out, POINT["A"] @ POINT["x"])


@pytest.mark.parametrize(
    ("out", "error", "words"),
    [
        ((np.zeros((3, 3)), np.zeros(3)), ShapeMismatch, r"out\[1\] has shape \(3,\), and the result has shape"),
        ((np.zeros((3, 3)),), CallError, "must hold 2 arrays"),
        ((np.zeros((3, 3)), np.zeros((3, 1), int)), CallError, "array of floats"),
        ((np.zeros((3, 3)), [0.0]), CallError, "array of floats"),
    ],
)
def test_nothing_is_written_where_a_place_does_not_fit(out: Any, error: type[Exception], words: str) -> None:
    g = compile_grad(loss, (A, x), backend="numpy")
    with pytest.raises(error, match=words):
        g(**POINT, out=out)
    assert not np.any(out[0])
