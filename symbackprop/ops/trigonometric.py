"""Circular functions, their reciprocals and inverses.

The inverse reciprocals avoid the rounding of 1/x, which near |x| = 1 would be amplified without bound: asec and acsc
come from atan2 over sqrt(|x| - 1)*sqrt(|x| + 1) (DLMF 4.24).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import mpmath as mp

from symbackprop.ops.row import DIVISION, ELEMENTARY, Op, call, helper


def _sin(x: float) -> float:
    """The sine; nan at the infinities."""
    return math.sin(x) if math.isfinite(x) else math.nan


def _cos(x: float) -> float:
    """The cosine; nan at the infinities."""
    return math.cos(x) if math.isfinite(x) else math.nan


def _tan(x: float) -> float:
    """The tangent; nan at the infinities."""
    return math.tan(x) if math.isfinite(x) else math.nan


def _asin(x: float) -> float:
    """The arc sine; nan outside [-1, 1]."""
    return math.asin(x) if -1.0 <= x <= 1.0 else math.nan


def _acos(x: float) -> float:
    """The arc cosine; nan outside [-1, 1]."""
    return math.acos(x) if -1.0 <= x <= 1.0 else math.nan


def _chord(f: Any, x: Any) -> Any:
    # sqrt(x*x - 1) for |x| >= 1, exact to rounding near 1 and without overflow; nan inside.
    size = f.abs(x)
    return f.sqrt(size - 1) * f.sqrt(size + 1)


def _sinc_series(f: Any, x: Any, order: int) -> Any:
    """The Taylor series of a derivative of sinc, sum (-1)**k x**(2k)/(2k + 1)!, up to k = 11.

    For |x| <= 1.5 the first term left out is 24*23*1.5**22/25! = 3e-19 in the second derivative, which is -1/3 at 0,
    and less in the first.
    """
    square = x * x
    series = f.const(0)
    for k in range(11, 0, -1):
        power = 2 * k if order == 1 else 2 * k * (2 * k - 1)
        series = series * square + f.const(((-1) ** k * power, math.factorial(2 * k + 1)))
    return x * series if order == 1 else series


def _sinc_slope(f: Any, x: Any) -> Any:
    # (cos(x) - sin(x)/x)/x loses 3*eps/x**2: 8 ulp at 0.6, next to none at 1.5.
    direct = (f.cos(x) - f.sin(x) / x) / x
    return f.select(f.lt(f.abs(x), _SINC_RADIUS), _sinc_series(f, x, 1), direct)


def _sinc_slope_partial(f: Any, z: Any, x: Any) -> Any:
    direct = -(f.sin(x) / x + 2 * z / x)
    return f.select(f.lt(f.abs(x), _SINC_RADIUS), _sinc_series(f, x, 2), direct)


def _angle_curvature(f: Any, x: Any, y: Any) -> Any:
    h = f.hypot(x, y)
    return (y - x) / h * ((y + x) / h) / h / h


_SINC_RADIUS = 1.5
_SMALL = Fraction(1, 2**64)
_REACH = ((-6, 6),)
_OUTSIDE = ((1.05, 6),)

ROWS = (
    Op(
        name="sin",
        doc="sine",
        sympy=("sin",),
        partials=(lambda f, z, x: f.cos(x),),
        python=helper(_sin),
        numpy=call("np.sin"),
        numba=call("math.sin"),
        mpmath=mp.sin,
        ball=lambda x: x.sin(),
        cost=ELEMENTARY,
        domain=_REACH,
    ),
    Op(
        name="cos",
        doc="cosine",
        sympy=("cos",),
        partials=(lambda f, z, x: -f.sin(x),),
        python=helper(_cos),
        numpy=call("np.cos"),
        numba=call("math.cos"),
        mpmath=mp.cos,
        ball=lambda x: x.cos(),
        cost=ELEMENTARY,
        domain=_REACH,
    ),
    Op(
        name="tan",
        doc="tangent",
        sympy=("tan",),
        partials=(lambda f, z, x: 1 + z * z,),
        python=helper(_tan),
        numpy=call("np.tan"),
        numba=call("math.tan"),
        mpmath=mp.tan,
        ball=lambda x: x.tan(),
        cost=ELEMENTARY,
        domain=((-1.4, 1.4),),
    ),
    Op(
        name="asin",
        doc="arc sine",
        sympy=("asin",),
        partials=(lambda f, z, x: f.asin_slope(x),),
        python=helper(_asin),
        numpy=call("np.arcsin"),
        numba=call("math.asin"),
        mpmath=mp.asin,
        ball=lambda x: x.asin(),
        cost=ELEMENTARY,
        domain=((-0.95, 0.95),),
    ),
    Op(
        name="acos",
        doc="arc cosine",
        sympy=("acos",),
        partials=(lambda f, z, x: -f.asin_slope(x),),
        python=helper(_acos),
        numpy=call("np.arccos"),
        numba=call("math.acos"),
        mpmath=mp.acos,
        ball=lambda x: x.acos(),
        cost=ELEMENTARY,
        domain=((-0.95, 0.95),),
    ),
    Op(
        name="atan",
        doc="arc tangent",
        sympy=("atan",),
        partials=(lambda f, z, x: f.atan_slope(x),),
        python=call("math.atan"),
        numpy=call("np.arctan"),
        numba=call("math.atan"),
        mpmath=mp.atan,
        ball=lambda x: x.atan(),
        cost=ELEMENTARY,
        domain=_REACH,
    ),
    Op(
        name="atan2",
        doc="angle of the point (x, y), called atan2(y, x)",
        arity=2,
        sympy=("atan2",),
        partials=(lambda f, z, y, x: f.angle_slope(x, y), lambda f, z, y, x: -f.angle_slope(y, x)),
        python=call("math.atan2"),
        numpy=call("np.arctan2"),
        numba=call("math.atan2"),
        mpmath=mp.atan2,
        ball=lambda y, x: type(y).atan2(y, x),
        analytic=False,
        cost=ELEMENTARY,
        domain=((-3, 3), (0.2, 3)),
    ),
    Op(
        name="sec",
        doc="1 / cos(x)",
        sympy=("sec",),
        partials=(lambda f, z, x: z * f.tan(x),),
        define=lambda f, x: 1 / f.cos(x),
        mpmath=mp.sec,
        ball=lambda x: x.sec(),
        cost=ELEMENTARY + DIVISION,
        domain=((-1.4, 1.4),),
    ),
    Op(
        name="csc",
        doc="1 / sin(x)",
        sympy=("csc",),
        partials=(lambda f, z, x: f.csc_slope(x),),
        define=lambda f, x: 1 / f.sin(x),
        mpmath=mp.csc,
        ball=lambda x: x.csc(),
        cost=ELEMENTARY + DIVISION,
        domain=((0.2, 3),),
    ),
    Op(
        name="cot",
        doc="cos(x) / sin(x)",
        sympy=("cot",),
        partials=(lambda f, z, x: f.cot_slope(x),),
        define=lambda f, x: f.cos(x) / f.sin(x),
        mpmath=mp.cot,
        ball=lambda x: x.cot(),
        cost=2 * ELEMENTARY + DIVISION,
        domain=((0.2, 3),),
    ),
    Op(
        name="asec",
        doc="acos(1 / x), |x| >= 1",
        sympy=("asec",),
        partials=(lambda f, z, x: f.asec_slope(x),),
        define=lambda f, x: f.atan2(_chord(f, x), f.sign(x)),
        mpmath=mp.asec,
        ball=lambda x: (1 / x).acos(),
        cost=ELEMENTARY + 2 * DIVISION + 5,
        domain=_OUTSIDE,
    ),
    Op(
        name="acsc",
        doc="asin(1 / x), |x| >= 1",
        sympy=("acsc",),
        partials=(lambda f, z, x: -f.asec_slope(x),),
        define=lambda f, x: f.sign(x) * f.atan2(f.const(1), _chord(f, x)),
        mpmath=mp.acsc,
        ball=lambda x: (1 / x).asin(),
        cost=ELEMENTARY + 2 * DIVISION + 6,
        domain=_OUTSIDE,
    ),
    Op(
        name="acot",
        doc="atan(1 / x)",
        sympy=("acot",),
        partials=(lambda f, z, x: -f.atan_slope(x),),
        define=lambda f, x: f.atan(1 / x),
        mpmath=mp.acot,
        ball=lambda x: (1 / x).atan(),
        cost=ELEMENTARY + DIVISION,
        domain=((0.1, 6),),
    ),
    Op(
        name="sinc",
        doc="sin(x) / x, and 1 at 0",
        sympy=("sinc",),
        partials=(lambda f, z, x: f.sinc_slope(x),),
        define=lambda f, x: f.select(f.eq(x, 0), 1, f.sin(x) / x),
        mpmath=mp.sinc,
        ball=lambda x: x.sinc(),
        cost=ELEMENTARY + DIVISION + 2,
        domain=_REACH,
    ),
    Op(
        name="asin_slope",
        doc="derivative of asin, 1/sqrt(1 - x*x)",
        partials=(lambda f, z, x: x / (f.one_minus_square(x) * f.sqrt(f.one_minus_square(x))),),
        define=lambda f, x: 1 / f.sqrt(f.one_minus_square(x)),
        mpmath=lambda x: 1 / mp.sqrt(1 - x * x),
        ball=lambda x: (1 - x * x).rsqrt(),
        cost=2 * DIVISION + 3,
        domain=((-0.95, 0.95),),
    ),
    Op(
        name="atan_slope",
        doc="derivative of atan, 1/(1 + x*x)",
        # x*x*2**-64 does not overflow before the quotient vanishes; 1/(1 + x*x) is 0 from 1.4e154 on.
        partials=(lambda f, z, x: -2 * (x * z) * z,),
        define=lambda f, x: _SMALL / (_SMALL + _SMALL * x * x),
        mpmath=lambda x: 1 / (1 + x * x),
        ball=lambda x: 1 / (1 + x * x),
        cost=DIVISION + 3,
        domain=_REACH,
    ),
    Op(
        name="csc_slope",
        doc="derivative of csc",
        partials=(lambda f, z, x: (2 - f.sin(x) * f.sin(x)) / (f.sin(x) * f.sin(x) * f.sin(x)),),
        define=lambda f, x: -(1 / f.sin(x) * (f.cos(x) / f.sin(x))),
        mpmath=lambda x: -mp.csc(x) * mp.cot(x),
        ball=lambda x: -x.csc() * x.cot(),
        cost=2 * ELEMENTARY + 2 * DIVISION + 2,
        domain=((0.2, 3),),
    ),
    Op(
        name="cot_slope",
        doc="derivative of cot",
        partials=(lambda f, z, x: 2 * f.cos(x) / (f.sin(x) * f.sin(x) * f.sin(x)),),
        define=lambda f, x: -(1 / f.sin(x) / f.sin(x)),
        mpmath=lambda x: -(mp.csc(x) ** 2),
        ball=lambda x: -(x.csc() ** 2),
        cost=ELEMENTARY + 2 * DIVISION + 1,
        domain=((0.2, 3),),
    ),
    Op(
        name="asec_slope",
        doc="derivative of asec",
        partials=(lambda f, z, x: -(f.sign(x) * z * (1 / f.abs(x) + f.abs(x) / (f.abs(x) - 1) / (f.abs(x) + 1))),),
        define=lambda f, x: 1 / f.abs(x) / _chord(f, x),
        mpmath=lambda x: 1 / (abs(x) * mp.sqrt(x * x - 1)),
        ball=lambda x: 1 / (abs(x) * (x * x - 1).sqrt()),
        cost=4 * DIVISION + 4,
        domain=_OUTSIDE,
        analytic=False,
    ),
    Op(
        name="sinc_slope",
        doc="derivative of sinc",
        partials=(_sinc_slope_partial,),
        define=_sinc_slope,
        mpmath=lambda x: (mp.cos(x) - mp.sinc(x)) / x if x else mp.mpf(0),
        ball=lambda x: (x.cos() - x.sinc()) / x,
        cost=2 * ELEMENTARY + 2 * DIVISION + 30,
        domain=_REACH,
    ),
    Op(
        name="angle_slope",
        doc="x / (x*x + y*y), the derivative of the angle",
        arity=2,
        partials=(lambda f, z, x, y: f.angle_curvature(x, y), lambda f, z, x, y: -2 * z * f.angle_slope(y, x)),
        # (x/h)/h with h = hypot(x, y): x*x + y*y would overflow from 1e154 on.
        define=lambda f, x, y: x / f.hypot(x, y) / f.hypot(x, y),
        mpmath=lambda x, y: x / (x * x + y * y),
        ball=lambda x, y: x / (x * x + y * y),
        cost=ELEMENTARY + 2 * DIVISION,
        domain=((-3, 3), (0.2, 3)),
    ),
    Op(
        name="angle_curvature",
        doc="(y*y - x*x) / (x*x + y*y)**2, the derivative of angle_slope in x",
        arity=2,
        # Minus the real part of (x + iy)**-2; the partials are twice the real and imaginary part of (x + iy)**-3.
        partials=(
            lambda f, z, x, y: -2 * f.angle_slope(x, y) * (z + 2 * f.angle_slope(y, x) * f.angle_slope(y, x)),
            lambda f, z, x, y: 2 * f.angle_slope(y, x) * (2 * f.angle_slope(x, y) * f.angle_slope(x, y) - z),
        ),
        define=_angle_curvature,
        mpmath=lambda x, y: (y * y - x * x) / (x * x + y * y) ** 2,
        ball=lambda x, y: (y - x) * (y + x) / (x * x + y * y) ** 2,
        cost=ELEMENTARY + 4 * DIVISION + 3,
        domain=((-3, 3), (0.2, 3)),
    ),
)
