"""Compounds of exponentials, logarithms and quotients that overflow or cancel when they are computed step by step.

Each row stands for a naive form that `passes.exponentials` and `passes.quotients` recognise. Its partials are rows of
the same kind, so that no derivative of any order multiplies an infinity by a zero, or subtracts what is nearly equal.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath as mp

from symbackprop.ops.row import DIVISION, ELEMENTARY, Op

# From 20 on, exp(-2*x) is less than half an ulp of x - log(2), of sinh(x) beside exp(x)/2, and of x itself.
_FAR = 20
_FAR_ALONE = 40
# exp(-exp(8)) is 0: beyond, a factor of exp(x) must not be infinite.
_ALL_GONE = 8
_QUARTER = Fraction(1, 4)
# exp(-x) is denormal from 708.4 on.
_TAIL = 700
_EXP_HALF_TAIL = Fraction("9.92959039626497929628111094196221355776047915e-153")


def _in_two(number: str) -> tuple[Fraction, Fraction]:
    """A number as a double and what that lacks."""
    near = Fraction(float(number))
    return near, Fraction(number) - near


# Where sinh(x) and exp(x) - 1 are 1.
_ASINH_1 = _in_two("0.88137358701954302523260932497979230902816032826163")
_LOG_2 = _in_two("0.69314718055994530941723212145817656807550013436026")


def _log_cosh(f: Any, x: Any) -> Any:
    # cosh(x) = 1 + 2*sinh(x/2)**2, which keeps the digits of a small x.
    half = f.sinh(x / 2)
    size = f.abs(x)
    return f.select(f.lt(size, _FAR), f.log1p(2 * (half * half)), size - f.log(f.const(2)))


def _log_sinh(f: Any, x: Any) -> Any:
    # Around its zero a = asinh(1): sinh(x) - sinh(a) = 2*cosh((x + a)/2)*sinh((x - a)/2).
    beyond = _beyond(x, _ASINH_1)
    excess = 2 * (f.cosh(x / 2 + _ASINH_1[0] / 2) * f.sinh(beyond / 2))
    far = f.select(f.lt(x, _FAR), f.log(f.sinh(x)), x - f.log(f.const(2)))
    return f.select(f.lt(f.abs(beyond), _QUARTER), f.log1p(excess), far)


def _log_expm1(f: Any, x: Any) -> Any:
    # Around its zero log(2): exp(x) - 2 = 2*(exp(x - log(2)) - 1). The logarithm of expm1(x) errs by 15 ulp there.
    beyond = _beyond(x, _LOG_2)
    far = f.select(f.lt(x, _FAR_ALONE), f.log(f.expm1(x)), x)
    return f.select(f.lt(f.abs(beyond), _QUARTER), f.log1p(2 * f.expm1(beyond)), far)


def _beyond(x: Any, place: tuple[Fraction, Fraction]) -> Any:
    """x less a number in two parts: the difference of close doubles is exact, and keeps the digits of the second."""
    return (x - place[0]) - place[1]


def _log1mexp(f: Any, x: Any) -> Any:
    # M. Maechler, Accurately computing log(1 - exp(-|a|)), 2012: the better of both forms changes at log(2).
    return f.select(f.lt(x, f.log(f.const(2))), f.log(-f.expm1(-x)), f.log1p(-f.exp(-x)))


def _reciprocal_expm1(f: Any, x: Any) -> Any:
    # exp(-x)/(1 - exp(-x)) to the right. Where that is denormal, in two factors that are not, see `passes.halves`.
    tail = f.gt(x, _TAIL)
    shrunk = f.exp(f.select(tail, _TAIL // 2, 0) - x) / -f.expm1(-x)
    return f.select(tail, f.const(_EXP_HALF_TAIL), 1) * f.select(f.gt(x, 1), shrunk, 1 / f.expm1(x))


def _sqrt_expm1(f: Any, x: Any) -> Any:
    return f.select(f.lt(x, _FAR_ALONE), f.sqrt(f.expm1(x)), f.exp(x / 2))


def _log_cloglog(f: Any, x: Any) -> Any:
    # log(exp(x) - exp(2*x)/2 + ...) is x where exp(x) is below half an ulp of 1.
    return f.select(f.lt(x, -_FAR_ALONE), x, f.log1mexp(f.exp(x)))


def _exp_mp(x: Any) -> Any:
    """exp(x) of mpmath, of which the exponential is taken: that of exp(10**6) would need 10**6 bits of log(2)."""
    if mp.mag(x) <= 12 or mp.re(x) < 0:
        return mp.exp(x)
    if mp.im(x):
        raise OverflowError
    return mp.inf


def _log_cloglog_slope_mp(x: Any) -> Any:
    t = _exp_mp(x)
    return t / mp.expm1(t) if t != mp.inf else mp.mpf(0)


def _log_cloglog_slope(f: Any, x: Any) -> Any:
    grown = f.exp(f.select(f.lt(x, _ALL_GONE), x, _ALL_GONE))
    return f.select(f.lt(x, -_FAR_ALONE), 1, grown * f.reciprocal_expm1(grown))


def _log_cloglog_curvature(f: Any, z: Any, x: Any) -> Any:
    # z*(1 - t/(1 - exp(-t))) with t = exp(x); below 1/8 its series t/2 + t**2/12 - ..., by the Bernoulli numbers.
    t = f.exp(f.select(f.lt(x, _ALL_GONE), x, _ALL_GONE))
    square = t * t
    series = square * (
        f.const((1, 12)) - square * (f.const((1, 720)) - square * (f.const((1, 30240)) - square / 1209600))
    )
    return -(z * f.select(f.lt(t, Fraction(1, 8)), t / 2 + series, -t * f.reciprocal_expm1(-t) - 1))


def _double_exponential_slope(f: Any, x: Any) -> Any:
    near = f.select(f.lt(x, _ALL_GONE), x, _ALL_GONE)
    grown = f.exp(near)
    return grown * f.exp(-grown)


def _exp_reciprocal(f: Any, d: Any, p: Any, q: Any) -> Any:
    # From the side where the exponential is small, and that as a square, which does not vanish before p and q count.
    grown, shrunk = f.exp(d / 2), f.exp(-d / 2)
    return f.select(f.gt(d, 0), shrunk / (p * shrunk + q * grown), 1 / (p + q * grown * grown))


def _exp_share(f: Any, d: Any, p: Any, q: Any) -> Any:
    # 1/(1 + root**2) with the root of q/p*exp(d), of which no factor overflows or vanishes before all of it does.
    ratio = f.sqrt(f.abs(q)) / f.sqrt(f.abs(p))
    root = ratio * f.exp(d / 2)
    signed = f.select(f.lt(f.sign(p) * f.sign(q), 0), -root, root)
    return f.select(f.gt(root, 1), 1 / root / (1 / root + signed), 1 / (1 + root * signed))


def _log_of_two(f: Any, x: Any, p: Any, y: Any, q: Any) -> Any:
    # From the larger exponent, or from the one nearer to 0. At p = 1 the logarithm is that of 1 + a small number.
    added = q * f.exp(y - x)
    near = x + f.select(f.eq(p, 1), f.log1p(added), f.log(p + added))
    small = f.logical_and(f.le(f.abs(x), f.abs(y)), f.lt(f.abs(added), f.const("inf")))
    return f.select(f.logical_or(f.le(y - x, 1), small), near, y + f.log(p * f.exp(x - y) + q))


def _log_of_two_mp(x: Any, p: Any, y: Any, q: Any) -> Any:
    return mp.log(p * mp.exp(x) + q * mp.exp(y))


def _cross_entropy(f: Any, x: Any, y: Any) -> Any:
    # Beyond probabilities both terms have opposite signs, and cancel.
    weighted = y * f.softplus(-x) + (1 - y) * f.softplus(x)
    return f.select(f.logical_and(f.ge(y, 0), f.le(y, 1)), weighted, f.softplus(x) - x * y)


_REACH, _RIGHT = ((-5, 5),), ((0.1, 5),)
_WEIGHTED = ((-5, 5), (0.2, 3), (0.2, 3))


def _beside_share_of_softplus(f: Any, x: Any) -> Any:
    # softplus(x) - x*logistic(x), of which x cancels, is even in x.
    size = f.abs(x)
    return f.softplus(-size) + size * f.logistic(-size)


ROWS = (
    Op(
        name="log_cosh",
        doc="log(cosh(x))",
        partials=(lambda f, z, x: f.tanh(x),),
        define=_log_cosh,
        mpmath=lambda x: mp.log(mp.cosh(x)),
        ball=lambda x: x.cosh().log(),
        cost=2 * ELEMENTARY + 6,
        domain=_REACH,
    ),
    Op(
        name="log_sinh",
        doc="log(sinh(x)), x > 0",
        partials=(lambda f, z, x: f.coth(x),),
        define=_log_sinh,
        mpmath=lambda x: mp.log(mp.sinh(x)),
        ball=lambda x: x.sinh().log(),
        cost=5 * ELEMENTARY + 12,
        domain=_RIGHT,
    ),
    Op(
        name="log_expm1",
        doc="log(exp(x) - 1), x > 0, the inverse of softplus",
        partials=(lambda f, z, x: -f.reciprocal_expm1(-x),),
        define=_log_expm1,
        mpmath=lambda x: mp.log(mp.expm1(x)),
        ball=lambda x: x.expm1().log(),
        cost=4 * ELEMENTARY + 7,
        domain=_RIGHT,
    ),
    Op(
        name="log1mexp",
        doc="log(1 - exp(-x)), x > 0",
        partials=(lambda f, z, x: f.reciprocal_expm1(x),),
        define=_log1mexp,
        mpmath=lambda x: mp.log(-mp.expm1(-x)),
        ball=lambda x: (-(-x).expm1()).log(),
        cost=4 * ELEMENTARY + 4,
        domain=_RIGHT,
    ),
    Op(
        name="reciprocal_expm1",
        doc="1/(exp(x) - 1), the occupation of Bose and Einstein",
        # exp(x)/(exp(x) - 1)**2 is the product of the values at x and at -x.
        partials=(lambda f, z, x: z * f.reciprocal_expm1(-x),),
        define=_reciprocal_expm1,
        mpmath=lambda x: 1 / mp.expm1(x),
        ball=lambda x: 1 / x.expm1(),
        cost=3 * ELEMENTARY + 2 * DIVISION + 4,
        domain=_RIGHT,
    ),
    Op(
        name="sqrt_expm1",
        doc="sqrt(exp(x) - 1), x >= 0",
        # exp(x)/(2*z), whose exponential is 1 + z*z.
        partials=(lambda f, z, x: 0.5 * (z + 1 / z),),
        define=_sqrt_expm1,
        mpmath=lambda x: mp.sqrt(mp.expm1(x)),
        ball=lambda x: x.expm1().sqrt(),
        cost=2 * ELEMENTARY + DIVISION + 3,
        domain=_RIGHT,
    ),
    Op(
        name="atan_exp",
        doc="atan(exp(x))",
        partials=(lambda f, z, x: 0.5 * f.sech(x),),
        define=lambda f, x: f.atan(f.exp(x)),
        mpmath=lambda x: mp.atan(mp.exp(x)),
        ball=lambda x: x.exp().atan(),
        cost=2 * ELEMENTARY,
        domain=_REACH,
    ),
    Op(
        name="double_exponential",
        doc="exp(-exp(x)), the curve of Gompertz",
        partials=(lambda f, z, x: -f.double_exponential_slope(x),),
        define=lambda f, x: f.exp(-f.exp(x)),
        mpmath=lambda x: mp.exp(-_exp_mp(x)),
        ball=lambda x: (-x.exp()).exp(),
        cost=2 * ELEMENTARY + 1,
        domain=((-5, 3),),
    ),
    Op(
        name="double_exponential_slope",
        doc="exp(x - exp(x)), Gumbel's density",
        # z*(1 - exp(x)), whose factor is held where z is 0 anyway: inf*0 would be nan from 709.8 on.
        partials=(lambda f, z, x: -(z * f.expm1(f.select(f.lt(x, _ALL_GONE), x, _ALL_GONE))),),
        define=_double_exponential_slope,
        mpmath=lambda x: mp.exp(x - _exp_mp(x)),
        ball=lambda x: (x - x.exp()).exp(),
        cost=2 * ELEMENTARY + 3,
        domain=((-5, 3),),
    ),
    Op(
        name="cloglog_inverse",
        doc="1 - exp(-exp(x)), the inverse of the complementary log-log link",
        partials=(lambda f, z, x: f.double_exponential_slope(x),),
        define=lambda f, x: -f.expm1(-f.exp(x)),
        mpmath=lambda x: -mp.expm1(-_exp_mp(x)),
        ball=lambda x: -(-x.exp()).expm1(),
        cost=2 * ELEMENTARY + 2,
        domain=((-5, 3),),
    ),
    Op(
        name="log_cloglog_inverse",
        doc="log(1 - exp(-exp(x)))",
        partials=(lambda f, z, x: f.log_cloglog_slope(x),),
        define=_log_cloglog,
        mpmath=lambda x: mp.log(-mp.expm1(-_exp_mp(x))),
        ball=lambda x: (-(-x.exp()).expm1()).log(),
        cost=5 * ELEMENTARY + 5,
        domain=((-5, 3),),
    ),
    Op(
        name="log_cloglog_slope",
        doc="t/(exp(t) - 1) at t = exp(x), the derivative of log(1 - exp(-exp(x)))",
        partials=(_log_cloglog_curvature,),
        define=_log_cloglog_slope,
        mpmath=_log_cloglog_slope_mp,
        ball=lambda x: x.exp() / x.exp().expm1(),
        cost=4 * ELEMENTARY + 2 * DIVISION + 5,
        domain=((-5, 3),),
    ),
    Op(
        name="exp_reciprocal",
        doc="1/(p + q*exp(d)), called exp_reciprocal(d, p, q)",
        arity=3,
        partials=(
            lambda f, z, d, p, q: -(f.exp_share(-d, q, p) * z),
            lambda f, z, d, p, q: -(z * z),
            lambda f, z, d, p, q: -(z * f.exp_reciprocal(-d, q, p)),
        ),
        define=_exp_reciprocal,
        mpmath=lambda d, p, q: 1 / (p + q * mp.exp(d)),
        ball=lambda d, p, q: 1 / (p + q * d.exp()),
        cost=2 * ELEMENTARY + 2 * DIVISION + 6,
        domain=_WEIGHTED,
    ),
    Op(
        name="exp_share",
        doc="p/(p + q*exp(d)), called exp_share(d, p, q)",
        arity=3,
        partials=(
            lambda f, z, d, p, q: -(z * f.exp_share(-d, q, p)),
            lambda f, z, d, p, q: f.exp_reciprocal(d, p, q) * f.exp_share(-d, q, p),
            lambda f, z, d, p, q: -(z * f.exp_reciprocal(-d, q, p)),
        ),
        define=_exp_share,
        mpmath=lambda d, p, q: p / (p + q * mp.exp(d)),
        ball=lambda d, p, q: p / (p + q * d.exp()),
        cost=2 * ELEMENTARY + 2 * DIVISION + 7,
        domain=_WEIGHTED,
    ),
    Op(
        name="log_exp_sum",
        doc="log(p*exp(x) + q*exp(y)), called log_exp_sum(x, p, y, q)",
        arity=4,
        partials=(
            lambda f, z, x, p, y, q: f.exp_share(y - x, p, q),
            lambda f, z, x, p, y, q: f.exp_reciprocal(y - x, p, q),
            lambda f, z, x, p, y, q: f.exp_share(x - y, q, p),
            lambda f, z, x, p, y, q: f.exp_reciprocal(x - y, q, p),
        ),
        define=_log_of_two,
        mpmath=_log_of_two_mp,
        ball=lambda x, p, y, q: (p * x.exp() + q * y.exp()).log(),
        cost=5 * ELEMENTARY + 10,
        domain=((-5, 5), (0.2, 3), (-5, 5), (0.2, 3)),
    ),
    Op(
        name="cross_entropy",
        doc="-y*log(logistic(x)) - (1 - y)*log(logistic(-x)), called cross_entropy(x, y)",
        arity=2,
        # logistic(x) - y without the cancellation at y = 1.
        partials=(
            lambda f, z, x, y: (1 - y) * f.logistic(x) - y * f.logistic(-x),
            lambda f, z, x, y: -x,
        ),
        define=_cross_entropy,
        mpmath=lambda x, y: mp.log1p(mp.exp(x)) - x * y,
        ball=lambda x, y: x.exp().log1p() - x * y,
        cost=5 * ELEMENTARY,
        domain=((-6, 6), (0, 1)),
    ),
    Op(
        name="over_softplus",
        doc="x/softplus(x)",
        partials=(lambda f, z, x: _beside_share_of_softplus(f, x) / f.softplus(x) / f.softplus(x),),
        define=lambda f, x: x / f.softplus(x),
        mpmath=lambda x: x / mp.log1p(mp.exp(x)),
        ball=lambda x: x / x.exp().log1p(),
        cost=2 * ELEMENTARY + DIVISION + 3,
        domain=((-6, 6),),
    ),
    Op(
        name="softplus_share",
        doc="softplus(x)/x",
        partials=(lambda f, z, x: -(_beside_share_of_softplus(f, x) / x / x),),
        define=lambda f, x: f.softplus(x) / x,
        mpmath=lambda x: mp.log1p(mp.exp(x)) / x,
        ball=lambda x: x.exp().log1p() / x,
        cost=2 * ELEMENTARY + DIVISION + 3,
        domain=_RIGHT,
    ),
)
