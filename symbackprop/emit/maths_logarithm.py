"""Logarithms. log and log1p are as in Sun's fdlibm: log(1 + f) = f - f*f/2 + s*(f*f/2 + R(s)) with s = f/(2 + f)."""

from __future__ import annotations

import math

from symbackprop.emit.maths_doubles import LN2_HIGH, LN2_LOW, Doubles, divided, fast_added, multiplied
from symbackprop.emit.maths_exponential import exp

_LOG_EVEN = [0.1531383769920937332, 0.2222219843214978396, 0.3999999999940941908]
_LOG_ODD = [0.1479819860511658591, 0.1818357216161805012, 0.2857142874366239149, 0.6666666666666735130]
_LOG2_E = (1.4426950408889634, 2.0355273740931033e-17)
_LOG10_E = (0.4342944819032518, 1.098319650216765e-17)
# Of the first part the last 20 bits are zero.
_LOG10_2 = (0.30102999560767785, 5.630334806675098e-11)
_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD


def _parts(d: Doubles, bits: str) -> tuple[str, str]:
    """k as a double, and m, with x = 2**k*m, sqrt(1/2) <= m < sqrt(2)."""
    k = d.integer("ashr", d.integer("sub", bits, _SQRT_HALF_BITS), 52)
    return d.to_double(k), d.from_bits(d.integer("sub", bits, d.integer("shl", k, 52)))


def _scaled_parts(d: Doubles, x: str) -> tuple[str, str]:
    """The same of a positive x. Denormal numbers are scaled by 2**54 first."""
    small = d.compare("olt", x, d.const(2.0**-1022))
    k, m = _parts(d, d.as_bits(d.choose(small, d.mul(x, d.const(2.0**54)), x)))
    return d.choose(small, d.sub(k, d.const(54.0)), k), m


def _series(d: Doubles, m: str) -> tuple[str, str, str, str]:
    """f, f*f/2, s and f*f/2 + R, with log(m) = f - f*f/2 + s*(f*f/2 + R)."""
    f = d.sub(m, d.const(1.0))
    s = d.div(f, d.add(f, d.const(2.0)))
    z = d.mul(s, s)
    w = d.mul(z, z)
    even = d.mul(w, d.polynomial(w, _LOG_EVEN))
    r = d.fma(z, d.polynomial(w, _LOG_ODD), even)
    half = d.mul(d.mul(d.const(0.5), f), f)
    return f, half, s, d.add(half, r)


def _logarithm(d: Doubles, k: str, m: str, lost: str) -> str:
    """k*log(2) + log(m) + lost."""
    f, half, s, inner = _series(d, m)
    small = d.fma(s, inner, d.fma(k, d.const(LN2_LOW), lost))
    return d.fma(k, d.const(LN2_HIGH), d.add(d.sub(small, half), f))


def _special(d: Doubles, x: str, pole: float, result: str) -> str:
    """The logarithm's values where it has no finite one: -inf at its pole, nan beyond, inf at inf."""
    at_pole = d.choose(d.compare("oeq", x, d.const(pole)), d.const(-math.inf), result)
    beyond = d.choose(d.compare("olt", x, d.const(pole)), d.const(math.nan), at_pole)
    # Not less than the largest: infinity, and nan.
    return d.choose(d.compare("olt", x, d.const(math.inf)), beyond, x)


def log(d: Doubles, x: str) -> str:
    return _special(d, x, 0.0, short_log(d, x))


def short_log(d: Doubles, x: str) -> str:
    """log(x) for 0 < x < inf."""
    return _logarithm(d, *_scaled_parts(d, x), d.const(0.0))


def log_of_sum(d: Doubles, x: str, lost: str, doublings: str) -> str:
    """log((x + lost)*2**doublings) for 1 <= x < inf."""
    k, m = _parts(d, d.as_bits(x))
    return _logarithm(d, d.add(k, doublings), m, d.div(lost, x))


def log1p(d: Doubles, x: str) -> str:
    """log of u = 1 + x, and what rounding took from u, divided by it."""
    u = d.add(d.const(1.0), x)
    k, m = _parts(d, d.as_bits(u))
    large = d.compare("ogt", u, d.const(2.0))
    lost = d.choose(
        large,
        d.sub(d.const(1.0), d.sub(u, x)),
        d.sub(x, d.sub(u, d.const(1.0))),
    )
    result = _logarithm(d, k, m, d.div(lost, u))
    tiny = d.compare("olt", d.abs(x), d.const(2.0**-54))
    return d.choose(tiny, x, _special(d, x, -1.0, result))


