"""LLVM assembly, an instruction at a time: typed values, lanes, and the C library.

A value is a number of the program or, in lanes, one number for each of several samples; where the two meet the number
is spread over the lanes. Everything is spelled for exact IEEE arithmetic: no flag lets a nan or an infinity vanish.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from symbackprop.ops import DType


class Word(NamedTuple):
    """A value: its text, what it is, and whether every lane has its own; a constant needs no instruction to spread."""

    text: str
    kind: DType
    lanes: bool = False
    constant: bool = False


class Assembler:
    """Writes the body of one function."""

    def __init__(self, dtype: str, width: int = 1) -> None:
        self.scalar = {"real": "double" if dtype == "float64" else "float", "int": "i64", "bool": "i1"}
        self.suffix = "f64" if dtype == "float64" else "f32"
        self.dtype, self.width = dtype, width
        self.lines: list[str] = []
        self.stack: list[str] = []
        """Places on the stack, which stand before all lines."""
        self.declared: dict[str, str] = {}
        """External functions in use, each with its declaration."""
        self._labels = self._values = 0
        self._addresses: dict[tuple[str, str, str], str] = {}
        """Those that this block has computed."""

    # Text.

    def fresh(self, stem: str) -> str:
        self._labels += 1
        return f"{stem}{self._labels}"

    def emit(self, instruction: str) -> str:
        """The value of an instruction. It has a number and no name: LLVM reads the text in half of the time."""
        name = f"%{self._values}"
        self._values += 1
        self.lines.append(f"  {name} = {instruction}")
        return name

    def address(self, element: str, pointer: str, kind: str, index: str) -> str:
        """The address of an entry, or those of entries; a block computes it once."""
        key = element, pointer, index
        found = self._addresses.get(key)
        if found is None:
            found = self.emit(f"getelementptr inbounds {element}, ptr {pointer}, {kind} {index}")
            self._addresses[key] = found
        return found

    def do(self, instruction: str) -> None:
        self.lines.append(f"  {instruction}")

    def label(self, name: str) -> None:
        self._addresses.clear()
        self.lines.append(f"{name}:")

    def type(self, kind: DType, lanes: bool) -> str:
        return f"<{self.width} x {self.scalar[kind]}>" if lanes else self.scalar[kind]

    # Constants.

    def real(self, value: float) -> Word:
        """A number of the program's type, bit for bit."""
        if self.dtype == "float32":
            try:
                value = struct.unpack("f", struct.pack("f", value))[0]
            except OverflowError:
                value = float("inf") if value > 0 else float("-inf")
        return Word(self.bits(value), "real", constant=True)

    @staticmethod
    def bits(value: float) -> str:
        """A double, bit for bit."""
        return f"0x{struct.unpack('>Q', struct.pack('>d', value))[0]:016X}"

    @staticmethod
    @lru_cache(maxsize=4096)
    def integer(value: int) -> Word:
        return Word(str(value), "int", constant=True)

    # Values.

    def spread(self, word: Word) -> str:
        """The text of a value in lanes."""
        if word.lanes:
            return word.text
        scalar, vector = self.scalar[word.kind], self.type(word.kind, True)
        if word.constant:
            return f"splat ({scalar} {word.text})"
        one = self.emit(f"insertelement {vector} poison, {scalar} {word.text}, i64 0")
        return self.emit(f"shufflevector {vector} {one}, {vector} poison, <{self.width} x i32> zeroinitializer")

    def together(self, *words: Word) -> tuple[bool, list[str]]:
        """Whether any is in lanes, and the texts of all, in lanes if so."""
        for word in words:
            if word.lanes:
                return True, [self.spread(each) for each in words]
        return False, [word.text for word in words]

    def as_real(self, word: Word) -> Word:
        if word.kind == "real":
            return word
        if word.kind == "bool":
            return self.choose(word, self.real(1.0), self.real(0.0))
        if word.constant:
            return self.real(float(int(word.text)))
        own, wanted = self.type("int", word.lanes), self.type("real", word.lanes)
        return Word(self.emit(f"sitofp {own} {word.text} to {wanted}"), "real", word.lanes)

    def binary(self, instruction: str, a: Word, b: Word) -> Word:
        if not (a.lanes or b.lanes):  # most of what there is to write
            return Word(self.emit(f"{instruction} {self.scalar[a.kind]} {a.text}, {b.text}"), a.kind)
        lanes, (left, right) = self.together(a, b)
        return Word(self.emit(f"{instruction} {self.type(a.kind, lanes)} {left}, {right}"), a.kind, lanes)

    def compare(self, relation: str, a: Word, b: Word) -> Word:
        lanes, (left, right) = self.together(a, b)
        compare = "icmp" if a.kind == "int" else "fcmp"
        return Word(self.emit(f"{compare} {relation} {self.type(a.kind, lanes)} {left}, {right}"), "bool", lanes)

    def negative(self, a: Word) -> Word:
        return Word(self.emit(f"fneg {self.type('real', a.lanes)} {a.text}"), "real", a.lanes)

    def choose(self, condition: Word, a: Word, b: Word) -> Word:
        lanes, (left, right) = self.together(a, b)
        lanes = lanes or condition.lanes
        if lanes:
            left, right = self.spread(a), self.spread(b)
        own, mask = self.type(a.kind, lanes), self.type("bool", condition.lanes)
        return Word(self.emit(f"select {mask} {condition.text}, {own} {left}, {own} {right}"), a.kind, lanes)

    def intrinsic(self, name: str, *words: Word) -> Word:
        """A function of LLVM's own, of one type."""
        lanes, texts = self.together(*words)
        own = self.type("real", lanes)
        suffix = f"v{self.width}{self.suffix}" if lanes else self.suffix
        full = f"llvm.{name}.{suffix}"
        self.declared[full] = f"declare {own} @{full}({', '.join([own] * len(words))})"
        listed = ", ".join(f"{own} {text}" for text in texts)
        return Word(self.emit(f"call {own} @{full}({listed})"), "real", lanes)

    def c_call(self, name: str, *words: Word) -> Word:
        """A function of the C library; in lanes, a call for each."""
        symbol = name if self.dtype == "float64" else f"{name}f"
        self.declare(symbol, self.scalar["real"], len(words))
        return self.called(symbol, *words)

    def declare(self, symbol: str, own: str, count: int) -> None:
        self.declared[symbol] = f"declare {own} @{symbol}({', '.join([own] * count)}) #1"

    def called(self, symbol: str, *words: Word, trailing: str = "") -> Word:
        """A function of numbers of the program's type."""
        own = self.scalar["real"]
        lanes, texts = self.together(*words)
        if not lanes:
            listed = ", ".join([f"{own} {text}" for text in texts] + [trailing] * bool(trailing))
            return Word(self.emit(f"call {own} @{symbol}({listed}) #1"), "real")
        return Word(self._each(symbol, own, texts, trailing), "real", True)

    def called_wide(self, symbol: str, words: list[Word], trailing: str = "") -> Word:
        """A function of doubles, whatever the program's type."""
        if self.dtype == "float64":
            return self.called(symbol, *words, trailing=trailing)
        lanes, texts = self.together(*words)
        own, wide = (f"<{self.width} x {scalar}>" if lanes else scalar for scalar in ("float", "double"))
        wider = [self.emit(f"fpext {own} {text} to {wide}") for text in texts]
        if lanes:
            found = self._each(symbol, "double", wider, trailing)
        else:
            listed = ", ".join([f"double {text}" for text in wider] + [trailing] * bool(trailing))
            found = self.emit(f"call double @{symbol}({listed}) #1")
        return Word(self.emit(f"fptrunc {wide} {found} to {own}"), "real", lanes)

    def _each(self, symbol: str, own: str, texts: list[str], trailing: str = "") -> str:
        vector = f"<{self.width} x {own}>"
        total = "poison"
        for lane in range(self.width):
            ones = [self.emit(f"extractelement {vector} {text}, i64 {lane}") for text in texts]
            listed = ", ".join([f"{own} {one}" for one in ones] + [trailing] * bool(trailing))
            found = self.emit(f"call {own} @{symbol}({listed}) #1")
            total = self.emit(f"insertelement {vector} {total}, {own} {found}, i64 {lane}")
        return total

    def each_lane(self, symbol: str, x: str) -> str:
        """A function of doubles of the C library, in every lane."""
        self.declare(symbol, "double", 1)
        return self._each(symbol, "double", [x])

    def plain_call(self, symbol: str, x: str) -> str:
        self.declare(symbol, "double", 1)
        return self.emit(f"call double @{symbol}(double {x}) #1")

    def any(self, flags: str, width: int = 0) -> str:
        """Whether a flag is set in any lane, or any of so many."""
        width = width or self.width
        name = f"llvm.vector.reduce.or.v{width}i1"
        self.declared[name] = f"declare i1 @{name}(<{width} x i1>)"
        return self.emit(f"call i1 @{name}(<{width} x i1> {flags})")


