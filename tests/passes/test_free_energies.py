"""Free energies, smooth maxima and entropies over axes, from high temperatures to those at which one term is left.

The slope in T of T*log(sum(exp(x/T))) was 0 for 1.6e-59 at T = 0.01, and had lost 2,000 roundings at x/T = 1,000.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp
from sympy import exp, log

from symbackprop import check_grad, compile_grad, compile_hessian
from symbackprop.check.oracle import Oracle
from symbackprop.frontend import read_model

n, m = sp.symbols("n m", integer=True, positive=True)
i, j = sp.symbols("i j", integer=True)
x = sp.IndexedBase("x", shape=(n,))
Z = sp.IndexedBase("Z", shape=(n, m))
T, b = sp.symbols("T b", positive=True)


def total(term: Any) -> sp.Sum:
    return sp.Sum(term, (i, 0, n - 1))


share = exp(x[i]) / sp.Sum(exp(x[j]), (j, 0, n - 1))
boltzmann = total(exp(-x[i] / T))
FORMS: dict[str, sp.Expr] = {
    "smooth maximum": T * log(total(exp(x[i] / T))),
    "smooth minimum": -T * log(boltzmann),
    "free energy": -log(total(exp(-b * x[i]))) / b,
    "of rows": total(3 * T * log(sp.Sum(exp(Z[i, j] / T), (j, 0, m - 1)))),
    "entropy of a softmax": -total(share * log(share)),
    "entropy of a temperature": log(boltzmann) + total(x[i] * exp(-x[i] / T)) / boltzmann / T,
    "mean energy over temperature": total(x[i] * exp(-x[i] / T)) / (T * boltzmann),
}
ENERGIES = {"x": np.array([0.3, -1.2, 2.0, 0.7]), "Z": np.array([[0.1, 0.2, -0.3], [1.0, 2.0, 3.0]])}
SCALES = (1.0, 30.0, 200.0, 2000.0)


def given(expr: sp.Expr, scale: float) -> dict[str, Any]:
    point = {**ENERGIES, "T": 1 / scale, "b": scale}
    if not expr.has(T) and not expr.has(b):
        point["x"] = scale * ENERGIES["x"]
    return {name: point[name] for name in compile_grad(expr, backend="numpy").args}


@pytest.mark.parametrize("backend", ["numpy", "numba", "python"])
@pytest.mark.parametrize("name", FORMS)
def test_from_high_to_low_temperatures(name: str, backend: str) -> None:
    places = [given(FORMS[name], scale) for scale in SCALES]
    report = check_grad(FORMS[name], at=places, accuracy=True, backend=backend)
    assert report, str(report)


@pytest.mark.parametrize("name", [name for name in FORMS if FORMS[name].has(T)])
def test_second_derivatives(name: str) -> None:
    oracle = Oracle(read_model(FORMS[name], [T], None, None, ()).graph)
    hessian = compile_hessian(FORMS[name], [T], backend="numpy")
    # Lower, what is left of them cancels.
    for scale in (1.0, 10.0):
        point = given(FORMS[name], scale)
        want = oracle.second(point, ("T", ()), ("T", ()))
        np.testing.assert_allclose(np.ravel(hessian(**point)), want, rtol=1e-9)


def test_ties_nothing_and_no_number() -> None:
    expr = FORMS["smooth maximum"]
    compiled = compile_grad(expr, [x, T], backend="numpy")
    value, (shares, entropy) = compiled.value_and_grad(x=np.full(4, 7.0), T=1e-3)
    assert abs(value - 7.0 - 1e-3 * np.log(4.0)) <= 2e-15 and list(shares) == [0.25] * 4
    assert abs(entropy - np.log(4.0)) <= 2.5e-16
    value, (shares, entropy) = compiled.value_and_grad(x=np.array([5.0]), T=0.25)
    assert (value, list(shares), entropy) == (5.0, [1.0], 0.0)
    value, (shares, entropy) = compiled.value_and_grad(x=np.array([5.0, -np.inf]), T=0.25)
    assert (value, list(shares), entropy) == (5.0, [1.0, 0.0], 0.0)
    assert np.isnan(compiled.value_and_grad(x=np.array([5.0, np.nan]), T=0.25)[1][1])
    assert np.isnan(compile_grad(FORMS["entropy of a softmax"], x, backend="numpy").value(np.array([5.0, np.nan])))


def test_a_temperature_for_each_sample() -> None:
    batched = compile_grad(FORMS["smooth maximum"], [T], batch=[T], reduce=None, backend="numpy")
    single = compile_grad(FORMS["smooth maximum"], [T], backend="numpy")
    temperatures = np.array([0.01, 0.3, 5.0])
    (got,) = batched(T=temperatures, x=ENERGIES["x"])
    np.testing.assert_array_equal(got, [single(T=t, x=ENERGIES["x"])[0] for t in temperatures])
