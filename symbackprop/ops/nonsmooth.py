"""Functions with kinks and steps. What a subgradient is at a kink is decided by one policy, see `Functions.at_kink`."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import mpmath as mp

from symbackprop.ops.row import ARITHMETIC, DIVISION, Op, call, helper, infix


def _sign(x: float) -> float:
    """-1, 0 or 1 by the sign of x; nan stays nan."""
    return (x > 0.0) - (x < 0.0) + 0.0 if x == x else x


def _floor(x: float) -> float:
    """The largest integer not above x, as a float."""
    return float(math.floor(x)) if math.isfinite(x) else x


def _ceil(x: float) -> float:
    """The smallest integer not below x, as a float."""
    return float(math.ceil(x)) if math.isfinite(x) else x


def _mod(x: float, y: float) -> float:
    """x - y*floor(x/y), of the sign of y; nan for y = 0 and infinite x."""
    return x % y if y != 0.0 and math.isfinite(x) else math.nan


def _maximum(x: float, y: float) -> float:
    """The larger of two; nan if either is."""
    return x if x > y or x != x else y


def _minimum(x: float, y: float) -> float:
    """The smaller of two; nan if either is."""
    return x if x < y or x != x else y


_HALF = Fraction(1, 2)


def _abs_partial(f: Any, z: Any, x: Any) -> Any:
    # sign(x) is one operation where a choice of three takes four.
    return f.sign(x) if f.kinks == "zero" else f.at_kink(x, f.const(0), below=-1, above=1, at=0)


def _max_partial(f: Any, x: Any, y: Any) -> Any:
    # Against a constant nothing passes at the tie: Max(x, 0) is the relu. Between two active arguments the tie splits
    # evenly whatever the policy, since the sides of one are not those of the other.
    if f.is_constant(x) or f.is_constant(y):
        return f.at_kink(x, y, below=0, above=1, at=0)
    return f.select(f.ge(x, y), f.select(f.eq(x, y), _HALF, 1), 0)


def _min_partial(f: Any, x: Any, y: Any) -> Any:
    if f.is_constant(x) or f.is_constant(y):
        return f.at_kink(x, y, below=1, above=0, at=0)
    return f.select(f.le(x, y), f.select(f.eq(x, y), _HALF, 1), 0)


ROWS = (
    Op(
        name="abs",
        doc="absolute value",
        sympy=("Abs",),
        partials=(_abs_partial,),
        python=call("abs"),
        numpy=call("np.abs"),
        numba=call("abs"),
        mpmath=abs,
        rational=abs,
        domain=((-3, 3),),
        analytic=False,
        kink="0 at 0",
    ),
    Op(
        name="sign",
        doc="-1, 0 or 1",
        sympy=("sign",),
        partials=(0,),
        python=helper(_sign),
        numpy=call("np.sign"),
        numba=call("np.sign"),
        mpmath=mp.sign,
        domain=((-3, 3),),
        analytic=False,
        kink="0 everywhere",
    ),
    Op(
        name="floor",
        doc="largest integer not above x",
        sympy=("floor",),
        partials=(0,),
        python=helper(_floor),
        numpy=call("np.floor"),
        numba=call("np.floor"),
        mpmath=mp.floor,
        domain=((-3, 3),),
        analytic=False,
        kink="0 everywhere",
    ),
    Op(
        name="ceiling",
        doc="smallest integer not below x",
        sympy=("ceiling",),
        partials=(0,),
        python=helper(_ceil),
        numpy=call("np.ceil"),
        numba=call("np.ceil"),
        mpmath=mp.ceil,
        domain=((-3, 3),),
        analytic=False,
        kink="0 everywhere",
    ),
    Op(
        name="frac",
        doc="x - floor(x)",
        sympy=("frac",),
        partials=(1,),
        define=lambda f, x: x - f.floor(x),
        mpmath=lambda x: x - mp.floor(x),
        cost=2 * ARITHMETIC,
        domain=((-3, 3),),
        analytic=False,
        kink="1 everywhere",
    ),
    Op(
        name="mod",
        doc="x - y*floor(x/y), of the sign of y",
        arity=2,
        sympy=("Mod",),
        partials=(1, lambda f, z, x, y: -f.floor(x / y)),
        python=helper(_mod),
        numpy=call("np.mod"),
        numba=infix("%"),
        mpmath=lambda x, y: x - y * mp.floor(x / y),
        cost=DIVISION,
        domain=((-9, 9), (0.5, 3)),
        analytic=False,
        kink="1 and -floor(x/y) everywhere",
    ),
    Op(
        name="maximum",
        doc="the larger of two",
        arity=2,
        partials=(lambda f, z, x, y: _max_partial(f, x, y), lambda f, z, x, y: _max_partial(f, y, x)),
        python=helper(_maximum),
        numpy=call("np.maximum"),
        numba=call("np.maximum"),
        mpmath=lambda x, y: x if x > y else y,
        cost=3 * ARITHMETIC,  # a comparison, a test for nan, a choice
        domain=((-3, 3), (-3, 3)),
        analytic=False,
        kink="at a tie 1/2 each; against a constant 0",
    ),
    Op(
        name="minimum",
        doc="the smaller of two",
        arity=2,
        partials=(lambda f, z, x, y: _min_partial(f, x, y), lambda f, z, x, y: _min_partial(f, y, x)),
        python=helper(_minimum),
        numpy=call("np.minimum"),
        numba=call("np.minimum"),
        mpmath=lambda x, y: x if x < y else y,
        cost=3 * ARITHMETIC,
        domain=((-3, 3), (-3, 3)),
        analytic=False,
        kink="at a tie 1/2 each; against a constant 0",
    ),
    Op(
        name="heaviside",
        doc="0 below 0, 1 above, the second operand at 0",
        arity=2,
        sympy=("Heaviside",),
        partials=(0, lambda f, z, x, h: f.select(f.eq(x, 0), 1, 0)),
        define=lambda f, x, h: f.select(f.lt(x, 0), 0, f.select(f.gt(x, 0), 1, f.select(f.eq(x, 0), h, x))),
        mpmath=lambda x, h: mp.mpf(x > 0) if x != 0 else h,
        cost=3 * ARITHMETIC,
        domain=((-3, 3), (0.5, 0.5)),
        analytic=False,
        kink="0 everywhere",
    ),
)
