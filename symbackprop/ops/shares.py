"""Shares, powers and products that overflow or cancel when they are computed step by step.

Like those of `ops.compound`, the rows stand for naive forms that `passes.quotients` and `passes.logarithms` recognise,
and their partials are rows of the same kind.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import mpmath as mp

from symbackprop.ops.row import ARITHMETIC, DIVISION, ELEMENTARY, Op

_HALF = Fraction(1, 2)
_WIDE_SQUARE = Fraction(10) ** 150


def _log_product(f: Any, x: Any, y: Any, t: Any) -> Any:
    # The product, unless it overflows or vanishes on the way.
    first, total = x * y, x * y * t
    apart = f.log(f.abs(x)) + f.log(f.abs(y)) + f.log(f.abs(t))
    positive = f.gt(f.sign(x) * f.sign(y) * f.sign(t), 0)
    split = f.select(positive, apart, f.log(f.sign(x) * f.sign(y) * f.sign(t)))
    return f.select(f.logical_and(_is_normal(f, first), _is_normal(f, total)), f.log(total), split)


def _square_contrast(f: Any, x: Any, y: Any) -> Any:
    # The difference of close numbers is exact, that of their cosines would err by 220 ulp at 0.06 % from each other.
    norm = f.hypot(x, y)
    return (x - y) / norm * ((x + y) / norm)


def _over_hypot(f: Any, x: Any, y: Any) -> Any:
    return f.direction_cosine(x, y) / f.hypot(x, y)


def _harmonic(f: Any, x: Any, y: Any) -> Any:
    # From the smaller one. Of one sign the sum may overflow, of two it cancels and must not be rounded before.
    nearer = f.le(f.abs(x), f.abs(y))
    small, large = f.select(nearer, x, y), f.select(nearer, y, x)
    ratio = small / large
    value = f.select(f.ge(ratio, 0), small / (1 + ratio), small * (large / (x + y)))
    # 1/(1/0 + 1/0) is 0.
    return f.select(f.eq(small, 0), 0, value)


def _power_of_ratio(f: Any, x: Any, y: Any, n: Any) -> Any:
    """(x/y)**n, for small n also where x/y overflows or vanishes."""
    ratio = x / y
    if f.is_constant(n) and abs(f.attributes(n)) >= 1:
        return f.pow(ratio, n)
    return f.select(_is_normal(f, ratio), f.pow(ratio, n), f.pow(x, n) / f.pow(y, n))


def _power_share(f: Any, x: Any, y: Any, n: Any) -> Any:
    ratio = _power_of_ratio(f, y, x, n)
    other = _power_of_ratio(f, x, y, n)
    return f.select(f.le(ratio, 1), 1 / (1 + ratio), other / (1 + other))


def _power_ratio(f: Any, x: Any, y: Any, n: Any) -> Any:
    ratio = _power_of_ratio(f, y, x, n)
    other = _power_of_ratio(f, x, y, n)
    # Where x is the smaller one, (x/y)**(n - 1)/y: x = 0 is a point like others. A small n loses its digits in n - 1.
    lowered = f.select(f.lt(n, _HALF), other / x, f.pow(x / y, n - 1) / y)
    return f.select(f.le(ratio, 1), 1 / (x * (1 + ratio)), lowered / (1 + other))


def _power_ratio_by_x(f: Any, z: Any, x: Any, y: Any, n: Any) -> Any:
    # x**(n - 2)*((n - 1)*y**n - x**n)/(x**n + y**n)**2
    return z / x * ((n - 1) * f.power_share(y, x, n) - f.power_share(x, y, n))


def _power_ratio_by_n(f: Any, z: Any, x: Any, y: Any, n: Any) -> Any:
    return f.power_share_growth(x, y, n) / x


def _power_share_growth(f: Any, x: Any, y: Any, n: Any) -> Any:
    both = f.power_share(x, y, n) * f.power_share(y, x, n)
    return f.select(f.eq(both, 0), 0, both * f.log_ratio(x, y))


def _growth_by(f: Any, x: Any, y: Any, n: Any) -> Any:
    """The partial in x; with the operands exchanged, and n below 0, minus that in y."""
    # Of n*log(x/y) the hyperbolic tangent amplifies no rounding.
    both = f.power_share(x, y, n) * f.power_share(y, x, n)
    exponent = n * f.log_ratio(x, y)
    return both / x * (1 - f.select(f.eq(both, 0), 0, exponent * f.tanh(exponent / 2)))


def _growth_by_n(f: Any, z: Any, x: Any, y: Any, n: Any) -> Any:
    # The difference of both shares is -tanh(n*log(x/y)/2); they cancel for a small n, 3e8 ulp at 1e-9.
    logarithm = f.select(f.eq(z, 0), 0, f.log_ratio(x, y))
    return -(z * logarithm * f.tanh(n * logarithm / 2))


def _log_ratio(f: Any, x: Any, y: Any) -> Any:
    # The difference of close numbers is exact, where logarithms and quotient have lost it.
    ratio = x / y
    near = f.logical_and(f.gt(ratio, _HALF), f.lt(ratio, 2))
    # Apart, the quotient may overflow or vanish, unless it is that of a zero, or has none.
    beyond = f.logical_and(f.gt(f.sign(x) * f.sign(y), 0), f.logical_not(_is_normal(f, ratio)))
    apart = f.select(beyond, f.log(f.abs(x)) - f.log(f.abs(y)), f.log(ratio))
    return f.select(near, f.log1p((x - y) / y), apart)


def _power_exp(f: Any, x: Any, a: Any, u: Any) -> Any:
    power, exponential = f.pow(x, a), f.exp(u)
    plain = f.logical_and(_is_normal(f, power), _is_normal(f, exponential))
    joined = f.exp(a * f.log(f.abs(x)) + u)
    kept = f.logical_or(plain, f.logical_or(f.eq(x, 0), f.ne(power, power)))
    return f.select(kept, power * exponential, f.select(f.lt(power, 0), -joined, joined))


def _power_exp_slope(f: Any, z: Any, x: Any, a: Any, u: Any) -> Any:
    # A small exponent has lost its digits in a - 1, unless the value itself has vanished.
    lowered = f.power_exp(x, a - 1, u)
    small = f.logical_and(f.lt(f.abs(a), _HALF), _is_normal(f, z))
    return a * lowered if f.is_constant(a) else f.select(small, a * (z / x), a * lowered)


def _is_normal(f: Any, x: Any) -> Any:
    size = f.abs(x)
    return f.logical_and(f.gt(size, Fraction(1, 10**290)), f.lt(size, Fraction(10**300)))


def _log1p_square(f: Any, x: Any) -> Any:
    size = f.abs(x)
    return f.select(f.lt(size, _WIDE_SQUARE), f.log1p(x * x), 2 * f.log(size))


def _log_power(f: Any, x: Any, y: Any) -> Any:
    # Below 0 a power has a value, and perhaps a logarithm, for integers y.
    return f.select(f.gt(x, 0), y * f.log(x), f.log(f.pow(x, y)))


_POSITIVE = ((0.2, 3), (0.2, 3))

ROWS = (
    Op(
        name="log1p_square",
        doc="log(1 + x**2)",
        partials=(lambda f, z, x: 2 * (f.direction_cosine(x, 1) * f.direction_cosine(1, x)),),
        define=_log1p_square,
        mpmath=lambda x: mp.log1p(x * x),
        ball=lambda x: (x * x).log1p(),
        cost=2 * ELEMENTARY + 4,
        domain=((-5, 5),),
    ),
    Op(
        name="log_power",
        doc="log(x**y)",
        arity=2,
        # Of counts that are all 0 the likelihood of a rate of 0 has a slope: 0/0 is that of a constant.
        partials=(
            lambda f, z, x, y: y / f.select(f.logical_and(f.eq(x, 0), f.eq(y, 0)), 1, x),
            lambda f, z, x, y: f.log(x),
        ),
        define=_log_power,
        mpmath=lambda x, y: mp.log(x) * y if x > 0 else mp.log(mp.power(x, y)),
        ball=lambda x, y: x.log() * y,
        cost=3 * ELEMENTARY + 3,
        domain=((0.2, 3), (-3, 3)),
    ),
    Op(
        name="log_product",
        doc="log(x*y*t)",
        arity=3,
        partials=(lambda f, z, x, y, t: 1 / x, lambda f, z, x, y, t: 1 / y, lambda f, z, x, y, t: 1 / t),
        define=_log_product,
        mpmath=lambda x, y, t: mp.log(x * y * t),
        ball=lambda x, y, t: (x * y * t).log(),
        cost=4 * ELEMENTARY + 10,
        domain=(*_POSITIVE, (0.2, 3)),
    ),
    Op(
        name="atan_ratio",
        doc="atan(y/x), called atan_ratio(y, x)",
        arity=2,
        partials=(lambda f, z, y, x: _over_hypot(f, x, y), lambda f, z, y, x: -_over_hypot(f, y, x)),
        define=lambda f, y, x: f.atan(y / x),
        mpmath=lambda y, x: mp.atan(y / x),
        ball=lambda y, x: (y / x).atan(),
        cost=ELEMENTARY + DIVISION,
        domain=((-3, 3), (0.2, 3)),
    ),
    Op(
        name="power_exp",
        doc="x**a*exp(u), called power_exp(x, a, u)",
        arity=3,
        partials=(
            _power_exp_slope,
            lambda f, z, x, a, u: f.select(f.eq(z, 0), 0, z * f.log(x)),
            lambda f, z, x, a, u: z,
        ),
        define=_power_exp,
        mpmath=lambda x, a, u: mp.power(x, a) * mp.exp(u),
        ball=lambda x, a, u: x**a * u.exp(),
        cost=4 * ELEMENTARY + 20,
        domain=((0.2, 3), (-3, 3), (-3, 3)),
        kink="d/da is 0 where the value is",
    ),
    Op(
        name="proportion",
        doc="x/(x + y)",
        arity=2,
        # y/(x + y)**2: differentiating the quotient gives 1/(x + y) - x/(x + y)**2, which has no digits of a small y.
        partials=(
            lambda f, z, x, y: f.proportion(y, x) / (x + y),
            lambda f, z, x, y: -(z / (x + y)),
        ),
        define=lambda f, x, y: x / (x + y),
        mpmath=lambda x, y: x / (x + y),
        ball=lambda x, y: x / (x + y),
        cost=ARITHMETIC + DIVISION,
        domain=_POSITIVE,
    ),
    Op(
        name="contrast",
        doc="(x - y)/(x + y)",
        arity=2,
        partials=(
            lambda f, z, x, y: 2 * (f.proportion(y, x) / (x + y)),
            lambda f, z, x, y: -(2 * (f.proportion(x, y) / (x + y))),
        ),
        define=lambda f, x, y: (x - y) / (x + y),
        mpmath=lambda x, y: (x - y) / (x + y),
        ball=lambda x, y: (x - y) / (x + y),
        cost=2 * ARITHMETIC + DIVISION,
        domain=_POSITIVE,
    ),
    Op(
        name="square_contrast",
        doc="(x*x - y*y)/(x*x + y*y)",
        arity=2,
        # 4*x*y**2/h**4, whereas the derivatives of both squared cosines cancel.
        partials=(
            lambda f, z, x, y: 4 * (f.direction_cosine(x, y) * f.direction_cosine(y, x) * _over_hypot(f, y, x)),
            lambda f, z, x, y: -(4 * (f.direction_cosine(x, y) * f.direction_cosine(y, x) * _over_hypot(f, x, y))),
        ),
        define=_square_contrast,
        mpmath=lambda x, y: (x * x - y * y) / (x * x + y * y),
        ball=lambda x, y: (x * x - y * y) / (x * x + y * y),
        cost=2 * ELEMENTARY + 2 * DIVISION + 5,
        domain=_POSITIVE,
    ),
    Op(
        name="harmonic",
        doc="1/(1/x + 1/y), as x/(x + y)*y",
        arity=2,
        partials=(
            lambda f, z, x, y: f.proportion(y, x) * f.proportion(y, x),
            lambda f, z, x, y: f.proportion(x, y) * f.proportion(x, y),
        ),
        define=_harmonic,
        mpmath=lambda x, y: x * y / (x + y),
        ball=lambda x, y: x * y / (x + y),
        cost=4 * ARITHMETIC + DIVISION,
        domain=_POSITIVE,
    ),
    Op(
        name="power_share",
        doc="x**n/(x**n + y**n), called power_share(x, y, n)",
        arity=3,
        partials=(
            lambda f, z, x, y, n: n * (f.power_ratio(x, y, n) * f.power_share(y, x, n)),
            lambda f, z, x, y, n: -(n * (f.power_ratio(y, x, n) * z)),
            lambda f, z, x, y, n: f.power_share_growth(x, y, n),
        ),
        define=_power_share,
        mpmath=lambda x, y, n: 1 / (1 + mp.power(y / x, n)),
        ball=lambda x, y, n: 1 / (1 + (y / x) ** n),
        cost=2 * ELEMENTARY + 4 * DIVISION + 4,
        domain=(*_POSITIVE, (-3, 3)),
    ),
    Op(
        name="power_ratio",
        doc="x**(n - 1)/(x**n + y**n), called power_ratio(x, y, n)",
        arity=3,
        partials=(
            _power_ratio_by_x,
            lambda f, z, x, y, n: -(n * (z * f.power_ratio(y, x, n))),
            _power_ratio_by_n,
        ),
        define=_power_ratio,
        mpmath=lambda x, y, n: 1 / (x * (1 + mp.power(y / x, n))),
        ball=lambda x, y, n: 1 / (x * (1 + (y / x) ** n)),
        cost=3 * ELEMENTARY + 5 * DIVISION + 6,
        domain=(*_POSITIVE, (-3, 3)),
    ),
    Op(
        name="power_share_growth",
        doc="the derivative of power_share(x, y, n) in n: x**n*y**n/(x**n + y**n)**2*log(x/y)",
        arity=3,
        partials=(
            lambda f, z, x, y, n: _growth_by(f, x, y, n),
            lambda f, z, x, y, n: -_growth_by(f, y, x, n),
            _growth_by_n,
        ),
        define=_power_share_growth,
        mpmath=lambda x, y, n: mp.log(x / y) / (2 + 2 * mp.cosh(n * mp.log(x / y))),
        ball=lambda x, y, n: (x / y).log() / (2 + 2 * (n * (x / y).log()).cosh()),
        cost=5 * ELEMENTARY + 10 * DIVISION + 12,
        domain=(*_POSITIVE, (-3, 3)),
    ),
    Op(
        name="log_ratio",
        doc="log(x/y)",
        arity=2,
        partials=(lambda f, z, x, y: 1 / x, lambda f, z, x, y: -(1 / y)),
        define=_log_ratio,
        mpmath=lambda x, y: mp.log(x / y),
        ball=lambda x, y: (x / y).log(),
        cost=4 * ELEMENTARY + 2 * DIVISION + 8,
        domain=_POSITIVE,
    ),
)
