"""Differences from a nearby value, and functions near the point where they have one: no digit is lost in a subtraction.

The names are those of the field: expm1 and log1p of C, cosm1 of Cephes, powm1 of Boost, compound (here pow1p) of
IEEE 754-2019, section 9.2.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath as mp

from symbackprop.ops.row import ARITHMETIC, DIVISION, ELEMENTARY, Op

_HALF = Fraction(1, 2)
_WIDE, _LEAST = 2**60, Fraction(1, 10**290)


def _exp_difference(f: Any, x: Any, y: Any) -> Any:
    # From the larger of both, and half of that at a time, so that nothing overflows before the result does.
    root = f.exp(f.maximum(x, y) / 2)
    return f.select(f.lt(x, y), 1, -1) * root * f.expm1(-f.abs(x - y)) * root


def _powm1(f: Any, x: Any, y: Any) -> Any:
    # expm1 of the exponent only while that is small: beyond, its rounding is amplified where pow's is not. A base below
    # 0 has a logarithm of nan, which is not below 1.
    exponent = y * f.log(x)
    return f.select(f.lt(f.abs(exponent), 1), f.expm1(exponent), f.pow(x, y) - 1)


def _pow1p(f: Any, x: Any, y: Any) -> Any:
    # 1 + x has lost digits, which pow amplifies y times: they are found (Knuth's sum of two numbers) and made up for.
    # The exponential of y*log1p(x) errs by up to 600 ulp, and serves where pow vanishes or overflows before.
    total = 1 + x
    back = total - 1
    lost = (1 - (total - back)) + (x - back)
    power = f.pow(total, y)
    plain = f.logical_or(f.eq(lost, 0), f.ge(f.abs(x), _WIDE))
    normal = f.logical_and(f.gt(power, 0), f.lt(power, f.const("inf")))
    made_up = f.select(normal, power * f.exp(y * (lost / total)), f.exp(y * f.log1p(x)))
    return f.select(plain, power, made_up)


def _pow1p_slope(f: Any, x: Any, y: Any) -> Any:
    # y - 1 is rounded, by which the power errs log(1 + x) times: 220 ulp at 1e132.
    power, lowered = f.pow1p(x, y), y * f.pow1p(x, y - 1)
    normal = f.logical_and(f.gt(power, _LEAST), f.lt(power, f.const("inf")))
    return lowered if f.is_constant(y) else f.select(normal, y * (power / (1 + x)), lowered)


def _sinm1(f: Any, x: Any) -> Any:
    sine, cosine = f.sin(x), f.cos(x)
    return f.select(f.gt(sine, 0), -(cosine * cosine / (1 + sine)), sine - 1)


def _pow1pm1(f: Any, x: Any, y: Any) -> Any:
    exponent = y * f.log1p(x)
    return f.select(f.lt(f.abs(exponent), 1), f.expm1(exponent), f.pow1p(x, y) - 1)


ROWS = (
    Op(
        name="cosm1",
        doc="cos(x) - 1, as -2*sin(x/2)**2",
        partials=(lambda f, z, x: -f.sin(x),),
        define=lambda f, x: -2 * (f.sin(x / 2) * f.sin(x / 2)),
        mpmath=lambda x: -2 * mp.sin(x / 2) ** 2,
        ball=lambda x: -2 * (x / 2).sin() ** 2,
        cost=ELEMENTARY + 3,
        domain=((-3, 3),),
    ),
    Op(
        name="sinm1",
        doc="sin(x) - 1, as -cos(x)**2/(1 + sin(x)) where the sine is positive",
        partials=(lambda f, z, x: f.cos(x),),
        define=_sinm1,
        mpmath=lambda x: mp.sin(x) - 1,
        ball=lambda x: x.sin() - 1,
        cost=2 * ELEMENTARY + DIVISION + 5,
        domain=((-3, 3),),
    ),
    Op(
        name="coshm1",
        doc="cosh(x) - 1, as 2*sinh(x/2)**2",
        partials=(lambda f, z, x: f.sinh(x),),
        define=lambda f, x: 2 * (f.sinh(x / 2) * f.sinh(x / 2)),
        mpmath=lambda x: 2 * mp.sinh(x / 2) ** 2,
        ball=lambda x: 2 * (x / 2).sinh() ** 2,
        cost=ELEMENTARY + 3,
        domain=((-5, 5),),
    ),
    Op(
        name="exp_difference",
        doc="exp(x) - exp(y)",
        arity=2,
        partials=(lambda f, z, x, y: f.exp(x), lambda f, z, x, y: -f.exp(y)),
        define=_exp_difference,
        mpmath=lambda x, y: mp.exp(x) - mp.exp(y),
        ball=lambda x, y: x.exp() - y.exp(),
        cost=2 * ELEMENTARY + 6,
        domain=((-5, 5), (-5, 5)),
    ),
    Op(
        name="powm1",
        doc="x**y - 1",
        arity=2,
        partials=(lambda f, z, x, y: f.power_slope(x, y), lambda f, z, x, y: f.power_growth(x, y)),
        define=_powm1,
        mpmath=lambda x, y: mp.expm1(y * mp.log(x)) if mp.re(x) > 0 else mp.power(x, y) - 1,
        ball=lambda x, y: (y * x.log()).expm1(),
        cost=3 * ELEMENTARY + 4,
        domain=((0.2, 3), (-3, 3)),
    ),
    Op(
        name="pow1p",
        doc="(1 + x)**y",
        arity=2,
        partials=(lambda f, z, x, y: _pow1p_slope(f, x, y), lambda f, z, x, y: z * f.log1p(x)),
        define=_pow1p,
        mpmath=lambda x, y: mp.exp(y * mp.log1p(x)) if mp.re(x) > -1 else mp.power(1 + x, y),
        ball=lambda x, y: (y * x.log1p()).exp(),
        cost=3 * ELEMENTARY + 4,
        domain=((-0.8, 3), (-3, 3)),
    ),
    Op(
        name="pow1pm1",
        doc="(1 + x)**y - 1",
        arity=2,
        partials=(lambda f, z, x, y: _pow1p_slope(f, x, y), lambda f, z, x, y: f.pow1p(x, y) * f.log1p(x)),
        define=_pow1pm1,
        mpmath=lambda x, y: mp.expm1(y * mp.log1p(x)) if mp.re(x) > -1 else mp.power(1 + x, y) - 1,
        ball=lambda x, y: (y * x.log1p()).expm1(),
        cost=4 * ELEMENTARY + 6,
        domain=((-0.8, 3), (-3, 3)),
    ),
    Op(
        name="log_near_one",
        doc="log(x), given d = x - 1 without cancellation",
        arity=2,
        # The value of x is that of 1 + d: all of the derivative goes through x.
        partials=(lambda f, z, x, d: 1 / x, 0),
        define=lambda f, x, d: f.select(f.lt(f.abs(d), _HALF), f.log1p(d), f.log(x)),
        mpmath=lambda x, d: mp.log(x),
        ball=lambda x, d: x.log(),
        cost=2 * ELEMENTARY + 3,
        domain=((0.05, 9), (2, 2)),
    ),
    Op(
        name="root_near",
        doc="sqrt(x) - c, given d = x - c*c without cancellation",
        arity=3,
        # All of the derivative goes through x, as in log_near_one; c is a literal.
        partials=(lambda f, z, x, d, c: f.sqrt_slope(x), 0, 0),
        define=lambda f, x, d, c: f.select(f.lt(f.abs(d), 3 * c * c), d / (f.sqrt(x) + c), f.sqrt(x) - c),
        mpmath=lambda x, d, c: mp.sqrt(x) - c,
        ball=lambda x, d, c: x.sqrt() - c,
        cost=2 * DIVISION + 6,
        domain=((0.05, 9), (2, 2), (0.125, 0.125)),
    ),
    Op(
        name="quotient_near",
        doc="x / y, given d = x - y without cancellation",
        arity=3,
        # x/y is 1 + d/y: the derivative of that has no two terms near 1/y that cancel where d is small. Given x + y it
        # is -1 + d/y, with the same derivatives and another value: what reads the references would be told 2 too much.
        partials=(0, lambda f, z, x, y, d: -(d / y / y), lambda f, z, x, y, d: 1 / y),
        define=lambda f, x, y, d: x / y,
        mpmath=lambda x, y, d: 1 + d / y,
        ball=lambda x, y, d: 1 + d / y,
        cost=DIVISION,
        domain=((-3, 3), (0.2, 3), (0.1, 1)),
    ),
    Op(
        name="difference_of_squares",
        doc="x*x - y*y, as (x - y)*(x + y)",
        arity=2,
        # Differentiating the product gives (x + y) + (x - y), without the digits of a small x.
        partials=(lambda f, z, x, y: 2 * x, lambda f, z, x, y: -2 * y),
        define=lambda f, x, y: (x - y) * (x + y),
        mpmath=lambda x, y: x * x - y * y,
        ball=lambda x, y: x * x - y * y,
        cost=3 * ARITHMETIC,
        domain=((-3, 3), (-3, 3)),
    ),
)
