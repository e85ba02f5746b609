"""LLVM assembly, an instruction at a time: typed values, lanes, and the C library.

A value is a number of the program or, in lanes, one number for each of several samples; where the two meet the number
is spread over the lanes. Everything is spelled for exact IEEE arithmetic: no flag lets a nan or an infinity vanish.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from symbackprop.ops import DType


class Word(NamedTuple):
    """A value: its text, what it is, and whether every lane has its own; a constant needs no instruction to spread."""

    text: str
    kind: DType
    lanes: bool = False
    constant: bool = False


class Lanes(NamedTuple):
    """The vector registers of a processor, and the functions of the C library that a library has for them."""

    isa: str = ""
    """The letter of the instruction set in the vector function ABI: b for SSE, d for AVX2, e for AVX-512."""
    width: int = 1
    functions: frozenset[str] = frozenset()

    def variant(self, name: str, arity: int) -> str:
        return f"_ZGV{self.isa}N{self.width}{'v' * arity}_{name}"


class Assembler:
    """Writes the body of one function."""

    def __init__(self, dtype: str, vectors: Lanes = Lanes()) -> None:
        width = vectors.width
        self.vectors = vectors
        self.scalar = {"real": "double" if dtype == "float64" else "float", "int": "i64", "bool": "i1"}
        self.suffix = "f64" if dtype == "float64" else "f32"
        self.dtype, self.width = dtype, width
        self.lines: list[str] = []
        self.stack: list[str] = []
        """Places on the stack, which stand before all lines."""
        self.declared: dict[str, str] = {}
        """External functions in use, each with its declaration."""
        self._count = 0

    # Text.

    def fresh(self, stem: str = "t") -> str:
        self._count += 1
        return f"{stem}{self._count}"

    def emit(self, instruction: str) -> str:
        name = f"%{self.fresh()}"
        self.lines.append(f"  {name} = {instruction}")
        return name

    def do(self, instruction: str) -> None:
        self.lines.append(f"  {instruction}")

    def label(self, name: str) -> None:
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
        lanes = any(word.lanes for word in words)
        return lanes, [self.spread(word) if lanes else word.text for word in words]

    def as_real(self, word: Word) -> Word:
        if word.kind != "int":
            return word
        if word.constant:
            return self.real(float(int(word.text)))
        own, wanted = self.type("int", word.lanes), self.type("real", word.lanes)
        return Word(self.emit(f"sitofp {own} {word.text} to {wanted}"), "real", word.lanes)

    def binary(self, instruction: str, a: Word, b: Word) -> Word:
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
        """A function of the C library."""
        own = self.scalar["real"]
        symbol = name if self.dtype == "float64" else f"{name}f"
        attributes = "#1"
        if symbol in self.vectors.functions:
            attributes = f"#1 {self._in_lanes(symbol, len(words))}"
        self.declared[symbol] = f"declare {own} @{symbol}({', '.join([own] * len(words))}) #1"
        listed = ", ".join(f"{own} {word.text}" for word in words)
        return Word(self.emit(f"call {own} @{symbol}({listed}) {attributes}"), "real")

    def _in_lanes(self, symbol: str, arity: int) -> str:
        """The attribute that tells LLVM's loop vectoriser which function does the same in lanes."""
        vectors, own = self.vectors, f"<{self.vectors.width} x {self.scalar['real']}>"
        variant = vectors.variant(symbol, arity)
        self.declared[variant] = f"declare {own} @{variant}({', '.join([own] * arity)}) #1"
        known = f"_ZGV_LLVM_N{vectors.width}{'v' * arity}_{symbol}({variant})"
        return f'"vector-function-abi-variant"="{known}"'


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


def _log_of_sum(b: Assembler, x: Word, y: Word) -> Word:
    """log(exp(x) + exp(y)): the larger one, and log1p(exp(-|x - y|)); log(2) where they are equal, infinities too."""
    distance = b.intrinsic("fabs", b.binary("fsub", x, y))
    beyond = b.c_call("log1p", b.c_call("exp", b.negative(distance)))
    shift = b.choose(b.compare("oeq", x, y), b.real(0.6931471805599453), beyond)
    return b.binary("fadd", _larger(b, x, y, "oge"), shift)


def _int_quotient(b: Assembler, x: Word, y: Word) -> Word:
    """Rounded down, for a positive y."""
    quotient, rest = b.binary("sdiv", x, y), b.binary("srem", x, y)
    down = b.choose(b.compare("slt", rest, b.integer(0)), b.integer(1), b.integer(0))
    return b.binary("sub", quotient, down)


def _int_rest(b: Assembler, x: Word, y: Word) -> Word:
    rest = b.binary("srem", x, y)
    return b.choose(b.compare("slt", rest, b.integer(0)), b.binary("add", rest, y), rest)


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
    "np.logaddexp": _log_of_sum,
    "np.sign": _sign,
    "%": _modulo,
}
INT_SEQUENCES: dict[str, Callable[..., Word]] = {"//": _int_quotient, "%": _int_rest}
_LIBRARY = {"np.cbrt": "cbrt", "np.exp2": "exp2", "np.log2": "log2", "np.log10": "log10", "**": "pow"}


def c_function(callee: str) -> str | None:
    """The function of the C library behind a spelling of target numba."""
    return _LIBRARY.get(callee) or (callee.removeprefix("math.") if callee.startswith("math.") else None)
