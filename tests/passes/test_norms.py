"""Norms as users write them: right everywhere, and with gradient 0 at the origin."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop import Total, compile_grad, compile_hvp

n, i = sp.symbols("n i", integer=True)
x, y = sp.symbols("x y")
v = sp.MatrixSymbol("v", n, 1)
u = sp.IndexedBase("u", shape=(n,))
M = sp.MatrixSymbol("M", n, 2)
NORMS: dict[str, tuple[Any, Any]] = {
    "trace": (sp.sqrt(sp.Trace(v.T * v)), v),
    "Frobenius": (sp.sqrt(sp.Trace(M.T * M)), M),
    "Frobenius, the other way": (sp.sqrt(sp.Trace(M * M.T)), M),
    "product": (sp.sqrt((v.T * v)[0, 0]), v),
    "total": (sp.sqrt(Total(sp.HadamardPower(v, 2))), v),
    "sum": (sp.sqrt(sp.Sum(u[i] ** 2, (i, 0, n - 1))), u),
    "scalars": (sp.sqrt(x**2 + y**2), (x, y)),
    "explicit": (sp.Matrix([x, y]).norm(), (x, y)),
}


def points(name: str, at: np.ndarray) -> dict[str, Any]:
    if name in ("scalars", "explicit"):
        return {"x": float(at[0]), "y": float(at[1])}
    if name.startswith("Frobenius"):
        return {"M": at[None, :]}
    return {"u": at} if name == "sum" else {"v": at[:, None]}


@pytest.mark.parametrize("backend", ["numpy", "python", "numba"])
@pytest.mark.parametrize("name", NORMS)
def test_gradient_of_a_norm(name: str, backend: str) -> None:
    norm, wrt = NORMS[name]
    g = compile_grad(norm, wrt, backend=backend)
    for at in (np.array([3.0, -4.0]), np.zeros(2), np.array([0.0, 1e-160])):
        value, gradient = g.value_and_grad(**points(name, at))
        # 1e-160 squared is no normal double.
        size = np.hypot(*at)
        np.testing.assert_allclose(value, size, rtol=3e-16)
        np.testing.assert_allclose(np.ravel(gradient), at / size if size else 0 * at, rtol=4e-16)


def test_a_root_that_is_no_norm_keeps_its_infinite_slope() -> None:
    assert compile_grad(sp.sqrt(x), x, backend="numpy")(0.0) == np.inf
    assert np.isnan(compile_grad(sp.sqrt(x**2 - y**2), x, backend="numpy")(1.0, 2.0))


def test_second_derivatives_of_a_norm() -> None:
    norm, wrt = NORMS["trace"]
    product = compile_hvp(norm, wrt, backend="numpy")
    at, along = np.array([[3.0], [-4.0]]), np.array([[1.0], [2.0]])
    exact = along / 5 - at * (at.T @ along) / 125
    np.testing.assert_allclose(product(at, along), exact, rtol=1e-15)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("size", [1e25, 1e-22])
def test_norms_of_three_in_float32(backend: str, size: float) -> None:
    """The bounds of doubles are 0 and infinity in single precision: the norm was infinite, with slopes of 0."""
    three = sp.symbols("u:3", real=True)
    function = compile_grad(sp.sqrt(sum(u**2 for u in three)), [three], backend=backend, dtype="float32")
    value, (slopes,) = function.value_and_grad(2 * size, 3 * size, 6 * size)
    np.testing.assert_allclose(value, 7 * size, rtol=3e-7)
    np.testing.assert_allclose(slopes, np.array([2, 3, 6]) / 7, rtol=3e-7)
