"""Circular functions, their reciprocals and inverses.

The inverse reciprocals avoid the rounding of 1/x, which near |x| = 1 would be amplified without bound: asec and acsc
come from atan2 over sqrt(|x| - 1)*sqrt(|x| + 1) (DLMF 4.24).
"""

from __future__ import annotations

import math
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


def _sinc_partial(f: Any, z: Any, x: Any) -> Any:
    # (cos(x) - sin(x)/x)/x loses 3*eps/x**2. Below 0.6 the Taylor series sum (-1)**k 2k x**(2k-1)/(2k+1)! serves, up to
    # k = 7: the first term left out, relative to the leading -x/3, is 48*0.6**14/17! = 1.1e-16.
    square = x * x
    series = f.const(0)
    for k in range(7, 0, -1):
        series = series * square + f.const(((-1) ** k * 2 * k, math.factorial(2 * k + 1)))
    return f.select(f.lt(f.abs(x), f.const((3, 5))), x * series, (f.cos(x) - z) / x)


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
        cost=ELEMENTARY,
        domain=((-1.4, 1.4),),
    ),
    Op(
        name="asin",
        doc="arc sine",
        sympy=("asin",),
        partials=(lambda f, z, x: 1 / f.sqrt(f.one_minus_square(x)),),
        python=helper(_asin),
        numpy=call("np.arcsin"),
        numba=call("math.asin"),
        mpmath=mp.asin,
        cost=ELEMENTARY,
        domain=((-0.95, 0.95),),
    ),
    Op(
        name="acos",
        doc="arc cosine",
        sympy=("acos",),
        partials=(lambda f, z, x: -(1 / f.sqrt(f.one_minus_square(x))),),
        python=helper(_acos),
        numpy=call("np.arccos"),
        numba=call("math.acos"),
        mpmath=mp.acos,
        cost=ELEMENTARY,
        domain=((-0.95, 0.95),),
    ),
    Op(
        name="atan",
        doc="arc tangent",
        sympy=("atan",),
        partials=(lambda f, z, x: 1 / (1 + x * x),),
        python=call("math.atan"),
        numpy=call("np.arctan"),
        numba=call("math.atan"),
        mpmath=mp.atan,
        cost=ELEMENTARY,
        domain=_REACH,
    ),
    Op(
        name="atan2",
        doc="angle of the point (x, y), called atan2(y, x)",
        arity=2,
        sympy=("atan2",),
        # (x/h)/h with h = hypot(x, y): x*x + y*y would overflow from 1e154 on.
        partials=(
            lambda f, z, y, x: x / f.hypot(x, y) / f.hypot(x, y),
            lambda f, z, y, x: -(y / f.hypot(x, y) / f.hypot(x, y)),
        ),
        python=call("math.atan2"),
        numpy=call("np.arctan2"),
        numba=call("math.atan2"),
        mpmath=mp.atan2,
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
        cost=ELEMENTARY + DIVISION,
        domain=((-1.4, 1.4),),
    ),
    Op(
        name="csc",
        doc="1 / sin(x)",
        sympy=("csc",),
        partials=(lambda f, z, x: -(z * f.cot(x)),),
        define=lambda f, x: 1 / f.sin(x),
        mpmath=mp.csc,
        cost=ELEMENTARY + DIVISION,
        domain=((0.2, 3),),
    ),
    Op(
        name="cot",
        doc="cos(x) / sin(x)",
        sympy=("cot",),
        partials=(lambda f, z, x: -(1 + z * z),),
        define=lambda f, x: f.cos(x) / f.sin(x),
        mpmath=mp.cot,
        cost=2 * ELEMENTARY + DIVISION,
        domain=((0.2, 3),),
    ),
    Op(
        name="asec",
        doc="acos(1 / x), |x| >= 1",
        sympy=("asec",),
        partials=(lambda f, z, x: 1 / (f.abs(x) * _chord(f, x)),),
        define=lambda f, x: f.atan2(_chord(f, x), f.sign(x)),
        mpmath=mp.asec,
        cost=ELEMENTARY + 2 * DIVISION + 5,
        domain=_OUTSIDE,
    ),
    Op(
        name="acsc",
        doc="asin(1 / x), |x| >= 1",
        sympy=("acsc",),
        partials=(lambda f, z, x: -(1 / (f.abs(x) * _chord(f, x))),),
        define=lambda f, x: f.sign(x) * f.atan2(f.const(1), _chord(f, x)),
        mpmath=mp.acsc,
        cost=ELEMENTARY + 2 * DIVISION + 6,
        domain=_OUTSIDE,
    ),
    Op(
        name="acot",
        doc="atan(1 / x)",
        sympy=("acot",),
        partials=(lambda f, z, x: -(1 / (1 + x * x)),),
        define=lambda f, x: f.atan(1 / x),
        mpmath=mp.acot,
        cost=ELEMENTARY + DIVISION,
        domain=((0.1, 6),),
    ),
    Op(
        name="sinc",
        doc="sin(x) / x, and 1 at 0",
        sympy=("sinc",),
        partials=(_sinc_partial,),
        define=lambda f, x: f.select(f.eq(x, 0), 1, f.sin(x) / x),
        mpmath=mp.sinc,
        cost=ELEMENTARY + DIVISION + 2,
        domain=_REACH,
    ),
)
