"""Loops of the loop language as LLVM assembly: one turn after the other, or several at once, in lanes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from symbackprop.emit.assembly import INSTRUCTIONS, SEQUENCES, Assembler, Word
from symbackprop.emit.llvm_memory import Array, NotLoweredError, Slot, Unit
from symbackprop.emit.llvm_values import Values
from symbackprop.lower.program import EXTREMES, Accumulate, Assign, Expr, For, Function, Item, Ref, Statement
from symbackprop.ops import DType

_ZERO = Assembler.integer(0)
_STARTS: dict[str, Callable[[Assembler], str]] = {
    "+": lambda asm: "zeroinitializer",
    "max": lambda asm: asm.spread(asm.real(float("-inf"))),
    "min": lambda asm: asm.spread(asm.real(float("inf"))),
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

    def run(self, statements: Iterable[Statement]) -> None:
        raise NotImplementedError

    def for_lanes(self, loop: For) -> None:
        """Several turns at once. A sum over the turns is one a lane, and behind the loop they are added in order."""
        asm, outer = self.asm, dict(self.env)
        flags, extent = asm.type("int", True), self.value(loop.extent)
        for name in loop.private:
            array = self.array(name)
            self.env[name] = array._replace(pointer=self._registers(array), lanes=True)
        self._sums_of(loop)
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
        for name, mine in sums.items():
            self._add_up(name, mine)

    def _registers(self, array: Array) -> str:
        """Room for an entry in every lane, of an array of known size."""
        size = self.size(array.extents)
        if not size.constant:
            raise NotLoweredError("an array of unknown size in each lane")
        pointer = f"%{self.asm.fresh('slot')}"
        own = self.asm.type(array.kind, True)
        self.asm.stack.append(f"  {pointer} = alloca [{max(1, int(size.text))} x {own}], align 64")
        return pointer

    def _sums_of(self, loop: For) -> None:
        """Start the sums over the turns, of numbers and of arrays, in every lane."""
        inside = [s for s, _ in statements_in(loop.body)]
        own = {s.target.name for s in inside if isinstance(s, Assign) and isinstance(s.target, Ref)} | {*loop.private}
        for statement in inside:
            if not isinstance(statement, Accumulate):
                continue
            target = statement.target
            if isinstance(target, Ref) and target.name not in own:
                found = self.env[target.name]
                assert isinstance(found, Word | Slot)
                self._start(target.name, Array("", (), found.kind), statement.symbol)
            elif isinstance(target, Item) and target.array not in own and Ref(loop.counter) not in target.place:
                self._start(target.array, self.array(target.array), statement.symbol)

    def _start(self, name: str, array: Array, symbol: str) -> None:
        if name in self.sums:
            return
        mine = array._replace(pointer=self._registers(array), lanes=True)
        self.sums[name] = Sum(mine, symbol)
        register, first = self.asm.type(mine.kind, True), _STARTS[symbol](self.asm)

        def clear(index: Word) -> None:
            self.asm.do(f"store {register} {first}, ptr {self.register(mine, index)}, align 64")

        self.loop(self.size(mine.extents), clear)

    def _add_up(self, name: str, summed: Sum) -> None:
        """Add the sums of all lanes, in order, to what they are sums of."""
        asm, (mine, symbol) = self.asm, summed
        register = asm.type(mine.kind, True)

        def add(index: Word) -> None:
            total = asm.emit(f"load {register}, ptr {self.register(mine, index)}, align 64")
            found = self.env[name]
            before = self.load(found, index) if isinstance(found, Array) else self.value(Ref(name))
            for lane in range(asm.width):
                one = Word(asm.emit(f"extractelement {register} {total}, i64 {lane}"), mine.kind)
                before = combined(asm, symbol, before, one)
            if isinstance(found, Array):
                self.store(found, index, before)
            else:
                self.keep(name, before)

        self.loop(self.size(mine.extents), add)

    def add_in_lanes(self, summed: Sum, place: tuple[Expr, ...], value: Word) -> None:
        asm, (mine, symbol) = self.asm, summed
        own = asm.type(mine.kind, True)
        pointer = self.register(mine, self._flat(place, mine.extents))
        before = Word(asm.emit(f"load {own}, ptr {pointer}, align 64"), mine.kind, True)
        after = combined(asm, symbol, before, self.converted(value, mine.kind)).text
        taken = asm.emit(f"select <{asm.width} x i1> {self.mask}, {own} {after}, {own} {before.text}")
        asm.do(f"store {own} {taken}, ptr {pointer}, align 64")

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
        turn(Word(index, "int"))
        following = asm.emit(f"add nuw nsw i64 {index}, {step}")
        asm.do(f"store i64 {following}, ptr {counter}")
        asm.do(f"br label %{head}")
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
            self.asm.stack.append(f"  {pointer} = alloca {self.asm.type(kind, lanes)}, align 64")
            found = self.env[name] = Slot(pointer, kind, lanes)
        return found


def combined(asm: Assembler, symbol: str, a: Word, b: Word) -> Word:
    """What an accumulation makes of what there is and what comes."""
    if symbol in EXTREMES:
        row = EXTREMES[symbol].numba
        assert row is not None
        return SEQUENCES[row.callee](asm, a, b)
    return asm.binary(INSTRUCTIONS[a.kind][symbol], a, b)


def statements_in(statements: Iterable[Statement], depth: tuple[int, ...] = ()) -> Iterator[tuple[Statement, Any]]:
    """All statements, each with the loops that it stands in."""
    for number, statement in enumerate(statements):
        yield statement, depth
        if isinstance(statement, For):
            yield from statements_in(statement.body, (*depth, number))