# What has neither an instruction nor a C function.


def _larger(b: Assembler, x: Word, y: Word, relation: str) -> Word:
    # nan where either is: the comparison fails for one, and then x is taken only if it is the nan.
    taken = b.binary("or", b.compare(relation, x, y), b.compare("uno", x, x))
    return b.choose(taken, x, y)


def _sign(b: Assembler, x: Word) -> Word:
    zero = b.real(0.0)
    unsigned = b.choose(b.compare("uno", x, x), x, zero)
    right = b.choose(b.compare("ogt", x, zero), b.real(1.0), unsigned)
    return b.choose(b.compare("olt", x, zero), b.real(-1.0), right)


def _modulo(b: Assembler, x: Word, y: Word) -> Word:
    """Python's: the sign is that of y. The remainder itself is exact."""
    zero, rest = b.real(0.0), b.binary("frem", x, y)
    apart = b.binary("xor", b.compare("olt", rest, zero), b.compare("olt", y, zero))
    nonzero = b.choose(apart, b.binary("fadd", rest, y), rest)
    return b.choose(b.compare("oeq", rest, zero), b.intrinsic("copysign", zero, y), nonzero)


def _int_quotient(b: Assembler, x: Word, y: Word) -> Word:
    """Rounded down; 0 where y is 0, as Numba has it."""
    divisor = _divisor(b, y)
    quotient, rest = b.binary("sdiv", x, divisor), b.binary("srem", x, divisor)
    down = b.choose(_on_the_other_side(b, rest, y), b.integer(1), b.integer(0))
    found = b.binary("sub", quotient, down)
    if divisor is y:
        return found
    turned = b.choose(b.compare("eq", y, b.integer(-1)), b.binary("sub", b.integer(0), x), found)
    return b.choose(b.compare("eq", y, b.integer(0)), b.integer(0), turned)


