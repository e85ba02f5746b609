"""sin and cos: the argument less the nearest multiple of pi/2, in two parts, and the polynomials of Sun's fdlibm."""

from __future__ import annotations

from symbackprop.emit.maths_doubles import Doubles, added, divided, exponent, fast_added

# pi/2 in three parts. A multiple of the first taken from a double leaves a double: both are multiples of 2**-52.
_HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33)
_TWO_OVER_PI = 0.6366197723675814
_FAR = 1e9
"""From here on multiples of pi/2 do not fit 32 bits, and the C library serves."""
_SIN = [
    1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06, -1.98412698298579493134e-04,
    8.33333333332248946124e-03, -1.66666666666666324348e-01,
]  # fmt: skip
_COS = [
    -1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513906633035e-07, 2.48015872894767294178e-05,
    -1.38888888888741095749e-03, 4.16666666666666019037e-02,
]  # fmt: skip


def _quarters(d: Doubles, x: str) -> tuple[str, str, str]:
    """The nearest multiple of pi/2, as an integer, and the rest in two parts, for |x| < 1e9."""
    count = d.rint(d.mul(x, d.const(_TWO_OVER_PI)))
    down = d.negative(count)
    exact = d.fma(down, d.const(_HALF_PI[0]), x)
    # The next part of the multiple, as a sum of two, and what the subtraction loses.
    part = d.mul(down, d.const(_HALF_PI[1]))
    below = d.fma(down, d.const(_HALF_PI[1]), d.negative(part))
    y, lost = added(d, exact, part)
    rest = d.fma(down, d.const(_HALF_PI[2]), d.add(lost, below))
    return exponent(d, count), y, rest


def _turned(d: Doubles, x: str, *shifts: int) -> list[str]:
    """sin(x + shift*pi/2) for each of the shifts, 0 or 1, and |x| < 1e9."""
    quarter, y, rest = _quarters(d, x)
    odd = d.lowest_bit(quarter)
    sine, cosine = d.add(*_near_sin(d, y, rest)), d.add(*_near_cos(d, y, rest))
    forms = (quarter, cosine, sine), (d.integer("add", quarter, 1) if 1 in shifts else "", sine, cosine)
    return [_signed(d, odd, *forms[shift]) for shift in shifts]


def _signed(d: Doubles, odd: str, quarter: str, if_odd: str, if_even: str) -> str:
    size = d.choose(odd, if_odd, if_even)
    # The second bit is the sign.
    sign = d.integer("shl", d.integer("and", quarter, 2), 62)
    return d.from_bits(d.integer("xor", d.as_bits(size), sign))


def _near_sin(d: Doubles, y: str, rest: str) -> tuple[str, str]:
    """Two numbers to be added, of which the second is the smaller one."""
    z = d.mul(y, y)
    # The cosine of y, as far as the rest sees it.
    aside = d.fma(d.mul(d.const(-0.5), z), rest, rest)
    return y, d.fma(d.mul(z, y), d.in_pairs(z, _SIN), aside)


def _near_cos(d: Doubles, y: str, rest: str) -> tuple[str, str]:
    z = d.mul(y, y)
    half = d.mul(d.const(0.5), z)
    whole = d.sub(d.const(1.0), half)
    lost = d.sub(d.sub(d.const(1.0), whole), half)
    aside = d.fma(d.negative(y), rest, lost)
    return whole, d.fma(d.mul(z, z), d.in_pairs(z, _COS), aside)


def _tangent(d: Doubles, x: str) -> str:
    """sin/cos, or -cos/sin, all in two parts."""
    quarter, y, rest = _quarters(d, x)
    odd = d.lowest_bit(quarter)
    sine, cosine = fast_added(d, *_near_sin(d, y, rest)), fast_added(d, *_near_cos(d, y, rest))
    top = d.choose(odd, cosine[0], sine[0]), d.choose(odd, cosine[1], sine[1])
    bottom = d.choose(odd, sine[0], cosine[0]), d.choose(odd, sine[1], cosine[1])
    size = d.add(*divided(d, top, bottom))
    return d.from_bits(d.integer("xor", d.as_bits(size), d.integer("shl", quarter, 63)))


def _far_too(d: Doubles, x: str, near: dict[str, str]) -> list[str]:
    """Functions also where the argument is large, or no number, in which case the C library is asked.

    Their near forms are computed in any case, whatever comes out: of lanes the C library is asked for the far ones.
    """
    b = d.b
    far = d.compare("uge", d.abs(x), d.const(_FAR))
    here, there, join = b.fresh("near"), b.fresh("far"), b.fresh("join")
    b.do(f"br i1 {b.any(far) if d.lanes else far}, label %{there}, label %{here}")
    b.label(here)
    b.do(f"br label %{join}")
    b.label(there)
    called = [b.each_lane(name, x) if d.lanes else b.plain_call(name, x) for name in near]
    mended = [d.choose(far, theirs, own) for theirs, own in zip(called, near.values(), strict=True)]
    last = b.fresh("end")
    b.do(f"br label %{last}")
    b.label(last)
    b.do(f"br label %{join}")
    b.label(join)
    pairs = zip(near.values(), mended, strict=True)
    return [b.emit(f"phi {d.own} [ {value}, %{here} ], [ {other}, %{last} ]") for value, other in pairs]


def _odd(d: Doubles, x: str, value: str) -> str:
    """The value of an odd function, with the sign of 0."""
    return d.choose(d.compare("oeq", x, d.const(0.0)), x, value)


def sin(d: Doubles, x: str) -> str:
    (sine,) = _far_too(d, x, {"sin": _turned(d, x, 0)[0]})
    return _odd(d, x, sine)


def cos(d: Doubles, x: str) -> str:
    return _far_too(d, x, {"cos": _turned(d, x, 1)[0]})[0]


def sin_and_cos(d: Doubles, x: str) -> tuple[str, str]:
    """Both, the same to the last bit: the reduction and the polynomials serve both."""
    sine, cosine = _far_too(d, x, dict(zip(("sin", "cos"), _turned(d, x, 0, 1), strict=True)))
    return _odd(d, x, sine), cosine


def tan(d: Doubles, x: str) -> str:
    (tangent,) = _far_too(d, x, {"tan": _tangent(d, x)})
    return _odd(d, x, tangent)
