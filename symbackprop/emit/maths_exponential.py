"""exp, expm1, and the hyperbolic functions, which are made of the same parts."""

from __future__ import annotations

import math
from fractions import Fraction

from symbackprop.emit.maths_doubles import (
    LN2_HIGH,
    LN2_LOW,
    Doubles,
    added,
    divided,
    exponent,
    fast_added,
    multiplied,
    power_of_two,
)

_LOG2_E = 1.4426950408889634
_LN2, _LN2_REST = 0.6931471805599453, 2.3190468138462996e-17
_LOWEST, _HIGHEST = -746.0, 710.0
_LARGEST_LOG = 709.782712893384
"""exp of the next larger double overflows."""
# (exp(r) - 1 - r)/r**2 for |r| <= log(2)/2 by Taylor's series: the first omitted term is 1e-18 of exp(r).
_EXP_REST = [float(Fraction(1, math.factorial(k))) for k in range(13, 1, -1)]


def _multiple(d: Doubles, x: str, low: str | None = None) -> tuple[str, str, str]:
    """k, r and its rounding, with x + low = k*log(2) + r, |r| <= log(2)/2."""
    k = d.rint(d.mul(x, d.const(_LOG2_E)))
    down = d.negative(k)
    exact = d.fma(down, d.const(LN2_HIGH), x)
    if low is not None:
        return k, *fast_added(d, exact, d.fma(down, d.const(LN2_LOW), low))
    r = d.fma(down, d.const(LN2_LOW), exact)
    return k, r, d.fma(down, d.const(LN2_LOW), d.sub(exact, r))


def _reduced(d: Doubles, x: str, low: str | None = None) -> tuple[str, str, str]:
    """k, r and exp(r) - 1 - r with x + low = k*log(2) + r; the last holds the rounding of r as well."""
    k, r, lost = _multiple(d, x, low)
    return k, r, _rest(d, r, lost)


def _rest(d: Doubles, r: str, lost: str) -> str:
    """exp(r + lost) - 1 - r."""
    # exp(r + lost) = exp(r) + lost*(1 + r + ...): without the r expm1 has 1.16 ulp at 0.35.
    return d.fma(d.mul(r, r), d.polynomial(r, _EXP_REST), d.fma(lost, r, lost))


def _clamped(d: Doubles, x: str) -> str:
    low = d.choose(d.compare("olt", x, d.const(_LOWEST)), d.const(_LOWEST), x)
    return d.choose(d.compare("ogt", low, d.const(_HIGHEST)), d.const(_HIGHEST), low)


def exp_inside(d: Doubles, x: str, low: str) -> tuple[str, str]:
    """2**k and exp(r) - 1, where exp(x + low), a normal number, is 2**k*exp(r)."""
    k, r, rest = _reduced(d, x, low)
    return power_of_two(d, exponent(d, k)), d.add(r, rest)


def exp(d: Doubles, x: str, low: str | None = None) -> str:
    """exp(x + low)."""
    return _grown(d, *_reduced(d, _clamped(d, x), low))


def exp2(d: Doubles, x: str) -> str:
    low = d.choose(d.compare("olt", x, d.const(-1080.0)), d.const(-1080.0), x)
    inside = d.choose(d.compare("ogt", low, d.const(1024.0)), d.const(1024.0), low)
    k = d.rint(inside)
    part = d.sub(inside, k)
    r, lost = multiplied(d, part, d.const(_LN2))
    return _grown(d, k, r, _rest(d, r, d.fma(part, d.const(_LN2_REST), lost)))


def exp_times(d: Doubles, x: tuple[str, str], factor: tuple[str, str]) -> str:
    """exp(x)*factor, both the sum of two numbers, for x from -1000 to 700."""
    k, r, rest = _reduced(d, *x)
    total, lost = fast_added(d, d.const(1.0), r)
    power, power_lost = fast_added(d, total, d.add(lost, rest))
    product, product_lost = multiplied(d, power, factor[0])
    low = d.fma(power, factor[1], d.fma(power_lost, factor[0], product_lost))
    return _scaled(d, d.add(product, low), k)


def _grown(d: Doubles, k: str, r: str, rest: str) -> str:
    """2**k*(1 + r + rest)."""
    total, lost = fast_added(d, d.const(1.0), r)
    return _scaled(d, d.add(total, d.add(lost, rest)), k)


