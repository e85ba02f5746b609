"""Products of matrices in tiles: right for every size around theirs, transposed or not, and alike in every batch."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop import compile_function
from symbackprop.emit.llvm_memory import Unit
from symbackprop.emit.llvm_tiles import rows
from symbackprop.jit.native import width

m, n, k = sp.symbols("m n k", integer=True, positive=True)
A, A_T = sp.MatrixSymbol("A", m, k), sp.MatrixSymbol("A", k, m)
B, B_T = sp.MatrixSymbol("B", k, n), sp.MatrixSymbol("B", n, k)
FORMS = {"A*B": A * B, "A.T*B": A_T.T * B, "A*B.T": A * B_T.T, "A.T*B.T": A_T.T * B_T.T}
DTYPES = ("float64", "float32")


def tall(dtype: str) -> int:
    return rows(Unit({}, dtype, width(dtype)))


def multiplied(form: str, dtype: str) -> Any:
    """The product as a function of two matrices that are not transposed."""
    function = compile_function(FORMS[form], backend="numba", dtype=dtype, cache=False)
    assert function.route == "direct"
    flipped = ["A.T" in form, "B.T" in form]

    def call(*given: Any, **more: Any) -> Any:
        laid = [np.ascontiguousarray(x.T if flip else x) for x, flip in zip(given, flipped, strict=True)]
        return function(*laid, **more)

    return call


def drawn(shape: tuple[int, int, int], dtype: str) -> tuple[Any, Any]:
    rng = np.random.default_rng(shape)
    return rng.normal(size=shape[:2]).astype(dtype), rng.normal(size=shape[1:]).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
def test_a_product_is_right_whatever_its_size(form: str, dtype: str) -> None:
    call, tile, lanes = multiplied(form, dtype), tall(dtype), width(dtype)
    heights = (1, tile - 1, tile, tile + 1, 3 * tile + 2)
    widths = (1, 2, lanes - 1, lanes, lanes + 1, 2 * lanes - 1, 2 * lanes, 2 * lanes + 1, 5 * lanes + 3)
    for rows_, depth, columns in itertools.product(heights, (0, 1, 2, 3, 255, 256, 257, 600), widths):
        a, b = drawn((rows_, depth, columns), dtype)
        exact = a.astype(np.longdouble) @ b.astype(np.longdouble)
        # Every sum of so many terms rounds as often, and its products are fused with that or round once more.
        bound = (depth + 2) * np.finfo(dtype).eps * (np.abs(a).astype(np.longdouble) @ np.abs(b))
        assert (np.abs(call(a, b) - exact) <= bound).all(), (rows_, depth, columns)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
def test_a_sample_has_the_same_bits_in_every_batch(form: str, dtype: str) -> None:
    call, tile = multiplied(form, dtype), tall(dtype)
    a, b = drawn((4 * tile, 300, 21), dtype)
    whole = call(a, b)
    for count in range(tile, 4 * tile):
        assert np.array_equal(call(a[:count], b), whole[:count])
        assert np.array_equal(call(a[-count:], b), whole[-count:])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("form", FORMS)
def test_nothing_is_written_beside_the_result(form: str, dtype: str) -> None:
    call, tile = multiplied(form, dtype), tall(dtype)
    for rows_, columns in itertools.product((tile, tile + 5), (2, 7, 19, 37)):
        a, b = drawn((rows_, 40, columns), dtype)
        memory = np.full(rows_ * columns + 200, 7.0, dtype)
        out = memory[100:-100].reshape(rows_, columns)
        call(a, b, out=out)
        np.testing.assert_allclose(out, a @ b, rtol=0, atol=1e-4)
        assert (memory[:100] == 7.0).all() and (memory[-100:] == 7.0).all()


@pytest.mark.parametrize("first", FORMS)
@pytest.mark.parametrize("second", FORMS)
def test_a_module_may_have_products_of_two_kinds(first: str, second: str) -> None:
    """All square here, so that the two go with each other."""
    size = 2 * tall("float64") + 1
    C, D = (sp.MatrixSymbol(name, m, m) for name in "CD")  # noqa: N806
    forms = {"A*B": C * D, "A.T*B": C.T * D, "A*B.T": C * D.T, "A.T*B.T": C.T * D.T}
    both = compile_function([forms[first], forms[second].applyfunc(sp.exp)], backend="numba", cache=False)
    c, d = (x / size for x in drawn((size, size, size), "float64"))
    numbers = {"A*B": c @ d, "A.T*B": c.T @ d, "A*B.T": c @ d.T, "A.T*B.T": c.T @ d.T}
    one, other = both(C=c, D=d)
    np.testing.assert_allclose(one, numbers[first], atol=1e-14)
    np.testing.assert_allclose(other, np.exp(numbers[second]), atol=1e-14)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_stays_in_its_row_and_column(bad: float) -> None:
    call, tile = multiplied("A*B", "float64"), tall("float64")
    a, b = drawn((2 * tile + 1, 270, 23), "float64")
    plain = call(a, b)
    a[tile, 3] = b[200, 5] = bad
    found = call(a, b)
    touched = np.zeros(plain.shape, bool)
    touched[tile], touched[:, 5] = True, True
    assert not np.isfinite(found[touched]).any()
    assert np.array_equal(found[~touched], plain[~touched])
