"""exp(k*u) over powers of 1 + exp(u) and of exp(u) - 1: no factor overflows while another vanishes."""

from __future__ import annotations

import mpmath as mp
import pytest
import sympy as sp

from symbackprop import compile_grad
from symbackprop.check.rounding import ulps

x = sp.Symbol("x")
# None is near a zero of a slope, which are at log(2) and log(3/2).
POINTS = (-300.0, -50.0, -3.0, -1.7, 1.7, 3.0, 40.0, 136.6, 298.9, 340.0)


@pytest.mark.parametrize("scaled", [x, 2 * x, x + 1, -x])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("times", "power"), [(1, 2), (2, 2), (2, 3), (3, 2), (3, 5), (5, 3)])
def test_value_and_slope_are_right_on_both_sides(times: int, power: int, sign: int, scaled: sp.Expr) -> None:
    expr = sp.exp(times * scaled) / (sp.exp(scaled) + sign) ** power
    g = compile_grad(expr, x, backend="python")
    value, slope = (sp.lambdify(x, e, "mpmath") for e in (expr, sp.diff(expr, x)))
    # As SymPy writes the slope it cancels by exp(-700) at most, 304 digits.
    with mp.workdps(700):
        for at in POINTS:
            found = g.value_and_grad(at)
            for own, exact in zip(found, (value(mp.mpf(at)), slope(mp.mpf(at))), strict=True):
                if 1e-300 < abs(exact) < 1e300:
                    # Conditions: of exp(k*x) at 340 some k*340, halved by its rounding.
                    assert ulps(own, exact) <= 8 + times * abs(at) * abs(sp.diff(scaled, x)), (expr, at, own)
