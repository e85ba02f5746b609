"""exp, expm1, and the hyperbolic functions, which are made of the same parts."""

from __future__ import annotations

import math
from fractions import Fraction

from symbackprop.emit.maths_doubles import LN2_HIGH, LN2_LOW, Doubles, added, exponent, power_of_two, sum_of

_LOG2_E = 1.4426950408889634
_LOWEST, _HIGHEST = -746.0, 710.0
_LARGEST_LOG = 709.782712893384
"""exp of the next larger double overflows."""
# (exp(r) - 1 - r)/r**2 for |r| <= log(2)/2 by Taylor's series: the first omitted term is 1e-18 of exp(r).
_EXP_REST = [float(Fraction(1, math.factorial(k))) for k in range(13, 1, -1)]


def _reduced(d: Doubles, x: str) -> tuple[str, str, str]:
    """k, r and exp(r) - 1 - r with x = k*log(2) + r, |r| <= log(2)/2; the last holds the rounding of r as well."""
    k = d.rint(d.mul(x, d.const(_LOG2_E)))
    down = d.negative(k)
    exact = d.fma(down, d.const(LN2_HIGH), x)
    r = d.fma(down, d.const(LN2_LOW), exact)
    lost = d.fma(down, d.const(LN2_LOW), d.sub(exact, r))
    # exp(r + lost) = exp(r) + lost*(1 + r + ...): without the r expm1 has 1.16 ulp at 0.35.
    return k, r, d.fma(d.mul(r, r), d.polynomial(r, _EXP_REST), d.fma(lost, r, lost))


def _clamped(d: Doubles, x: str, lowest: float) -> str:
    low = d.choose(d.compare("olt", x, d.const(lowest)), d.const(lowest), x)
    return d.choose(d.compare("ogt", low, d.const(_HIGHEST)), d.const(_HIGHEST), low)


def exp(d: Doubles, x: str) -> str:
    """2**k*exp(r), the power in two factors, since it may be too small or too large for one."""
    k, r, rest = _reduced(d, _clamped(d, x, _LOWEST))
    number = exponent(d, k)
    half = d.integer("ashr", number, 1)
    other = d.integer("sub", number, half)
    grown = d.mul(sum_of(d, d.const(1.0), r, rest), power_of_two(d, half))
    return d.mul(grown, power_of_two(d, other))


def _expm1(d: Doubles, x: str) -> tuple[str, str]:
    """exp(x) - 1 as a sum of two numbers: 2*(2**(k-1)*(exp(r) - 1) + (2**(k-1) - 1/2)); below -42 it is -1."""
    k, r, rest = _reduced(d, _clamped(d, x, -42.0))
    power = power_of_two(d, d.integer("sub", exponent(d, k), 1))
    # Products with a power of two are exact; beside a large or a small one 1/2 does not fit, and without what is
    # dropped there the error is 1.07 ulp, and 1.38 ulp in tanh.
    less, dropped = added(d, power, d.const(-0.5))
    high, lost = added(d, less, d.mul(power, r))
    low = d.fma(power, rest, d.add(lost, dropped))
    return d.mul(high, d.const(2.0)), d.mul(low, d.const(2.0))


def expm1(d: Doubles, x: str) -> str:
    high, low = _expm1(d, x)
    total = d.add(high, low)
    # Infinity less infinity is in the rest beyond 709.
    large = d.choose(d.compare("ogt", x, d.const(_LARGEST_LOG)), d.const(math.inf), total)
    # x + x**2/2 is x; half of a denormal number is none, and -0 keeps its sign.
    return d.choose(d.compare("olt", d.abs(x), d.const(2.0**-54)), x, large)


def tanh(d: Doubles, x: str) -> str:
    """-m/(2 + m) with m = expm1(-2|x|), all in two parts, and the sign of x."""
    high, low = added(d, *_expm1(d, d.negative(d.abs(d.mul(x, d.const(2.0))))))
    below, lost = added(d, d.const(2.0), high)
    inverse = d.div(d.const(1.0), below)
    quotient = d.mul(high, inverse)
    # The remainder of the division: m - q*(2 + m), of which the low parts are m's and those of the sum.
    down = d.negative(quotient)
    rest = d.add(d.fma(down, below, high), d.fma(down, d.add(lost, low), low))
    return d.sign_of(d.fma(rest, inverse, quotient), x)
