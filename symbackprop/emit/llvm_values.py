"""Expressions of the loop language as LLVM assembly. Arrays are contiguous, row by row."""

from __future__ import annotations

import ast
from fractions import Fraction
from typing import Any

from symbackprop.emit.assembly import (
    COMPARISONS,
    INSTRUCTIONS,
    INT_SEQUENCES,
    INTRINSICS,
    SEQUENCES,
    Word,
    c_function,
)
from symbackprop.emit.llvm_blas import product
from symbackprop.emit.llvm_memory import Array, Memory, NotLoweredError, Slot
from symbackprop.emit.maths import FUNCTIONS, elementary
from symbackprop.emit.maths_norms import NORMS, sum_or_root
from symbackprop.ir.node import NAMED_NUMBERS, to_float
from symbackprop.lower.program import (
    Apply,
    Expr,
    Invoke,
    Item,
    Literal,
    Ref,
)
from symbackprop.ops import REGISTRY, DType, Op, Spelling
from symbackprop.ops.array_norms import SUM_OR_ROOT
from symbackprop.ops.indexing import IN_RANGE, TO_REAL

KINK_CHECKS = ("off_kink", "off_jump")
"""Rows that raise where a kink decides a derivative."""
_SELECTS = frozenset(REGISTRY[name] for name in ("select", "int_select"))

_ARITHMETIC = {REGISTRY[name]: symbol for name, symbol in (("add", "+"), ("sub", "-"), ("mul", "*"), ("div", "/"))}
"""Most of what there is to write."""


