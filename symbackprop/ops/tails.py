"""Tails of the normal distribution, scaled or as logarithms.

exp(x*x)*erfc(x) and its repeated integrals S_n(x) = exp(x*x)*i^n erfc(x) have no tail at all. Their derivatives are
S_n' = -2*(n + 1)*S_(n+1), in which nothing cancels.
Source: DLMF 7.18 (repeated integrals), 7.9 (continued fraction).
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import mpmath as mp
import numpy as np

from symbackprop.ops.row import ARITHMETIC, DIVISION, ELEMENTARY, SPECIAL, Op, helper
from symbackprop.ops.scipy import special

_HALF = Fraction(1, 2)
_TWO_OVER_ROOT_PI = Fraction("1.1283791670955125738961589031215451716881012586580")


def _scaled_left(x: float) -> float:
    """exp(x*x)*erfc(x) for x <= 0; inf where it overflows."""
    # The square in two parts: that of a number of 25 bits, exactly, and the rest, which exp would amplify.
    high = (x + 6442450944.0) - 6442450944.0
    return math.exp(high * high) * math.exp((x - high) * (x + high)) * math.erfc(x) if x > -26.6 else math.inf


def _series(last: int, x: Any) -> Any:
    """A repeated integral of erfc by its power series (DLMF 7.18.6), to the last digit for 0 <= x <= 1/2."""
    before, even = 1.1283791670955126, 1.0
    for n in range(1, last + 1):
        before, even = even, before / (2.0 * n)
    square, odd = x * x, -x * before
    value = even + odd
    for k in range(0, 30, 2):
        even = even * square * (2.0 * (last - k) / ((k + 1) * (k + 2)))
        odd = odd * square * (2.0 * (last - k - 1) / ((k + 2) * (k + 3)))
        value = value + (even + odd)
    return value


def _taylor(last: int, x: Any, near: bool) -> Any:
    """A scaled integral of an order up to 5 by its Taylor series about 1 for 1/2 <= x <= 1, about 2 for 1 <= x <= 2.

    Its derivatives are higher ones, and to the left of the centre all terms are positive. The continued fraction takes
    700 steps at 1/2 and 190 at 1: 14 ms for 10,000 samples instead of 3.3.
    """
    about_1 = (
        0.427583576155807, 0.13660600739194928, 0.03859289034297711, 0.009903371117665843, 0.002348268513455678,
        0.0005206834090754488, 0.00010890847460873168, 2.1633318561284676e-05, 4.102614842885145e-06,
        7.46004937528577e-07, 1.3053024839139957e-07, 2.2042929124808086e-08, 3.6018495892409745e-09,
        5.70739613320236e-10, 8.78703700928751e-11, 1.316662910448286e-11, 1.923034746372168e-12,
        2.741341062276037e-13, 3.8187959275471125e-14, 5.204162833596353e-15, 6.944908402069604e-16,
        9.083764650434363e-17, 1.1654898799960755e-17, 1.4679967153135243e-18, 1.8164386186111888e-19,
        2.209417983182573e-20, 2.6433750422589892e-21, 3.112486990242176e-22, 3.6087100789474177e-23,
        4.1219740938839526e-24, 4.640525433617712e-25, 5.1514016244522745e-26, 5.641007982386339e-27,
        6.09575761814395e-28, 6.50273008640816e-29, 6.850302286946168e-30, 7.128707818081843e-31,
        7.330487463959188e-32, 7.450803059592113e-33, 7.487598528257392e-34, 7.441604192425793e-35,
        7.316192304600285e-36,
    )  # fmt: skip
    about_2 = (
        0.25539567631050575, 0.0533982309267448, 0.010450688150881637, 0.0019325797205363754, 0.0003400461585920169,
        5.723950861683077e-05, 9.257343677057817e-06, 1.4435809934713931e-06, 2.1768873144826534e-07,
        3.182367042657398e-08, 4.519702487098471e-09, 6.247663853718227e-10, 8.41932060671325e-11,
        1.1076675427049718e-11, 1.4245180128190582e-12, 1.7928677919244951e-13, 2.2105340501539383e-14,
        2.672512270185058e-15, 3.170914283555319e-16, 3.695122517797186e-17, 4.232163191091111e-18,
        4.767279146097004e-19, 5.2846625742097944e-20, 5.768291557419753e-21, 6.202804065087277e-22,
        6.574339862769684e-23, 6.871284846114239e-24, 7.084862822822201e-25, 7.209535208902424e-26,
        7.243187481484882e-27, 7.187100360514119e-28, 7.0457215117407e-29, 6.826268368465372e-30,
        6.5382032793250785e-31, 6.192628024610796e-32, 5.801645813543944e-33, 5.377735693323914e-34,
        4.933177751641051e-35, 4.479558674562492e-36, 4.0273772843795566e-37, 3.5857597010133374e-38,
        3.162284638992953e-39,
    )  # fmt: skip
    values = about_1 if near else about_2
    twice = 2.0 * ((1.0 if near else 2.0) - x)
    total = values[last + 36] + 0.0 * twice
    for k in range(35, -1, -1):
        total = values[last + k] + total * twice * ((last + k + 1.0) / (k + 1.0))
    return total


def _scaled_integral(order: float, x: float) -> float:
    """exp(x*x) times a repeated integral of erfc: from erfc itself below 0, by its continued fraction from 1/2 on."""
    last = int(order)
    if x < 0.0:
        before, value = 1.1283791670955126, _scaled_left(x)
        for n in range(1, last + 1):
            before, value = value, (before - 2.0 * x * value) / (2.0 * n)
        return value
    if x < 0.5:
        return float(math.exp(x * x) * _series(last, x))
    if x < 2.0 and last < 6:
        return float(_taylor(last, x, x < 1.0))
    if x != x:
        return x
    ratio, value = 0.0, 1.1283791670955126
    # The error falls as exp(-2*x*sqrt(2*n)): below 2**-53 after 172/x**2 terms, and some more of higher orders.
    for n in range(2 * last + 24 + int(172.0 / (x * x)), -1, -1):
        ratio = 0.5 / (x + (n + 1) * ratio)
        if n <= last:
            value *= ratio
    return value


def _scaled_lefts(x: Any) -> Any:
    """exp(x*x)*erfc(x) for x <= 0; inf where it overflows."""
    # The square in two parts: that of a number of 25 bits, exactly, and the rest, which exp would amplify.
    near = np.maximum(x, -26.6)
    high = (near + 6442450944.0) - 6442450944.0
    value = np.exp(high * high) * np.exp((near - high) * (near + high)) * special.erfc(near)
    return np.where(x < -26.6, np.inf, value)


def _scaled_integrals(order: Any, x: Any) -> Any:
    """exp(x*x) times a repeated integral of erfc: from erfc itself below 0, by its continued fraction from 1/2 on."""
    x, last = np.asarray(x), int(order)
    before, left = 1.1283791670955126, _scaled_lefts(np.minimum(x, 0.0))
    for n in range(1, last + 1):
        before, left = left, (before - 2.0 * x * left) / (2.0 * n)
    middle = np.clip(x, 0.0, 0.5)
    near = np.exp(middle * middle) * _series(last, middle)
    right = np.maximum(x, 2.0 if last < 6 else 0.5)
    # fmin, and no product with 0: an argument may be nan or infinite.
    ratio, value, nearest = np.zeros_like(right), 1.1283791670955126, np.fmin.reduce(right, axis=None, initial=16.0)
    # The error falls as exp(-2*x*sqrt(2*n)): below 2**-53 after 172/x**2 terms, and some more of higher orders.
    for n in range(2 * last + 24 + int(172.0 / (nearest * nearest)), -1, -1):
        ratio = 0.5 / (right + (n + 1) * ratio)
        value = value * ratio if n <= last else value
    if last < 6:
        low, high = _taylor(last, np.clip(x, 0.5, 1.0), True), _taylor(last, np.clip(x, 1.0, 2.0), False)
        near = np.where(x < 0.5, near, np.where(x < 1.0, low, high))
    return np.where(x < 0.0, left, np.where(x < (2.0 if last < 6 else 0.5), near, value))[()]


def _scaled_mp(x: Any, order: int) -> Any:
    # The recurrence loses the digits of x**2 a step.
    with mp.extradps(40 + 4 * max(0, mp.mag(x))):
        x = mp.mpf(x)
        before, value = 2 / mp.sqrt(mp.pi), mp.exp(x * x) * mp.erfc(x)
        for n in range(1, order + 1):
            before, value = value, (before - 2 * x * value) / (2 * n)
    return +value


def _scaled_ball(n: Any, x: Any) -> Any:
    before, value, k = _two_over_root_pi(x), (x * x).exp() * x.erfc(), 1
    while n >= k:
        before, value, k = value, (before - 2 * x * value) / (2 * k), k + 1
    return value


def _two_over_root_pi(x: Any) -> Any:
    """The number, to the precision and as the kind of x."""
    return 2 / (2 * (0 * x).acos()).sqrt()


def _hazard_slope_ball(x: Any) -> Any:
    z = (-x * x).exp() / x.erfc()
    return z * (_two_over_root_pi(x) * z - 2 * x)


def _hazard_slope_mp(x: Any) -> Any:
    with mp.extradps(40 + 4 * max(0, mp.mag(x))):
        z = mp.exp(-x * x) / mp.erfc(x)
        slope = z * (2 / mp.sqrt(mp.pi) * z - 2 * x)
    return +slope


def _erfc_hazard(f: Any, x: Any) -> Any:
    return f.select(f.lt(x, 0), f.bell(x) * f.bell(x) / f.erfc(x), 1 / f.scaled_erfc(x))


def _erfc_hazard_slope(f: Any, x: Any) -> Any:
    # z*(2/sqrt(pi)*z - 2*x) cancels to the right, where it is 2*S_1/S_0**2.
    z = f.erfc_hazard(x)
    left = z * (f.const(_TWO_OVER_ROOT_PI) * z - 2 * x)
    return f.select(f.lt(x, 0), left, 2 * (f.scaled_integral(1, x) * z * z))


def _erfc_hazard_curvature(f: Any, slope: Any, x: Any) -> Any:
    # The slope is 2*z*r_1 with r_n = S_n/S_(n-1), its derivative 8*z*r_1*(r_1 - r_2). The recurrence gives
    # 1/r_n = 2*x + 2*(n + 1)*r_(n+1), and so the difference without the cancellation, which grows as x**2.
    first = f.scaled_integral(1, x) / f.scaled_erfc(x)
    second = f.scaled_integral(2, x) / f.scaled_integral(1, x)
    third = f.scaled_integral(3, x) / f.scaled_integral(2, x)
    right = slope * (4 * (first * second)) * (6 * third - 4 * second)
    z = f.erfc_hazard(x)
    grown = f.const(_TWO_OVER_ROOT_PI) * z
    rest = grown - 2 * x
    left = z * (rest * (rest + grown) - 2)
    return f.select(f.lt(x, 0), left, right)


def _log_erfc(f: Any, x: Any) -> Any:
    near = f.select(f.lt(x, -_HALF), f.log(f.erfc(x)), f.log1p(-f.erf(x)))
    return f.select(f.lt(x, _HALF), near, f.log(f.scaled_erfc(x)) - x * x)


def _log_half_erfc(f: Any, x: Any) -> Any:
    left = f.log1p(-f.erfc(-x) / 2)
    return f.select(f.lt(x, _HALF), left, f.log(f.scaled_erfc(x) / 2) - x * x)


def _minus_hazard(f: Any, z: Any, x: Any) -> Any:
    return -(f.const(_TWO_OVER_ROOT_PI) * f.erfc_hazard(x))


_REACH = ((-4, 6),)

ROWS = (
    Op(
        name="scaled_erfc",
        doc="exp(x*x)*erfc(x)",
        partials=(lambda f, z, x: -2 * f.scaled_integral(1, x),),
        define=lambda f, x: f.scaled_integral(0, x),
        mpmath=lambda x: mp.exp(x * x) * mp.erfc(x),
        ball=lambda x: (x * x).exp() * x.erfc(),
        cost=SPECIAL,
        domain=_REACH,
    ),
    Op(
        name="scaled_integral",
        doc="exp(x*x)*i^n erfc(x), called scaled_integral(n, x)",
        arity=2,
        partials=(None, lambda f, z, n, x: -((2 * n + 2) * f.scaled_integral(n + 1, x))),
        missing="a repeated integral of erfc has no derivative in the number of its repetitions",
        python=helper(_scaled_integral, _scaled_left, _series, _taylor),
        numpy=helper(_scaled_integrals, _scaled_lefts, _series, _taylor),
        numba=helper(_scaled_integral, _scaled_left, _series, _taylor),
        mpmath=lambda n, x: _scaled_mp(x, int(n)),
        ball=_scaled_ball,
        cost=SPECIAL,
        domain=((1, 1), *_REACH),
    ),
    Op(
        name="erfc_hazard",
        doc="exp(-x*x)/erfc(x)",
        partials=(lambda f, z, x: f.erfc_hazard_slope(x),),
        define=_erfc_hazard,
        mpmath=lambda x: mp.exp(-x * x) / mp.erfc(x),
        ball=lambda x: (-x * x).exp() / x.erfc(),
        cost=SPECIAL + 2 * ELEMENTARY + DIVISION,
        domain=_REACH,
    ),
    Op(
        name="erfc_hazard_slope",
        doc="the derivative of exp(-x*x)/erfc(x)",
        partials=(_erfc_hazard_curvature,),
        define=_erfc_hazard_slope,
        mpmath=_hazard_slope_mp,
        ball=_hazard_slope_ball,
        cost=2 * SPECIAL + 2 * ELEMENTARY + DIVISION + 8,
        domain=_REACH,
    ),
    Op(
        name="log_erfc",
        doc="log(erfc(x))",
        partials=(_minus_hazard,),
        define=_log_erfc,
        mpmath=lambda x: mp.log(mp.erfc(x)),
        ball=lambda x: x.erfc().log(),
        cost=SPECIAL + 5 * ELEMENTARY,
        domain=_REACH,
    ),
    Op(
        name="log_half_erfc",
        doc="log(erfc(x)/2), the logarithm of the normal distribution's cdf at -sqrt(2)*x",
        partials=(_minus_hazard,),
        define=_log_half_erfc,
        mpmath=lambda x: mp.log(mp.erfc(x) / 2),
        ball=lambda x: (x.erfc() / 2).log(),
        cost=SPECIAL + 3 * ELEMENTARY + 3 * ARITHMETIC,
        domain=_REACH,
    ),
)
