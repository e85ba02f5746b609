"""Elementary functions in instructions that have no branch, so that one text serves numbers and lanes alike.

A number alone and a number in a lane go through the same instructions: the same answers, to the last bit. All are
right to 1 ulp (tests/jit/test_maths.py has the figures), with nan, infinities, signed zeros and denormals. float32 is
computed in doubles.
"""

from __future__ import annotations

import math
from fractions import Fraction

from symbackprop.emit.assembly import Assembler, Word

# log(2) in two parts: of the first the last 20 bits are zero, so that its product with an exponent is exact.
_LN2_HIGH, _LN2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10
_LOG2_E = 1.4426950408889634
_LOWEST, _HIGHEST = -746.0, 710.0
_LARGEST_LOG = 709.782712893384
"""exp of the next larger double overflows."""


class _Doubles:
    """Arithmetic of doubles as text, of one or of one in each lane, over an assembler whose own type may be float32."""

    def __init__(self, b: Assembler, lanes: bool = False) -> None:
        self.b, self.lanes = b, lanes
        self.own, self.long, self.short, self.flag = (
            f"<{b.width} x {scalar}>" if lanes else scalar for scalar in ("double", "i64", "i32", "i1")
        )
        self.suffix = f"v{b.width}f64" if lanes else "f64"

    def const(self, value: float) -> str:
        text = self.b.bits(value)
        return f"splat (double {text})" if self.lanes else text

    def whole(self, number: int) -> str:
        return f"splat (i64 {number})" if self.lanes else str(number)

    def two(self, instruction: str, x: str, y: str) -> str:
        return self.b.emit(f"{instruction} {self.own} {x}, {y}")

    def negative(self, x: str) -> str:
        return self.b.emit(f"fneg {self.own} {x}")

    def fma(self, x: str, y: str, z: str) -> str:
        return self._intrinsic("fma", x, y, z)

    def rint(self, x: str) -> str:
        return self._intrinsic("rint", x)

    def abs(self, x: str) -> str:
        return self._intrinsic("fabs", x)

    def sign_of(self, x: str, y: str) -> str:
        return self._intrinsic("copysign", x, y)

    def _intrinsic(self, name: str, *operands: str) -> str:
        full = f"llvm.{name}.{self.suffix}"
        self.b.declared[full] = f"declare {self.own} @{full}({', '.join([self.own] * len(operands))})"
        return self.b.emit(f"call {self.own} @{full}({', '.join(f'{self.own} {x}' for x in operands)})")

    def compare(self, relation: str, x: str, y: str) -> str:
        return self.b.emit(f"fcmp {relation} {self.own} {x}, {y}")

    def choose(self, condition: str, x: str, y: str) -> str:
        return self.b.emit(f"select {self.flag} {condition}, {self.own} {x}, {self.own} {y}")

    def integer(self, instruction: str, x: str, y: str | int) -> str:
        other = self.whole(y) if isinstance(y, int) else y
        return self.b.emit(f"{instruction} {self.long} {x}, {other}")

    def as_bits(self, x: str) -> str:
        return self.b.emit(f"bitcast {self.own} {x} to {self.long}")

    def from_bits(self, x: str) -> str:
        return self.b.emit(f"bitcast {self.long} {x} to {self.own}")

    def to_integer(self, x: str) -> str:
        """Of a whole number that fits 32 bits."""
        return self.b.emit(f"sext {self.short} {self.b.emit(f'fptosi {self.own} {x} to {self.short}')} to {self.long}")

    def to_double(self, x: str) -> str:
        """Of an integer that fits 32 bits."""
        return self.b.emit(f"sitofp {self.short} {self.b.emit(f'trunc {self.long} {x} to {self.short}')} to {self.own}")

    def lowest_bit(self, x: str) -> str:
        return self.b.emit(f"trunc {self.long} {x} to {self.flag}")

    def polynomial(self, x: str, coefficients: list[float]) -> str:
        """By Horner's rule, the highest power first."""
        total = self.const(coefficients[0])
        for coefficient in coefficients[1:]:
            total = self.fma(total, x, self.const(coefficient))
        return total


# exp and expm1.

# (exp(r) - 1 - r)/r**2 for |r| <= log(2)/2 by Taylor's series: the first omitted term is 1e-18 of exp(r).
_EXP_REST = [float(Fraction(1, math.factorial(k))) for k in range(13, 1, -1)]


