"""Functions of matrices on the direct route: the same answers as through Numba, singular matrices included."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb

n, k = sp.symbols("n k", integer=True)
A, B, c = sp.MatrixSymbol("A", n, n), sp.MatrixSymbol("B", n, k), sp.Symbol("c")
MODELS: dict[str, tuple[Any, list[Any]]] = {
    "quadratic form": (sp.Trace(B.T * A.I * B), [A, B]),
    "inverse": (sb.Total(A.I.applyfunc(sp.sin)), [A]),
    "logarithm of a determinant": (sp.log(sp.Determinant(A)), [A]),
    "density": (sp.Trace(B.T * A.I * B) / 2 + sp.log(sp.Determinant(A)) / 2 + c, [A, B, c]),
    "of a product": (sp.Trace((A.T * A + sp.Identity(n)).I * A), [A]),
}
FORMS = {
    "regular": lambda m: m + 2 * np.eye(len(m)),
    "symmetric": lambda m: m @ m.T + np.eye(len(m)),
    "negative determinant": lambda m: (m @ m.T + np.eye(len(m)))[::-1],
    "singular": np.zeros_like,
    "of rank one": np.ones_like,
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", MODELS)
def test_both_routes_agree(name: str, dtype: str) -> None:
    loss, wrt = MODELS[name]
    direct = sb.compile_grad(loss, wrt, args=[A, B, c], dtype=dtype)
    numpy = sb.compile_grad(loss, wrt, args=[A, B, c], dtype=dtype, backend="numpy")
    assert direct.route == "direct"
    rng = np.random.default_rng(0)
    # Both call LAPACK, perhaps two builds of it: condition numbers are below 1e3 here.
    rtol = 1e-11 if dtype == "float64" else 3e-3
    for size, columns in ((1, 1), (2, 3), (7, 1), (30, 4), (3, 0)):
        for form, make in FORMS.items():
            given = (
                make(rng.normal(size=(size, size)).astype(dtype)),
                rng.normal(size=(size, columns)).astype(dtype),
                1.5,
            )
            found, wanted = direct.value_and_grad(*given), numpy.value_and_grad(*given)
            for one, other in zip([found[0], *found[1]], [wanted[0], *wanted[1]], strict=True):
                largest = np.max(np.abs(other), initial=1.0, where=np.isfinite(other))
                np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol * largest, err_msg=f"{form} {size}")


@pytest.mark.parametrize("name", ["quadratic form", "inverse", "logarithm of a determinant", "density"])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_no_nan_is_lost(name: str, size: int) -> None:
    loss, wrt = MODELS[name]
    g = sb.compile_grad(loss, wrt, args=[A, B, c])
    rng = np.random.default_rng(2)
    for place in np.ndindex(size, size):
        matrix = rng.normal(size=(size, size)) + 3 * np.eye(size)
        matrix[place] = np.nan
        value, gradient = g.value_and_grad(matrix, rng.normal(size=(size, 2)), 1.0)
        assert np.isnan(value)
        assert np.isnan(gradient[0]).all()


def test_arguments_stay_as_they_are() -> None:
    g = sb.compile_grad(*MODELS["density"], args=[A, B, c])
    given = np.eye(4) + 0.1, np.ones((4, 2))
    copies = [array.copy() for array in given]
    g(*given, 1.0)
    g(*given, 1.0)
    assert all(np.array_equal(array, copy) for array, copy in zip(given, copies, strict=True))


def test_what_has_no_form_goes_through_numba() -> None:
    assert sb.compile_grad(sp.Determinant(A) ** 2, A).route == "njit"


@pytest.mark.parametrize("backend", ["python", "numpy", "numba"])
@pytest.mark.parametrize("mode", ["grad", "hvp"])
def test_no_determinant_raises(backend: str, mode: str) -> None:
    """NumPy's singular value decomposition and all of Numba's own linear algebra raise for what is not finite."""
    compiled = sb.compile_grad if mode == "grad" else sb.compile_hvp
    g = compiled(sp.Determinant(A) ** 2, A, backend=backend)
    direction = [np.eye(3)] if mode == "hvp" else []
    for bad in (math.nan, math.inf, -math.inf):
        for place in np.ndindex(3, 3):
            matrix = np.random.default_rng(3).normal(size=(3, 3))
            matrix[place] = bad
            value, derivative = g.value_and_grad(matrix, *direction)
            assert math.isnan(value) or not math.isnan(bad)
            assert np.isnan(derivative).all()
