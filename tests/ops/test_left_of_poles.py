"""Zeta, polygamma and beta functions of negative numbers, however large: right, and done at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp
from flint import arb, ctx

from symbackprop import compile_grad
from symbackprop.check.rounding import ulps

x = sp.Symbol("x", real=True)
POINTS = [-0.3, -1e-9, -0.999999, -1.5, -2.25, -17.6, -1234.7, -8.7e6 - 0.125, -5e11 - 0.3, -(2.0**51) - 0.5]
# The cotangent and its powers are right to 12 ulp at order 24; odd orders cancel up to tenfold here.
ALLOWED = {0: 16, 1: 64}


def summed(s: int, a: float) -> arb:
    """The sum of (a + k)**-s over k = 0, 1, ..., counted up from the left as far as 0 where that is near."""
    exact = arb(a)
    nearest = (exact + arb(0.5)).floor()
    rest = exact - nearest
    whole = rest**-s + arb(s).zeta(1 + rest) + (-1) ** s * arb(s).zeta(1 - rest)
    return whole - (-1) ** s * arb(s).zeta(1 - exact)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_polygamma_left_of_zero(order: int, backend: str) -> None:
    function = compile_grad(sp.polygamma(order, x), x, backend=backend)
    ctx.prec = 400
    for at in POINTS:
        value, slope = function.value_and_grad(at)
        for n, got in ((order, value), (order + 1, slope)):
            want = float((-1) ** (n + 1) * arb(n + 1).gamma() * summed(n + 1, at))
            assert ulps(float(got), want) <= ALLOWED[(n + 1) % 2], f"polygamma({n}, {at}) is {got} and not {want}"


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("s", [2, 3, 4, 24, 40])
def test_zeta_left_of_zero(s: int, backend: str) -> None:
    function = compile_grad(sp.zeta(s, x), x, backend=backend)
    ctx.prec = 400
    # Halfway between poles odd powers cancel to nothing.
    for at in [p for p in POINTS if s < 24 or p % 1 != 0.5]:
        value, slope = function.value_and_grad(at)
        for n, factor, got in ((s, 1, value), (s + 1, -s, slope)):
            want = float(factor * summed(n, at))
            assert ulps(float(got), want) <= ALLOWED[n % 2], f"zeta({n}, {at}) is {got} and not {want}"


def test_the_sum_is_the_function() -> None:
    """The reference above against the definition, by counting."""
    ctx.prec = 200
    for s, a in ((2, -0.3), (3, -2.25), (4, -17.6)):
        counted: Any = sum(((arb(a) + k) ** -s for k in range(18)), arb(0)) + arb(s).zeta(arb(a) + 18)
        assert abs(float(counted - summed(s, a))) < 1e-40


def test_poles_and_fractional_orders() -> None:
    # At a pole infinity, as SciPy says; of fractional s the sum has no real terms left of 0.
    function = compile_grad(sp.zeta(2, x), x, backend="numpy")
    assert np.isinf(function.value(-3.0)) and np.isinf(function.value(-5e11))
    assert np.isnan(compile_grad(sp.zeta(sp.Rational(5, 2), x), x, backend="numpy").value(-3.5))


BETA = [
    # a < 0 < b with a sum of either sign, small, large and near a pole; both negative; and the other way round.
    *[(-1.82, 3400.25), (-0.3, 1e6), (-2.9946, 13470.97), (-1e-7, 2.5), (-40.5, 97.3), (-0.25, 1.1e10)],
    *[(-658.57, 1.986), (-206385.585, 4.8e-6), (-3.7, 0.45), (-1e-7, 4e-8), (-17.0000001, 16.3)],
    *[(-0.9, -8e-7), (-1e-9, -1e-7), (-2.3, -4.45), (-30.1, -7.6), (-1e-30, -1e-60)],
]


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_beta_left_of_zero(backend: str) -> None:
    y = sp.Symbol("y", real=True)
    function = compile_grad(sp.beta(x, y), [x, y], args=[x, y], backend=backend)
    ctx.prec = 600
    for point in BETA + [(b, a) for a, b in BETA]:
        value, slopes = function.value_and_grad(*point)
        a, b = map(arb, point)
        want = a.gamma() * b.gamma() * (a + b).rgamma()
        by = [want * (one.digamma() - (a + b).digamma()) for one in (a, b)]
        for got, exact in zip([value, *slopes], [want, *by], strict=True):
            # Exponentials of 30 and products of eight roundings; digammas on both sides of 0 cancel up to tenfold.
            assert ulps(float(got), float(exact)) <= 24, f"beta{point}: {got} and not {float(exact)}"


def test_beta_at_poles_and_zeros() -> None:
    y = sp.Symbol("y", real=True)
    value = compile_grad(sp.beta(x, y), [x, y], args=[x, y], backend="numpy").value
    assert value(-2.25, 2.25) == 0 and value(0.5, -1.5) == 0
    assert not np.isfinite(value(-2.0, 0.5)) and not np.isfinite(value(-1.0, -2.5))