def _reduced(d: _Doubles, x: str) -> tuple[str, str, str]:
    """k, r and exp(r) - 1 - r with x = k*log(2) + r, |r| <= log(2)/2; the last holds the rounding of r as well."""
    k = d.rint(d.two("fmul", x, d.const(_LOG2_E)))
    down = d.negative(k)
    exact = d.fma(down, d.const(_LN2_HIGH), x)
    r = d.fma(down, d.const(_LN2_LOW), exact)
    lost = d.fma(down, d.const(_LN2_LOW), d.two("fsub", exact, r))
    # exp(r + lost) = exp(r) + lost*(1 + r + ...): without the r expm1 has 1.16 ulp at 0.35.
    return k, r, d.fma(d.two("fmul", r, r), d.polynomial(r, _EXP_REST), d.fma(lost, r, lost))


def _sum(d: _Doubles, large: str, small: str, rest: str) -> str:
    """large + small + rest, where the first two are added exactly."""
    total, lost = _added(d, large, small)
    return d.two("fadd", total, d.two("fadd", lost, rest))


def _added(d: _Doubles, x: str, y: str) -> tuple[str, str]:
    """A sum and what rounding took from it (Knuth, TAOCP 2, 4.2.2, theorem B)."""
    total = d.two("fadd", x, y)
    back = d.two("fsub", total, x)
    left = d.two("fsub", x, d.two("fsub", total, back))
    return total, d.two("fadd", left, d.two("fsub", y, back))


def _clamped(d: _Doubles, x: str, lowest: float) -> str:
    low = d.choose(d.compare("olt", x, d.const(lowest)), d.const(lowest), x)
    return d.choose(d.compare("ogt", low, d.const(_HIGHEST)), d.const(_HIGHEST), low)


def _power_of_two(d: _Doubles, k: str) -> str:
    """2**k for an integer k from -1022 to 1023."""
    return d.from_bits(d.integer("shl", d.integer("add", k, 1023), 52))


def _exponent(d: _Doubles, k: str) -> str:
    """A whole double as an integer; 0 for nan."""
    known = d.choose(d.compare("ord", k, k), k, d.const(0.0))
    return d.to_integer(known)


def exp(d: _Doubles, x: str) -> str:
    """2**k*exp(r), the power in two factors, since it may be too small or too large for one."""
    k, r, rest = _reduced(d, _clamped(d, x, _LOWEST))
    number = _exponent(d, k)
    half = d.integer("ashr", number, 1)
    other = d.integer("sub", number, half)
    grown = d.two("fmul", _sum(d, d.const(1.0), r, rest), _power_of_two(d, half))
    return d.two("fmul", grown, _power_of_two(d, other))


def _expm1(d: _Doubles, x: str) -> tuple[str, str]:
    """exp(x) - 1 as a sum of two numbers: 2*(2**(k-1)*(exp(r) - 1) + (2**(k-1) - 1/2)); below -42 it is -1."""
    k, r, rest = _reduced(d, _clamped(d, x, -42.0))
    power = _power_of_two(d, d.integer("sub", _exponent(d, k), 1))
    # Products with a power of two are exact; beside a large or a small one 1/2 does not fit, and without what is
    # dropped there the error is 1.07 ulp, and 1.38 ulp in tanh.
    less, dropped = _added(d, power, d.const(-0.5))
    high, lost = _added(d, less, d.two("fmul", power, r))
    low = d.fma(power, rest, d.two("fadd", lost, dropped))
    return d.two("fmul", high, d.const(2.0)), d.two("fmul", low, d.const(2.0))


def expm1(d: _Doubles, x: str) -> str:
    high, low = _expm1(d, x)
    total = d.two("fadd", high, low)
    # Infinity less infinity is in the rest beyond 709.
    large = d.choose(d.compare("ogt", x, d.const(_LARGEST_LOG)), d.const(math.inf), total)
    # x + x**2/2 is x; half of a denormal number is none, and -0 keeps its sign.
    return d.choose(d.compare("olt", d.abs(x), d.const(2.0**-54)), x, large)


# log and log1p, as in Sun's fdlibm: log(1 + f) = f - f*f/2 + s*(f*f/2 + R(s)) with s = f/(2 + f).

_LOG_EVEN = [0.1531383769920937332, 0.2222219843214978396, 0.3999999999940941908]
_LOG_ODD = [0.1479819860511658591, 0.1818357216161805012, 0.2857142874366239149, 0.6666666666666735130]
_SQRT_HALF_BITS = 0x3FE6A09E667F3BCD


def _parts(d: _Doubles, bits: str) -> tuple[str, str]:
    """k as a double, and f, with x = 2**k*(1 + f), sqrt(1/2) <= 1 + f < sqrt(2)."""
    k = d.integer("ashr", d.integer("sub", bits, _SQRT_HALF_BITS), 52)
    mantissa = d.from_bits(d.integer("sub", bits, d.integer("shl", k, 52)))
    return d.to_double(k), d.two("fsub", mantissa, d.const(1.0))


