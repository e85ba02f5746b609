"""Partition functions, attention, Gibbs means and likelihoods: sums and products over axes where exponentials overflow.

Beside other terms, under powers and above one another, where a sum over an axis is one exponential among others.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop import check_grad, compile_grad, compile_hessian

n = sp.Symbol("n", integer=True, positive=True)
i, j = sp.symbols("i j", integer=True)
u, w = (sp.IndexedBase(name, shape=(n,)) for name in "uw")
y = sp.Symbol("y", real=True)
m, s = sp.symbols("m s", positive=True)


def total(term: Any) -> sp.Sum:
    return sp.Sum(term, (i, 0, n - 1))


def likelihood(term: Any) -> sp.Expr:
    return sp.log(sp.Product(term, (i, 0, n - 1)))


Z, WEIGHTED = total(sp.exp(u[i])), total(w[i] * sp.exp(u[i]))
sigmoid = 1 / (1 + sp.exp(-m * u[i]))
FORMS: dict[str, sp.Expr] = {
    "one more class": sp.log(1 + Z),
    "one more energy": sp.log(sp.exp(y) + Z),
    "two sums": sp.log(Z + total(sp.exp(w[i]))),
    "weighted": sp.log(1 + y**2 * Z),
    "square": sp.log(Z**2),
    "scaled": sp.log(total(sp.exp(y * u[i]))) / y,
    "share of one": sp.exp(y) / (sp.exp(y) + Z),
    "share of none": 1 / (1 + Z),
    "share of all": Z / (1 + Z),
    "share of each": total(w[i] * sp.exp(u[i]) / (1 + sp.Sum(sp.exp(u[j]), (j, 0, n - 1)))),
    "attention": WEIGHTED / Z,
    "attention with a sink": WEIGHTED / (1 + Z),
    "scaled attention": y * WEIGHTED / (3 * Z),
    "Gibbs mean": total(u[i] * sp.exp(y * u[i])) / total(sp.exp(y * u[i])),
    "variance": total(w[i] ** 2 * sp.exp(u[i])) / Z - (WEIGHTED / Z) ** 2,
    "participation": total(sp.exp(2 * u[i])) / Z**2,
    "effective number": Z**2 / total(sp.exp(2 * u[i])),
    "two hidden states": sp.log(total(sp.exp(u[i]) * sp.Sum(sp.exp(w[j] + y * u[j] * u[i] / 900), (j, 0, n - 1)))),
}
LIKELIHOODS: dict[str, sp.Expr] = {
    "numbers": likelihood(w[i]),
    "of both signs": -likelihood(y * w[i]),
    "normal": likelihood(sp.exp(-((u[i] - m) ** 2) / (2 * s**2)) / (s * sp.sqrt(2 * sp.pi))),
    "Bernoulli": likelihood(sigmoid**y * (1 - sigmoid) ** (1 - y)),
    "Poisson": likelihood(u[i] ** (w[i] ** 2) * sp.exp(-u[i]) / sp.gamma(w[i] ** 2 + 1)),
    "Weibull": likelihood(m / s * (u[i] / s) ** (m - 1) * sp.exp(-((u[i] / s) ** m))),
    "mixture": likelihood(sp.Sum(w[j] ** 2 * sp.exp(-((u[i] - w[j]) ** 2) / s), (j, 0, n - 1))),
    "mixture of any sign": likelihood(sp.Sum(w[j] * sp.exp(-((u[i] - w[j]) ** 2) / s), (j, 0, n - 1))),
    "odd powers": likelihood(-(w[i] ** 3) * u[i]),
    "among factors": sp.log(3 * m * sp.Product(sp.exp(u[i]), (i, 0, n - 1))),
}
POINTS = {
    "moderate": np.array([0.3, -1.2, 2.0, 0.7]),
    "large": np.array([800.0, 801.0, -5.0, 799.5]),
    "small": np.array([-900.0, -905.0, -901.0, -2000.0]),
}
WEIGHTS = np.array([1.0, -2.0, 3.0, -0.5])


# The slope of a mean is a variance, of which (|u|/spread)**2 roundings are lost: within 1e-9 in a first derivative.
VARIANCES = {"Gibbs mean"}


def given(expr: sp.Expr, at: np.ndarray) -> dict[str, Any]:
    everything = {"u": at, "w": WEIGHTS, "y": 0.4, "m": 0.7, "s": 0.3}
    return {name: everything[name] for name in compile_grad(expr, backend="numpy").args}


@pytest.mark.parametrize("name", FORMS)
def test_sums_beside_other_terms(name: str) -> None:
    for at in POINTS.values():
        point = given(FORMS[name], at)
        report = check_grad(FORMS[name], at=point, accuracy=name not in VARIANCES)
        assert report, str(report)


@pytest.mark.parametrize("name", ["one more class", "attention", "share of all", "variance", "scaled"])
def test_second_derivatives(name: str) -> None:
    """A shift of all exponents that the form does not see leaves its Hessian; beside 1, far out nothing else counts."""
    wrt = [u, y] if name == "scaled" else [u]
    hessian = compile_hessian(FORMS[name], wrt, backend="numpy")
    point = given(FORMS[name], POINTS["large"])
    assert np.all(np.isfinite(hessian(**point)))
    if name in ("attention", "variance"):
        shifted = {**point, "u": point["u"] - 800.0}
        np.testing.assert_allclose(hessian(**point), hessian(**shifted), rtol=1e-12, atol=1e-300)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_logarithms_of_products(name: str, backend: str) -> None:
    few = given(LIKELIHOODS[name], np.array([0.4, 1.3, 0.9, 2.0]))
    report = check_grad(LIKELIHOODS[name], at=few, accuracy=True, backend=backend)
    assert report, str(report)
    # 2,000 factors vanish or overflow together, each with a slope of its own.
    many = {name: np.linspace(0.05, 0.9, 2000) if np.ndim(value) else value for name, value in few.items()}
    value, gradient = compile_grad(LIKELIHOODS[name], backend=backend).value_and_grad(**many)
    assert np.isfinite(value) and all(np.all(np.isfinite(entry)) for entry in gradient)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_factors_that_leave_the_range(backend: str) -> None:
    """A gamma function and a power that overflow, a mixture far from its components, and pairs of negative ones."""
    points: dict[str, tuple[list[float], list[float]]] = {
        "Poisson": ([40.0, 130.0, 90.0, 1e-3], [17.0, 26.0, 4.0, 30.0]),
        "mixture": ([1e3, -2e5, 0.3, 1.0], [1.0, -2.0, 3.0, -0.5]),
        "mixture of any sign": ([1e3, -2e5, 3.0, -2.0], [1.0, -2.0, 3.0, 0.5]),
        "odd powers": ([1e200, -1e-200, -3.0, 2.0], [1e150, -1e-150, 1.0, -0.5]),
    }
    for name, (first, second) in points.items():
        point = {**given(LIKELIHOODS[name], np.array(first)), "w": np.array(second)}
        report = check_grad(LIKELIHOODS[name], at=point, accuracy=True, backend=backend)
        assert report, name + str(report)


def test_a_product_without_a_logarithm_has_none() -> None:
    compiled = compile_grad(likelihood(w[i]), [w], backend="numpy")
    assert compiled.value_and_grad(np.array([-1.0, -2.0, 3.0]))[0] == np.log(6.0)
    assert np.isnan(compiled.value_and_grad(np.array([-1.0, 2.0]))[0])
    value, (slopes,) = compiled.value_and_grad(np.array([0.0, 2.0]))
    assert value == -np.inf and slopes[0] == np.inf
    assert compiled.value_and_grad(np.zeros(0))[0] == 0.0


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_softmax_as_products_of_matrices(backend: str) -> None:
    """Rows scaled by a diagonal matrix of reciprocals."""
    rows, columns, z = sp.Symbol("rows", integer=True), sp.Symbol("columns", integer=True), sp.Symbol("z")
    logits, labels = sp.MatrixSymbol("Z", rows, columns), sp.MatrixSymbol("Y", rows, columns)
    exponentials = logits.applyfunc(sp.exp)
    reciprocals = (exponentials * sp.OneMatrix(columns, 1)).applyfunc(sp.Lambda(z, 1 / z))
    softmax = sp.DiagMatrix(reciprocals) * exponentials
    point = {
        "Z": np.array([[800.0, 801.0, -5.0], [-900.0, -905.0, -901.0]]),
        "Y": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]),
    }
    for expr in (sp.Trace(labels.T * softmax), -sp.Trace(labels.T * softmax.applyfunc(sp.log))):
        report = check_grad(expr, logits, at=point, accuracy=True, backend=backend)
        assert report, str(report)
