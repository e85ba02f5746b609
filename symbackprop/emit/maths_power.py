"""Powers, and the length of a vector.

x**y is exp(y*log(x)) with the logarithm to 2**-68: an error there is amplified up to 745 times.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

from symbackprop.emit.maths_doubles import Doubles, fast_added, multiplied
from symbackprop.emit.maths_exponential import exp
from symbackprop.emit.maths_logarithm import long_log, short_log


def _positive_power(d: Doubles, x: str, y: str) -> str:
    if d.b.dtype == "float32":
        # 2**-45 is left of a double, amplified.
        return exp(d, d.mul(y, short_log(d, x)))
    log, log_low = long_log(d, x)
    high, lost = multiplied(d, y, log)
    inside = d.compare("olt", d.abs(high), d.const(800.0))
    return exp(d, high, d.choose(inside, d.fma(y, log_low, lost), d.const(0.0)))


def power(d: Doubles, x: str, y: str) -> str:
    size, zero, one = d.abs(x), d.const(0.0), d.const(1.0)
    # Exponents of 2**70 and more all overflow or vanish, but for 1; all are even.
    capped = d.choose(d.compare("olt", d.abs(y), d.const(2.0**70)), y, d.sign_of(d.const(2.0**70), y))
    negative = d.is_negative(x)
    half = d.mul(capped, d.const(0.5))
    whole = d.compare("oeq", d.rint(capped), capped)
    odd = d.both(whole, d.compare("une", d.rint(half), half))
    # What is known without the logarithm: 0 and infinity to a power; a negative number to one that is not whole has
    # none, but -0 and -inf have; and of 1 and to the power of 0 all is 1, nan too.
    upward = d.one_of(d.compare("ogt", size, one), d.compare("olt", y, zero))
    usual = d.both(d.compare("ogt", size, zero), d.compare("olt", size, d.const(math.inf)))
    nothing = d.either(d.both(d.both(negative, usual), d.negation(whole)), d.compare("uno", x, y))
    unit = d.either(d.compare("oeq", y, zero), d.compare("oeq", x, one))
    known = d.choose(nothing, d.const(math.nan), d.choose(upward, d.const(math.inf), zero))
    known = d.choose(unit, one, known)
    computed = d.both(d.both(usual, d.negation(nothing)), d.negation(unit))
    sign = d.choose(d.both(d.both(negative, odd), d.negation(unit)), d.const(-1.0), one)
    return d.mul(d.choose(computed, _positive_power(d, size, capped), known), sign)


def hypot(d: Doubles, x: str, y: str) -> str:
    """The square root of the sum of squares, and what the root lacks by its remainder."""
    wide, tall = d.abs(x), d.abs(y)
    swapped = d.compare("ogt", tall, wide)
    a, b = d.choose(swapped, tall, wide), d.choose(swapped, wide, tall)
    # No square overflows, and none that counts vanishes.
    large, small = d.compare("ogt", a, d.const(2.0**500)), d.compare("olt", a, d.const(2.0**-400))
    scale, back = (
        d.choose(large, d.const(1 / p), d.choose(small, d.const(p), d.const(1.0))) for p in (2.0**600, 2.0**-600)
    )
    a_square, a_lost = multiplied(d, *[d.mul(a, scale)] * 2)
    b_square, b_lost = multiplied(d, *[d.mul(b, scale)] * 2)
    square, lost = fast_added(d, a_square, b_square)
    root = d.sqrt(square)
    remainder = d.add(d.fma(d.negative(root), root, square), d.add(lost, d.add(a_lost, b_lost)))
    divisor = d.choose(d.compare("oeq", root, d.const(0.0)), d.const(1.0), d.add(root, root))
    length = d.mul(d.add(root, d.div(remainder, divisor)), back)
    infinite = d.const(math.inf)
    endless = d.either(d.compare("oeq", wide, infinite), d.compare("oeq", tall, infinite))
    return d.choose(endless, infinite, length)


def norm(d: Doubles, *parts: str) -> str:
    """The square root of a sum of squares, scaled where that leaves the range.

    It errs by 1.3 ulp. Energies of six distances and their gradients take 0.7 (Coulomb's) to 1.3 times (springs) as
    long as with plain roots in lanes, as long alone.
    """
    total = _squares(d, parts)
    small, large = d.compare("olt", total, d.const(1e-280)), d.compare("ogt", total, d.const(1e300))
    beyond = d.either(small, large)
    # By 1 in the lanes where nothing is beyond: squares that vanish take a processor ten times as long.
    scale, back = (
        d.choose(small, d.const(p), d.choose(large, d.const(1 / p), d.const(1.0))) for p in (2.0**600, 2.0**-600)
    )
    square = d.by_case(beyond, lambda: _squares(d, [d.mul(part, scale) for part in parts]), lambda: total)
    # As of two: an infinity beside what is no number is one still.
    endless = functools.reduce(d.either, [d.compare("oeq", d.abs(part), d.const(math.inf)) for part in parts])
    return d.choose(endless, d.const(math.inf), d.mul(d.sqrt(square), back))


def _squares(d: Doubles, parts: Sequence[str]) -> str:
    total = d.mul(parts[0], parts[0])
    for part in parts[1:]:
        total = d.add(total, d.mul(part, part))
    return total
