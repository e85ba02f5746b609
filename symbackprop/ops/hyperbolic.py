"""Hyperbolic functions, their reciprocals and inverses."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import mpmath as mp

from symbackprop.ops.row import DIVISION, ELEMENTARY, Op, call, helper


def _sinh(x: float) -> float:
    """The hyperbolic sine; an infinity where it overflows."""
    try:
        return math.sinh(x)
    except OverflowError:
        return math.copysign(math.inf, x)


def _cosh(x: float) -> float:
    """The hyperbolic cosine; inf where it overflows."""
    try:
        return math.cosh(x)
    except OverflowError:
        return math.inf


def _acosh(x: float) -> float:
    """The inverse hyperbolic cosine; nan below 1."""
    return math.acosh(x) if x >= 1.0 else math.nan


def _atanh(x: float) -> float:
    """The inverse hyperbolic tangent; an infinity at -1 and 1, nan outside."""
    if -1.0 < x < 1.0:
        return math.atanh(x)
    return math.copysign(math.inf, x) if abs(x) == 1.0 else math.nan


def _sech(f: Any, x: Any) -> Any:
    # 2e/(1 + e*e) with e = exp(-|x|): denormal, not 0, where cosh has overflowed.
    e = f.exp(-f.abs(x))
    return 2 * e / (1 + e * e)


def _asech(f: Any, x: Any) -> Any:
    # asinh(sqrt(1 - x*x)/x), since acosh(1/x) amplifies the rounding of 1/x near x = 1; log(2/x) where 1/x overflows.
    usual = f.asinh(f.sqrt(f.one_minus_square(x)) / x)
    return f.select(f.lt(x, 0), f.const("nan"), f.select(f.lt(x, _TINY), f.log(f.const(2)) - f.log(x), usual))


def _acsch(f: Any, x: Any) -> Any:
    # asinh(1/x), and log(2/|x|) with the sign of x where 1/x overflows.
    tiny = f.sign(x) * (f.log(f.const(2)) - f.log(f.abs(x)))
    return f.select(f.logical_and(f.lt(f.abs(x), _TINY), f.ne(x, 0)), tiny, f.asinh(1 / x))


_TINY = Fraction(1, 10**300)
_REACH = ((-5, 5),)

ROWS = (
    Op(
        name="sinh",
        doc="hyperbolic sine",
        sympy=("sinh",),
        partials=(lambda f, z, x: f.cosh(x),),
        python=helper(_sinh),
        numpy=call("np.sinh"),
        numba=call("math.sinh"),
        mpmath=mp.sinh,
        cost=ELEMENTARY,
        domain=_REACH,
    ),
    Op(
        name="cosh",
        doc="hyperbolic cosine",
        sympy=("cosh",),
        partials=(lambda f, z, x: f.sinh(x),),
        python=helper(_cosh),
        numpy=call("np.cosh"),
        numba=call("math.cosh"),
        mpmath=mp.cosh,
        cost=ELEMENTARY,
        domain=_REACH,
    ),
    Op(
        name="tanh",
        doc="hyperbolic tangent",
        sympy=("tanh",),
        # sech(x)**2: 1 - tanh(x)**2 is 0 from x = 19 on, where the truth is 1.7e-17 and larger than denormal up to 355.
        partials=(lambda f, z, x: f.sech(x) * f.sech(x),),
        python=call("math.tanh"),
        numpy=call("np.tanh"),
        numba=call("math.tanh"),
        mpmath=mp.tanh,
        cost=ELEMENTARY,
        domain=_REACH,
    ),
    Op(
        name="asinh",
        doc="inverse hyperbolic sine",
        sympy=("asinh",),
        partials=(lambda f, z, x: 1 / f.hypot(x, 1),),
        python=call("math.asinh"),
        numpy=call("np.arcsinh"),
        numba=call("math.asinh"),
        mpmath=mp.asinh,
        cost=ELEMENTARY,
        domain=_REACH,
    ),
    Op(
        name="acosh",
        doc="inverse hyperbolic cosine; nan below 1",
        sympy=("acosh",),
        # Two roots and not one of x*x - 1: no overflow, no cancellation near 1.
        partials=(lambda f, z, x: 1 / (f.sqrt(x - 1) * f.sqrt(x + 1)),),
        python=helper(_acosh),
        numpy=call("np.arccosh"),
        numba=call("math.acosh"),
        mpmath=mp.acosh,
        cost=ELEMENTARY,
        domain=((1.05, 6),),
    ),
    Op(
        name="atanh",
        doc="inverse hyperbolic tangent",
        sympy=("atanh",),
        partials=(lambda f, z, x: 1 / f.one_minus_square(x),),
        python=helper(_atanh),
        numpy=call("np.arctanh"),
        numba=call("math.atanh"),
        mpmath=mp.atanh,
        cost=ELEMENTARY,
        domain=((-0.95, 0.95),),
    ),
    Op(
        name="sech",
        doc="1 / cosh(x)",
        sympy=("sech",),
        partials=(lambda f, z, x: -(z * f.tanh(x)),),
        define=_sech,
        mpmath=mp.sech,
        cost=ELEMENTARY + DIVISION + 5,
        domain=_REACH,
    ),
    Op(
        name="csch",
        doc="1 / sinh(x)",
        sympy=("csch",),
        partials=(lambda f, z, x: -(z * f.coth(x)),),
        define=lambda f, x: 1 / f.sinh(x),
        mpmath=mp.csch,
        cost=ELEMENTARY + DIVISION,
        domain=((0.2, 5),),
    ),
    Op(
        name="coth",
        doc="1 / tanh(x)",
        sympy=("coth",),
        partials=(lambda f, z, x: -(f.csch(x) * f.csch(x)),),
        define=lambda f, x: 1 / f.tanh(x),
        mpmath=mp.coth,
        cost=ELEMENTARY + DIVISION,
        domain=((0.2, 5),),
    ),
    Op(
        name="asech",
        doc="acosh(1 / x), 0 < x <= 1",
        sympy=("asech",),
        partials=(lambda f, z, x: -(1 / (x * f.sqrt(f.one_minus_square(x)))),),
        define=_asech,
        mpmath=mp.asech,
        cost=ELEMENTARY + 2 * DIVISION + 5,
        domain=((0.1, 0.95),),
    ),
    Op(
        name="acsch",
        doc="asinh(1 / x)",
        sympy=("acsch",),
        partials=(lambda f, z, x: -(1 / (f.abs(x) * f.hypot(x, 1))),),
        define=_acsch,
        mpmath=mp.acsch,
        cost=ELEMENTARY + DIVISION,
        domain=((0.1, 5),),
    ),
    Op(
        name="acoth",
        doc="atanh(1 / x), |x| > 1",
        sympy=("acoth",),
        partials=(lambda f, z, x: 1 / f.one_minus_square(x),),
        # log1p(2/(|x| - 1))/2: atanh(1/x) amplifies the rounding of 1/x near |x| = 1.
        define=lambda f, x: f.sign(x) * f.log1p(2 / (f.abs(x) - 1)) / 2,
        mpmath=mp.acoth,
        cost=ELEMENTARY + DIVISION + 6,
        domain=((1.05, 6),),
    ),
)
