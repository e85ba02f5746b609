"""Inverse hyperbolic functions: logarithms of a sum of two numbers, near 1 where the function is small."""

from __future__ import annotations

import math

from symbackprop.emit.maths_doubles import Doubles, added, divided, fast_added, multiplied
from symbackprop.emit.maths_logarithm import log_of_sum

_FAR = 2.0**30
"""From here on both areas are log(2x): what is left out is 1/(4*x*x)."""


def _root_added(d: Doubles, size: str, other: float) -> str:
    """log(x + sqrt(x*x + other)) for 1 <= x + sqrt(x*x + other)."""
    far = d.compare("ogt", size, d.const(_FAR))
    near = d.choose(far, d.const(_FAR), size)
    square, square_lost = multiplied(d, near, near)
    under, lost = added(d, square, d.const(other))
    root = d.sqrt(under)
    # The root in two parts; it is 0 where acosh is.
    remainder = d.add(d.fma(d.negative(root), root, under), d.add(lost, square_lost))
    divisor = d.choose(d.compare("oeq", root, d.const(0.0)), d.const(1.0), d.add(root, root))
    root_lost = d.div(remainder, divisor)
    larger, smaller = (root, near) if other > 0 else (near, root)
    total, lost = fast_added(d, larger, smaller)
    total, lost = d.choose(far, size, total), d.choose(far, d.const(0.0), d.add(lost, root_lost))
    return log_of_sum(d, total, lost, d.choose(far, d.const(1.0), d.const(0.0)))


def _finite(d: Doubles, size: str, result: str) -> str:
    """Infinity's is infinity, and of nan nan."""
    return d.choose(d.compare("olt", size, d.const(math.inf)), result, size)


def asinh(d: Doubles, x: str) -> str:
    size = d.abs(x)
    result = d.choose(d.compare("olt", size, d.const(2.0**-28)), size, _root_added(d, size, 1.0))
    return d.sign_of(_finite(d, size, result), x)


def acosh(d: Doubles, x: str) -> str:
    below = d.compare("olt", x, d.const(1.0))
    return _finite(d, x, d.choose(below, d.const(math.nan), _root_added(d, x, -1.0)))


def atanh(d: Doubles, x: str) -> str:
    """log(1 + 2x/(1 - x))/2."""
    size, one = d.abs(x), d.const(1.0)
    inside = d.compare("olt", size, one)
    held = d.choose(inside, size, d.const(0.5))
    quotient, quotient_lost = divided(d, (d.add(held, held), d.const(0.0)), fast_added(d, one, d.negative(held)))
    total, lost = added(d, one, quotient)
    half = d.mul(log_of_sum(d, total, d.add(lost, quotient_lost), d.const(0.0)), d.const(0.5))
    result = d.choose(d.compare("olt", size, d.const(2.0**-28)), size, half)
    outside = d.choose(d.compare("oeq", size, one), d.const(math.inf), d.const(math.nan))
    return d.sign_of(d.choose(inside, result, outside), x)
