"""Quotients of two functions that grow exponentially: each overflows from 710 on, the quotient need not.

sinh(x) is exp(|x|) times what is between -1/2 and 1/2, so that the quotients take three exponentials, one of them of
|x| - |y|, where the functions and a division take two. Partials are rows of the same kind.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import mpmath as mp

from symbackprop.ops.row import DIVISION, ELEMENTARY, Op


def _sinh_part(f: Any, x: Any) -> Any:
    """2*sinh(x)*exp(-|x|)."""
    size = -f.expm1(-2 * f.abs(x))
    return f.select(f.lt(x, 0), -size, size)


def _cosh_part(f: Any, x: Any) -> Any:
    """2*cosh(x)*exp(-|x|)."""
    return 1 + f.exp(-2 * f.abs(x))


def _growth(f: Any, x: Any, y: Any) -> Any:
    return f.exp(f.abs(x) - f.abs(y))


def _expm1_part(f: Any, x: Any) -> Any:
    """expm1(x)*exp(-max(x, 0))."""
    size = -f.expm1(-f.abs(x))
    return f.select(f.lt(x, 0), -size, size)


def _exp_over_expm1(f: Any, x: Any, y: Any) -> Any:
    # Half of the exponential at a time: it is denormal where 1/y is large.
    root = f.exp((x - f.maximum(y, 0)) / 2)
    return root / _expm1_part(f, y) * root


# log(sinh(u)/u)/u**2 in u**2 up to 1, to 6e-17 (tests/benchmarks/minimax.py).
_LOG_SINHC = tuple(
    map(
        Fraction,
        (
            0.16666666666666666, -0.005555555555555305, 0.00035273368605870246, -2.645502634769742e-05,
            2.137779210796933e-06, -1.8036435713594766e-07, 1.5655219260817453e-08, -1.3794901933741985e-09,
            1.171057971165217e-10, -7.31525833617913e-12,
        ),
    )
)  # fmt: skip


# (coth(u) - 1/u)/u in u**2 (DLMF 4.33.2); the first term left out is 1e-20 of the whole at 5/4. Not of least error:
# that grows with each derivative by the degree.
_LANGEVIN_TERMS = 25
_LANGEVIN = tuple(
    Fraction(4**k * int(numerator), int(divisor) * math.factorial(2 * k))
    for k in range(1, _LANGEVIN_TERMS + 1)
    for numerator, divisor in (mp.bernfrac(2 * k),)
)
_LANGEVIN_SLOPE = tuple((2 * k + 1) * c for k, c in enumerate(_LANGEVIN))


def _langevin(f: Any, x: Any) -> Any:
    near = f.lt(f.abs(x), Fraction(5, 4))
    small, large = f.select(near, x, 0), f.select(near, 2, x)
    return f.select(near, small * f.polynomial(_LANGEVIN, small * small), f.coth(large) - 1 / large)


def _langevin_slope(f: Any, z: Any, x: Any) -> Any:
    near = f.lt(f.abs(x), Fraction(5, 4))
    small, large = f.select(near, x, 0), f.select(near, 2, x)
    direct = 1 / large / large - f.csch(large) * f.csch(large)
    return f.select(near, f.polynomial(_LANGEVIN_SLOPE, small * small), direct)


def _log_sinhc(f: Any, x: Any) -> Any:
    size = f.abs(x)
    near = f.lt(size, 1)
    square = f.select(near, x * x, 0)
    large = f.select(near, 2, size)
    return f.select(near, square * f.polynomial(_LOG_SINHC, square), f.log_sinh(large) - f.log(large))


_COST = 3 * ELEMENTARY + DIVISION + 8
_BOTH = ((-5, 5), (0.2, 5))

ROWS = (
    Op(
        name="sinh_over_sinh",
        doc="sinh(x)/sinh(y)",
        arity=2,
        partials=(lambda f, z, x, y: f.cosh_over_sinh(x, y), lambda f, z, x, y: -(z * f.coth(y))),
        define=lambda f, x, y: _sinh_part(f, x) / _sinh_part(f, y) * _growth(f, x, y),
        mpmath=lambda x, y: mp.sinh(x) / mp.sinh(y),
        ball=lambda x, y: x.sinh() / y.sinh(),
        cost=_COST,
        domain=_BOTH,
    ),
    Op(
        name="cosh_over_sinh",
        doc="cosh(x)/sinh(y)",
        arity=2,
        partials=(lambda f, z, x, y: f.sinh_over_sinh(x, y), lambda f, z, x, y: -(z * f.coth(y))),
        define=lambda f, x, y: _cosh_part(f, x) / _sinh_part(f, y) * _growth(f, x, y),
        mpmath=lambda x, y: mp.cosh(x) / mp.sinh(y),
        ball=lambda x, y: x.cosh() / y.sinh(),
        cost=_COST,
        domain=_BOTH,
    ),
    Op(
        name="sinh_over_cosh",
        doc="sinh(x)/cosh(y)",
        arity=2,
        partials=(lambda f, z, x, y: f.cosh_over_cosh(x, y), lambda f, z, x, y: -(z * f.tanh(y))),
        define=lambda f, x, y: _sinh_part(f, x) / _cosh_part(f, y) * _growth(f, x, y),
        mpmath=lambda x, y: mp.sinh(x) / mp.cosh(y),
        ball=lambda x, y: x.sinh() / y.cosh(),
        cost=_COST,
        domain=_BOTH,
    ),
    Op(
        name="cosh_over_cosh",
        doc="cosh(x)/cosh(y)",
        arity=2,
        partials=(lambda f, z, x, y: f.sinh_over_cosh(x, y), lambda f, z, x, y: -(z * f.tanh(y))),
        define=lambda f, x, y: _cosh_part(f, x) / _cosh_part(f, y) * _growth(f, x, y),
        mpmath=lambda x, y: mp.cosh(x) / mp.cosh(y),
        ball=lambda x, y: x.cosh() / y.cosh(),
        cost=_COST,
        domain=_BOTH,
    ),
    Op(
        name="expm1_ratio",
        doc="(exp(x) - 1)/(exp(y) - 1)",
        arity=2,
        partials=(
            lambda f, z, x, y: f.exp_over_expm1(x, y),
            lambda f, z, x, y: z * f.reciprocal_expm1(-y),
        ),
        define=lambda f, x, y: _expm1_part(f, x) / _expm1_part(f, y) * f.exp(f.maximum(x, 0) - f.maximum(y, 0)),
        mpmath=lambda x, y: mp.expm1(x) / mp.expm1(y),
        ball=lambda x, y: x.expm1() / y.expm1(),
        cost=_COST,
        domain=_BOTH,
    ),
    Op(
        name="exp_over_expm1",
        doc="exp(x)/(exp(y) - 1)",
        arity=2,
        partials=(lambda f, z, x, y: z, lambda f, z, x, y: z * f.reciprocal_expm1(-y)),
        define=_exp_over_expm1,
        mpmath=lambda x, y: mp.exp(x) / mp.expm1(y),
        ball=lambda x, y: x.exp() / y.expm1(),
        cost=2 * ELEMENTARY + DIVISION + 7,
        domain=_BOTH,
    ),
    Op(
        name="log_sinhc",
        doc="log(sinh(x)/x), and 0 at x = 0",
        partials=(lambda f, z, x: f.langevin(x),),
        define=_log_sinhc,
        mpmath=lambda x: mp.log(mp.sinh(x) / x) if x else mp.mpf(0),
        ball=lambda x: (x.sinh() / x).log() if x != 0 else x,
        cost=6 * ELEMENTARY + 24,
        domain=((0.05, 5),),
        analytic=False,
    ),
    Op(
        name="langevin",
        doc="Langevin's function coth(x) - 1/x, and 0 at x = 0",
        partials=(_langevin_slope,),
        define=_langevin,
        mpmath=lambda x: mp.coth(x) - 1 / x if x else mp.mpf(0),
        ball=lambda x: x.coth() - 1 / x if x != 0 else x,
        cost=2 * ELEMENTARY + DIVISION + 40,
        domain=((0.05, 5),),
        analytic=False,
    ),
)
