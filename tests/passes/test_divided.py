"""Divided differences in two variables, near and at their diagonal: decay chains, absorption and elimination, LMTD.

(exp(-p*t) - exp(-q*t))/(q - p) was 0/0 at q = p; at 1e-9 beside it half of its digits were lost, and its slopes were.
"""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

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
