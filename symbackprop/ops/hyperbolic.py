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


def _sech_curvature(f: Any, x: Any) -> Any:
    # sech*(1 - 6E + E**2)/(1 + E)**2 with E = exp(-2|x|), which vanishes at E = r = 3 - sqrt(8). Near its zero
    # E - r has no digits; r*expm1(-2(|x| - c)) with r = exp(-2c) has all, as c is given to 100 bits.
    e = f.exp(-2 * f.abs(x))
    beyond = (f.abs(x) - f.const(_TURN)) - f.const(_TURN_LOW)
    factor = f.const(_ROOT) * f.expm1(-2 * beyond) * (e - f.const(_OTHER_ROOT))
    return f.sech(x) * (factor / ((1 + e) * (1 + e)))


def _csch(f: Any, x: Any) -> Any:
    # 2e/(1 - e*e) with e = exp(-|x|): denormal, not 0, where sinh has overflowed.
    return -2 * f.sign(x) * f.exp(-f.abs(x)) / f.expm1(-2 * f.abs(x))


def _csch_slope(f: Any, x: Any) -> Any:
    # -cosh(x)/sinh(x)**2 in the same terms, 1 + e*e being 2 + expm1(-2|x|).
    rest = f.expm1(-2 * f.abs(x))
    return -2 * f.exp(-f.abs(x)) * (2 + rest) / (rest * rest)


def _csch_slope_partial(f: Any, z: Any, x: Any) -> Any:
    # (cosh(x)**2 + 1)/sinh(x)**3 = csch*(1 + 6E + E*E)/(1 - E)**2 with E = exp(-2|x|)
    e = f.exp(-2 * f.abs(x))
    rest = f.expm1(-2 * f.abs(x))
    return f.csch(x) * ((1 + e * (6 + e)) / (rest * rest))


def _coth_slope(f: Any, x: Any) -> Any:
    # -1/sinh(x)**2
    rest = f.expm1(-2 * f.abs(x))
    return -4 * f.exp(-2 * f.abs(x)) / (rest * rest)


def _asinh_slope_partial(f: Any, z: Any, x: Any) -> Any:
    # -(x/sqrt(1 + x*x))/(1 + x*x), scaled so that x*x does not overflow before the quotient vanishes
    return -(x / f.hypot(x, 1) / (_SMALL + _SMALL * x * x) * _SMALL)


def _asech_slope_partial(f: Any, z: Any, x: Any) -> Any:
    # (1 - 2x*x)/(x*x*(1 - x*x)**1.5), which vanishes at r = sqrt(1/2), given to 100 bits.
    w = f.one_minus_square(x)
    vanishing = 2 * ((f.const(_SQRT_HALF) - x) + f.const(_SQRT_HALF_LOW)) * (f.const(_SQRT_HALF) + x)
    return vanishing / (w * f.sqrt(w)) / x / x


def _asech(f: Any, x: Any) -> Any:
    # asinh(sqrt(1 - x*x)/x), since acosh(1/x) amplifies the rounding of 1/x near x = 1; log(2/x) where 1/x overflows.
    usual = f.asinh(f.sqrt(f.one_minus_square(x)) / x)
    return f.select(f.lt(x, 0), f.const("nan"), f.select(f.lt(x, _TINY), f.log(f.const(2)) - f.log(x), usual))


def _acsch(f: Any, x: Any) -> Any:
    # asinh(1/x), and log(2/|x|) with the sign of x where 1/x overflows.
    tiny = f.sign(x) * (f.log(f.const(2)) - f.log(f.abs(x)))
    return f.select(f.logical_and(f.lt(f.abs(x), _TINY), f.ne(x, 0)), tiny, f.asinh(1 / x))