def _scaled(d: Doubles, x: str, k: str) -> str:
    """x*2**k, the power in two factors, since it may be too small or too large for one."""
    number = exponent(d, k)
    half = d.integer("ashr", number, 1)
    other = d.integer("sub", number, half)
    return d.mul(d.mul(x, power_of_two(d, half)), power_of_two(d, other))


def _expm1(d: Doubles, x: str) -> tuple[str, str]:
    """exp(x) - 1 as a sum of two numbers: 2*(2**(k-1)*(exp(r) - 1) + (2**(k-1) - 1/2)).

    The reduction is that of exp to the letter, so that LLVM computes one where both are wanted of one number, as tanh
    and its slope want them.
    """
    k, r, rest = _reduced(d, _clamped(d, x))
    # From 2**-64 down it is -1.
    shown = d.choose(d.compare("olt", k, d.const(-64.0)), d.const(-64.0), k)
    power = power_of_two(d, d.integer("sub", exponent(d, shown), 1))
    # Products with a power of two are exact; beside a large or a small one 1/2 does not fit, and without what is
    # dropped there the error is 1.07 ulp, and 1.38 ulp in tanh.
    less, dropped = added(d, power, d.const(-0.5))
    # 2**(k-1) - 1/2 is 0 or larger than 2**(k-1)*r.
    high, lost = fast_added(d, less, d.mul(power, r))
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
    high, low = fast_added(d, *_expm1(d, d.negative(d.abs(d.mul(x, d.const(2.0))))))
    below, lost = fast_added(d, d.const(2.0), high)
    quotient, rest = divided(d, (high, low), (below, d.add(lost, low)))
    return d.sign_of(d.add(quotient, rest), x)


# sinh and cosh: with x = k*log(2) + r, K and M half the difference and half the sum of 2**k and 2**-k,
# sinh(x) = K*cosh(r) + M*sinh(r) and cosh(x) = M*cosh(r) + K*sinh(r).

# (sinh(r) - r)/r**3 and (cosh(r) - 1)/r**2 in r*r, by Taylor's series: the first omitted terms are 2e-20 and 2e-18.
_SINH_REST = [float(Fraction(1, math.factorial(k))) for k in range(15, 1, -2)]
_COSH_REST = [float(Fraction(1, math.factorial(k))) for k in range(14, 0, -2)]
_LARGEST = 710.475860073943942
"""sinh and cosh of the next larger double overflow."""


def _hyperbolic(d: Doubles, x: str, odd: bool) -> str:
    """sinh or cosh of x >= 0. All is halved once more, so that nothing overflows before the end."""
    capped = d.choose(d.compare("ogt", x, d.const(_LARGEST)), d.const(_LARGEST), x)
    k, r, lost = _multiple(d, capped)
    number = exponent(d, k)
    # 2**(k - 2) and 2**(-k - 2), which beyond 500 is too small to count.
    up = power_of_two(d, d.integer("sub", number, 2))
    far = d.compare("ogt", k, d.const(500.0))
    down = d.choose(far, d.const(0.0), power_of_two(d, d.integer("sub", d.whole(-2), number)))
    plus, plus_lost = fast_added(d, up, down)
    minus, minus_lost = fast_added(d, up, d.negative(down))
    (main, main_lost), side = ((minus, minus_lost), plus) if odd else ((plus, plus_lost), minus)
    # main*cosh(r) + side*sinh(r), the largest parts, main and side*r, added exactly.
    z = d.mul(r, r)
    cosh_rest = d.fma(z, d.polynomial(z, _COSH_REST), d.mul(r, lost))
    sinh_rest = d.fma(d.mul(z, r), d.polynomial(z, _SINH_REST), d.fma(z, d.mul(d.const(0.5), lost), lost))
    linear, linear_lost = multiplied(d, side, r)
    total, total_lost = fast_added(d, main, linear)
    rest = d.fma(main, cosh_rest, d.fma(side, sinh_rest, d.add(main_lost, linear_lost)))
    return d.mul(d.add(total, d.add(total_lost, rest)), d.const(2.0))


def _overflowing(d: Doubles, size: str, result: str) -> str:
    return d.choose(d.compare("ogt", size, d.const(_LARGEST)), d.const(math.inf), result)


def sinh(d: Doubles, x: str) -> str:
    size = d.abs(x)
    large = _overflowing(d, size, _hyperbolic(d, size, True))
    # Half of a denormal number is none.
    return d.sign_of(d.choose(d.compare("olt", size, d.const(2.0**-30)), size, large), x)


def cosh(d: Doubles, x: str) -> str:
    size = d.abs(x)
    return _overflowing(d, size, _hyperbolic(d, size, False))
