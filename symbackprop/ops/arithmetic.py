"""Sums, products, quotients, powers and roots."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import mpmath as mp

from symbackprop.ops.row import ARITHMETIC, DIVISION, ELEMENTARY, Op, call, helper, infix


def _div(x: float, y: float) -> float:
    """x / y as IEEE has it: a division by zero is an infinity, or nan for 0/0."""
    if y != 0.0:
        return x / y
    if x == 0.0 or x != x or y != y:
        return math.nan
    return math.copysign(math.inf, x) * math.copysign(1.0, y)


def _pow(x: float, y: float) -> float:
    """x**y as IEEE has it: nan where the power is not real, an infinity where it overflows or x is 0."""
    try:
        return math.pow(x, y)
    except OverflowError:
        return -math.inf if x < 0.0 and y % 2.0 == 1.0 else math.inf
    except ValueError:
        if x != 0.0:
            return math.nan
        return math.copysign(math.inf, x) if y % 2.0 == 1.0 else math.inf


def _sqrt(x: float) -> float:
    """The square root; nan below zero."""
    return math.sqrt(x) if x >= 0.0 else math.nan


def _cbrt_mp(x: mp.mpf) -> mp.mpf:
    return -mp.cbrt(-x) if x < 0 else mp.cbrt(x)


def _power_of_ball(x: Any, y: Any) -> Any:
    # x**0 is 1 for every x; the general power of a ball goes through a logarithm.
    return x * 0 + 1 if y == 0 else x**y


def _half_power(f: Any, x: Any, y: Any) -> Any:
    """The root p of x**y, for x > 0: x**(y - 1) is p/x*p, and neither factor overflows or vanishes where their product
    with y or log(x) does not. An exponent of y - 1 would be rounded, which log(x) amplifies up to 700 times.

    Elsewhere x**(y - 1) itself, from the same call.
    """
    return f.pow(x, f.select(f.gt(x, 0), 0.5 * y, y - 1))


def _power_slope(f: Any, x: Any, y: Any) -> Any:
    # y*x**(y - 1), which at x = 0, y = 0 alone would be 0*0**-1 = nan; the power is the constant 1 there.
    p = _half_power(f, x, y)
    return f.select(f.eq(y, 0), 0, f.select(f.gt(x, 0), y * p / x * p, y * p))


def _power_curvature(f: Any, x: Any, y: Any) -> Any:
    # y*(y - 1)*x**(y - 2); the power is constant at y = 0, and linear at y = 1. Where y - 2 is exact, the root is taken
    # of x**(y - 2): that of x**y may overflow or vanish.
    near = f.logical_and(f.ge(y, 1), f.lt(y, 2**53))
    p = f.pow(x, f.select(f.gt(x, 0), 0.5 * f.select(near, y - 2, y), y - 2))
    scaled, again = y * p, (y - 1) * p
    divided = f.select(f.lt(x, 1), scaled / x * again / x, scaled / x * (again / x))
    lowered = f.select(near, scaled * again, divided)
    flat = f.logical_or(f.eq(y, 0), f.eq(y, 1))
    return f.select(flat, 0, f.select(f.gt(x, 0), lowered, scaled * (y - 1)))


def _power_mixed(f: Any, x: Any, y: Any) -> Any:
    # x**(y - 1)*(1 + y*log(x))
    p = _half_power(f, x, y)
    scaled = p + y * p * f.log(x)
    return f.select(f.gt(x, 0), scaled / x * p, scaled)


def _power_growth(f: Any, x: Any, y: Any) -> Any:
    # x**y*log(x), whose limit at x = 0, y > 0 is 0 where 0*log(0) would be nan.
    p, power = _half_power(f, x, y), f.pow(x, y)
    return f.select(f.gt(x, 0), p * f.log(x) * p, f.select(f.eq(power, 0), 0, power * f.log(x)))


def _power_growth_by_exponent(f: Any, z: Any, x: Any, y: Any) -> Any:
    # x**y*log(x)**2
    root = _half_power(f, x, y) * f.log(x)
    return f.select(f.gt(x, 0), root * root, f.select(f.eq(z, 0), 0, z * f.log(x)))


def _pow_by_base(f: Any, z: Any, x: Any, y: Any) -> Any:
    # A literal exponent is lowered exactly.
    if not f.is_constant(y):
        return f.power_slope(x, y)
    exponent = f.attributes(y)
    if not isinstance(exponent, Fraction):
        return y * f.pow(x, y - 1)
    # Squares are what there is most of, and x**1 is a node for every pass to look at.
    return y * (x if exponent == 2 else f.pow(x, f.const(exponent - 1)))


def _direction_cosine(f: Any, x: Any, y: Any) -> Any:
    # x/hypot never overflows; a norm has subgradient 0 at the origin (one table: see the row's kink).
    h = f.hypot(x, y)
    return f.select(f.eq(h, 0), 0, x / h)


ROWS = (
    Op(
        name="add",
        doc="x + y",
        arity=2,
        partials=(1, 1),
        python=infix("+"),
        numpy=infix("+"),
        numba=infix("+"),
        mpmath=lambda x, y: x + y,
        ball=lambda x, y: x + y,
        rational=lambda x, y: x + y,
        commutative=True,
        domain=((-3, 3), (-3, 3)),
    ),
    Op(
        name="sub",
        doc="x - y",
        arity=2,
        partials=(1, -1),
        python=infix("-"),
        numpy=infix("-"),
        numba=infix("-"),
        mpmath=lambda x, y: x - y,
        ball=lambda x, y: x - y,
        rational=lambda x, y: x - y,
        domain=((-3, 3), (-3, 3)),
    ),
    Op(
        name="mul",
        doc="x * y",
        arity=2,
        partials=(lambda f, z, x, y: y, lambda f, z, x, y: x),
        python=infix("*"),
        numpy=infix("*"),
        numba=infix("*"),
        mpmath=lambda x, y: x * y,
        ball=lambda x, y: x * y,
        rational=lambda x, y: x * y,
        commutative=True,
        domain=((-3, 3), (-3, 3)),
    ),
    Op(
        name="div",
        doc="x / y",
        arity=2,
        # -z/y for the denominator: x/y**2 overflows where the quotient does not, and so does 1/y for denormal y.
        partials=(lambda f, z, x, y: 1 / y, lambda f, z, x, y: -(z / y)),
        python=helper(_div),
        numpy=infix("/"),
        numba=infix("/"),
        mpmath=lambda x, y: x / y,
        ball=lambda x, y: x / y,
        rational=lambda x, y: x / y if y else None,
        cost=DIVISION,
        domain=((-3, 3), (0.2, 3)),
    ),
    Op(
        name="neg",
        doc="-x",
        partials=(-1,),
        python=infix("-"),
        numpy=infix("-"),
        numba=infix("-"),
        mpmath=lambda x: -x,
        ball=lambda x: -x,
        rational=lambda x: -x,
        domain=((-3, 3),),
    ),
    Op(
        name="sum_of",
        doc="the sum of any number of terms; only between the front end's two steps",
        arity=None,
        mpmath=lambda *terms: mp.fsum(terms),
    ),
    Op(
        name="product_of",
        doc="the product of any number of factors; only between the front end's two steps",
        arity=None,
        mpmath=lambda *factors: mp.fprod(factors),
    ),
    Op(
        name="pow",
        doc="x ** y; nan for negative x and fractional y",
        arity=2,
        partials=(_pow_by_base, lambda f, z, x, y: f.power_growth(x, y)),
        python=helper(_pow),
        numpy=infix("**"),
        numba=infix("**"),
        mpmath=lambda x, y: mp.mpf(1) if y == 0 else mp.power(x, y),
        ball=_power_of_ball,
        cost=ELEMENTARY,
        domain=((0.2, 3), (-3, 3)),
        kink="d/dx at x = 0, y = 0 is 0; d/dy at x = 0, y > 0 is 0",
    ),
    Op(
        name="power_slope",
        doc="derivative of x ** y in x, y * x ** (y - 1), and 0 for y = 0",
        arity=2,
        partials=(lambda f, z, x, y: _power_curvature(f, x, y), lambda f, z, x, y: _power_mixed(f, x, y)),
        define=_power_slope,
        mpmath=lambda x, y: y * mp.power(x, y - 1),
        ball=lambda x, y: y * x ** (y - 1),
        cost=ELEMENTARY + DIVISION + 10,
        domain=((0.2, 3), (-3, 3)),
        kink="0 for y = 0",
    ),
    Op(
        name="power_growth",
        doc="derivative of x ** y in y, x ** y * log(x), and 0 where the power is",
        arity=2,
        partials=(lambda f, z, x, y: _power_mixed(f, x, y), _power_growth_by_exponent),
        define=_power_growth,
        mpmath=lambda x, y: mp.power(x, y) * mp.log(x),
        ball=lambda x, y: x**y * x.log(),
        cost=2 * ELEMENTARY + 8,
        domain=((0.2, 3), (-3, 3)),
        kink="0 at x = 0, y > 0",
    ),
    Op(
        name="sqrt",
        doc="square root; nan below zero",
        sympy=("codegen.cfunctions.Sqrt",),
        partials=(lambda f, z, x: f.sqrt_slope(x),),
        python=helper(_sqrt),
        numpy=call("np.sqrt"),
        numba=call("math.sqrt"),
        mpmath=mp.sqrt,
        ball=lambda x: x.sqrt(),
        cost=DIVISION,
        domain=((0.05, 9),),
        kink="the derivative at 0 is +inf, the one-sided limit",
    ),
    Op(
        name="sqrt_slope",
        doc="derivative of the square root",
        # Differentiating the quotient takes the root thrice, 4.7 ulp; z/x takes it once.
        partials=(lambda f, z, x: -(0.5 * (z / x)),),
        # |z|, because the root of -0.0 is -0.0 and the derivative there is +inf all the same.
        define=lambda f, x: 0.5 / f.abs(f.sqrt(x)),
        mpmath=lambda x: 1 / (2 * mp.sqrt(x)),
        ball=lambda x: 1 / (2 * x.sqrt()),
        cost=2 * DIVISION + ARITHMETIC,
        domain=((0.05, 9),),
    ),
    Op(
        name="norm_root",
        doc="square root of a sum of squares",
        # At the origin the partial is 0, and not the infinity of a root, which would meet the zeros of the squares: as
        # 0.5/inf and not as a gate, which would go through all that follows.
        partials=(lambda f, z, x: f.kinked(0.5 / f.select(f.ne(z, 0), z, f.const("inf")), f.eq(z, 0), z),),
        python=helper(_sqrt),
        numpy=call("np.sqrt"),
        numba=call("math.sqrt"),
        mpmath=mp.sqrt,
        ball=lambda x: x.sqrt(),
        cost=DIVISION,
        domain=((0.05, 9),),
        kink="the derivative of a norm at the origin is 0",
    ),
    Op(
        name="cbrt",
        doc="real cube root, also of negative numbers",
        sympy=("codegen.cfunctions.Cbrt",),
        partials=(lambda f, z, x: f.cbrt_slope(x),),
        python=call("math.cbrt"),
        numpy=call("np.cbrt"),
        numba=call("np.cbrt"),
        mpmath=_cbrt_mp,
        ball=lambda x: x.sgn() * abs(x).root(3),
        cost=ELEMENTARY,
        domain=((-9, 9),),
        analytic=False,
        kink="the derivative at 0 is +inf",
    ),
    Op(
        name="cbrt_slope",
        doc="derivative of the cube root",
        # Differentiating the quotient takes the root five times, 10 ulp.
        partials=(lambda f, z, x: f.const((-2, 9)) * f.cbrt(x) / x / x,),
        define=lambda f, x: 1 / (3 * f.cbrt(x) * f.cbrt(x)),
        mpmath=lambda x: 1 / (3 * _cbrt_mp(x) ** 2),
        ball=lambda x: 1 / (3 * abs(x).root(3) ** 2),
        cost=ELEMENTARY + DIVISION + 2,
        domain=((-9, 9),),
        analytic=False,
        kink="+inf at 0",
    ),
    Op(
        name="hypot",
        doc="sqrt(x*x + y*y) without overflow",
        arity=2,
        sympy=("codegen.cfunctions.hypot",),
        partials=(
            lambda f, z, x, y: f.kinked(f.direction_cosine(x, y), f.eq(z, 0), z),
            lambda f, z, x, y: f.kinked(f.direction_cosine(y, x), f.eq(z, 0), z),
        ),
        python=call("math.hypot"),
        numpy=call("np.hypot"),
        numba=call("math.hypot"),
        mpmath=lambda x, y: mp.sqrt(x * x + y * y),
        commutative=True,
        ball=lambda x, y: (x * x + y * y).sqrt(),
        cost=ELEMENTARY,
        domain=((-3, 3), (0.1, 3)),
        kink="0 at the origin",
    ),
    Op(
        name="direction_cosine",
        doc="x / hypot(x, y), and 0 at the origin",
        arity=2,
        # y*y/h**3 and -x*y/h**3. The quotient's own derivative (1 - (x/h)**2)/h has no digits where |y| << |x|, and
        # the product of both cosines may vanish before it is divided.
        partials=(
            lambda f, z, x, y: f.direction_cosine(y, x) * (f.direction_cosine(y, x) / f.hypot(x, y)),
            lambda f, z, x, y: -(z * (f.direction_cosine(y, x) / f.hypot(x, y))),
        ),
        define=_direction_cosine,
        # mp.hypot takes no complex numbers, which series ask for.
        mpmath=lambda x, y: x / mp.sqrt(x * x + y * y) if x or y else mp.mpf(0),
        ball=lambda x, y: x / (x * x + y * y).sqrt(),
        cost=ELEMENTARY + DIVISION,
        domain=((-3, 3), (0.1, 3)),
        kink="0 at the origin",
    ),
    Op(
        name="one_minus_square",
        doc="1 - x*x, as (1 - x)*(1 + x), which keeps all digits near |x| = 1",
        # Differentiating the product gives (1 - x) - (1 + x), which has lost all digits near 0.
        partials=(lambda f, z, x: -2 * x,),
        define=lambda f, x: (1 - x) * (1 + x),
        mpmath=lambda x: 1 - x * x,
        ball=lambda x: 1 - x * x,
        cost=3 * ARITHMETIC,
        domain=((-2, 2),),
    ),
    Op(
        name="fma",
        doc="x * y + t, in two roundings: no target here promises a fused one",
        arity=3,
        sympy=("codegen.cfunctions.fma",),
        partials=(lambda f, z, x, y, t: y, lambda f, z, x, y, t: x, 1),
        define=lambda f, x, y, t: x * y + t,
        mpmath=lambda x, y, t: x * y + t,
        ball=lambda x, y, t: x * y + t,
        cost=2 * ARITHMETIC,
        domain=((-3, 3), (-3, 3), (-3, 3)),
    ),
)
