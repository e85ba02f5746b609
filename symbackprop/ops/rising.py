"""Ratios of gamma functions and differences of their logarithms, gamma(x + a)/gamma(x): the factors overflow from 171.6
on, and the logarithms have no digits to give for large x.

Both are Stirling's series (DLMF 5.11.1) from 10 on, of which all but a difference of small numbers cancels; below, they
are shifted there by their recurrence (DLMF 5.5.1).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import mpmath as mp

from symbackprop.ops.beta import _sum
from symbackprop.ops.row import DIVISION, ELEMENTARY, SPECIAL, Op

_SHIFT, _SMALL = 10, 20
# B(2k)/(2k*(2k - 1)); the first omitted term is 2e-18 at 10.
_STIRLING = tuple(
    Fraction(*ratio)
    for ratio in ((1, 12), (-1, 360), (1, 1260), (-1, 1680), (1, 1188), (-691, 360360), (1, 156), (-3617, 122400))
)


def _shifted(f: Any, x: Any, a: Any) -> tuple[Any, Any, Any, Any]:
    """Whether x or x + a is below 10; both there or beyond, and what the sum has rounded off."""
    near = f.lt(f.minimum(x, x + a), _SHIFT)
    far = f.select(near, x + _SHIFT, x)
    return near, far, *_sum(far, a)


def _rest(f: Any, x: Any, a: Any, total: Any, lost: Any) -> Any:
    """log(gamma(x + a)/gamma(x)/(x + a)**a)"""
    # The difference of both series, power by power of v = 1/total and w = 1/x: that of v**(n + 1) is v - w times the
    # sum of all products of v and w of degree n.
    v, w = 1 / total, 1 / x
    products, power = f.const(1), w
    series = f.const(_STIRLING[0])
    for coefficient in _STIRLING[1:]:
        for _ in range(2):
            products, power = products * v + power, power * w
        series = series + coefficient * products
    return (x - Fraction(1, 2)) * f.log1p(a / x) - a + a * (lost / total) - a / x / total * series


def _rising(f: Any, x: Any, a: Any) -> Any:
    near, far, total, lost = _shifted(f, x, a)
    # Half of the power at a time: all of it overflows before the product does.
    half = f.pow(total, a / 2)
    beyond = half * f.exp(_rest(f, far, a, total, lost)) * half
    # Where x + a is larger the result has overflowed anyway, and the product must not.
    above, below = (math.prod((u + k for k in range(1, _SHIFT)), start=u) for u in (x, f.minimum(x + a, 10**20)))
    right = f.select(near, beyond * (above / below), beyond)
    # Small ones themselves err by 3 ulp, a product of twenty by 10; what x + a has rounded off they amplify.
    direct = f.gamma(x + a) / f.gamma(x)
    whole, rounded = _sum(x, a)
    direct = direct * (1 + f.select(f.gt(whole, 1), rounded * f.log(whole), 0))
    size = f.maximum(x, whole)
    return f.select(f.logical_and(f.gt(f.minimum(x, whole), 0), f.ge(size, _SMALL)), right, direct)


def _log_rising(f: Any, x: Any, a: Any) -> Any:
    near, far, total, lost = _shifted(f, x, a)
    # The product of all 1 + a/(x + k) but the first, less 1, in which nothing cancels.
    product = a / (x + 1)
    for k in range(2, _SHIFT):
        product = product + a / (x + k) * (1 + product)
    # 1 + a/x, of which x + a has lost a small a.
    first = f.log_near_one((x + a) / x, a / x)
    shift = f.select(near, first + f.log1p(product), 0)
    value = a * f.log(total) + _rest(f, far, a, total, lost) - shift
    return f.select(f.gt(f.minimum(x, x + a), 0), value, f.const("nan"))


_BOTH = ((0.2, 5), (0.2, 5))

ROWS = (
    Op(
        name="rising",
        doc="gamma(x + a)/gamma(x)",
        arity=2,
        partials=(
            lambda f, z, x, a: -(z * f.digamma_difference(x, a)),
            lambda f, z, x, a: z * f.digamma(x + a),
        ),
        define=_rising,
        mpmath=lambda x, a: mp.gammaprod([x + a], [x]),
        ball=lambda x, a: (x + a).gamma() * x.rgamma(),
        cost=2 * SPECIAL + 4 * ELEMENTARY + 80,
        domain=_BOTH,
    ),
    Op(
        name="log_rising",
        doc="loggamma(x + a) - loggamma(x), x > 0 and x + a > 0",
        arity=2,
        partials=(lambda f, z, x, a: -f.digamma_difference(x, a), lambda f, z, x, a: f.digamma(x + a)),
        define=_log_rising,
        mpmath=lambda x, a: mp.loggamma(x + a) - mp.loggamma(x),
        ball=lambda x, a: (x + a).lgamma() - x.lgamma(),
        cost=6 * ELEMENTARY + 12 * DIVISION + 60,
        domain=_BOTH,
    ),
    Op(
        name="log_beta",
        doc="log(beta(x, y)), x > 0 and y > 0",
        arity=2,
        partials=(lambda f, z, x, y: f.digamma_difference(x, y), lambda f, z, x, y: f.digamma_difference(y, x)),
        define=lambda f, x, y: f.loggamma(f.minimum(x, y)) - f.log_rising(f.maximum(x, y), f.minimum(x, y)),
        mpmath=lambda x, y: mp.loggamma(x) + mp.loggamma(y) - mp.loggamma(x + y),
        ball=lambda x, y: x.lgamma() + y.lgamma() - (x + y).lgamma(),
        cost=SPECIAL + 6 * ELEMENTARY + 12 * DIVISION + 62,
        domain=_BOTH,
    ),
    Op(
        name="log_binomial",
        doc="loggamma(x + y - 1) - loggamma(x) - loggamma(y), the logarithm of x + y - 2 over x - 1, x > 0 and y > 0",
        arity=2,
        partials=(
            lambda f, z, x, y: -f.digamma_difference(x, y - 1),
            lambda f, z, x, y: -f.digamma_difference(y, x - 1),
        ),
        define=lambda f, x, y: f.log_rising(f.maximum(x, y), f.minimum(x, y) - 1) - f.loggamma(f.minimum(x, y)),
        mpmath=lambda x, y: mp.loggamma(x + y - 1) - mp.loggamma(x) - mp.loggamma(y),
        ball=lambda x, y: (x + y - 1).lgamma() - x.lgamma() - y.lgamma(),
        cost=SPECIAL + 6 * ELEMENTARY + 12 * DIVISION + 62,
        domain=((0.7, 5), (0.7, 5)),
    ),
    Op(
        name="log_of_rising",
        doc="log(gamma(x + a)/gamma(x)), nan where that is negative",
        arity=2,
        partials=(lambda f, z, x, a: -f.digamma_difference(x, a), lambda f, z, x, a: f.digamma(x + a)),
        define=lambda f, x, a: f.select(f.gt(f.minimum(x, x + a), 0), f.log_rising(x, a), f.log(f.rising(x, a))),
        mpmath=lambda x, a: mp.log(mp.gammaprod([x + a], [x])),
        ball=lambda x, a: (x + a).lgamma() - x.lgamma() if x > 0 < x + a else ((x + a).gamma() * x.rgamma()).log(),
        cost=2 * SPECIAL + 12 * ELEMENTARY,
        domain=_BOTH,
    ),
)
