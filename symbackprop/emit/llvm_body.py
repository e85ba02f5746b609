"""Statements of the loop language as LLVM assembly.

A local name that is assigned once is a value; the others have a place on the stack, of which LLVM's mem2reg makes
values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from symbackprop.emit.assembly import INSTRUCTIONS, Word
from symbackprop.emit.llvm_blas import product
from symbackprop.emit.llvm_memory import Array, NotLoweredError, Slot, Unit
from symbackprop.emit.llvm_values import KINK_CHECKS, Values
from symbackprop.lower.program import (
    Accumulate,
    Allocate,
    Apply,
    Assign,
    Break,
    Call,
    Effect,
    Expr,
    For,
    Function,
    Invoke,
    Item,
    Literal,
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
        self.sums: dict[str, Array] = {}
        """In a loop that runs in lanes: what its sums over turns are kept in, a lane each."""
        self.ends: list[str] = []
        """The blocks behind the loops that are open, innermost last."""

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
                if lanes and self.asm.width > 1:
                    self._for_lanes(statement)
                else:
                    self._for(counter, self.value(extent), body)
            case Allocate():
                self.fill(statement)
            case Call(name, arguments):
                self._call(name, arguments)
            case Effect(Invoke("np.dot", operands)):
                product(self, operands)
            case Section():
                pass
            case Break(condition):
                self._break(self.value(condition))
            case _:
                raise NotLoweredError(f"a statement {type(statement).__name__}")

    def _break(self, condition: Word) -> None:
        asm, on = self.asm, self.asm.fresh("on")
        asm.do(f"br i1 {condition.text}, label %{self.ends[-1]}, label %{on}")
        asm.label(on)

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
        if target.name in self.slots:
            self._keep(target.name, word)
        else:
            self.env[target.name] = word

    def _keep(self, name: str, word: Word) -> None:
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

    def _accumulate(self, target: Any, value: Word, symbol: str) -> None:
        name, place = (target.name, ()) if isinstance(target, Ref) else (target.array, target.place)
        if name in self.sums:
            self._add_in_lanes(self.sums[name], place, value)
            return
        before = self.value(target)
        after = self.asm.binary(INSTRUCTIONS[before.kind][symbol], before, self.converted(value, before.kind))
        if isinstance(target, Item):
            self.put(self.array(target.array), target.place, after)
        else:
            self._keep(target.name, after)

    def _for(self, counter: str, extent: Word, body: tuple[Statement, ...]) -> None:
        outer = dict(self.env)

        def turn(index: Word) -> None:
            self.env[counter] = index
            self.run(body)

        self.loop(extent, turn)
        # What the body names has no value after it, but for what has a place of its own.
        self.env = {**{name: v for name, v in self.env.items() if isinstance(v, Slot | Array)}, **outer}

    def _for_lanes(self, loop: For) -> None:
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

        self.loop(extent, turn, asm.width)
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
        asm = self.asm
        inside = [s for s, _ in statements_in(loop.body)]
        own = {s.target.name for s in inside if isinstance(s, Assign) and isinstance(s.target, Ref)} | {*loop.private}
        for statement in inside:
            target = statement.target if isinstance(statement, Accumulate) else None
            if isinstance(target, Ref) and target.name not in own:
                kept = self.env[target.name]
                self.sums.setdefault(target.name, Array(f"%{asm.fresh('slot')}", (), kept.kind, True))
            elif isinstance(target, Item) and target.array not in own and Ref(loop.counter) not in target.place:
                array = self.array(target.array)
                self.sums.setdefault(target.array, array._replace(pointer=f"%{asm.fresh('slot')}", lanes=True))
        for mine in self.sums.values():
            size = self.size(mine.extents)
            if not size.constant:
                raise NotLoweredError("a sum of unknown size in each lane")
            register = asm.type(mine.kind, True)
            asm.stack.append(f"  {mine.pointer} = alloca [{max(1, int(size.text))} x {register}], align 64")

            def clear(index: Word, mine: Array = mine, register: str = register) -> None:
                asm.do(f"store {register} zeroinitializer, ptr {self.register(mine, index)}, align 64")

            self.loop(size, clear)

    def _add_up(self, name: str, mine: Array) -> None:
        """Add the sums of all lanes, in order, to what they are sums of."""
        asm, register = self.asm, self.asm.type(mine.kind, True)

        def add(index: Word) -> None:
            total = asm.emit(f"load {register}, ptr {self.register(mine, index)}, align 64")
            found = self.env[name]
            before = self.load(found, index) if isinstance(found, Array) else self.value(Ref(name))
            for lane in range(asm.width):
                one = Word(asm.emit(f"extractelement {register} {total}, i64 {lane}"), mine.kind)
                before = asm.binary(INSTRUCTIONS[mine.kind]["+"], before, one)
            if isinstance(found, Array):
                self.store(found, index, before)
            else:
                self._keep(name, before)

        self.loop(self.size(mine.extents), add)

    def _add_in_lanes(self, mine: Array, place: tuple[Expr, ...], value: Word) -> None:
        asm, own = self.asm, self.asm.type(mine.kind, True)
        pointer = self.register(mine, self._flat(place, mine.extents))
        before = asm.emit(f"load {own}, ptr {pointer}, align 64")
        instruction = INSTRUCTIONS[mine.kind]["+"]
        after = asm.emit(f"{instruction} {own} {before}, {asm.spread(self.converted(value, mine.kind))}")
        taken = asm.emit(f"select <{asm.width} x i1> {self.mask}, {own} {after}, {own} {before}")
        asm.do(f"store {own} {taken}, ptr {pointer}, align 64")

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
        self.ends.append(after)
        turn(Word(index, "int"))
        self.ends.pop()
        following = asm.emit(f"add nuw nsw i64 {index}, {step}")
        asm.do(f"store i64 {following}, ptr {counter}")
        asm.do(f"br label %{head}")
        asm.label(after)

    def fill(self, allocate: Allocate) -> None:
        """Set the entries of a new array that starts from a number."""
        if allocate.fill is None:
            return
        array = self.array(allocate.name)
        word = self.converted(self._number(allocate.fill), array.kind)
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
        if type(item) is Apply:
            if item.op is IN_RANGE or item.op.name in KINK_CHECKS:
                return True
            stack.extend(item.operands)
        elif type(item) is not Ref and type(item) is not Literal:
            stack.extend([part for part in item if isinstance(part, tuple)])
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
