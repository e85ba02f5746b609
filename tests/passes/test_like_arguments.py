"""Quotients of two functions that vanish together: gratings, chances of fixation, profiles of temperature.

The slope of sin(n*x)/sin(x) in x was the difference of two poles: 1e-7 of it was left at x = 1e-5, and nothing at 1e-8.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import sympy as sp
from sympy import cos, exp, log, sin, sinh, tan, tanh

_path = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _path)
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)

n, x, y = sp.symbols("n x y", real=True)
FORMS = [
    sin(n * x) / sin(x),
    y * sin(n * x / 2) ** 2 / sin(x / 2) ** 2,
    (1 - cos(n * x)) / (1 - cos(x)),
    3 * tan(x) / tan(n * x),
    tanh(n * x) / tanh(x),
    sinh(n * x) / sinh(x),
    y * sin(n * x) * sp.csc(x),
    sinh(x) / sin(n * x),
    sinh(x) * sp.coth(n * x),
    y * log(1 + n * x) / log(1 + x),
    (1 - exp(-2 * n * x)) / (1 - exp(-2 * x)),
    (exp(x / n) - 1) / (exp(x) - 1),
    sp.atan(x * y) / sp.asin(y * x / n),
    sp.erf(n * x) / sp.erf(x),
]
POINTS = [(2.7, at) for at in (1e-120, -1e-9, 1e-5, 0.03, -0.31)] + [(0.013, 1.1), (-40.0, 3e-3), (1e-6, -1e-6)]


@pytest.mark.parametrize("expr", FORMS, ids=str)
def test_value_and_slopes(expr: sp.Expr) -> None:
    for times, at in POINTS:
        if not (expr.has(sp.asin) and abs(0.9 * at / times) > 1):
            given = {n: times, x: at, y: 0.9}
            accuracy.assert_right(
                expr, {symbol: given[symbol] for symbol in sorted(expr.free_symbols, key=str)}, "numpy"
            )


@pytest.mark.parametrize("expr", [sin(n * x) / sin(y), sin(x) / cos(n * x), cos(n * x) / cos(x)], ids=str)
def test_others_have_no_series(expr: sp.Expr) -> None:
    """Nothing in common, and nothing that vanishes."""
    assert "polynomial" not in accuracy.rows(expr)
