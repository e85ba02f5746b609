"""Expressions of the loop language as LLVM assembly. Arrays are contiguous, row by row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, NamedTuple

from symbackprop.emit.assembly import (
    COMPARISONS,
    INSTRUCTIONS,
    INT_SEQUENCES,
    INTRINSICS,
    SEQUENCES,
    Assembler,
    Word,
    c_function,
)
from symbackprop.emit.llvm_blas import product
from symbackprop.emit.maths import FUNCTIONS, elementary
from symbackprop.errors import InternalCompilerError
from symbackprop.ir.node import NAMED_NUMBERS, to_float
from symbackprop.lower.program import (
    Apply,
    Expr,
    Function,
    Invoke,
    Item,
    Literal,
    Ref,
)
from symbackprop.ops import REGISTRY, DType, Op, Spelling
from symbackprop.ops.indexing import IN_RANGE, TO_REAL

_SELECTS = frozenset(REGISTRY[name] for name in ("select", "int_select"))
BYTES = {"double": 8, "float": 4, "i64": 8, "i8": 1}


class NotLoweredError(Exception):
    """What the direct route does not know; the route through Numba compiles it."""


class Slot(NamedTuple):
    """A local that is assigned more than once."""

    pointer: str
    kind: DType


class Array(NamedTuple):
    pointer: str
    extents: tuple[Word, ...]
    kind: DType


@dataclass(slots=True)
class Unit:
    """What the functions of one module share."""

    functions: dict[str, Function]
    dtype: str
    width: int = 1
    """Numbers in a vector register."""
    declared: dict[str, str] = field(default_factory=dict)
    blocks: list[str] = field(default_factory=list)
    errors: list[tuple[type[Exception], str]] = field(default_factory=list)
    helpers: dict[str, tuple[Spelling, int]] = field(default_factory=dict)
    libraries: set[str] = field(default_factory=set)
    parts: set[str] = field(default_factory=set)

    def error(self, kind: type[Exception], text: str) -> int:
        """The number of an error, from 1 on."""
        if (kind, text) not in self.errors:
            self.errors.append((kind, text))
        return self.errors.index((kind, text)) + 1


class Values:
    """Writes expressions, in one function."""

    def __init__(self, unit: Unit, function: Function) -> None:
        self.unit, self.function = unit, function
        self.asm = Assembler(unit.dtype, unit.width)
        self.asm.declared = unit.declared
        self.env: dict[str, Word | Slot | Array] = {}
        self.slots: set[str] = set()
        self.exit = ""
        """The block that leaves with the number in %status; none while nothing has to be given back."""
        self.lane: tuple[str, Word] | None = None
        """In a loop that runs in lanes: its counter, and the turn of the first lane."""
        self.mask = ""
        """There, which lanes have a turn to do."""

    # Names.

    def array(self, name: str) -> Array:
        found = self.env[name]
        if not isinstance(found, Array):
            raise InternalCompilerError(f"{name} is no array")
        return found

    def whole(self, expr: Expr) -> Array | None:
        """An expression that is an array, or a part of one at its first indices."""
        if isinstance(expr, Ref):
            found = self.env.get(expr.name)
            return found if isinstance(found, Array) else None
        if isinstance(expr, Item):
            array = self.array(expr.array)
            if len(expr.place) < len(array.extents):
                inner = array.extents[len(expr.place) :]
                index = self._flat(expr.place, array.extents)
                start = self.asm.binary("mul", index, self.size(inner))
                return Array(self._address(array, start), inner, array.kind)
        return None

    def size(self, extents: Iterable[Word]) -> Word:
        """The product of lengths."""
        total = self.asm.integer(1)
        for extent in extents:
            if total.constant and extent.constant:
                total = self.asm.integer(int(total.text) * int(extent.text))
            else:
                total = extent if total.text == "1" else self.asm.binary("mul", total, extent)
        return total

    def element(self, kind: DType) -> str:
        """What an entry is in memory."""
        return "i8" if kind == "bool" else self.asm.scalar[kind]

    def _flat(self, place: tuple[Expr, ...], extents: tuple[Word, ...]) -> Word:
        """The number of an entry, row by row; of a part, in parts."""
        return self._index([self.value(item) for item in place], extents)

    def _index(self, place: list[Word], extents: tuple[Word, ...]) -> Word:
        index: Word | None = None
        for axis, own in enumerate(place):
            if index is None:
                index = own
            elif index.constant and own.constant and extents[axis].constant:
                index = self.asm.integer(int(index.text) * int(extents[axis].text) + int(own.text))
            else:
                scaled = index if index.text == "0" else self.asm.binary("mul nsw", index, extents[axis])
                index = own if scaled.text == "0" else self.asm.binary("add nsw", scaled, own)
        return index if index is not None else self.asm.integer(0)

    def _address(self, array: Array, index: Word) -> str:
        if index.text == "0":
            return array.pointer
        own = self.element(array.kind)
        where = self.asm.type("int", index.lanes)
        return self.asm.emit(f"getelementptr inbounds {own}, ptr {array.pointer}, {where} {index.text}")

    def entry(self, array: Array, place: tuple[Expr, ...]) -> Word:
        """The entry at a place; of lanes, each its own."""
        start = self._row(place, array.extents)
        if start is not None:
            return self._unpacked(self._masked("load", array, self._address(array, start)), array.kind)
        index = self._flat(place, array.extents)
        if index.lanes:
            return self._unpacked(self._masked("gather", array, self._address(array, index)), array.kind)
        return self.load(array, index)

    def put(self, array: Array, place: tuple[Expr, ...], value: Word) -> None:
        start = self._row(place, array.extents)
        if start is not None:
            self._masked("store", array, self._address(array, start), self._as(value, array.kind))
            return
        index = self._flat(place, array.extents)
        if index.lanes:
            self._masked("scatter", array, self._address(array, index), self._as(value, array.kind))
        else:
            self.store(array, index, value)

    def _row(self, place: tuple[Expr, ...], extents: tuple[Word, ...]) -> Word | None:
        """Where a row of lanes starts, if they stand side by side."""
        if self.lane is None or not place or place[-1] != Ref(self.lane[0]):
            return None
        before = [self.value(item) for item in place[:-1]]
        return None if any(word.lanes for word in before) else self._index([*before, self.lane[1]], extents)

    def _masked(self, what: str, array: Array, address: str, value: Word | None = None) -> str:
        """Memory of all lanes that have a turn to do."""
        asm, element = self.asm, self.element(array.kind)
        own, flags = f"<{asm.width} x {element}>", f"<{asm.width} x i1> {self.mask}"
        where = f"<{asm.width} x ptr>" if what in ("gather", "scatter") else "ptr"
        kinds = f"v{asm.width}{'f' if array.kind == 'real' else 'i'}{8 * BYTES[element]}"
        name = f"llvm.masked.{what}.{kinds}.{'v' + str(asm.width) if where != 'ptr' else ''}p0"
        align = f"i32 {BYTES[element]}"
        if value is None:
            asm.declared[name] = f"declare {own} @{name}({where}, i32, <{asm.width} x i1>, {own})"
            return asm.emit(f"call {own} @{name}({where} {address}, {align}, {flags}, {own} zeroinitializer)")
        text = asm.spread(value)
        if array.kind == "bool":
            text = asm.emit(f"zext {asm.type('bool', True)} {text} to {own}")
        asm.declared[name] = f"declare void @{name}({own}, {where}, i32, <{asm.width} x i1>)"
        asm.do(f"call void @{name}({own} {text}, {where} {address}, {align}, {flags})")
        return ""

    def _unpacked(self, text: str, kind: DType) -> Word:
        if kind == "bool":
            text = self.asm.emit(f"trunc <{self.asm.width} x i8> {text} to {self.asm.type('bool', True)}")
        return Word(text, kind, True)

    def load(self, array: Array, index: Word) -> Word:
        element = self.element(array.kind)
        text = self.asm.emit(f"load {element}, ptr {self._address(array, index)}")
        if array.kind == "bool":
            text = self.asm.emit(f"trunc i8 {text} to i1")
        return Word(text, array.kind)

    def store(self, array: Array, index: Word, value: Word) -> None:
        text = self._as(value, array.kind).text
        if array.kind == "bool":
            text = self.asm.emit(f"zext i1 {text} to i8")
        self.asm.do(f"store {self.element(array.kind)} {text}, ptr {self._address(array, index)}")

    # Expressions.

    def value(self, expr: Expr) -> Word:
        match expr:
            case Ref(name):
                found = self.env[name]
                if isinstance(found, Slot):
                    own = self.asm.scalar[found.kind]
                    return Word(self.asm.emit(f"load {own}, ptr {found.pointer}"), found.kind)
                if isinstance(found, Array):
                    return self.load(found, self.asm.integer(0))
                return found
            case Literal(number):
                return self._number(number)
            case Item(name, place):
                return self.entry(self.array(name), place)
            case Apply(op, operands):
                return self._apply(op, operands)
            case Invoke("np.dot", operands):
                word = product(self, operands)
                assert word is not None
                return word
        raise NotLoweredError(f"an expression {type(expr).__name__}")

    def _number(self, number: Any) -> Word:
        if isinstance(number, bool):
            return Word("true" if number else "false", "bool", constant=True)
        if type(number) is int:
            return self.asm.integer(number)
        return self.asm.real(to_float(number) if isinstance(number, Fraction) else NAMED_NUMBERS[number])

    def _as(self, word: Word, kind: DType) -> Word:
        return self.asm.as_real(word) if kind == "real" else word

    def _apply(self, op: Op, operands: tuple[Expr, ...]) -> Word:
        if op in _SELECTS:
            return self._select(op, *operands)
        words = [self._as(self.value(item), op.operand_dtype(k)) for k, item in enumerate(operands)]
        if op is TO_REAL:
            return words[0]
        if op is IN_RANGE:
            return self._in_range(*words)
        spelling = op.numba
        if spelling is None or not op.elementwise:
            raise NotLoweredError(op.name)
        return self._spelled(op, spelling, words)

    def _spelled(self, op: Op, spelling: Spelling, words: list[Word]) -> Word:
        asm, callee, kind = self.asm, spelling.callee, op.operand_dtype(0)
        if callee == "not":
            return asm.binary("xor", words[0], Word("true", "bool", constant=True))
        if callee == "-" and len(words) == 1:
            return asm.negative(words[0])
        if op.result == "bool" and callee in COMPARISONS.get(kind, ()):
            return asm.compare(COMPARISONS[kind][callee], *words)
        if callee in INSTRUCTIONS[kind]:
            return asm.binary(INSTRUCTIONS[kind][callee], *words)
        sequences = INT_SEQUENCES if kind == "int" else SEQUENCES
        if callee in sequences:
            return sequences[callee](asm, *words)
        if callee in INTRINSICS:
            return asm.intrinsic(INTRINSICS[callee], *words)
        if spelling.helper is not None:
            return self._helper(spelling, words)
        name = c_function(callee)
        if name is None or (spelling.operator and callee != "**"):
            raise NotLoweredError(op.name)
        return elementary(asm, name, *words) if name in FUNCTIONS else asm.c_call(name, *words)

    def _helper(self, spelling: Spelling, words: list[Word]) -> Word:
        """A call of a function that is loaded beside the module: over doubles, whatever the program's type."""
        asm, symbol = self.asm, spelling.callee
        if "'" in spelling.trailing or '"' in spelling.trailing:
            raise NotLoweredError(symbol)
        self.unit.helpers[symbol] = spelling, len(words)
        trailing = f"i32 {spelling.trailing}" if spelling.trailing else ""
        types = ["double"] * len(words) + ["i32"] * bool(trailing)
        self.unit.declared[symbol] = f"declare double @{symbol}({', '.join(types)}) #1"
        return asm.called_wide(symbol, [asm.as_real(word) for word in words], trailing)

    def _in_range(self, index: Word, length: Word) -> Word:
        # Below 0 is beyond every length, without a sign.
        text, asm = "an index is out of range of its array", self.asm
        if not index.lanes:
            self.check(asm.compare("ult", index, length), IndexError, text)
            return index
        beyond = asm.compare("uge", index, length)
        wrong = asm.emit(f"and {asm.type('bool', True)} {beyond.text}, {self.mask}")
        self.check(Word(asm.emit(f"xor i1 {asm.any(wrong)}, true"), "bool"), IndexError, text)
        return index

    def check(self, good: Word, kind: type[Exception], text: str) -> None:
        """Leave with an error unless a condition holds."""
        asm, code = self.asm, self.unit.error(kind, text)
        bad, on = asm.fresh("bad"), asm.fresh("on")
        asm.do(f"br i1 {good.text}, label %{on}, label %{bad}")
        asm.label(bad)
        if self.exit:
            asm.do(f"store i64 {code}, ptr %status")
            asm.do(f"br label %{self.exit}")
        else:
            asm.do(f"ret i64 {code}")
        asm.label(on)

    def _select(self, op: Op, condition: Expr, then: Expr, otherwise: Expr) -> Word:
        """One of two values. What reads memory or calls a function is computed only where it is taken."""
        asm, kind = self.asm, op.result
        chosen = self.value(condition)
        if _is_cheap(then) and _is_cheap(otherwise):
            return asm.choose(chosen, self._as(self.value(then), kind), self._as(self.value(otherwise), kind))
        if chosen.lanes:
            return asm.choose(chosen, *self._arms_in_lanes(chosen, kind, then, otherwise))
        names = [asm.fresh("arm"), asm.fresh("arm"), asm.fresh("join")]
        asm.do(f"br i1 {chosen.text}, label %{names[0]}, label %{names[1]}")
        found, ends = [], []
        for name, arm in zip(names, (then, otherwise), strict=False):
            asm.label(name)
            found.append(self._as(self.value(arm), kind))
            # The arm may itself have branched: it ends in a block of its own.
            ends.append(asm.fresh("end"))
            asm.do(f"br label %{ends[-1]}")
            asm.label(ends[-1])
            if self.lane is not None:
                found[-1] = Word(asm.spread(found[-1]), kind, True)
            asm.do(f"br label %{names[2]}")
        asm.label(names[2])
        lanes = self.lane is not None
        pairs = ", ".join(f"[ {word.text}, %{end} ]" for word, end in zip(found, ends, strict=True))
        return Word(asm.emit(f"phi {asm.type(kind, lanes)} {pairs}"), kind, lanes)

    def _arms_in_lanes(self, chosen: Word, kind: DType, *arms: Expr) -> list[Word]:
        """Both arms, each reading memory for those lanes alone that take it."""
        asm, whole, own = self.asm, self.mask, self.asm.type("bool", True)
        found = []
        for taken, arm in zip((chosen.text, asm.emit(f"xor {own} {chosen.text}, splat (i1 true)")), arms, strict=True):
            self.mask = asm.emit(f"and {own} {whole}, {taken}")
            found.append(self._as(self.value(arm), kind))
        self.mask = whole
        return found


def _is_cheap(expr: Expr) -> bool:
    """Whether it may be computed without need: no memory is read, no function called, nothing can fail."""
    if isinstance(expr, Literal | Ref):
        return True
    return isinstance(expr, Apply) and _is_instruction(expr.op) and all(map(_is_cheap, expr.operands))


def _is_instruction(op: Op) -> bool:
    callee = op.numba.callee if op.numba is not None and op.numba.operator else ""
    return callee in ("+", "-", "*", "and", "or", "not", "<", "<=", ">", ">=", "==", "!=")