class Values(Memory):
    """Writes expressions, in one function."""

    # Expressions.

    def value(self, expr: Expr) -> Word:
        # By type, the most frequent first: matching patterns took twice as long.
        kind = type(expr)
        if kind is Apply:
            return self._apply(expr.op, expr.operands)  # type: ignore[union-attr]
        if kind is Ref:
            return self._named(expr.name)  # type: ignore[union-attr]
        if kind is Literal:
            return self._number(expr.number)  # type: ignore[union-attr]
        if kind is Item:
            return self.entry(self.array(expr.array), expr.place)  # type: ignore[union-attr]
        match expr:
            case Invoke("np.dot", operands):
                word = product(self, operands)
                assert word is not None
                return word
            case Invoke("min", (a, b)):
                first, second = self.value(a), self.value(b)
                return self.asm.choose(self.asm.compare("slt", first, second), first, second)
        raise NotLoweredError(f"an expression {type(expr).__name__}")

    def _named(self, name: str) -> Word:
        found = self.env[name]
        if type(found) is Word:
            return found
        if isinstance(found, Slot):
            own = self.asm.type(found.kind, found.lanes)
            return Word(self.asm.emit(f"load {own}, ptr {found.pointer}"), found.kind, found.lanes)
        assert isinstance(found, Array)
        return self.load(found, self.asm.integer(0))

    def _number(self, number: Any) -> Word:
        if isinstance(number, bool):
            return Word("true" if number else "false", "bool", constant=True)
        if type(number) is int:
            return self.asm.integer(number)
        if not isinstance(number, Fraction):
            return self.asm.real(NAMED_NUMBERS[number])
        ratio = number.as_integer_ratio()
        found = self.unit.numbers.get(ratio)
        if found is None:
            found = self.unit.numbers[ratio] = self.asm.real(to_float(number))
        return found

    def converted(self, word: Word, kind: DType) -> Word:
        """A value as one of another kind; in the work array of a big function a condition is a number."""
        if kind == "real":
            return self.asm.as_real(word)
        if kind == "bool" and word.kind == "real":
            return self.asm.compare("une", word, self.asm.real(0.0))
        return word

    def _apply(self, op: Op, operands: tuple[Expr, ...]) -> Word:
        symbol = _ARITHMETIC.get(op)
        if symbol is not None:
            asm, (left, right) = self.asm, operands
            x, y = asm.as_real(self.value(left)), asm.as_real(self.value(right))
            return asm.binary(self.unit.instruction("real", symbol), x, y)
        if op in _SELECTS:
            return self._select(op, *operands)
        words = [self.converted(self.value(item), op.operand_dtype(k)) for k, item in enumerate(operands)]
        if op is TO_REAL:
            return words[0]
        if op is IN_RANGE:
            return self._in_range(*words)
        if op is SUM_OR_ROOT:
            total, scaled = words
            width, seldom = min(self.asm.width, self.unit.width), self.unit.seldom()
            return sum_or_root(self.asm, total, scaled, mask=self.mask, width=width, seldom=seldom)
        if op.name in KINK_CHECKS:
            return self._off_kink(op, *words)
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
            return asm.binary(self.unit.instruction(kind, callee), *words)
        sequences = INT_SEQUENCES if kind == "int" else NORMS if callee in NORMS else SEQUENCES
        if callee in sequences:
            return sequences[callee](asm, *words)
        if callee in INTRINSICS:
            return asm.intrinsic(INTRINSICS[callee], *words)
        if spelling.helper is not None:
            return elementary(asm, op.name, *words) if op.name in FUNCTIONS else self._helper(spelling, words)
        name = c_function(callee)
        if name is None or (spelling.operator and callee != "**"):
            raise NotLoweredError(op.name)
        return elementary(asm, name, *words) if name in FUNCTIONS else asm.c_call(name, *words)

    def _helper(self, spelling: Spelling, words: list[Word]) -> Word:
        """A call of a function that is loaded beside the module: over doubles, whatever the program's type."""
        asm, symbol = self.asm, spelling.callee
        self.unit.helpers[symbol] = spelling, len(words)
        trailing = f"i32 {spelling.trailing}" if spelling.trailing else ""
        types = ["double"] * len(words) + ["i32"] * bool(trailing)
        self.unit.declared[symbol] = f"declare double @{symbol}({', '.join(types)}) #1"
        return asm.called_wide(symbol, [asm.as_real(word) for word in words], trailing)

    def _in_range(self, index: Word, length: Word) -> Word:
        # Below 0 is beyond every length, without a sign.
        beyond = self.asm.compare("uge", index, length)
        self._refuse(beyond, IndexError, "an index is out of range of its array")
        return index

    def _off_kink(self, op: Op, derivative: Word, at: Word) -> Word:
        """The derivative that arrives at a kink or a jump, if it is 0; that of a jump is 0 (see `ops.nonsmooth`)."""
        assert op.numba is not None
        zero = self.asm.real(0.0)
        decided = self.asm.binary("and", at, self.asm.compare("une", derivative, zero))
        self._refuse(decided, ValueError, ast.literal_eval(op.numba.trailing))
        return derivative if op.name == "off_kink" else zero

    def _refuse(self, wrong: Word, kind: type[Exception], text: str) -> None:
        """Leave with an error where a condition holds, in any lane that has a turn to do."""
        asm, flag = self.asm, wrong.text
        if wrong.lanes:
            flag = asm.any(asm.emit(f"and {asm.type('bool', True)} {wrong.text}, {self.mask}"))
        self.check(Word(asm.emit(f"xor i1 {flag}, true"), "bool"), kind, text)

    def check(self, good: Word, kind: type[Exception], text: str) -> None:
        """Leave with an error unless a condition holds."""
        asm, code = self.asm, self.unit.error(kind, text)
        bad, on = asm.fresh("bad"), asm.fresh("on")
        self.may_fail = True
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
        chosen = self.converted(self.value(condition), "bool")
        if _is_cheap(then) and _is_cheap(otherwise):
            return asm.choose(
                chosen, self.converted(self.value(then), kind), self.converted(self.value(otherwise), kind)
            )
        if chosen.lanes:
            return asm.choose(chosen, *self._arms_in_lanes(chosen, kind, then, otherwise))
        names = [asm.fresh("arm"), asm.fresh("arm"), asm.fresh("join")]
        asm.do(f"br i1 {chosen.text}, label %{names[0]}, label %{names[1]}")
        found, ends = [], []
        for name, arm in zip(names, (then, otherwise), strict=False):
            asm.label(name)
            found.append(self.converted(self.value(arm), kind))
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
            found.append(self.converted(self.value(arm), kind))
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
