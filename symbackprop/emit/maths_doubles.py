"""Arithmetic of doubles that numbers and lanes share, and sums and products without an error."""

from __future__ import annotations

from collections.abc import Callable

from symbackprop.emit.assembly import Assembler

# log(2) in two parts: of the first the last 20 bits are zero, so that its product with an exponent is exact.
LN2_HIGH, LN2_LOW = 0.693147180369123816490, 1.90821492927058770002e-10


class Doubles:
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

    def add(self, x: str, y: str) -> str:
        return self.b.emit(f"fadd {self.own} {x}, {y}")

    def sub(self, x: str, y: str) -> str:
        return self.b.emit(f"fsub {self.own} {x}, {y}")

    def mul(self, x: str, y: str) -> str:
        return self.b.emit(f"fmul {self.own} {x}, {y}")

    def div(self, x: str, y: str) -> str:
        return self.b.emit(f"fdiv {self.own} {x}, {y}")

    def negative(self, x: str) -> str:
        return self.b.emit(f"fneg {self.own} {x}")

    def fma(self, x: str, y: str, z: str) -> str:
        return self._intrinsic("fma", x, y, z)

    def rint(self, x: str) -> str:
        return self._intrinsic("rint", x)

    def sqrt(self, x: str) -> str:
        return self._intrinsic("sqrt", x)

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

    def is_negative(self, x: str) -> str:
        """Whether the sign is set, of -0 too."""
        return self.b.emit(f"icmp slt {self.long} {self.as_bits(x)}, {self.whole(0)}")

    def both(self, p: str, q: str) -> str:
        return self.b.emit(f"and {self.flag} {p}, {q}")

    def either(self, p: str, q: str) -> str:
        return self.b.emit(f"or {self.flag} {p}, {q}")

    def one_of(self, p: str, q: str) -> str:
        return self.b.emit(f"xor {self.flag} {p}, {q}")

    def negation(self, p: str) -> str:
        return self.b.emit(f"xor {self.flag} {p}, {'splat (i1 true)' if self.lanes else 'true'}")

    def choose(self, condition: str, x: str, y: str) -> str:
        return self.b.emit(f"select {self.flag} {condition}, {self.own} {x}, {self.own} {y}")

    def by_case(self, condition: str, then: Callable[[], str], otherwise: Callable[[], str]) -> str:
        """One of two formulas: in lanes both and a choice, alone a branch, since half of the work is saved there."""
        if self.lanes:
            return self.choose(condition, then(), otherwise())
        b = self.b
        names, join = [b.fresh("arm"), b.fresh("arm")], b.fresh("join")
        b.do(f"br i1 {condition}, label %{names[0]}, label %{names[1]}")
        pairs = []
        for name, arm in zip(names, (then, otherwise), strict=True):
            b.label(name)
            pairs.append(f"[ {arm()}, %{name} ]")
            b.do(f"br label %{join}")
        b.label(join)
        return b.emit(f"phi {self.own} {', '.join(pairs)}")

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
        """The highest power first. Of a long one the even and the odd powers are summed apart, since each step of
        Horner's rule waits four cycles for the one before it; the last step is Horner's, for its accuracy."""
        if len(coefficients) < 7:
            return self._horner(x, coefficients)
        *upper, last = coefficients
        square = self.mul(x, x)
        even, odd = (self._horner(square, upper[k::2]) for k in ((len(upper) - 1) % 2, len(upper) % 2))
        return self.fma(x, self.fma(x, odd, even), self.const(last))

    def in_pairs(self, x: str, coefficients: list[float]) -> str:
        """The highest power first, and an even number of them: by Horner's rule in the square, over pairs that wait for
        nothing (Estrin). Of six coefficients the last is there after 12 cycles, and not 20."""
        square = self.mul(x, x)
        pairs = zip(coefficients[::2], coefficients[1::2], strict=True)
        first, *others = [self.fma(x, self.const(a), self.const(b)) for a, b in pairs]
        for pair in others:
            first = self.fma(first, square, pair)
        return first

    def _horner(self, x: str, coefficients: list[float]) -> str:
        total = self.const(coefficients[0])
        for coefficient in coefficients[1:]:
            total = self.fma(total, x, self.const(coefficient))
        return total


def added(d: Doubles, x: str, y: str) -> tuple[str, str]:
    """A sum and what rounding took from it (Knuth, TAOCP 2, 4.2.2, theorem B)."""
    total = d.add(x, y)
    back = d.sub(total, x)
    left = d.sub(x, d.sub(total, back))
    return total, d.add(left, d.sub(y, back))


def fast_added(d: Doubles, x: str, y: str) -> tuple[str, str]:
    """The same where x is 0 or at least as large as y (Dekker)."""
    total = d.add(x, y)
    return total, d.sub(y, d.sub(total, x))


def multiplied(d: Doubles, x: str, y: str) -> tuple[str, str]:
    """A product and what rounding took from it."""
    product = d.mul(x, y)
    return product, d.fma(x, y, d.negative(product))


def divided(d: Doubles, x: tuple[str, str], y: tuple[str, str]) -> tuple[str, str]:
    """The quotient of two numbers, each the sum of two, as such a sum; with one division."""
    inverse = d.div(d.const(1.0), y[0])
    quotient = d.mul(x[0], inverse)
    down = d.negative(quotient)
    rest = d.add(d.fma(down, y[0], x[0]), d.fma(down, y[1], x[1]))
    return quotient, d.mul(rest, inverse)


def power_of_two(d: Doubles, k: str) -> str:
    """2**k for an integer k from -1022 to 1023."""
    return d.from_bits(d.integer("shl", d.integer("add", k, 1023), 52))


def exponent(d: Doubles, k: str) -> str:
    """A whole double as an integer; 0 for nan."""
    known = d.choose(d.compare("ord", k, k), k, d.const(0.0))
    return d.to_integer(known)
