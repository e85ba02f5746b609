"""Quotients of two functions that grow exponentially: each overflows from 710 on, the quotient need not.

sinh(x) is exp(|x|) times what is between -1/2 and 1/2, so that the quotients take three exponentials, one of them of
|x| - |y|, where the functions and a division take two. Partials are rows of the same kind.
"""

from __future__ import annotations

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
)