def _logarithm(d: _Doubles, k: str, f: str, lost: str) -> str:
    """k*log(2) + log(1 + f) + lost."""
    s = d.two("fdiv", f, d.two("fadd", f, d.const(2.0)))
    z = d.two("fmul", s, s)
    w = d.two("fmul", z, z)
    even = d.two("fmul", w, d.polynomial(w, _LOG_EVEN))
    r = d.fma(z, d.polynomial(w, _LOG_ODD), even)
    half = d.two("fmul", d.two("fmul", d.const(0.5), f), f)
    small = d.fma(s, d.two("fadd", half, r), d.fma(k, d.const(_LN2_LOW), lost))
    return d.fma(k, d.const(_LN2_HIGH), d.two("fadd", d.two("fsub", small, half), f))


def _special(d: _Doubles, x: str, pole: float, result: str) -> str:
    """The logarithm's values where it has no finite one: -inf at its pole, nan beyond, inf at inf."""
    at_pole = d.choose(d.compare("oeq", x, d.const(pole)), d.const(-math.inf), result)
    beyond = d.choose(d.compare("olt", x, d.const(pole)), d.const(math.nan), at_pole)
    # Not less than the largest: infinity, and nan.
    return d.choose(d.compare("olt", x, d.const(math.inf)), beyond, x)


def log(d: _Doubles, x: str) -> str:
    """Denormal numbers are scaled by 2**54 first."""
    small = d.compare("olt", x, d.const(2.0**-1022))
    scaled = d.choose(small, d.two("fmul", x, d.const(2.0**54)), x)
    k, f = _parts(d, d.as_bits(scaled))
    moved = d.choose(small, d.two("fsub", k, d.const(54.0)), k)
    return _special(d, x, 0.0, _logarithm(d, moved, f, d.const(0.0)))


def log1p(d: _Doubles, x: str) -> str:
    """log of u = 1 + x, and what rounding took from u, divided by it."""
    u = d.two("fadd", d.const(1.0), x)
    k, f = _parts(d, d.as_bits(u))
    large = d.compare("ogt", u, d.const(2.0))
    lost = d.choose(
        large,
        d.two("fsub", d.const(1.0), d.two("fsub", u, x)),
        d.two("fsub", x, d.two("fsub", u, d.const(1.0))),
    )
    result = _logarithm(d, k, f, d.two("fdiv", lost, u))
    tiny = d.compare("olt", d.abs(x), d.const(2.0**-54))
    return d.choose(tiny, x, _special(d, x, -1.0, result))


def tanh(d: _Doubles, x: str) -> str:
    """-m/(2 + m) with m = expm1(-2|x|), all in two parts, and the sign of x."""
    high, low = _added(d, *_expm1(d, d.negative(d.abs(d.two("fmul", x, d.const(2.0))))))
    below, lost = _added(d, d.const(2.0), high)
    inverse = d.two("fdiv", d.const(1.0), below)
    quotient = d.two("fmul", high, inverse)
    # The remainder of the division: m - q*(2 + m), of which the low parts are m's and those of the sum.
    down = d.negative(quotient)
    rest = d.two("fadd", d.fma(down, below, high), d.fma(down, d.two("fadd", lost, low), low))
    return d.sign_of(d.fma(rest, inverse, quotient), x)


# sin and cos: the argument less the nearest multiple of pi/2, in two parts, and the polynomials of Sun's fdlibm.

# pi/2 in three parts. A multiple of the first taken from a double leaves a double: both are multiples of 2**-52.
_HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591698e-33)
_TWO_OVER_PI = 0.6366197723675814
_FAR = 1e9
"""From here on multiples of pi/2 do not fit 32 bits, and the C library serves."""
_SIN = [
    1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06, -1.98412698298579493134e-04,
    8.33333333332248946124e-03,
]  # fmt: skip
_SIN_CUBE = -1.66666666666666324348e-01
_COS = [
    -1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513906633035e-07, 2.48015872894767294178e-05,
    -1.38888888888741095749e-03, 4.16666666666666019037e-02,
]  # fmt: skip