# Factors that bring sqrt(1/2) <= m < sqrt(2) near 1, each with the bound below which it serves and minus its logarithm
# in two parts, of which the first has the last bits of multiples of the first part of log(2).
_FACTORS = (
    (0.9, 1.25, -0.22314355138223618, 6.802642692337166e-11),
    (1.155, 1.0, 0.0, 0.0),
    (math.inf, 0.75, 0.28768207237590104, 7.587988402414942e-11),
)
# (atanh(s)/s - 1 - s**2/3)/s**4 in s*s, for |s| < 0.072, minimax (tests/benchmarks/minimax.py): 2**-71.5 of atanh(s)/s.
_ATANH = [
    0.06001266287887915, 0.06665569364689673, 0.07692313045358044, 0.09090909076127744, 0.11111111111133914,
    0.14285714285714268, 0.2,
]  # fmt: skip
_THIRD_HIGH, _THIRD_LOW = 0.3333333333333333, 1.850371707708594e-17


def long_log(d: Doubles, x: str) -> tuple[str, str]:
    """log(x) for 0 < x < inf to 2**-68, as the sum of two numbers, of which the second may be 2**-17 of the first.

    k*log(2) - log(factor) + 2*atanh(s) with s = f/(2 + f), and 2*atanh(s) = 2s + 2s*s**2/3 + 2s*s**4*P(s**2). Nothing
    but the last term waits for the polynomial.
    """
    k, m = _scaled_parts(d, x)
    factor, high, low = (_by_size(d, m, column) for column in (1, 2, 3))
    # 1 + f is m times the factor.
    one = d.const(1.0)
    product, lost = multiplied(d, m, factor)
    below, below_lost = fast_added(d, one, product)
    s, s_low = divided(d, (d.sub(product, one), lost), (below, d.add(below_lost, lost)))
    twice, twice_low = d.add(s, s), d.add(s_low, s_low)
    z, z_lost = multiplied(d, s, s)
    third, third_lost = multiplied(d, z, d.const(_THIRD_HIGH))
    z_low = d.fma(twice, s_low, z_lost)
    third_low = d.fma(z, d.const(_THIRD_LOW), d.fma(z_low, d.const(_THIRD_HIGH), third_lost))
    cube, cube_lost = multiplied(d, twice, third)
    total, lost = fast_added(d, d.fma(k, d.const(LN2_HIGH), high), twice)
    total, again = fast_added(d, total, cube)
    small = d.add(d.fma(k, d.const(LN2_LOW), low), d.fma(twice_low, third, twice_low))
    rest = d.add(d.add(lost, again), d.add(small, cube_lost))
    fourth = d.fma(d.mul(z, z), d.polynomial(z, _ATANH), third_low)
    return total, d.fma(twice, fourth, rest)


def _by_size(d: Doubles, m: str, column: int) -> str:
    found = d.const(_FACTORS[-1][column])
    for row in reversed(_FACTORS[:-1]):
        found = d.choose(d.compare("olt", m, d.const(row[0])), d.const(row[column]), found)
    return found


def _to_base(d: Doubles, x: str, one: tuple[float, float], two: tuple[float, float]) -> str:
    """k*two + log(m)*one, with the logarithms of e and 2 in two parts."""
    k, m = _scaled_parts(d, x)
    f, half, s, inner = _series(d, m)
    high, lost = fast_added(d, f, d.negative(half))
    part, part_lost = multiplied(d, high, d.const(one[0]))
    rest = d.fma(d.fma(s, inner, lost), d.const(one[0]), d.fma(high, d.const(one[1]), part_lost))
    total, lost = fast_added(d, d.mul(k, d.const(two[0])), part)
    return _special(d, x, 0.0, d.add(total, d.add(lost, d.fma(k, d.const(two[1]), rest))))


def log2(d: Doubles, x: str) -> str:
    return _to_base(d, x, _LOG2_E, (1.0, 0.0))


def log10(d: Doubles, x: str) -> str:
    return _to_base(d, x, _LOG10_E, _LOG10_2)


def logaddexp(d: Doubles, x: str, y: str) -> str:
    """log(exp(x) + exp(y)): the larger one, and log1p(exp(-|x - y|)); log(2) where they are equal, infinities too.

    Right to 2 ulp of the larger one.
    """
    beyond = log1p(d, exp(d, d.negative(d.abs(d.sub(x, y)))))
    shift = d.choose(d.compare("oeq", x, y), d.const(math.log(2.0)), beyond)
    return d.add(d.choose(d.compare("ogt", x, y), x, y), shift)