_SMALL = Fraction(1, 2**64)
_TINY = Fraction(1, 10**300)
# acosh(3)/2 and sqrt(1/2), each as the nearest double and what is left; 3 - sqrt(8) and 3 + sqrt(8).
_TURN = Fraction(0.881373587019543)
_TURN_LOW = Fraction("0.88137358701954302523260932497979230902816032826163541") - _TURN
_ROOT = Fraction("0.17157287525380990239662255158060384286065945195107")
_OTHER_ROOT = 6 - _ROOT
_SQRT_HALF = Fraction(0.7071067811865476)
_SQRT_HALF_LOW = Fraction("0.70710678118654752440084436210484903928483593768847") - _SQRT_HALF
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
        ball=lambda x: x.sinh(),
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
        ball=lambda x: x.cosh(),
        cost=ELEMENTARY,
        domain=_REACH,
    ),
    Op(
        name="tanh",
        doc="hyperbolic tangent",
        sympy=("tanh",),
        # 4e/(1 + e)**2 with e = exp(-2|x|): 1 - tanh(x)**2 is 0 from x = 19 on, where the truth is 1.7e-17 and larger
        # than denormal up to 355; the square of sech errs by 3.9 ulp and its derivative by 5.5.
        partials=(lambda f, z, x: 4 * f.logistic_slope(2 * x),),
        python=call("math.tanh"),
        numpy=call("np.tanh"),
        numba=call("math.tanh"),
        mpmath=mp.tanh,
        ball=lambda x: x.tanh(),
        cost=ELEMENTARY,
        domain=_REACH,
    ),
    Op(
        name="asinh",
        doc="inverse hyperbolic sine",
        sympy=("asinh",),
        partials=(lambda f, z, x: f.asinh_slope(x),),
        python=call("math.asinh"),
        numpy=call("np.arcsinh"),
        numba=call("math.asinh"),
        mpmath=mp.asinh,
        ball=lambda x: x.asinh(),
        cost=ELEMENTARY,
        domain=_REACH,
    ),
    Op(
        name="acosh",
        doc="inverse hyperbolic cosine; nan below 1",
        sympy=("acosh",),
        partials=(lambda f, z, x: f.acosh_slope(x),),
        python=helper(_acosh),
        numpy=call("np.arccosh"),
        numba=call("math.acosh"),
        mpmath=mp.acosh,
        ball=lambda x: x.acosh(),
        cost=ELEMENTARY,
        domain=((1.05, 6),),
    ),
    Op(
        name="atanh",
        doc="inverse hyperbolic tangent",
        sympy=("atanh",),
        partials=(lambda f, z, x: f.atanh_slope(x),),
        python=helper(_atanh),
        numpy=call("np.arctanh"),
        numba=call("math.atanh"),
        mpmath=mp.atanh,
        ball=lambda x: x.atanh(),
        cost=ELEMENTARY,
        domain=((-0.95, 0.95),),
    ),
    Op(
        name="sech",
        doc="1 / cosh(x)",
        sympy=("sech",),
        partials=(lambda f, z, x: f.sech_slope(x),),
        define=_sech,
        mpmath=mp.sech,
        ball=lambda x: x.sech(),
        cost=ELEMENTARY + DIVISION + 5,
        domain=_REACH,
    ),
    Op(
        name="csch",
        doc="1 / sinh(x)",
        sympy=("csch",),
        partials=(lambda f, z, x: f.csch_slope(x),),
        define=_csch,
        mpmath=mp.csch,
        ball=lambda x: x.csch(),
        cost=2 * ELEMENTARY + DIVISION + 6,
        domain=((0.2, 5),),
    ),
    Op(
        name="coth",
        doc="1 / tanh(x)",
        sympy=("coth",),
        partials=(lambda f, z, x: f.coth_slope(x),),
        define=lambda f, x: 1 / f.tanh(x),
        mpmath=mp.coth,
        ball=lambda x: x.coth(),
        cost=ELEMENTARY + DIVISION,
        domain=((0.2, 5),),
    ),
    Op(
        name="asech",
        doc="acosh(1 / x), 0 < x <= 1",
        sympy=("asech",),
        partials=(lambda f, z, x: f.asech_slope(x),),
        define=_asech,
        mpmath=mp.asech,
        ball=lambda x: (1 / x).acosh(),
        cost=ELEMENTARY + 2 * DIVISION + 5,
        domain=((0.1, 0.95),),
    ),
    Op(
        name="acsch",
        doc="asinh(1 / x)",
        sympy=("acsch",),
        partials=(lambda f, z, x: f.acsch_slope(x),),
        define=_acsch,
        mpmath=mp.acsch,
        ball=lambda x: (1 / x).asinh(),
        cost=ELEMENTARY + DIVISION,
        domain=((0.1, 5),),
    ),
    Op(
        name="acoth",
        doc="atanh(1 / x), |x| > 1",
        sympy=("acoth",),
        partials=(lambda f, z, x: f.acoth_slope(x),),
        # log1p(2/(|x| - 1))/2: atanh(1/x) amplifies the rounding of 1/x near |x| = 1.
        define=lambda f, x: f.sign(x) * f.log1p(2 / (f.abs(x) - 1)) / 2,
        mpmath=mp.acoth,
        ball=lambda x: (1 / x).atanh(),
        cost=ELEMENTARY + DIVISION + 6,
        domain=((1.05, 6),),
    ),
    Op(
        name="asinh_slope",
        doc="derivative of asinh, 1/sqrt(1 + x*x)",
        partials=(_asinh_slope_partial,),
        define=lambda f, x: 1 / f.hypot(x, 1),
        mpmath=lambda x: 1 / mp.sqrt(x * x + 1),
        ball=lambda x: (1 + x * x).rsqrt(),
        cost=ELEMENTARY + DIVISION,
        domain=_REACH,
    ),
    Op(
        name="acosh_slope",
        doc="derivative of acosh, 1/sqrt(x*x - 1)",
        # Two roots and not one of x*x - 1: no overflow, no cancellation near 1.
        partials=(lambda f, z, x: -(z * (x / (x - 1) / (x + 1))),),
        define=lambda f, x: 1 / (f.sqrt(x - 1) * f.sqrt(x + 1)),
        mpmath=lambda x: 1 / mp.sqrt(x * x - 1) if x > 1 else mp.nan,
        ball=lambda x: (x * x - 1).rsqrt(),
        cost=3 * DIVISION + 3,
        domain=((1.05, 6),),
    ),
    Op(
        name="atanh_slope",
        doc="derivative of atanh, 1/(1 - x*x)",
        partials=(lambda f, z, x: 2 * x / (f.one_minus_square(x) * f.one_minus_square(x)),),
        define=lambda f, x: 1 / f.one_minus_square(x),
        mpmath=lambda x: 1 / (1 - x * x),
        ball=lambda x: 1 / (1 - x * x),
        cost=DIVISION + 3,
        domain=((-0.95, 0.95),),
    ),
    Op(
        name="acoth_slope",
        doc="derivative of acoth, 1/(1 - x*x)",
        # One factor after the other: their product overflows from 1e154 on, where the truth is denormal.
        partials=(lambda f, z, x: 2 * z * (x / (1 - x) / (1 + x)),),
        define=lambda f, x: 1 / (1 - x) / (1 + x),
        mpmath=lambda x: 1 / (1 - x * x),
        ball=lambda x: 1 / (1 - x * x),
        cost=2 * DIVISION + 2,
        domain=((1.05, 6),),
    ),
    Op(
        name="sech_slope",
        doc="derivative of sech",
        partials=(lambda f, z, x: f.sech_curvature(x),),
        define=lambda f, x: -(f.sech(x) * f.tanh(x)),
        mpmath=lambda x: -mp.sech(x) * mp.tanh(x),
        ball=lambda x: -x.sech() * x.tanh(),
        cost=2 * ELEMENTARY + DIVISION + 7,
        domain=_REACH,
    ),
    Op(
        name="sech_curvature",
        doc="second derivative of sech",
        partials=(lambda f, z, x: f.sech_slope(x) * (1 - 6 * f.sech(x) * f.sech(x)),),
        define=_sech_curvature,
        mpmath=lambda x: mp.sech(x) * (1 - 2 * mp.sech(x) ** 2),
        ball=lambda x: x.sech() * (1 - 2 * x.sech() ** 2),
        cost=3 * ELEMENTARY + 2 * DIVISION + 14,
        domain=_REACH,
        analytic=False,
    ),
    Op(
        name="csch_slope",
        doc="derivative of csch",
        partials=(_csch_slope_partial,),
        define=_csch_slope,
        mpmath=lambda x: -mp.csch(x) * mp.coth(x),
        ball=lambda x: -x.csch() * x.coth(),
        cost=2 * ELEMENTARY + DIVISION + 7,
        domain=((0.2, 5),),
        analytic=False,
    ),
    Op(
        name="coth_slope",
        doc="derivative of coth",
        partials=(lambda f, z, x: -(2 * z * f.coth(x)),),
        define=_coth_slope,
        mpmath=lambda x: -(mp.csch(x) ** 2),
        ball=lambda x: -(x.csch() ** 2),
        cost=2 * ELEMENTARY + DIVISION + 6,
        domain=((0.2, 5),),
        analytic=False,
    ),
    Op(
        name="asech_slope",
        doc="derivative of asech",
        partials=(_asech_slope_partial,),
        define=lambda f, x: -(1 / (x * f.sqrt(f.one_minus_square(x)))),
        mpmath=lambda x: -1 / (x * mp.sqrt(1 - x * x)),
        ball=lambda x: -1 / (x * (1 - x * x).sqrt()),
        cost=2 * DIVISION + 5,
        domain=((0.1, 0.95),),
    ),
    Op(
        name="acsch_slope",
        doc="derivative of acsch",
        partials=(lambda f, z, x: -(f.sign(x) * z * (1 / f.abs(x) + f.abs(x) / f.hypot(x, 1) / f.hypot(x, 1))),),
        define=lambda f, x: -(1 / f.abs(x) / f.hypot(x, 1)),
        mpmath=lambda x: -1 / (abs(x) * mp.hypot(x, 1)),
        ball=lambda x: -1 / (abs(x) * (1 + x * x).sqrt()),
        cost=ELEMENTARY + 2 * DIVISION + 2,
        domain=((0.1, 5),),
        analytic=False,
    ),
)
