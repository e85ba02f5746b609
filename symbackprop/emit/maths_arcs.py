"""Inverse circular functions: an angle is a multiple of pi/4 and the angle of a small slope.

The polynomials are minimax (tests/benchmarks/minimax.py).
"""

from __future__ import annotations

import math

from symbackprop.emit.maths_doubles import Doubles, divided, fast_added

_TAN_PI_8 = 0.4142135623730951
# pi/4 in two parts, of which the first ends with three zero bits: its multiples up to pi are exact.
_QUARTER_HIGH = 0.7853981633974483
_QUARTER_LOW = 3.061616997868383e-17
# (atan(t)/t - 1)/t**2 in t*t, for t up to tan(pi/8), to 2**-58.5 of atan(t)/t.
_ATAN = [
    0.015208663689497989, -0.03348774269679627, 0.04504119466748836, -0.05218544451709569, 0.058770435423180126,
    -0.06666228977227409, 0.07692282909012725, -0.09090908151184122, 0.11111111088362678, -0.1428571428539099,
    0.19999999999997692, -0.33333333333333326,
]  # fmt: skip
# (asin(s)/s - 1)/s**2 in s*s, for s up to 1/2, to 2**-58.6 of asin(s)/s.
_ASIN = [
    0.03267689523169303, -0.021077291861125565, 0.021763490533180028, 0.0036830498721726257, 0.010786525521628081,
    0.011397776942947201, 0.013980961282474428, 0.0173516001120792, 0.02237221565864322, 0.03038194268370852,
    0.044642857175117664, 0.07499999999970268, 0.16666666666666763,
]  # fmt: skip


def _angle(d: Doubles, low: str, high: str, swapped: str, left: str | None) -> str:
    """atan(low/high) for 0 <= low <= high > 0; of high/low where `swapped`, and of the other side where `left`."""
    # Beyond pi/8 the slope is (low - high)/(low + high), from pi/4; differences and sums in two parts.
    steep = d.compare("ogt", low, d.mul(high, d.const(_TAN_PI_8)))
    over, over_lost = fast_added(d, high, d.negative(low))
    under, under_lost = fast_added(d, high, low)
    zero = d.const(0.0)
    top = d.choose(steep, d.negative(over), low), d.choose(steep, d.negative(over_lost), zero)
    bottom = d.choose(steep, under, high), d.choose(steep, under_lost, zero)
    slope, lost = divided(d, top, bottom)
    z = d.mul(slope, slope)
    rest = d.fma(d.mul(slope, z), d.polynomial(z, _ATAN), d.fma(d.negative(z), lost, lost))
    # pi/2 less the angle, pi less the angle: the multiple, and the sign of the rest.
    multiple = d.choose(steep, d.const(1.0), zero)
    multiple = d.choose(swapped, d.sub(d.const(2.0), multiple), multiple)
    turned = swapped
    if left is not None:
        multiple = d.choose(left, d.sub(d.const(4.0), multiple), multiple)
        turned = d.one_of(swapped, left)
    return _with_quarters(d, multiple, d.choose(turned, d.const(-1.0), d.const(1.0)), slope, rest)


def atan(d: Doubles, x: str) -> str:
    """Where x is 2**60 and more it is pi/2."""
    size, one = d.abs(x), d.const(1.0)
    capped = d.choose(d.compare("ogt", size, d.const(2.0**60)), d.const(2.0**60), size)
    large = d.compare("ogt", size, one)
    return d.sign_of(_angle(d, d.choose(large, one, capped), d.choose(large, capped, one), large, None), x)


def atan2(d: Doubles, y: str, x: str) -> str:
    wide, tall = d.abs(x), d.abs(y)
    swapped = d.compare("ogt", tall, wide)
    low, high = d.choose(swapped, wide, tall), d.choose(swapped, tall, wide)
    # Neither an inverse nor a remainder is denormal then; where a small `low` is made so the quotient is 0 in any case.
    scale = d.choose(d.compare("olt", high, d.const(2.0**500)), d.const(2.0**200), d.const(2.0**-200))
    low, high = d.mul(low, scale), d.mul(high, scale)
    # Of infinities only the direction counts; (0, 0) lies on the axis.
    infinite, zero, one = d.const(math.inf), d.const(0.0), d.const(1.0)
    endless = d.compare("oeq", high, infinite)
    low = d.choose(endless, d.choose(d.compare("oeq", low, infinite), one, zero), low)
    high = d.choose(d.either(endless, d.compare("oeq", high, zero)), one, high)
    angle = d.sign_of(_angle(d, low, high, swapped, d.is_negative(x)), y)
    return d.choose(d.compare("uno", x, y), d.const(math.nan), angle)


def _half(d: Doubles, size: str) -> tuple[str, str, str]:
    """Whether size > 1/2; s, which is size or, beyond 1/2, sqrt((1 - size)/2); what asin of it is more than s."""
    large = d.compare("ogt", size, d.const(0.5))
    part = d.mul(d.sub(d.const(1.0), size), d.const(0.5))
    z = d.choose(large, part, d.mul(size, size))
    root = d.sqrt(part)
    # What the root lacks of being one: the remainder by twice the root, which is 0 where the argument is 1.
    divisor = d.choose(d.compare("oeq", root, d.const(0.0)), d.const(1.0), d.add(root, root))
    lost = d.div(d.fma(d.negative(root), root, part), divisor)
    s = d.choose(large, root, size)
    rest = d.mul(d.mul(s, z), d.polynomial(z, _ASIN))
    return large, s, d.add(rest, d.choose(large, lost, d.const(0.0)))


def asin(d: Doubles, x: str) -> str:
    """Beyond 1/2 pi/2 - 2*asin(s)."""
    large, s, rest = _half(d, d.abs(x))
    angle = _with_quarters(
        d, d.choose(large, d.const(2.0), d.const(0.0)), d.choose(large, d.const(-2.0), d.const(1.0)), s, rest
    )
    return d.sign_of(angle, x)


def acos(d: Doubles, x: str) -> str:
    """pi/2 - asin(x); beyond 1/2 2*asin(s), and below -1/2 pi - 2*asin(s)."""
    large, s, rest = _half(d, d.abs(x))
    below = d.compare("olt", x, d.const(0.0))
    multiple = d.choose(large, d.choose(below, d.const(4.0), d.const(0.0)), d.const(2.0))
    factor = d.choose(large, d.const(2.0), d.const(-1.0))
    return _with_quarters(d, multiple, d.choose(below, d.negative(factor), factor), s, rest)


def _with_quarters(d: Doubles, multiple: str, factor: str, s: str, rest: str) -> str:
    """multiple*pi/4 + factor*(s + rest), where products with the factor are exact."""
    total, lost = fast_added(d, d.mul(multiple, d.const(_QUARTER_HIGH)), d.mul(factor, s))
    return d.add(total, d.add(lost, d.fma(multiple, d.const(_QUARTER_LOW), d.mul(factor, rest))))
