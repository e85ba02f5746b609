"""The naive forms that users write, in their tails: value and gradient on every backend."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import pytest
import sympy as sp

import symbackprop as sb

x, k = sp.symbols("x k")
FORMS = {
    "logistic": 1 / (1 + sp.exp(-x)),
    "scaled logistic": k / (1 + sp.exp(-3 * (x - 1))),
    "logistic by exp(x)": sp.exp(x) / (1 + sp.exp(x)),
    "falling logistic": 1 / (1 + sp.exp(x)),
    "softplus": sp.log(1 + sp.exp(x)),
    "softplus of -x": sp.log(1 + sp.exp(-x)),
}


@pytest.mark.parametrize("backend", ["python", "numpy", "numba"])
@pytest.mark.parametrize("name", FORMS)
def test_tails_are_right(name: str, backend: str) -> None:
    expr = FORMS[name]
    g = sb.compile_grad(expr, [x], args=[x, k] if expr.has(k) else [x], backend=backend)
    rest: tuple[Any, ...] = (2.0,) if expr.has(k) else ()
    reference = sp.lambdify([x, k], expr, "mpmath")
    for at in (-1000.0, -745.0, -710.0, -40.0, -1.0, 0.0, 0.5, 30.0, 700.0, 1000.0):
        value, (slope,) = g.value_and_grad(at, *rest)
        with mp.workdps(1500):
            exact = reference(mp.mpf(at), 2)
            exact_slope = (reference(mp.mpf(at) + mp.mpf(10) ** -600, 2) - exact) * mp.mpf(10) ** 600
        # 4 ulp of exp's argument, and one denormal, whose spacing is 5e-324.
        assert value == pytest.approx(float(exact), rel=4e-15 * max(1.0, abs(at) / 10), abs=1e-323)
        assert slope == pytest.approx(float(exact_slope), rel=4e-15 * max(1.0, abs(at) / 10), abs=1e-323)