def _turned(d: _Doubles, x: str, shift: int) -> str:
    """sin(x + shift*pi/2) for |x| < 1e9."""
    count = d.rint(d.two("fmul", x, d.const(_TWO_OVER_PI)))
    down = d.negative(count)
    exact = d.fma(down, d.const(_HALF_PI[0]), x)
    # The next part of the multiple, as a sum of two, and what the subtraction loses.
    part = d.two("fmul", down, d.const(_HALF_PI[1]))
    below = d.fma(down, d.const(_HALF_PI[1]), d.negative(part))
    y, lost = _added(d, exact, part)
    rest = d.fma(down, d.const(_HALF_PI[2]), d.two("fadd", lost, below))
    quarter = d.integer("add", _exponent(d, count), shift)
    odd = d.lowest_bit(quarter)
    size = d.choose(odd, _near_cos(d, y, rest), _near_sin(d, y, rest))
    # The second bit is the sign.
    sign = d.integer("shl", d.integer("and", quarter, 2), 62)
    return d.from_bits(d.integer("xor", d.as_bits(size), sign))


def _near_sin(d: _Doubles, y: str, rest: str) -> str:
    z = d.two("fmul", y, y)
    cube = d.two("fmul", z, y)
    tail = d.two("fmul", cube, d.polynomial(z, _SIN))
    inner = d.two("fsub", d.two("fmul", d.const(0.5), rest), tail)
    correction = d.two("fsub", d.fma(z, inner, d.negative(rest)), d.two("fmul", cube, d.const(_SIN_CUBE)))
    return d.two("fsub", y, correction)


def _near_cos(d: _Doubles, y: str, rest: str) -> str:
    z = d.two("fmul", y, y)
    half = d.two("fmul", d.const(0.5), z)
    whole = d.two("fsub", d.const(1.0), half)
    lost = d.two("fsub", d.two("fsub", d.const(1.0), whole), half)
    tail = d.two("fmul", z, d.two("fmul", z, d.polynomial(z, _COS)))
    cross = d.two("fsub", tail, d.two("fmul", y, rest))
    return d.two("fadd", whole, d.two("fadd", lost, cross))


def _far_too(d: _Doubles, name: str, x: str, shift: int) -> str:
    """The function also where the argument is large, or no number, in which case the C library is asked."""
    b = d.b
    far = d.compare("uge", d.abs(x), d.const(_FAR))
    here, there, join = b.fresh("near"), b.fresh("far"), b.fresh("join")
    # The near form is computed in any case: of lanes the C library is asked for those that are far.
    finite = d.choose(far, d.const(0.0), x)
    value = _turned(d, finite, shift)
    b.do(f"br i1 {b.any(far) if d.lanes else far}, label %{there}, label %{here}")
    b.label(here)
    b.do(f"br label %{join}")
    b.label(there)
    called = b.each_lane(name, x) if d.lanes else b.plain_call(name, x)
    mended = d.choose(far, called, value)
    last = b.fresh("end")
    b.do(f"br label %{last}")
    b.label(last)
    b.do(f"br label %{join}")
    b.label(join)
    return b.emit(f"phi {d.own} [ {value}, %{here} ], [ {mended}, %{last} ]")


def sin(d: _Doubles, x: str) -> str:
    return d.choose(d.compare("oeq", x, d.const(0.0)), x, _far_too(d, "sin", x, 0))


def cos(d: _Doubles, x: str) -> str:
    return _far_too(d, "cos", x, 1)


FUNCTIONS = {"exp": exp, "expm1": expm1, "log": log, "log1p": log1p, "tanh": tanh, "sin": sin, "cos": cos}


def elementary(b: Assembler, name: str, x: Word) -> Word:
    """One of these functions of a number of the program, or of one in each lane.

    In lanes it is written in place. Alone it is a function of the module: of the gradient of 2,000 sines and
    exponentials the code in place takes 8.5 s to compile and 12 ns each to run, calls take 1.0 s and 7 ns; where
    there is a loop LLVM puts it in place by itself.
    """
    if x.lanes:
        return Word(_spelled(b, name, x), "real", True)
    symbol, own = f"own_{name}", b.type("real", False)
    if symbol not in b.declared:
        inner = Assembler(b.dtype)
        inner.declared = b.declared
        found = _spelled(inner, name, Word("%x", "real"))
        head = f"define internal {own} @{symbol}({own} %x) #1 {{"
        b.declared[symbol] = "\n".join([head, "entry:", *inner.lines, f"  ret {own} {found}", "}"])
    return b.called(symbol, x)


def _spelled(b: Assembler, name: str, x: Word) -> str:
    d = _Doubles(b, x.lanes)
    if b.dtype == "float64":
        return FUNCTIONS[name](d, x.text)
    own = b.type("real", x.lanes)
    wide = b.emit(f"fpext {own} {x.text} to {d.own}")
    return b.emit(f"fptrunc {d.own} {FUNCTIONS[name](d, wide)} to {own}")
