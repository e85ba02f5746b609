"""Sums of exponentials over a part of an axis, as in Cox's partial likelihood, and mixtures far from all components.

The sums overflowed from exponents of 710 on, and shares of mixtures at exponents of 1e15 were wrong by 4 %.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp
from sympy import exp, log

from symbackprop import check_grad, compile_grad, compile_hessian

n, m = sp.symbols("n m", integer=True, positive=True)
i, j, k = sp.symbols("i j k", integer=True)
d, t, x = (sp.IndexedBase(name, shape=(n,)) for name in "dtx")
r = sp.IndexedBase("r", shape=(n, n))
w, c, s = (sp.IndexedBase(name, shape=(m,)) for name in "wcs")
b = sp.Symbol("b", real=True)


def total(term: Any) -> sp.Sum:
    return sp.Sum(term, (i, 0, n - 1))


def later(term: Any) -> sp.Sum:
    return sp.Sum(term, (j, i, n - 1))


def at_risk(term: Any) -> sp.Sum:
    """Of those that a matrix of zeros and ones says; SymPy draws a Piecewise out of an inner sum, with its index."""
    return sp.Sum(r[i, j] * term, (j, 0, n - 1))


RISK_SETS: dict[str, sp.Expr] = {
    "Cox, in order of time": total(b * x[i] - log(later(exp(b * x[j])))),
    "Cox, with events": total(d[i] * (b * x[i] - log(later(exp(b * x[j]))))),
    "Cox, from times": total(d[i] * (b * x[i] - log(at_risk(exp(b * x[j]))))),
    "with weights": total(log(at_risk(d[j] ** 2 * exp(b * x[j])))),
    "covariate of those at risk": total(x[i] - later(x[j] * exp(b * x[j])) / later(exp(b * x[j]))),
    "Plackett and Luce": log(sp.Product(exp(x[i]) / later(exp(x[j])), (i, 0, n - 1))),
    "those before": total(log(sp.Sum(exp(x[j]), (j, 0, i)))),
}
TIMES = np.array([2.0, 1.0, 3.0, 1.0])
ARRAYS = {"r": (TIMES[:, None] <= TIMES).astype(float), "t": TIMES, "d": np.array([1.0, 0.5, 1.0, 1.0])}
MODERATE = np.array([0.3, -1.2, 2.0, 0.7])
POINTS = [(MODERATE, 0.5), (MODERATE, 900.0), (MODERATE, -900.0), (MODERATE + 900, 2.0), (MODERATE, 0.01)]


def given(expr: sp.Expr, at: np.ndarray, number: float) -> dict[str, Any]:
    everything = {**ARRAYS, "x": at, "b": number}
    return {name: everything[name] for name in compile_grad(expr, backend="numpy").args}


def variables(expr: sp.Expr) -> list[Any]:
    return [symbol for symbol in (x, b) if symbol in expr.atoms(sp.IndexedBase, sp.Symbol)]


@pytest.mark.parametrize("backend", ["numpy", "numba", "python"])
@pytest.mark.parametrize("name", RISK_SETS)
def test_risk_sets(name: str, backend: str) -> None:
    expr = RISK_SETS[name]
    points = [given(expr, at, number) for at, number in POINTS]
    report = check_grad(expr, variables(expr), at=points, accuracy=True, backend=backend)
    assert report, str(report)


@pytest.mark.parametrize("name", RISK_SETS)
def test_their_second_derivatives_see_no_shift(name: str) -> None:
    hessian = compile_hessian(RISK_SETS[name], [x], backend="numpy")
    near, far = (np.asarray(hessian(**given(RISK_SETS[name], at, 1.0))) for at in (MODERATE, MODERATE + 1024.0))
    assert np.all(np.isfinite(far))
    np.testing.assert_allclose(far, near, rtol=1e-9, atol=1e-9)


def test_nobody_at_risk() -> None:
    """An empty sum has the logarithm of 0, and what is no number stays none."""
    compiled = compile_grad(
        log(sp.Sum(sp.Piecewise((exp(x[j]), t[j] > b), (0, True)), (j, 0, n - 1))), x, backend="numpy"
    )
    assert compiled.value(b=9.0, t=ARRAYS["t"], x=MODERATE) == -np.inf
    assert compiled.value(b=2.0, t=ARRAYS["t"], x=MODERATE) == 2.0
    assert np.isnan(compiled.value(b=2.0, t=ARRAYS["t"], x=np.full(4, np.nan)))
    # An exponent that does not count may be anything.
    value, slopes = compiled.value_and_grad(b=2.0, t=ARRAYS["t"], x=np.array([1e300, np.inf, 3.0, -5.0]))
    assert value == 3.0 and list(slopes) == [0.0, 0.0, 1.0, 0.0]


pdf = exp(-((x[i] - c[k]) ** 2) / (2 * s[k] ** 2)) / (s[k] * sp.sqrt(2 * sp.pi))
logits = exp(w[k]) / sp.Sum(exp(w[j]), (j, 0, m - 1))
MIXTURES: dict[str, sp.Expr] = {
    "weights": total(log(sp.Sum(w[k] ** 2 * pdf, (k, 0, m - 1)))),
    "weights of any sign": total(log(sp.Sum(w[k] * pdf, (k, 0, m - 1)))),
    "logits": total(log(sp.Sum(logits * pdf, (k, 0, m - 1)))),
    "mean of components": total(sp.Sum(w[k] * pdf * c[k], (k, 0, m - 1)) / sp.Sum(w[k] * pdf, (k, 0, m - 1))),
}
COMPONENTS = {"w": np.array([0.3, 0.5, 0.2]), "c": np.array([-1.0, 0.5, 3.0]), "s": np.array([0.5, 1.0, 2.0])}


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("name", MIXTURES)
def test_mixtures_far_from_their_components(name: str, backend: str) -> None:
    places = ([0.1, 0.7, -2.0], [1e3, -1e3, 3.0], [1e8, -1e5, 2.0])
    points = [{**COMPONENTS, "x": np.array(place)} for place in places]
    report = check_grad(MIXTURES[name], at=points, accuracy=True, backend=backend)
    assert report, str(report)


def test_a_mixture_beside_a_weight_of_zero() -> None:
    compiled = compile_grad(MIXTURES["weights of any sign"], [w, c], backend="numpy")
    point = {**COMPONENTS, "w": np.array([0.0, 0.5, 0.2]), "x": np.array([-1.0])}
    value, (weights, centres) = compiled.value_and_grad(**point)
    assert np.isfinite(value) and centres[0] == 0.0
    np.testing.assert_allclose(weights[0], np.sqrt(2 / np.pi) / np.exp(value), rtol=1e-14)
