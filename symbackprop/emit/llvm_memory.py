"""Arrays of the loop language in LLVM assembly: contiguous, row by row; in lanes, a register an entry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from symbackprop.emit.assembly import FUSED, INSTRUCTIONS, Assembler, Word
from symbackprop.errors import InternalCompilerError
from symbackprop.lower.program import Expr, Function, Item, Literal, Ref, Rows
from symbackprop.ops import DType, Spelling

LINE = 64
"""Bytes of a line of the cache."""
BYTES = {"double": 8, "float": 4, "i64": 8, "i8": 1}


class NotLoweredError(Exception):
    """What the direct route does not know; the route through Numba compiles it."""


class Slot(NamedTuple):
    """A local that is assigned more than once."""

    pointer: str
    kind: DType
    lanes: bool = False


class Array(NamedTuple):
    pointer: str
    extents: tuple[Word, ...]
    kind: DType
    lanes: bool = False
    """Whether every lane has an array of its own: an entry is a register."""


@dataclass(slots=True)
class Unit:
    """What the functions of one module share."""

    functions: dict[str, Function]
    dtype: str
    width: int = 1
    """Numbers in a vector register."""
    contract: bool = False
    """Whether a*b + c may round once."""
    fast_sums: bool = False
    """Whether sums may be added up in any order."""
    declared: dict[str, str] = field(default_factory=dict)
    blocks: list[str] = field(default_factory=list)
    errors: list[tuple[type[Exception], str]] = field(default_factory=list)
    helpers: dict[str, tuple[Spelling, int]] = field(default_factory=dict)
    libraries: set[str] = field(default_factory=set)
    parts: dict[str, bool] = field(default_factory=dict)
    """The parts of a big function that are written, and whether a check in them may fail."""
    metadata: list[str] = field(default_factory=list)
    numbers: dict[tuple[int, int], Word] = field(default_factory=dict)
    """Rational numbers as they are written, by their integers."""

    def instruction(self, kind: DType, symbol: str, is_sum: bool = False) -> str:
        """The instruction for an operator of the program, with the freedom that it has; never that of forgetting nan,
        infinity or the sign of a zero.
        """
        name = INSTRUCTIONS[kind][symbol]
        if name not in FUSED:
            return name
        return f"{name}{' contract' * self.contract}{' reassoc' * (is_sum and self.fast_sums)}"

    def as_it_is(self) -> str:
        """What keeps LLVM from repeating the body of a loop: for a mixture of Gaussians half of its time went into what
        stands around the loop in lanes.
        """
        known = self.metadata
        plain = self._metadata('!{!"llvm.loop.unroll.disable"}')
        known.append(f"!{len(known)} = distinct !{{!{len(known)}, !{plain}}}")
        return f", !llvm.loop !{len(known) - 1}"

    def seldom(self) -> str:
        """What tells LLVM that a branch goes to its first target once in a while."""
        weights = self._metadata('!{!"branch_weights", i32 1, i32 10000}')
        return f", !prof !{weights}"

    def _metadata(self, text: str) -> int:
        """The number of what is said so."""
        for number, known in enumerate(self.metadata):
            if known.endswith(f"= {text}"):
                return number
        self.metadata.append(f"!{len(self.metadata)} = {text}")
        return len(self.metadata) - 1

    def error(self, kind: type[Exception], text: str) -> int:
        """The number of an error, from 1 on."""
        if (kind, text) not in self.errors:
            self.errors.append((kind, text))
        return self.errors.index((kind, text)) + 1


class Memory:
    """Reads and writes arrays, in one function."""

    def __init__(self, unit: Unit, function: Function) -> None:
        self.unit, self.function = unit, function
        self.asm = Assembler(unit.dtype, unit.width)
        self.asm.declared = unit.declared
        self.env: dict[str, Word | Slot | Array] = {}
        self.slots: set[str] = set()
        self.exit = ""
        """The block that leaves with the number in %status; none while nothing has to be given back."""
        self.may_fail = False
        """Whether there is a check so far that may fail."""
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
        if isinstance(expr, Rows):
            array, first = self.array(expr.array), self.value(expr.start)
            start = self.asm.binary("mul nsw", first, self.size(array.extents[1:]))
            return Array(self._address(array, start), (self.value(expr.length), *array.extents[1:]), array.kind)
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
        asm = self.asm
        return asm.address(self.element(array.kind), array.pointer, asm.type("int", index.lanes), index.text)

    def entry(self, array: Array, place: tuple[Expr, ...]) -> Word:
        """The entry at a place; of lanes, each its own."""
        known = _known(place)
        if known is not None and not array.lanes:
            return self.load(array, self.asm.integer(known))
        if array.lanes:
            return self.load_register(array, self._flat(place, array.extents))
        start = self._row(place, array.extents)
        if start is not None:
            return self._unpacked(self._masked("load", array, self._address(array, start)), array.kind)
        index = self._flat(place, array.extents)
        if index.lanes and self._is_regular(place):
            return self._apart(array, place)
        if index.lanes:
            return self._unpacked(self._masked("gather", array, self._address(array, index)), array.kind)
        return self.load(array, index)

    # Arrays that each lane has for itself.

    def load_register(self, array: Array, index: Word) -> Word:
        own, place = self._register(array, index)
        return Word(self.asm.emit(f"load {own}, ptr {place}, align {self._alignment(array)}"), array.kind, True)

    def store_register(self, array: Array, index: Word, value: Word) -> None:
        own, place = self._register(array, index)
        self.asm.do(f"store {own} {self.asm.spread(value)}, ptr {place}, align {self._alignment(array)}")

    def _alignment(self, array: Array) -> int:
        """Lanes of several registers stand at a line of the cache, not at a multiple of all their bytes."""
        return min(LINE, self.register_bytes(array.kind))

    def _register(self, array: Array, index: Word) -> tuple[str, str]:
        """Where the entries of all lanes stand, and of which type they are together."""
        if index.lanes:
            raise NotLoweredError("an index of its own in each lane, of an array that each has for itself")
        own = self.asm.type(array.kind, True)
        return own, self.asm.emit(f"getelementptr inbounds {own}, ptr {array.pointer}, i64 {index.text}")

    def register_bytes(self, kind: DType) -> int:
        """What an entry in every lane takes: a condition takes a bit."""
        return max(1, self.asm.width // 8) if kind == "bool" else self.asm.width * BYTES[self.asm.scalar[kind]]

    def _is_regular(self, place: tuple[Expr, ...]) -> bool:
        """Whether lanes read at a distance that is the same from each to the next."""
        assert self.lane is not None
        counter = Ref(self.lane[0])
        return place.count(counter) == 1 and not any(self.value(p).lanes for p in place if p != counter)

    def _apart(self, array: Array, place: tuple[Expr, ...]) -> Word:
        """Entries at a distance, one load a lane: gathers are slower on many processors. Lanes without a turn of their
        own read what the first reads.
        """
        asm, element = self.asm, self.element(array.kind)
        assert self.lane is not None
        counter, first = self.lane
        total = "poison"
        for lane in range(asm.width):
            mine = first
            if lane:
                taken = asm.emit(f"extractelement <{asm.width} x i1> {self.mask}, i64 {lane}")
                other = asm.emit(f"add nuw nsw i64 {first.text}, {lane}")
                mine = Word(asm.emit(f"select i1 {taken}, i64 {other}, i64 {first.text}"), "int")
            index = self._index([mine if p == Ref(counter) else self.value(p) for p in place], array.extents)
            one = asm.emit(f"load {element}, ptr {self._address(array, index)}")
            total = asm.emit(f"insertelement <{asm.width} x {element}> {total}, {element} {one}, i64 {lane}")
        return self._unpacked(total, array.kind)

    def put(self, array: Array, place: tuple[Expr, ...], value: Word) -> None:
        known = _known(place)
        if known is not None and not (array.lanes or value.lanes):
            self.store(array, self.asm.integer(known), value)
            return
        if array.lanes:
            self.store_register(array, self._flat(place, array.extents), self.converted(value, array.kind))
            return
        start = self._row(place, array.extents)
        if start is not None:
            self._masked("store", array, self._address(array, start), self.converted(value, array.kind))
            return
        index = self._flat(place, array.extents)
        if index.lanes:
            self._masked("scatter", array, self._address(array, index), self.converted(value, array.kind))
        else:
            self.store(array, index, value)

    def _row(self, place: tuple[Expr, ...], extents: tuple[Word, ...]) -> Word | None:
        """Where a row of lanes starts, if they stand side by side."""
        if self.lane is None:
            return None
        # An axis of length 1 lies between no two entries.
        last = len(place) - 1
        while last > 0 and extents[last].text == "1":
            last -= 1
        if last < 0 or place[last] != Ref(self.lane[0]):
            return None
        before = [self.value(item) for item in place[:last]]
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
        text = self.converted(value, array.kind).text
        if array.kind == "bool":
            text = self.asm.emit(f"zext i1 {text} to i8")
        self.asm.do(f"store {self.element(array.kind)} {text}, ptr {self._address(array, index)}")

    # Of expressions.

    def value(self, expr: Expr) -> Word:
        raise NotImplementedError

    def converted(self, word: Word, kind: DType) -> Word:
        raise NotImplementedError


def _known(place: tuple[Expr, ...]) -> int | None:
    """The number of an entry of an array of one axis, where it is a number; straight-line code has no other entries."""
    if len(place) == 1 and type(place[0]) is Literal and type(place[0].number) is int:
        return place[0].number
    return None
