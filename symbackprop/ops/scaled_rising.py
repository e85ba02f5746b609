"""log(gamma(1/a + d)*a**d/gamma(1/a)), the sum of log(1 + k*a) for k below d, and its derivatives for a small a.

The logarithm of a ratio of gamma functions over the power that it grows with: log-likelihoods of negative binomial,
Student's and Dirichlet-multinomial distributions are made of it, which tend to those of Poisson, Gauss and the
multinomial where a, the dispersion, vanishes. loggamma(d + 1/a) - loggamma(1/a) - d*log(1/a) has none of its digits at
a = 1e-8.

Stirling's series (DLMF 5.11.1, 5.11.2) where 1/a and 1/a + d are 10 or more; ten steps of the recurrence in front of it
where they are not, each in a form in which what tends to 1 is gone.
"""

from __future__ import annotations

from typing import Any

import mpmath as mp
import numpy as np

from symbackprop.ops.row import ELEMENTARY, SPECIAL, Op, Spelling, helper


def _log1p_rests(w: Any) -> Any:
    """r = (w - log1p(w))/w**2, and its derivative."""
    # With t = w/(2 + w) log1p(w) is 2*atanh(t), a series in t*t, which is below 1/9 for w from -1/2 to 1.
    near = (w > -0.5) & (w < 1.0)
    t = np.where(near, w, 0.0) / (2.0 + np.where(near, w, 0.0))
    square = t * t
    total, slope = 0.0 * t, 0.0 * t
    for k in range(16, -1, -1):
        slope = slope * square + total
        total = total * square + 1.0 / (2 * k + 3)
    left = 1.0 - t
    rest = left / 2.0 - left * left * t / 2.0 * total
    by_t = -0.5 - (left * left - 2.0 * left * t) / 2.0 * total - left * left * square * slope
    far = np.where(near, 1.0, w)
    beyond = (far - np.log1p(far)) / far / far
    beyond_slope = (1.0 / (1.0 + far) - 2.0 * beyond) / far
    return np.where(near, rest, beyond), np.where(near, by_t * left * left / 2.0, beyond_slope)


def _shifted_reciprocal(a: Any, d: Any) -> Any:
    """Whether 1/a or 1/a + d is below 10; one over the first, or over ten more; that times d."""
    near = (10.0 * a > 1.0) | (10.0 * a > 1.0 + a * d)
    b = np.where(near, a / (1.0 + 10.0 * a), a)
    return near, b, b * d


def _powers_between(v: Any, a: Any) -> Any:
    """Of j(x) = x/2 + x**2/12 - x**4/120 + ..., which is log(1/x) - digamma(1/x): (j(v) - j(a))/(v - a), and its
    derivatives in v and a."""
    total, by_v, by_a = 0.0 * v + 0.5, 0.0 * v, 0.0 * v
    products, products_by_v, products_by_a, power = 0.0 * v + 1.0, 0.0 * v, 0.0 * v, 0.0 * v + 1.0
    degree = 0
    for coefficient in (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132, -691 / 32760, 1 / 12, -3617 / 8160):
        # The sum of all products of v and a of one degree: 2*k - 1.
        for _ in range(1 if degree == 0 else 2):
            degree += 1
            products_by_v = products_by_v * v + products
            products_by_a = products_by_a * v + degree * power
            power = power * a
            products = products * v + power
        total = total + coefficient * products
        by_v = by_v + coefficient * products_by_v
        by_a = by_a + coefficient * products_by_a
    return total, by_v, by_a


def _log_rising_scaled(a: Any, d: Any) -> Any:
    """log(gamma(1/a + d)*a**d/gamma(1/a)) for a >= 0; nan where 1/a + d is not positive."""
    near, b, w = _shifted_reciprocal(a, d)
    rest, _ = _log1p_rests(w)
    v = b / (1.0 + w)
    # The difference of Binet's functions, power by power.
    series, products, power = 0.0 * v + 1 / 12, 0.0 * v + 1.0, 0.0 * v + 1.0
    for coefficient in (-1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360, 1 / 156, -3617 / 122400):
        for _ in range(2):
            power = power * b
            products = products * v + power
        series = series + coefficient * products
    value = (d - 0.5) * np.log1p(w) - d * w * rest - b * d * v * series
    for k in range(10):
        own = np.where(near, a / (1.0 + k * a), 0.0)
        value = value + np.where(near, d * np.log1p(own) - np.log1p(d * own), 0.0)
    return np.where((a >= 0.0) & (1.0 + a * d > 0.0), value, np.nan)[()]


