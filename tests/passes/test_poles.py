"""Poles that other factors take away, beside factors in other variables; and what SymPy's own derivatives look like."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import sympy as sp

_path = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _path)
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)
assert_right = accuracy.assert_right

x, y, z = sp.symbols("x y z", real=True)
occupation = 1 / (sp.exp(x) - 1)

BESIDE_OTHERS = [
    # Heat capacities of Einstein and Schottky with an amplitude.
    y * x**2 * sp.exp(x) * occupation**2,
    y * x**3 * sp.exp(x) * occupation**2,
    y * x**5 * sp.exp(x) * occupation**2,
    y * x * sp.coth(x),
    y * x**2 * sp.csch(x) ** 2,
    y * x * sp.cot(x),
    y * x * sp.csc(x),
    # Two poles, each with its own variable.
    x * y * z * sp.coth(z) * sp.csch(x),
    y * x**2 * sp.exp(x) * occupation**2 + z * x * occupation,
]


@pytest.mark.parametrize("expr", BESIDE_OTHERS, ids=str)
@pytest.mark.parametrize("at", [1e-9, -1e-5, 0.3, 1.9, 3.0])
def test_poles_beside_other_variables(expr: sp.Expr, at: float) -> None:
    given = {x: at, y: 2.0, z: -0.7}
    assert_right(expr, {symbol: given[symbol] for symbol in sorted(expr.free_symbols, key=str)}, "numpy")


AS_SYMPY_WRITES_THEM = [
    sp.diff(sp.exp(x) / (1 + sp.exp(x)), x),
    sp.diff(1 / (1 + sp.exp(-x)), x, 2),
    1 / (1 + sp.exp(x)) - 1 / (1 + sp.exp(x)) ** 2,
    sp.diff(x**3 * occupation, x),
    sp.diff(x**5 * occupation, x),
    x**3 * sp.exp(x) * occupation**2,
    x**4 * sp.exp(x) / (sp.exp(x) + 1) ** 2,
    sp.tanh(x) - sp.tanh(x) ** 3,
    sp.erf(x) - sp.erf(x) ** 3,
    sp.cos(x) - sp.cos(x) ** 2,
]


POINTS = (1e-7, 0.3, 3.0, 5.5, 37.5, 340.0, 411.0, 690.0)
# Beyond 20 what erf leaves of 1 is below all numbers.
WRITTEN = [(expr, at) for expr in AS_SYMPY_WRITES_THEM for at in POINTS if at < 20 or not expr.has(sp.erf)]


@pytest.mark.parametrize(("expr", "at"), WRITTEN, ids=str)
def test_slopes_as_sympy_writes_them(expr: sp.Expr, at: float) -> None:
    """A share less its square was 0 from 37 on, and x**3*exp(x)/(exp(x) - 1)**2 from 373."""
    assert_right(expr, {x: at}, "numpy")


SHARES = [
    u**n / (x * v + sign * u**n)
    for u in (sp.csch(y), sp.cosh(y), y)
    for n in (2, 3, 4, 5)
    for v in (1, x**2)
    for sign in (1, -1)
]


@pytest.mark.parametrize("expr", SHARES, ids=str)
@pytest.mark.parametrize("at", [1e-4, 0.5])
def test_shares_of_powers(expr: sp.Expr, at: float) -> None:
    """u**3/(v - u**3) had the slope 0 in u where v is small: a power that was taken apart was not found again."""
    assert_right(expr, {x: at, y: 1e-3 if expr.has(sp.csch) else 3.0}, "numpy")
