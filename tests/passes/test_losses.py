"""Losses of classifiers as users write them: softplus of a sum less that sum, whose terms stand apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp

from symbackprop import compile_grad
from tests.passes.accuracy import assert_right_at

x, y, z = sp.symbols("x y z", real=True)
LOSSES = {
    "of a multiple": (sp.log(1 + sp.exp(2 * x)) - 2 * x, [(7.86,), (30.0,), (-3.0,)]),
    "of a difference": (sp.log(1 + sp.exp(x - y)) - x + y, [(40.0, 1.0), (9.0, 1.0), (0.0, 3.0)]),
    "of a line": (sp.log(1 + sp.exp(x * y + z)) - (x * y + z), [(3.0, 10.0, 5.0), (-3.0, 1.0, 2.0)]),
    "beside a number": (sp.log(1 + sp.exp(x + y + 1)) - x - y, [(30.0, 10.0), (-3.0, 1.0)]),
    "beside another term": (sp.log(1 + sp.exp(x - y)) - x + y + z, [(40.0, 1.0, 1e-9)]),
    "of two": (sp.log(sp.exp(2 * x) + sp.exp(y)) - 2 * x, [(20.0, 1.0), (1.0, 3.0)]),
}


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("name", LOSSES)
def test_confident_predictions_cost_little(name: str, backend: str) -> None:
    expr, places = LOSSES[name]
    symbols = sorted(expr.free_symbols, key=str)
    assert_right_at(expr, [dict(zip(symbols, place, strict=True)) for place in places], backend)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_over_samples(backend: str) -> None:
    i, n = sp.symbols("i n", integer=True)
    inputs = sp.IndexedBase("inputs")
    line = x * inputs[i] + y
    loss = sp.Sum(sp.log(1 + sp.exp(line)) - line, (i, 0, n - 1))
    value, slopes = compile_grad(loss, [x, y], backend=backend).value_and_grad(
        x=10.0, y=3.0, inputs=np.array([4.0, 5.0])
    )
    first, second = math.exp(-43.0), math.exp(-53.0)
    assert math.isclose(value, first + second, rel_tol=1e-14)
    assert np.allclose(slopes, [-4 * first - 5 * second, -first - second], rtol=1e-14, atol=0)
