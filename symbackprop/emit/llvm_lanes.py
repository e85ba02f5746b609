"""Loops of the loop language as LLVM assembly: one turn after the other, or several at once, in lanes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from symbackprop.emit.assembly import SEQUENCES, Assembler, Word
from symbackprop.emit.llvm_memory import LINE, Array, NotLoweredError, Slot, Unit
from symbackprop.emit.llvm_registers import registers
from symbackprop.emit.llvm_values import Values
from symbackprop.lower.program import EXTREMES, Accumulate, Assign, Expr, For, Function, Item, Literal, Ref, Statement
from symbackprop.ops import DType

_ZERO = Assembler.integer(0)
_MOST_IN_LANES, _MOST_A_TURN = 2**25, 2**18
"""Bytes that lanes may have for themselves: a third-level cache of today, and not so much for a few turns that clearing
it and adding it up takes longer than they do. Mixtures of Gaussians, in lanes and turn by turn: 2.4 MB (80 in 10 axes,
1,000 samples) 1.1 and 5.0 ms, 6 MB 3.0 and 11.6, 14 MB (60 in 60 axes, 500 samples) 12 and 38, 45 MB 50 and 55.
"""
_FEW = 2**20
"""Bytes that need no thought."""
_MOST_ON_STACK = 2**15
"""Bytes of such an array that may stand on the stack; a thread's may be 256 KiB in all."""
_STARTS: dict[str, Callable[[Assembler, DType], Word]] = {
    "+": lambda asm, kind: asm.real(0.0) if kind == "real" else asm.integer(0),
    "max": lambda asm, kind: asm.real(float("-inf")),
    "min": lambda asm, kind: asm.real(float("inf")),
}
"""What an accumulation starts from, in every lane."""


class Sum(NamedTuple):
    """What a loop in lanes sums up over its turns, a lane each; or its largest or smallest."""

    array: Array
    symbol: str