def _log_rising_scaled_slope(a: Any, d: Any) -> Any:
    """The derivative of that in a, d*(d - 1)/2 at 0."""
    near, b, w = _shifted_reciprocal(a, d)
    rest, _ = _log1p_rests(w)
    total, _, _ = _powers_between(b / (1.0 + w), b)
    value = d * d * rest - d / (1.0 + w) * total
    scale = np.where(near, 1.0 + 10.0 * a, 1.0)
    value = value / scale / scale
    for k in range(10):
        step = d * (d - 1.0) / (1.0 + k * a) * (a / (1.0 + (k + 1) * a)) / (1.0 + (k + d) * a)
        value = value + np.where(near, step, 0.0)
    return np.where((a >= 0.0) & (1.0 + a * d > 0.0), value, np.nan)[()]


def _log_rising_scaled_curvature(a: Any, d: Any) -> Any:
    """The second derivative of that in a, -d*(d - 1)*(2*d - 1)/6 at 0."""
    near, b, w = _shifted_reciprocal(a, d)
    rest, rest_slope = _log1p_rests(w)
    below = 1.0 + w
    total, by_v, by_a = _powers_between(b / below, b)
    slope = d * d * rest - d / below * total
    value = d * d * d * rest_slope + d / below * (d / below * total - by_v / below / below - by_a)
    scale = np.where(near, 1.0 + 10.0 * a, 1.0)
    value = (value / scale - np.where(near, 20.0, 0.0) * slope) / scale / scale / scale
    for k in range(10):
        step = d * (d - 1.0) / (1.0 + k * a) / (1.0 + (k + 1) * a) / (1.0 + (k + d) * a)
        # a times the logarithmic derivative: 1 - k*a/(1 + k*a) - (k + 1)*a/(1 + (k + 1)*a) without its 1.
        grown = (1.0 / (1.0 + k * a) - k * a / (1.0 + k * a) * ((k + 1) * a)) / (1.0 + (k + 1) * a)
        value = value + np.where(near, step * (grown - (k + d) * a / (1.0 + (k + d) * a)), 0.0)
    return np.where((a >= 0.0) & (1.0 + a * d > 0.0), value, np.nan)[()]


def _digamma_scaled(a: Any, d: Any) -> Any:
    """digamma(1/a + d) + log(a) for a >= 0, 0 at 0."""
    near, b, w = _shifted_reciprocal(a, d)
    v = b / (1.0 + w)
    square = v * v
    series = 0.0 * v
    for coefficient in (3617 / 8160, -1 / 12, 691 / 32760, -1 / 132, 1 / 240, -1 / 252, 1 / 120, -1 / 12):
        series = series * square + coefficient
    value = np.log1p(w) + v * (v * series - 0.5)
    for k in range(10):
        step = np.log1p(np.where(near, a / (1.0 + k * a), 0.0)) - a / (1.0 + (k + d) * a)
        value = value + np.where(near, step, 0.0)
    return np.where((a >= 0.0) & (1.0 + a * d > 0.0), value, np.nan)[()]


def _digamma_scaled_slope(a: Any, d: Any) -> Any:
    """The derivative of that in a, d - 1/2 at 0."""
    near, b, w = _shifted_reciprocal(a, d)
    below = 1.0 + w
    v = b / below
    square = v * v
    series = 0.0 * v
    for coefficient in (3617 / 510, -7 / 6, 691 / 2730, -5 / 66, 1 / 30, -1 / 42, 1 / 30, -1 / 6):
        series = series * square + coefficient
    scale = np.where(near, 1.0 + 10.0 * a, 1.0)
    value = (d + (v * series - 0.5) / below) / below / scale / scale
    for k in range(10):
        total = 1.0 + (k + d) * a
        step = ((2.0 * d - 1.0) + a * d * d / (1.0 + k * a)) * (a / (1.0 + (k + 1) * a)) / total / total
        value = value + np.where(near, step, 0.0)
    return np.where((a >= 0.0) & (1.0 + a * d > 0.0), value, np.nan)[()]


def _third(f: Any, a: Any, d: Any) -> Any:
    x = 1 / a
    first = f.digamma_difference(x, d)
    second, third = (f.polygamma_difference(order, x, d) for order in (1, 2))
    return x * x * x * (2 * d + 6 * x * (first + x * second) + x * x * x * third)


def _digamma_second(f: Any, a: Any, d: Any) -> Any:
    x = 1 / a
    return x * x * (2 * x * f.polygamma(f.const(1), x + d) + x * x * f.polygamma(f.const(2), x + d) - 1)


def _slope_mp(a: Any, d: Any) -> Any:
    x = 1 / a
    return d * x - x * x * (mp.digamma(x + d) - mp.digamma(x))


