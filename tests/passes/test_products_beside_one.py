"""Products over axes beside 1: that one at least of many happens, returns over years, reliabilities.

1 - prod(1 - p) had lost 4e8 ulp at probabilities of 1e-9, and was 0 at 1e-20.
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

n = sp.Symbol("n", integer=True, positive=True)
i = sp.Symbol("i", integer=True)
p, x = (sp.IndexedBase(name, shape=(n,)) for name in "px")
a = sp.Symbol("a", positive=True)


def product(term: Any) -> sp.Product:
    return sp.Product(term, (i, 0, n - 1))


FORMS: dict[str, sp.Expr] = {
    "one at least": 1 - product(1 - p[i]),
    "its logarithm": log(1 - product(1 - p[i])),
    "return": product(1 + p[i]) - 1,
    "return a year": product(1 + p[i]) ** (1 / n) - 1,
    "logarithm of a return": log(product(1 + p[i])),
    "captured": 1 - product(1 - exp(-a * x[i])),
    "all of many": 1 - product(1 / (1 + exp(-a * x[i]))),
}
PROBABILITIES = np.array([0.1, 0.25, 0.4, 0.05])
DISTANCES = np.array([0.4, 1.3, 0.9, 2.0])
# Smaller ones lose the digits of 1 - (1 + v)**(1/n), whose exponent is no number, for n = 4.
SCALES = (1.0, 1e-9, 1e-20, 1e-300)


def points(name: str) -> list[dict[str, Any]]:
    if FORMS[name].has(a):
        return [{"a": number, "x": DISTANCES} for number in (1.0, 30.0, 700.0, 1e-3)]
    return [{"p": scale * PROBABILITIES} for scale in SCALES]


@pytest.mark.parametrize("backend", ["numpy", "numba", "python"])
@pytest.mark.parametrize("name", FORMS)
def test_small_and_large(name: str, backend: str) -> None:
    report = check_grad(FORMS[name], at=points(name), accuracy=True, backend=backend)
    assert report, str(report)


@pytest.mark.parametrize("name", FORMS)
def test_second_derivatives(name: str) -> None:
    wrt = p if FORMS[name].has(p) else x
    oracle = Oracle(read_model(FORMS[name], [wrt], None, None, ()).graph)
    hessian = compile_hessian(FORMS[name], [wrt], backend="numpy")
    for point in points(name)[:2]:
        got = np.reshape(hessian(**point), (4, 4))
        pairs = [((wrt.name, (j,)), (wrt.name, (k,))) for j in range(4) for k in range(4)]
        want = np.reshape([oracle.second(point, *pair) for pair in pairs], (4, 4))
        np.testing.assert_allclose(got, want, rtol=1e-11, atol=1e-14 * np.max(abs(want)))


def test_certain_and_negative_factors() -> None:
    least = compile_grad(FORMS["one at least"], p, backend="numpy")
    value, slopes = least.value_and_grad(np.array([1.0, 0.5, 0.25]))
    assert value == 1.0 and list(slopes) == [0.375, 0.0, 0.0]
    for given in ([3.0, 0.5, 0.25], [3.0, 0.5, 2.5], [1.0, 1.0, 0.5]):
        report = check_grad(FORMS["one at least"], at={"p": np.array(given)}, accuracy=True)
        assert report, str(report)
    assert least.value(np.zeros(0)) == 0.0
    assert np.isnan(least.value(np.array([0.5, np.nan])))
    logarithm = compile_grad(FORMS["logarithm of a return"], p, backend="numpy")
    assert logarithm.value(np.array([-3.0, -1.5])) == 0.0
    assert np.isnan(logarithm.value(np.array([-3.0, 1.5])))