class LaneLoops(Values):
    """Writes loops, in one function."""

    def __init__(self, unit: Unit, function: Function) -> None:
        super().__init__(unit, function)
        self.sums: dict[str, Sum] = {}
        """In a loop that runs in lanes: its sums over turns."""
        self.ends: list[str] = []
        """The blocks behind the loops that are open, innermost last."""
        self.rare = False
        """Whether loops are written that seldom run, or not long."""

    def borrow(self, size: Word) -> str:
        """Memory of so many bytes, at the start of a line of the cache."""
        raise NotLoweredError("arrays of unknown size in lanes, in a part of a function")

    def give_back(self) -> None:
        """Give back what was borrowed last."""
        raise NotImplementedError

    def run(self, statements: Iterable[Statement]) -> None:
        raise NotImplementedError

    def for_lanes(self, loop: For) -> None:
        """Several turns at once. A sum over the turns is one a lane, and behind the loop they are added in order.

        Where the size of what each lane has for itself is not known before, it is decided when the code runs: with more
        than a cache holds, or too few turns to fill the lanes, one turn comes after the other.
        """
        width = self.unit.width * registers(loop)
        turns = int(loop.extent.number) if isinstance(loop.extent, Literal) else width
        while width > max(self.unit.width, turns):
            width //= 2
        with self._lanes(width):
            self._some_at_once(loop)

    def _some_at_once(self, loop: For) -> None:
        asm = self.asm
        sums, private = self._sums_of(loop), {name: self.array(name) for name in loop.private}
        sizes = [self._bytes(array) for array in private.values()]
        with self._lanes(self.unit.width):
            sizes += [self._bytes(found.array) for found in sums.values()]
        total = self._total(sizes)
        if total.constant and int(total.text) <= _FEW:
            self._in_lanes(loop, private, sums, sizes)
            return
        extent = self.value(loop.extent)
        alone = asm.compare("slt", extent, asm.integer(self.unit.width))
        for most in (asm.integer(_MOST_IN_LANES), asm.binary("mul", extent, asm.integer(_MOST_A_TURN))):
            alone = asm.binary("or", alone, asm.compare("sgt", total, most))
        names = [asm.fresh("branch"), asm.fresh("branch"), asm.fresh("join")]
        asm.do(f"br i1 {alone.text}, label %{names[0]}, label %{names[1]}")
        asm.label(names[0])
        before, self.rare = self.rare, True
        self.turn_by_turn(loop)
        self.rare = before
        asm.do(f"br label %{names[2]}")
        asm.label(names[1])
        self._in_lanes(loop, private, sums, sizes)
        asm.do(f"br label %{names[2]}")
        asm.label(names[2])

    def turn_by_turn(self, loop: For) -> None:
        outer = dict(self.env)

        def turn(index: Word) -> None:
            self.env[loop.counter] = index
            self.run(loop.body)

        self.loop(self.value(loop.extent), turn, start=self.value(loop.start))
        # What the body names has no value after it, but for what has a place of its own.
        self.env = {**{name: v for name, v in self.env.items() if isinstance(v, Slot | Array)}, **outer}

    def _in_lanes(self, loop: For, private: dict[str, Array], sums: dict[str, Sum], sizes: list[Word]) -> None:
        """`sizes` are those of the private arrays and of the sums, in bytes."""
        asm, outer = self.asm, dict(self.env)
        flags, extent = asm.type("int", True), self.value(loop.extent)
        on_heap = self._total([size for size in sizes if not _fits_the_stack(size)])
        memory = "" if on_heap.text == "0" else self.borrow(on_heap)
        offset, waiting = asm.integer(0), iter(sizes)

        def placed(array: Array) -> Array:
            nonlocal offset
            size = next(waiting)
            if _fits_the_stack(size):
                return array._replace(pointer=self._registers(array), lanes=True)
            pointer = asm.emit(f"getelementptr inbounds i8, ptr {memory}, i64 {offset.text}")
            offset = self._total([offset, size])
            return array._replace(pointer=pointer, lanes=True)

        self.env |= {name: placed(array) for name, array in private.items()}
        with self._lanes(self.unit.width):
            self.sums = {name: Sum(placed(array), symbol) for name, (array, symbol) in sums.items()}
            for found in self.sums.values():
                self._clear(found)
        numbers = ", ".join(f"i64 {lane}" for lane in range(asm.width))

        def turn(first: Word) -> None:
            mine = asm.emit(f"add {flags} {asm.spread(first)}, <{numbers}>")
            self.mask = asm.emit(f"icmp slt {flags} {mine}, {asm.spread(extent)}")
            self.lane, self.env[loop.counter] = (loop.counter, first), Word(mine, "int", True)
            self.run(loop.body)

        self.loop(extent, turn, asm.width, self.value(loop.start))
        self.lane, self.mask = None, ""
        self.env = outer
        sums, self.sums = self.sums, {}
        with self._lanes(self.unit.width):
            for name, found in sums.items():
                self._add_up(name, found)
        if memory:
            self.give_back()

    def _bytes(self, array: Array) -> Word:
        """What an array takes with an entry a lane, in whole lines of the cache."""
        size, own = self.size(array.extents), self.register_bytes(array.kind)
        if size.constant:
            return self.asm.integer(-(-max(1, int(size.text)) * own // LINE) * LINE)
        room = self.asm.binary("add", self.asm.binary("mul", size, self.asm.integer(own)), self.asm.integer(LINE - 1))
        return self.asm.binary("and", room, self.asm.integer(-LINE))

    def _total(self, sizes: Iterable[Word]) -> Word:
        total = self.asm.integer(0)
        for size in sizes:
            if total.constant and size.constant:
                total = self.asm.integer(int(total.text) + int(size.text))
            else:
                total = size if total.text == "0" else self.asm.binary("add", total, size)
        return total

    def _registers(self, array: Array) -> str:
        """Room on the stack for an entry in every lane, of an array of known size."""
        pointer, own = f"%{self.asm.fresh('slot')}", self.asm.type(array.kind, True)
        size = max(1, int(self.size(array.extents).text))
        self.asm.stack.append(f"  {pointer} = alloca [{size} x {own}], align {LINE}")
        return pointer

    def _sums_of(self, loop: For) -> dict[str, Sum]:
        """The sums over the turns, of numbers and of arrays."""
        found: dict[str, Sum] = {}
        inside = [s for s, _ in statements_in(loop.body)]
        own = {s.target.name for s in inside if isinstance(s, Assign) and isinstance(s.target, Ref)} | {*loop.private}
        for statement in inside:
            if not isinstance(statement, Accumulate):
                continue
            target = statement.target
            if isinstance(target, Ref) and target.name not in own:
                number = self.env[target.name]
                assert isinstance(number, Word | Slot)
                found.setdefault(target.name, Sum(Array("", (), number.kind), statement.symbol))
            elif isinstance(target, Item) and target.array not in own and Ref(loop.counter) not in target.place:
                found.setdefault(target.array, Sum(self.array(target.array), statement.symbol))
        return found

    def _clear(self, summed: Sum) -> None:
        mine, symbol = summed
        first = _STARTS[symbol](self.asm, mine.kind)
        self._once(mine, lambda index: self.store_register(mine, index, first))

    def _add_up(self, name: str, summed: Sum) -> None:
        """Add the sums of all lanes, in order, to what they are sums of."""
        asm, (mine, symbol) = self.asm, summed

        def add(index: Word) -> None:
            total = self.load_register(mine, index).text
            found = self.env[name]
            before = self.load(found, index) if isinstance(found, Array) else self.value(Ref(name))
            for lane in range(asm.width):
                one = asm.emit(f"extractelement {asm.type(mine.kind, True)} {total}, i64 {lane}")
                before = combined(self.unit, asm, symbol, before, Word(one, mine.kind))
            if isinstance(found, Array):
                self.store(found, index, before)
            else:
                self.keep(name, before)

        self._once(mine, add)

    def _once(self, mine: Array, turn: Callable[[Word], None]) -> None:
        """Do something for each entry, before or behind the turns."""
        size = self.size(mine.extents)
        # Of known size they are no loops in the end, and sums stay in registers.
        before, self.rare = self.rare, self.rare or not size.constant
        self.loop(size, turn)
        self.rare = before

    def add_in_lanes(self, summed: Sum, place: tuple[Expr, ...], value: Word) -> None:
        """Accumulate what each lane has; of several registers' lanes first together, so that memory is met once."""
        (mine, symbol), asm = summed, self.asm
        index = self._flat(place, mine.extents)
        nothing = _STARTS[symbol](asm, mine.kind)
        taken = asm.choose(Word(self.mask, "bool", True), self.converted(value, mine.kind), nothing)
        parts = self._registers_of(taken)
        with self._lanes(self.unit.width):
            total = parts[0]
            for part in parts[1:]:
                total = combined(self.unit, asm, symbol, total, part)
            self.store_register(mine, index, combined(self.unit, asm, symbol, self.load_register(mine, index), total))

    def _registers_of(self, word: Word) -> list[Word]:
        """A value in lanes, cut into registers."""
        asm, own = self.asm, self.unit.width
        if asm.width == own:
            return [word]
        found = []
        for start in range(0, asm.width, own):
            lanes = ", ".join(f"i32 {lane}" for lane in range(start, start + own))
            vector = asm.type(word.kind, True)
            text = asm.emit(f"shufflevector {vector} {word.text}, {vector} poison, <{own} x i32> <{lanes}>")
            found.append(Word(text, word.kind, True))
        return found

    @contextmanager
    def _lanes(self, width: int) -> Iterator[None]:
        """So many lanes at once, instead of as many as there were."""
        before, self.asm.width = self.asm.width, width
        try:
            yield
        finally:
            self.asm.width = before

    def loop(self, extent: Word, turn: Callable[[Word], None], step: int = 1, start: Word = _ZERO) -> None:
        """Do something for 0, 1, ... up to an extent, or from elsewhere, or in wider steps."""
        asm = self.asm
        head, body, after = asm.fresh("loop"), asm.fresh("body"), asm.fresh("after")
        counter = f"%{asm.fresh('slot')}"
        asm.stack.append(f"  {counter} = alloca i64")
        asm.do(f"store i64 {start.text}, ptr {counter}")
        asm.do(f"br label %{head}")
        asm.label(head)
        index = asm.emit(f"load i64, ptr {counter}")
        asm.do(f"br i1 {asm.emit(f'icmp slt i64 {index}, {extent.text}')}, label %{body}, label %{after}")
        asm.label(body)
        self.ends.append(after)
        turn(Word(index, "int"))
        self.ends.pop()
        following = asm.emit(f"add nuw nsw i64 {index}, {step}")
        asm.do(f"store i64 {following}, ptr {counter}")
        asm.do(f"br label %{head}{self.unit.as_it_is() if self.rare else ''}")
        asm.label(after)

    def keep(self, name: str, word: Word) -> None:
        """Give a local that is assigned more than once another value."""
        slot, asm = self._slot(name, word.kind), self.asm
        value = self.converted(word, slot.kind)
        text = asm.spread(value) if slot.lanes else value.text
        asm.do(f"store {asm.type(slot.kind, slot.lanes)} {text}, ptr {slot.pointer}")

    def _slot(self, name: str, kind: DType) -> Slot:
        found, lanes = self.env.get(name), self.lane is not None
        if not isinstance(found, Slot) or found.lanes != lanes:
            # On the stack of the function, wherever the name is first assigned.
            pointer = f"%{self.asm.fresh('slot')}"
            self.asm.stack.append(f"  {pointer} = alloca {self.asm.type(kind, lanes)}, align {LINE}")
            found = self.env[name] = Slot(pointer, kind, lanes)
        return found


def _fits_the_stack(size: Word) -> bool:
    return size.constant and int(size.text) <= _MOST_ON_STACK


def combined(unit: Unit, asm: Assembler, symbol: str, a: Word, b: Word) -> Word:
    """What an accumulation makes of what there is and what comes."""
    if symbol in EXTREMES:
        row = EXTREMES[symbol].numba
        assert row is not None
        return SEQUENCES[row.callee](asm, a, b)
    return asm.binary(unit.instruction(a.kind, symbol, is_sum=True), a, b)


def statements_in(statements: Iterable[Statement], depth: tuple[int, ...] = ()) -> Iterator[tuple[Statement, Any]]:
    """All statements, each with the loops that it stands in."""
    for number, statement in enumerate(statements):
        yield statement, depth
        if isinstance(statement, For):
            yield from statements_in(statement.body, (*depth, number))
