"""Statements of the loop language as LLVM assembly.

A local name that is assigned once is a value; the others have a place on the stack, of which LLVM's mem2reg makes
values.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from symbackprop.emit.assembly import Word
from symbackprop.emit.llvm_blas import product
from symbackprop.emit.llvm_lanes import LaneLoops, combined, statements_in
from symbackprop.emit.llvm_memory import Array, NotLoweredError, Slot
from symbackprop.emit.maths import sine_and_cosine
from symbackprop.emit.maths_norms import is_outside
from symbackprop.lower.pairs import COS, SIN, pair
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
    Invoke,
    Item,
    Ref,
    Section,
    Statement,
    length_of,
    operands_of,
    runs_seldom,
)
from symbackprop.ops import Op

LOOP = "\nloop"
"""What occurs in the text of a module that has a loop."""


class Body(LaneLoops):
    """Writes the body of one function."""

    # Statements.

    def run(self, statements: Iterable[Statement]) -> None:
        rest = list(statements)
        rest.reverse()
        while rest:
            statement = rest.pop()
            found = pair(statement, rest[-1]) if rest and self.lane is None else {}
            if found:
                self._pair(found, statement)
                rest.pop()
            else:
                self.statement(statement)

    def _pair(self, targets: dict[Op, Expr], one: Statement) -> None:
        """A sine and a cosine of one number."""
        assert isinstance(one, Assign) and isinstance(one.value, Apply)
        operand = self.asm.as_real(self.value(one.value.operands[0]))
        for op, word in zip((SIN, COS), sine_and_cosine(self.asm, operand), strict=True):
            self._put(targets[op], word)

    def statement(self, statement: Statement) -> None:
        if type(statement) is Assign:  # nearly all
            self._assign(statement.target, statement.value)
            return
        match statement:
            case Accumulate(target, value, _, symbol):
                self._accumulate(target, self.value(value), symbol)
            case For() if runs_seldom(statement):
                self._seldom(statement)
            case For():
                if statement.lanes and self.asm.width > 1 and self.lane is None:
                    self.for_lanes(statement)
                else:
                    self.turn_by_turn(statement)
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

    def _seldom(self, loop: For) -> None:
        """A loop that is passed by as a rule; in lanes it is run if one needs it, and does no harm to the others."""
        assert isinstance(loop.extent, Apply)
        asm, total = self.asm, self.value(loop.extent.operands[0])
        taken = is_outside(asm, total, self.mask, min(asm.width, self.unit.width))
        again, on = asm.fresh("again"), asm.fresh("on")
        asm.do(f"br i1 {taken}, label %{again}, label %{on}{self.unit.seldom()}")
        asm.label(again)
        before, self.rare = self.rare, True
        self.statement(loop._replace(extent=length_of(loop)))
        self.rare = before
        asm.do(f"br label %{on}")
        asm.label(on)

    def _break(self, condition: Word) -> None:
        asm, on = self.asm, self.asm.fresh("on")
        asm.do(f"br i1 {condition.text}, label %{self.ends[-1]}, label %{on}")
        asm.label(on)

    def _assign(self, target: Any, value: Expr) -> None:
        array_of = self.whole(value) if isinstance(target, Ref) else None
        if array_of is not None:
            self.env[target.name] = array_of
        else:
            self._put(target, self.value(value))

    def _put(self, target: Expr, word: Word) -> None:
        if isinstance(target, Item):
            self.put(self.array(target.array), target.place, word)
        elif not isinstance(target, Ref):
            raise NotLoweredError("an assignment to a slice")
        elif target.name in self.slots:
            self.keep(target.name, word)
        else:
            self.env[target.name] = word

    def _accumulate(self, target: Any, value: Word, symbol: str) -> None:
        name, place = (target.name, ()) if isinstance(target, Ref) else (target.array, target.place)
        if name in self.sums:
            self.add_in_lanes(self.sums[name], place, value)
            return
        before = self.value(target)
        after = combined(self.unit, self.asm, symbol, before, self.converted(value, before.kind))
        if isinstance(target, Item):
            self.put(self.array(target.array), target.place, after)
        else:
            self.keep(target.name, after)

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
        if name not in self.unit.parts:
            body = Body(self.unit, self.unit.functions[name])
            self.unit.blocks.append("\n".join(body.part(given)))
            self.unit.parts[name] = body.may_fail
        texts = [text for value in given for text in self._passed(value)]
        status = Word(self.asm.emit(f"call i64 @{name}({', '.join(texts)})"), "int")
        if not self.unit.parts[name]:
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
