"""log and log1p, as in Sun's fdlibm: log(1 + f) = f - f*f/2 + s*(f*f/2 + R(s)) with s = f/(2 + f)."""

from __future__ import annotations

import math

from symbackprop.emit.maths_doubles import LN2_HIGH, LN2_LOW, Doubles

_LOG_EVEN = [0.1531383769920937332, 0.2222219843214978396, 0.3999999999940941908]
_LOG_ODD = [0.1479819860511658591, 0.1818357216161805012, 0.2857142874366239149, 0.6666666666666735130]
_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD


def _parts(d: Doubles, bits: str) -> tuple[str, str]:
    """k as a double, and f, with x = 2**k*(1 + f), sqrt(1/2) <= 1 + f < sqrt(2)."""
    k = d.integer("ashr", d.integer("sub", bits, _SQRT_HALF_BITS), 52)
    mantissa = d.from_bits(d.integer("sub", bits, d.integer("shl", k, 52)))
    return d.to_double(k), d.sub(mantissa, d.const(1.0))


def _logarithm(d: Doubles, k: str, f: str, lost: str) -> str:
    """k*log(2) + log(1 + f) + lost."""
    s = d.div(f, d.add(f, d.const(2.0)))
    z = d.mul(s, s)
    w = d.mul(z, z)
    even = d.mul(w, d.polynomial(w, _LOG_EVEN))
    r = d.fma(z, d.polynomial(w, _LOG_ODD), even)
    half = d.mul(d.mul(d.const(0.5), f), f)
    small = d.fma(s, d.add(half, r), d.fma(k, d.const(LN2_LOW), lost))
    return d.fma(k, d.const(LN2_HIGH), d.add(d.sub(small, half), f))


def _special(d: Doubles, x: str, pole: float, result: str) -> str:
    """The logarithm's values where it has no finite one: -inf at its pole, nan beyond, inf at inf."""
    at_pole = d.choose(d.compare("oeq", x, d.const(pole)), d.const(-math.inf), result)
    beyond = d.choose(d.compare("olt", x, d.const(pole)), d.const(math.nan), at_pole)
    # Not less than the largest: infinity, and nan.
    return d.choose(d.compare("olt", x, d.const(math.inf)), beyond, x)


def log(d: Doubles, x: str) -> str:
    """Denormal numbers are scaled by 2**54 first."""
    small = d.compare("olt", x, d.const(2.0**-1022))
    scaled = d.choose(small, d.mul(x, d.const(2.0**54)), x)
    k, f = _parts(d, d.as_bits(scaled))
    moved = d.choose(small, d.sub(k, d.const(54.0)), k)
    return _special(d, x, 0.0, _logarithm(d, moved, f, d.const(0.0)))


def log1p(d: Doubles, x: str) -> str:
    """log of u = 1 + x, and what rounding took from u, divided by it."""
    u = d.add(d.const(1.0), x)
    k, f = _parts(d, d.as_bits(u))
    large = d.compare("ogt", u, d.const(2.0))
    lost = d.choose(
        large,
        d.sub(d.const(1.0), d.sub(u, x)),
        d.sub(x, d.sub(u, d.const(1.0))),
    )
    result = _logarithm(d, k, f, d.div(lost, u))
    tiny = d.compare("olt", d.abs(x), d.const(2.0**-54))
    return d.choose(tiny, x, _special(d, x, -1.0, result))
