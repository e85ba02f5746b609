"""Divided differences in two variables, near and at their diagonal: decay chains, absorption and elimination, LMTD.

(exp(-p*t) - exp(-q*t))/(q - p) was 0/0 at q = p; at 1e-9 beside it half of its digits were lost, and its slopes were.
"""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from sympy import exp, log

from symbackprop import compile_grad

_path = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _path)
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)

p, q, t = sp.symbols("p q t", positive=True)
FORMS = [
    (exp(-p * t) - exp(-q * t)) / (q - p),
    3 * p * (exp(-p * t) - exp(-q * t)) / (t * (q - p)),
    (exp(p) - exp(q)) / (p - q),
    t * (exp(3 * q) - exp(3 * p)) / (5 * (q - p)),
    (p - q) / log(p / q),
    t * (p - q) / (log(p) - log(q)) / 2,
    log(p / q) / (p - q),
    (t + p - q) / log((t + p) / q),
]
POINTS = ((1.0, 1.0 + 1e-12), (0.1, 0.100000001), (400.0, 399.0), (2.0, 2.7), (7.0, 0.6), (1e-9, 1.5e-9), (0.3, 30.0))


@pytest.mark.parametrize("expr", FORMS, ids=str)
def test_beside_the_diagonal(expr: sp.Expr) -> None:
    for first, second in POINTS:
        given = {p: first, q: second, t: 0.7}
        if not (max(first, second) > 200 and expr.has(exp(q), exp(3 * q))):
            accuracy.assert_right(expr, {symbol: given[symbol] for symbol in expr.free_symbols}, "numpy")


@pytest.mark.parametrize("backend", ["numpy", "python", "numba"])
def test_on_the_diagonal(backend: str) -> None:
    decay = compile_grad(FORMS[0], [p, q, t], args=[p, q, t], backend=backend)
    value, slopes = decay.value_and_grad(2.0, 2.0, 0.5)
    shrunk = math.exp(-1.0)
    for got, want in zip((value, *slopes), (0.5, -0.125, -0.125, 0.0), strict=True):
        assert math.isclose(got, want * shrunk, rel_tol=1e-15, abs_tol=1e-16)
    mean = compile_grad(FORMS[4], [p, q], args=[p, q], backend=backend)
    assert [mean.value_and_grad(3.0, 3.0)[0], *mean.value_and_grad(3.0, 3.0)[1]] == [3.0, 0.5, 0.5]


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_two_that_vanish_with_a_third(backend: str) -> None:
    """The effectiveness of a heat exchanger at equal capacities, and a gambler's ruin at even odds, were 0/0."""
    exchanger = (1 - exp(-q * (1 - p))) / (1 - p * exp(-q * (1 - p)))
    capacities = [(1 - 1e-9, 2.0), (0.999, 2.0), (0.5, 2.0), (0.5, 50.0), (2.0, 3.0)]
    ruin = (1 - t**p) / (1 - t**q)
    odds = [(2.0, 5.0, 1 + 1e-9), (7.5, 50.0, 0.999), (2.0, 50.0, 0.3)]
    for expr, points in ((exchanger, capacities), (ruin, odds)):
        given = [dict(zip((p, q, t), point, strict=False)) for point in points]
        accuracy.assert_right_at(expr, given, backend)
    for expr, point, want in (
        (exchanger, (1.0, 2.0), (2 / 3, -2 / 9, 1 / 9)),
        (ruin, (2.0, 5.0, 1.0), (0.4, 0.2, -0.08, -0.6)),
    ):
        symbols = [p, q, t][: len(point)]
        value, slopes = compile_grad(expr, symbols, args=symbols, backend=backend).value_and_grad(*point)
        np.testing.assert_allclose([value, *slopes], want, rtol=2e-15)
