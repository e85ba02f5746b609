"""Logarithms of likelihoods at the border of what their parameters may be."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from symbackprop import compile_grad, compile_hessian

i, n = sp.symbols("i n", integer=True)
m, p = sp.symbols("m p", real=True)
x = sp.IndexedBase("x")
LIKELIHOODS = {"Poisson": m ** x[i] * sp.exp(-m), "Bernoulli": m ** x[i] * (1 - m) ** (1 - x[i])}


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("name", LIKELIHOODS)
def test_counts_that_are_all_zero_have_a_slope_at_the_rate_0(name: str, backend: str) -> None:
    logarithm = sp.log(sp.Product(LIKELIHOODS[name], (i, 0, n - 1)))
    value, (slope,) = compile_grad(logarithm, [m], backend=backend).value_and_grad(m=0.0, x=np.zeros(3))
    # Each of the samples counts -m, or log(1 - m).
    assert (value, slope) == (0.0, -3.0)


def test_the_exponent_0_has_its_mixed_derivative() -> None:
    hessian = compile_hessian(sp.log(m**p), [m, p])
    assert hessian(m=2.0, p=0.0).tolist() == [[0.0, 0.5], [0.5, 0.0]]