def _int_rest(b: Assembler, x: Word, y: Word) -> Word:
    """Of the sign of y, as Python's; 0 where y is 0, as Numba has it."""
    rest = b.binary("srem", x, _divisor(b, y))
    return b.choose(_on_the_other_side(b, rest, y), b.binary("add", rest, y), rest)


def _divisor(b: Assembler, y: Word) -> Word:
    """y, or 1 where the processor would trap: by 0, which a lane without a turn to do may hold as well, and by -1."""
    if y.constant and int(y.text) > 0:
        return y
    # y + 1 is 0 or 1, without a sign.
    trap = b.compare("ult", b.binary("add", y, b.integer(1)), b.integer(2))
    return b.choose(trap, b.integer(1), y)


def _on_the_other_side(b: Assembler, rest: Word, y: Word) -> Word:
    """Whether a remainder is not 0 and has another sign than y."""
    if y.constant and int(y.text) > 0:
        return b.compare("slt", rest, b.integer(0))
    apart = b.compare("slt", b.binary("xor", rest, y), b.integer(0))
    return b.binary("and", apart, b.compare("ne", rest, b.integer(0)))


FUSED = frozenset({"fadd", "fsub", "fmul"})
"""Instructions of which two may become one that rounds once, where that is allowed."""
INSTRUCTIONS = {
    "real": {"+": "fadd", "-": "fsub", "*": "fmul", "/": "fdiv"},
    "int": {"+": "add", "-": "sub", "*": "mul"},
    "bool": {"and": "and", "or": "or", "!=": "xor"},
}
COMPARISONS = {
    "real": {"<": "olt", "<=": "ole", ">": "ogt", ">=": "oge", "==": "oeq", "!=": "une"},
    "int": {"<": "slt", "<=": "sle", ">": "sgt", ">=": "sge", "==": "eq", "!=": "ne"},
}
# Functions that processors have an instruction for.
INTRINSICS = {"math.sqrt": "sqrt", "abs": "fabs", "np.floor": "floor", "np.ceil": "ceil"}
SEQUENCES: dict[str, Callable[..., Word]] = {
    "np.maximum": lambda b, x, y: _larger(b, x, y, "oge"),
    "np.minimum": lambda b, x, y: _larger(b, x, y, "ole"),
    "np.sign": _sign,
    "%": _modulo,
}
INT_SEQUENCES: dict[str, Callable[..., Word]] = {"//": _int_quotient, "%": _int_rest}
# What has no function of this name there is among those of `maths`.
_LIBRARY = {
    "np.logaddexp": "logaddexp",
    "np.cbrt": "cbrt",
    "np.exp2": "exp2",
    "np.log2": "log2",
    "np.log10": "log10",
    "**": "pow",
}


def c_function(callee: str) -> str | None:
    """The function of the C library behind a spelling of target numba."""
    return _LIBRARY.get(callee) or (callee.removeprefix("math.") if callee.startswith("math.") else None)
