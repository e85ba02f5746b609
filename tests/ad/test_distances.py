"""Second derivatives of smooth functions of distances where these are 0, and kinks that stay kinks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb

X, Y, Z, A, B, L = sp.symbols("x y z a b l", real=True)
i, j, n = sp.symbols("i j n", integer=True)
u, c = (sp.IndexedBase(name, shape=(n,)) for name in "uc")
R3, R5 = sp.sqrt(3), sp.sqrt(5)
RTOL = 1e-14
LINE, PLANE, SPACE = sp.Abs(X), sp.sqrt(X**2 + Y**2), sp.sqrt(X**2 + Y**2 + Z**2)


def matern_3(r: sp.Expr) -> sp.Expr:
    return (1 + R3 * r) * sp.exp(-R3 * r)


def matern_5(r: sp.Expr) -> sp.Expr:
    return (1 + R5 * r + 5 * r**2 / 3) * sp.exp(-R5 * r)


def wendland(r: sp.Expr) -> sp.Expr:
    return sp.Piecewise(((1 - r) ** 4 * (4 * r + 1), r < 1), (0, True))


# Functions and their second derivatives at 0.
RADIAL = [
    pytest.param(matern_3, -3, id="Matern 3/2"),
    pytest.param(matern_5, -5 / 3, id="Matern 5/2"),
    pytest.param(lambda r: sp.exp(-r) * (1 + r), -1, id="(1 + r)*exp(-r)"),
    pytest.param(sp.cos, -1, id="cos"),
    pytest.param(lambda r: sp.sin(r) / r, -1 / 3, id="sin(r)/r"),
    pytest.param(lambda r: sp.log(sp.cosh(r)), 1, id="log(cosh)"),
    pytest.param(lambda r: r - sp.log(1 + r), 1, id="r - log(1 + r)"),
    pytest.param(wendland, -20, id="Wendland's C2"),
    pytest.param(lambda r: sp.exp(-(r**2)), -2, id="Gauss"),
]


def hessian(model: sp.Expr, at: list[float], backend: str = "python", **options: Any) -> Any:
    """The Hessian, which products with unit vectors give as well."""
    symbols = sorted(model.free_symbols, key=str)
    how: dict[str, Any] = {"args": symbols, "backend": backend, **options}
    matrix = np.asarray(sb.compile_hessian(model, symbols, **how)(*at))
    product = sb.compile_hvp(model, symbols, **how)
    columns = [np.ravel(product(*at, row)) for row in np.eye(len(symbols))]
    np.testing.assert_allclose(np.array(columns).T, matrix, rtol=RTOL, atol=1e-15)
    return matrix


@pytest.mark.parametrize(("function", "second"), RADIAL)
@pytest.mark.parametrize("r", [LINE, PLANE], ids=["line", "plane"])
def test_a_smooth_function_of_a_distance(function: Any, second: float, r: sp.Expr) -> None:
    size = len(r.free_symbols)
    got = hessian(function(r), [0.0] * size)
    np.testing.assert_allclose(got, second * np.eye(size), rtol=RTOL, atol=1e-15)


D = [[1, -1], [-1, 1]]
BLOCK = [[*row, 0] for row in D] + [[0, 0, 0]]
PARAMETERS = [
    pytest.param(matern_5(sp.Abs(A - B)), [1, 1], -5 / 3 * np.array(D), id="a - b"),
    pytest.param(matern_5(sp.Abs(A - B) / L), [1, 1, 0.5], -20 / 3 * np.array(BLOCK), id="a length scale"),
    pytest.param(L * matern_3(sp.Abs(A - B)), [1, 1, 0.5], -1.5 * np.array(BLOCK), id="an amplitude"),
    pytest.param(matern_3(LINE) * matern_3(sp.Abs(Y)), [0, 0], -3 * np.eye(2), id="a product"),
    pytest.param(sp.log(1 + matern_3(LINE)) ** 2, [0], [[-3 * math.log(2)]], id="inside a function"),
    pytest.param(matern_3(PLANE / L), [0.5, 0, 0], np.diag([0, -12, -12]), id="a norm and a length scale"),
    pytest.param(X * matern_3(PLANE), [0, 0], np.zeros((2, 2)), id="times a coordinate"),
    pytest.param(LINE**3, [0], [[0]], id="|x|**3"),
    pytest.param(matern_3(sp.Max(X, -X)), [0], [[-3]], id="Max(x, -x)"),
    pytest.param(matern_5(SPACE), [0, 0, 0], -5 / 3 * np.eye(3), id="a norm of three"),
]


@pytest.mark.parametrize(("model", "at", "want"), PARAMETERS)
def test_with_parameters(model: sp.Expr, at: list[float], want: Any) -> None:
    np.testing.assert_allclose(hessian(model, [float(x) for x in at]), want, rtol=RTOL, atol=1e-14)


@pytest.mark.parametrize("model", [matern_5(LINE), matern_3(LINE), sp.cos(LINE)])
def test_policies_have_nothing_to_say(model: sp.Expr) -> None:
    want = hessian(model, [0.0])
    for policy in ("left", "right", "raise"):
        np.testing.assert_allclose(hessian(model, [0.0], kinks=policy), want, rtol=RTOL)
        assert sb.compile_grad(model, X, backend="python", kinks=policy)(0.0) == 0.0


KINKS = [
    pytest.param(sp.exp(-LINE), [[0.0]], id="exp(-|x|)"),
    pytest.param(X * LINE, [[0.0]], id="x*|x|"),
    pytest.param(LINE + X**2, [[2.0]], id="|x| + x**2"),
    pytest.param(matern_3(LINE) + LINE, [[0.0]], id="Matern and |x|"),
    pytest.param(sp.sqrt(LINE**3 + 1) * LINE, [[0.0]], id="|x|*sqrt(1 + |x|**3)"),
]


@pytest.mark.parametrize(("model", "want"), KINKS)
def test_kinks_stay_kinks(model: sp.Expr, want: Any) -> None:
    np.testing.assert_allclose(hessian(model, [0.0]), want, atol=1e-14)
    with pytest.raises(sb.DomainError):
        sb.compile_hessian(model, X, backend="python", kinks="raise")(0.0)


def test_elsewhere_nothing_changes() -> None:
    """Against differences of the gradient, which has no part in this."""
    for model, at in ((matern_5(LINE), [0.7]), (matern_5(PLANE / L), [0.5, 0.3, -0.4]), (wendland(PLANE), [0.3, 0.2])):
        assert sb.check_grad(model, at=dict(zip(sorted(map(str, model.free_symbols)), at, strict=True)))
        gradient = sb.compile_grad(model, sorted(model.free_symbols, key=str), backend="python")
        step = 1e-6
        rows = []
        for row in np.eye(len(at)):
            ahead, back = (np.ravel(gradient(*(np.array(at) + side * step * row))) for side in (1, -1))
            rows.append((ahead - back) / (2 * step))
        np.testing.assert_allclose(hessian(model, at), rows, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_arrays_of_distances(backend: str) -> None:
    """A covariance of points with themselves: its diagonal is where distances are 0."""
    model = sp.Sum(c[i] * matern_3(sp.Abs(u[i] - X)), (i, 0, n - 1))
    at, weights = np.array([0.5, 1.0]), np.array([2.0, 3.0])
    product = sb.compile_hvp(model, [u], args=[u, c, X], backend=backend)
    got = np.ravel(product(at, weights, 0.5, np.ones(2)))
    far = 3 * (R3 * 0.5 - 1) * sp.exp(-R3 * 0.5)
    np.testing.assert_allclose(got, [-6.0, float(3 * far)], rtol=1e-13)
    points = sp.MatrixSymbol("P", n, 2)
    distance = sp.sqrt(sp.Sum((points[i, j] - c[j]) ** 2, (j, 0, 1)))
    product = sb.compile_hvp(sp.Sum(matern_3(distance), (i, 0, n - 1)), [points], args=[points, c], backend=backend)
    got = product(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 2.0]), np.ones(4))
    np.testing.assert_allclose(np.ravel(got)[:2], [-3.0, -3.0], rtol=1e-13)
    assert np.all(np.isfinite(got))
