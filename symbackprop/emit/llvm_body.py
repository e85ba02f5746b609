"""Statements of the loop language as LLVM assembly.

A local name that is assigned once is a value; the others have a place on the stack, of which LLVM's mem2reg makes
values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from symbackprop.emit.assembly import INSTRUCTIONS, Word
from symbackprop.emit.llvm_blas import product
from symbackprop.emit.llvm_values import Array, NotLoweredError, Slot, Unit, Values
from symbackprop.lower.program import (
    Accumulate,
    Allocate,
    Apply,
    Assign,
    Call,
    Effect,
    Expr,
    For,
    Function,
    Invoke,
    Item,
    Ref,
    Section,
    Statement,
    operands_of,
)
from symbackprop.ops import DType
from symbackprop.ops.indexing import IN_RANGE

LOOP = "\nloop"
"""What occurs in the text of a module that has a loop."""


class Body(Values):
    """Writes the body of one function."""

    def __init__(self, unit: Unit, function: Function) -> None:
        super().__init__(unit, function)
        self.sums: dict[str, str] = {}
        """In a loop that runs in lanes: where the sums over its turns are kept, a lane each."""

    # Statements.

    def run(self, statements: Iterable[Statement]) -> None:
        for statement in statements:
            self.statement(statement)

    def statement(self, statement: Statement) -> None:
        match statement:
            case Assign(target, value):
                self._assign(target, value)
            case Accumulate(target, value, _, symbol):
                self._accumulate(target, self.value(value), symbol)
            case For(counter, extent, body, lanes):
                turns = self._for_lanes if lanes and self.asm.width > 1 else self._for
                turns(counter, self.value(extent), body)
            case Allocate():
                self.fill(statement)
            case Call(name, arguments):
                self._call(name, arguments)
            case Effect(Invoke("np.dot", operands)):
                product(self, operands)
            case Section():
                pass
            case _:
                raise NotLoweredError(f"a statement {type(statement).__name__}")

    def _assign(self, target: Any, value: Expr) -> None:
        if isinstance(target, Item):
            self.put(self.array(target.array), target.place, self.value(value))
            return
        if not isinstance(target, Ref):
            raise NotLoweredError("an assignment to a slice")
        array_of = self.whole(value)
        if array_of is not None:
            self.env[target.name] = array_of
            return
        word = self.value(value)
        if target.name in self.slots and self.lane is None:
            slot = self._slot(target.name, word.kind)
            self.asm.do(f"store {self.asm.scalar[slot.kind]} {self._as(word, slot.kind).text}, ptr {slot.pointer}")
        else:
            self.env[target.name] = word

    def _slot(self, name: str, kind: DType) -> Slot:
        found = self.env.get(name)
        if not isinstance(found, Slot):
            # On the stack of the function, wherever the name is first assigned.
            pointer = f"%{self.asm.fresh('slot')}"
            self.asm.stack.append(f"  {pointer} = alloca {self.asm.scalar[kind]}")
            found = self.env[name] = Slot(pointer, kind)
        return found

    def _accumulate(self, target: Any, value: Word, symbol: str) -> None:
        if isinstance(target, Ref) and target.name in self.sums:
            kind = self._kept(target.name)
            self._add_in_lanes(self.sums[target.name], kind, self._as(value, kind))
            return
        before = self.value(target)
        after = self.asm.binary(INSTRUCTIONS[before.kind][symbol], before, self._as(value, before.kind))
        if isinstance(target, Item):
            self.put(self.array(target.array), target.place, after)
        else:
            slot = self._slot(target.name, before.kind)
            self.asm.do(f"store {self.asm.scalar[slot.kind]} {after.text}, ptr {slot.pointer}")

    def _for(self, counter: str, extent: Word, body: tuple[Statement, ...]) -> None:
        outer = dict(self.env)

        def turn(index: Word) -> None:
            self.env[counter] = index
            self.run(body)

        self.loop(extent, turn)
        # What the body names has no value after it, but for what has a place of its own.
        self.env = {**{name: v for name, v in self.env.items() if isinstance(v, Slot | Array)}, **outer}

    def _for_lanes(self, counter: str, extent: Word, body: tuple[Statement, ...]) -> None:
        """Several turns at once. A sum over the turns is one a lane, and behind the loop they are added in order."""
        asm, outer = self.asm, dict(self.env)
        flags = asm.type("int", True)
        for statement in body:
            if isinstance(statement, Accumulate) and isinstance(statement.target, Ref):
                self.sums[statement.target.name] = f"%{asm.fresh('sums')}"
        for name, pointer in self.sums.items():
            own = asm.type(self._kept(name), True)
            asm.stack.append(f"  {pointer} = alloca {own}")
            asm.do(f"store {own} zeroinitializer, ptr {pointer}")
        numbers = ", ".join(f"i64 {lane}" for lane in range(asm.width))

        def turn(first: Word) -> None:
            spread = asm.spread(first)
            mine = asm.emit(f"add {flags} {spread}, <{numbers}>")
            self.mask = asm.emit(f"icmp slt {flags} {mine}, {asm.spread(extent)}")
            self.lane, self.env[counter] = (counter, first), Word(mine, "int", True)
            self.run(body)

        self.loop(extent, turn, asm.width)
        self.lane, self.mask = None, ""
        self.env = {**{name: v for name, v in self.env.items() if isinstance(v, Slot | Array)}, **outer}
        sums, self.sums = self.sums, {}
        for name, pointer in sums.items():
            kind = self._kept(name)
            own = asm.type(kind, True)
            total = asm.emit(f"load {own}, ptr {pointer}")
            for lane in range(asm.width):
                one = Word(asm.emit(f"extractelement {own} {total}, i64 {lane}"), kind)
                self._accumulate(Ref(name), one, "+")

    def _kept(self, name: str) -> DType:
        """What a sum over the turns of a loop is."""
        found = self.env[name]
        assert not isinstance(found, Array)
        return found.kind

    def _add_in_lanes(self, pointer: str, kind: DType, value: Word) -> None:
        asm, own = self.asm, self.asm.type(kind, True)
        taken = asm.emit(f"select <{asm.width} x i1> {self.mask}, {own} {asm.spread(value)}, {own} zeroinitializer")
        before = asm.emit(f"load {own}, ptr {pointer}")
        total = asm.emit(f"{INSTRUCTIONS[kind]['+']} {own} {before}, {taken}")
        asm.do(f"store {own} {total}, ptr {pointer}")

    def loop(self, extent: Word, turn: Callable[[Word], None], step: int = 1) -> None:
        """Do something for 0, 1, ... up to an extent, or in wider steps."""
        asm = self.asm
        head, body, after = asm.fresh("loop"), asm.fresh("body"), asm.fresh("after")
        counter = f"%{asm.fresh('slot')}"
        asm.stack.append(f"  {counter} = alloca i64")
        asm.do(f"store i64 0, ptr {counter}")
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

    def fill(self, allocate: Allocate) -> None:
        """Set the entries of a new array that starts from a number."""
        if allocate.fill is None:
            return
        array = self.array(allocate.name)
        word = self._as(self._number(allocate.fill), array.kind)
        self.loop(self.size(array.extents), lambda index: self.store(array, index, word))

    # Parts of a big function.

    def _call(self, name: str, arguments: tuple[str, ...]) -> None:
        """A part, written when it is first called: then it is known what its arguments are."""
        given = [self.env[argument] for argument in arguments]
        part = self.unit.functions[name]
        if name not in self.unit.parts:
            self.unit.parts.add(name)
            self.unit.blocks.append("\n".join(Body(self.unit, part).part(given)))
        texts = [text for value in given for text in self._passed(value)]
        status = Word(self.asm.emit(f"call i64 @{name}({', '.join(texts)})"), "int")
        if not any(_may_fail(statement) for statement in part.body):
            return
        good, asm = self.asm.compare("eq", status, self.asm.integer(0)), self.asm
        bad, on = asm.fresh("bad"), asm.fresh("on")
        asm.do(f"br i1 {good.text}, label %{on}, label %{bad}")
        asm.label(bad)
        asm.do(f"store i64 {status.text}, ptr %status")
        asm.do(f"br label %{self.exit}")
        asm.label(on)

    def _passed(self, value: Word | Slot | Array) -> list[str]:
        if isinstance(value, Array):
            return [f"ptr {value.pointer}", *[f"i64 {extent.text}" for extent in value.extents]]
        word = value
        if isinstance(value, Slot):
            own = self.asm.scalar[value.kind]
            word = Word(self.asm.emit(f"load {own}, ptr {value.pointer}"), value.kind)
        assert isinstance(word, Word)
        return [f"{self.asm.scalar[word.kind]} {word.text}"]

    def part(self, given: list[Word | Slot | Array]) -> list[str]:
        """The text of a part whose arguments are like these."""
        asm, parameters = self.asm, []
        for name, value in zip(self.function.parameters, given, strict=True):
            if isinstance(value, Array):
                pointer = f"%{asm.fresh('p')}"
                parameters.append(f"ptr {pointer}")
                extents = []
                for extent in value.extents:
                    own = f"%{asm.fresh('n')}"
                    parameters.append(f"i64 {own}")
                    extents.append(extent if extent.constant else Word(own, "int"))
                self.env[name] = Array(pointer, tuple(extents), value.kind)
            else:
                own = f"%{asm.fresh('p')}"
                parameters.append(f"{asm.scalar[value.kind]} {own}")
                self.env[name] = Word(own, value.kind)
        self.slots = reassigned(self.function.body)
        self.run(self.function.body)
        asm.do("ret i64 0")
        head = f"define internal i64 @{self.function.name}({', '.join(parameters)}) #2 {{"
        return [head, "entry:", *asm.stack, *asm.lines, "}"]


def _may_fail(statement: Statement) -> bool:
    stack: list[Any] = [statement]
    while stack:
        item = stack.pop()
        if isinstance(item, Apply) and item.op is IN_RANGE:
            return True
        if isinstance(item, tuple):
            stack.extend(part for part in item if isinstance(part, tuple))
    return False


def statements_in(statements: Iterable[Statement], depth: tuple[int, ...] = ()) -> Iterator[tuple[Statement, Any]]:
    """All statements, each with the loops that it stands in."""
    for number, statement in enumerate(statements):
        yield statement, depth
        if isinstance(statement, For):
            yield from statements_in(statement.body, (*depth, number))


def reassigned(statements: list[Statement]) -> set[str]:
    """Names of numbers that need a place: assigned more than once, or read outside the loop that assigns them."""
    home: dict[str, tuple[int, ...]] = {}
    found: set[str] = set()
    looped = any(isinstance(statement, For) for statement in statements)
    for statement, depth in statements_in(statements):
        if isinstance(statement, Accumulate) and isinstance(statement.target, Ref):
            found.add(statement.target.name)
        if looped and isinstance(statement, Assign | Accumulate):
            stack = [statement.value]
            while stack:
                item = stack.pop()
                if isinstance(item, Ref) and item.name in home and home[item.name] != depth[: len(home[item.name])]:
                    found.add(item.name)
                stack.extend(operands_of(item))
        if isinstance(statement, Assign) and isinstance(statement.target, Ref):
            if statement.target.name in home:
                found.add(statement.target.name)
            home[statement.target.name] = depth
    return found