def _curvature_mp(a: Any, d: Any) -> Any:
    x = 1 / a
    first, second = (mp.polygamma(n, x + d) - mp.polygamma(n, x) for n in (0, 1))
    return x * x * (2 * x * first + x * x * second - d)


def _trigamma_ball(x: Any) -> Any:
    return (0 * x + 2).zeta(x)


def _curvature_ball(a: Any, d: Any) -> Any:
    x = 1 / a
    first, second = (x + d).digamma() - x.digamma(), _trigamma_ball(x + d) - _trigamma_ball(x)
    return x * x * (2 * x * first + x * x * second - d)


def _spelled(function: Any, *uses: Any) -> Spelling:
    return helper(function, *uses, _shifted_reciprocal)


_VALUE = _spelled(_log_rising_scaled, _log1p_rests)
_SLOPE = _spelled(_log_rising_scaled_slope, _log1p_rests, _powers_between)
_CURVATURE = _spelled(_log_rising_scaled_curvature, _log1p_rests, _powers_between)
_COST = SPECIAL + 2 * ELEMENTARY
_DOMAIN = ((0.01, 5), (0.2, 5))
# Derivatives of the third order are differences of polygammas, which nothing that is compiled has: these lose 1/a**3.
_WIDE_DOMAIN = ((1.0, 5), (0.2, 5))

ROWS = (
    Op(
        name="log_rising_scaled",
        doc="log(gamma(1/a + d)*a**d/gamma(1/a)), a >= 0",
        arity=2,
        partials=(lambda f, z, a, d: f.log_rising_scaled_slope(a, d), lambda f, z, a, d: f.digamma_scaled(a, d)),
        numpy=_VALUE,
        numba=_VALUE,
        mpmath=lambda a, d: mp.loggamma(1 / a + d) - mp.loggamma(1 / a) + d * mp.log(a),
        ball=lambda a, d: (1 / a + d).lgamma() - (1 / a).lgamma() + d * a.log(),
        cost=_COST,
        domain=_DOMAIN,
    ),
    Op(
        name="log_rising_scaled_slope",
        doc="the derivative of log(gamma(1/a + d)*a**d/gamma(1/a)) in a",
        arity=2,
        partials=(
            lambda f, z, a, d: f.log_rising_scaled_curvature(a, d),
            lambda f, z, a, d: f.digamma_scaled_slope(a, d),
        ),
        numpy=_SLOPE,
        numba=_SLOPE,
        mpmath=_slope_mp,
        ball=lambda a, d: d / a - ((1 / a + d).digamma() - (1 / a).digamma()) / a / a,
        cost=_COST,
        domain=_WIDE_DOMAIN,
    ),
    Op(
        name="log_rising_scaled_curvature",
        doc="the second derivative of log(gamma(1/a + d)*a**d/gamma(1/a)) in a",
        arity=2,
        partials=(lambda f, z, a, d: _third(f, a, d), lambda f, z, a, d: _digamma_second(f, a, d)),
        numpy=_CURVATURE,
        numba=_CURVATURE,
        mpmath=_curvature_mp,
        ball=_curvature_ball,
        cost=_COST,
        domain=_WIDE_DOMAIN,
    ),
    Op(
        name="digamma_scaled",
        doc="digamma(1/a + d) + log(a), a >= 0",
        arity=2,
        partials=(
            lambda f, z, a, d: f.digamma_scaled_slope(a, d),
            lambda f, z, a, d: f.polygamma(f.const(1), 1 / a + d),
        ),
        numpy=_spelled(_digamma_scaled),
        numba=_spelled(_digamma_scaled),
        mpmath=lambda a, d: mp.digamma(1 / a + d) + mp.log(a),
        ball=lambda a, d: (1 / a + d).digamma() + a.log(),
        cost=_COST,
        domain=_WIDE_DOMAIN,
    ),
    Op(
        name="digamma_scaled_slope",
        doc="the derivative of digamma(1/a + d) + log(a) in a",
        arity=2,
        partials=(
            lambda f, z, a, d: _digamma_second(f, a, d),
            lambda f, z, a, d: -(f.polygamma(f.const(2), 1 / a + d) / a / a),
        ),
        numpy=_spelled(_digamma_scaled_slope),
        numba=_spelled(_digamma_scaled_slope),
        mpmath=lambda a, d: 1 / a - mp.polygamma(1, 1 / a + d) / a / a,
        ball=lambda a, d: 1 / a - _trigamma_ball(1 / a + d) / a / a,
        cost=_COST,
        domain=_WIDE_DOMAIN,
    ),
)
