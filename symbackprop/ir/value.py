"""Handles with operators, so that partials and rules read as mathematics.

>>> from symbackprop.ir.graph import GraphBuilder
>>> f = Functions(GraphBuilder())
>>> x = f.input("x")
>>> (2 * f.sin(x) - 1).index == (2 * f.sin(x) - 1).index
True
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, NamedTuple

from symbackprop.ir.arrays import ArrayFunctions
from symbackprop.ir.graph import Graph, GraphBuilder
from symbackprop.ir.node import Number
from symbackprop.ir.text import infix
from symbackprop.ops import REGISTRY, Op
from symbackprop.ops.leaves import CONST
from symbackprop.ops.nonsmooth import off_jump, off_kink

_ADD, _SUB, _MUL, _DIV, _NEG = (REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg"))

Operand = "Value | int | float | Fraction"


class Value:
    """A node of a builder, with arithmetic that appends to the builder."""

    __slots__ = ("f", "index")

    def __init__(self, f: Functions, index: int) -> None:
        self.f = f
        self.index = index

    def __add__(self, other: Any) -> Value:
        return self.f.apply(_ADD, self, other)

    def __radd__(self, other: Any) -> Value:
        return self.f.apply(_ADD, other, self)

    def __sub__(self, other: Any) -> Value:
        return self.f.apply(_SUB, self, other)

    def __rsub__(self, other: Any) -> Value:
        return self.f.apply(_SUB, other, self)

    def __mul__(self, other: Any) -> Value:
        return self.f.apply(_MUL, self, other)

    def __rmul__(self, other: Any) -> Value:
        return self.f.apply(_MUL, other, self)

    def __truediv__(self, other: Any) -> Value:
        return self.f.apply(_DIV, self, other)

    def __rtruediv__(self, other: Any) -> Value:
        return self.f.apply(_DIV, other, self)

    def __neg__(self) -> Value:
        return self.f.apply(_NEG, self)


class Kinked(NamedTuple):
    """A partial that does not exist everywhere, and the check that the derivative which it multiplies has to pass."""

    partial: Value | int
    check: Op
    at: Value


class Functions(ArrayFunctions):
    """Every row as a function of values: ``f.sin(x)``. Numbers are lifted to constants."""

    def __init__(self, builder: GraphBuilder, kinks: str = "zero") -> None:
        self.builder = builder
        self.kinks = kinks

    def __getattr__(self, name: str) -> Callable[..., Value]:
        try:
            op = REGISTRY[name]
        except KeyError:
            raise AttributeError(f"no operation is called {name!r}") from None

        def apply(*operands: Any) -> Value:
            return self.apply(op, *operands)

        setattr(self, name, apply)
        return apply

    def apply(self, op: Any, *operands: Any) -> Value:
        return Value(self, self.builder.add(op, tuple([self._index(operand) for operand in operands])))

    def _index(self, operand: Any) -> int:
        return operand.index if isinstance(operand, Value) else self.builder.const(operand)

    def wrap(self, index: int) -> Value:
        return Value(self, index)

    def const(self, value: Number | int | float | tuple[int, int]) -> Value:
        """A constant; a pair of integers is their quotient."""
        return Value(self, self.builder.const(Fraction(*value) if isinstance(value, tuple) else value))

    def input(self, identifier: str) -> Value:
        return Value(self, self.builder.input(identifier))

    def is_constant(self, value: Value) -> bool:
        """Whether this is a literal number, which no caller can change."""
        return self.builder.nodes[value.index].op is CONST

    def polynomial(self, coefficients: tuple[Fraction, ...], x: Value) -> Value:
        """coefficients[0] + coefficients[1]*x + ..."""
        return Value(self, self.builder.add(REGISTRY["polynomial"], (x.index,), coefficients))

    def attributes(self, value: Value) -> Any:
        """The attributes of the node: the coefficients of a polynomial."""
        return self.builder.nodes[value.index].attributes

    def is_nan(self, value: Value) -> bool:
        """Whether this is the literal nan, which stands where no arm of a Piecewise holds."""
        return self.is_constant(value) and self.builder.nodes[value.index].attributes == "nan"

    def at_kink(self, x: Value, y: Value, *, below: Any, above: Any, at: Any) -> Value:
        """A derivative that is `below` for x < y, `above` for x > y, and at x = y what the policy says: there `at` is
        the answer of policy "zero". With a zero on one side it is a choice against 0, which `guard` keeps outermost;
        for policy "raise" it is the other side, lest a target that computes one arm alone skips the check in it.
        """
        at = {"zero": at, "left": below, "right": above, "raise": above or below}[self.kinks]
        if at == below:
            return self.select(self.gt(x, y), above, below)
        if at == above:
            return self.select(self.ge(x, y), above, below)
        return self.select(self.gt(x, y), above, self.select(self.lt(x, y), below, at))

    def kinked(self, partial: Value | int, at: Value, where: Value, step: bool = False) -> Value | int | Kinked:
        """A partial of `where`, which has a kink or a step where `at` holds: an error there, if that is the policy."""
        if self.kinks != "raise":
            return partial
        return self.checked(partial, self._check(where, infix(Graph(self.builder.nodes, ()), at.index), step), at)

    def checked(self, partial: Value | int, check: Op, at: Value) -> Kinked:
        return Kinked(partial, check, at)

    def unless_kink(self, tangent: Value, at: Value, where: Value, condition: str) -> Value:
        """The tangent of `where`, an array, which has kinks where `at` holds, `condition` in words: an error there, if
        that is the policy.
        """
        return self.apply(self._check(where, condition, False), tangent, at) if self.kinks == "raise" else tangent

    def _check(self, where: Value, condition: str, step: bool) -> Op:
        words = f"{infix(Graph(self.builder.nodes, ()), where.index)} has no derivative where {condition}"
        return (off_jump if step else off_kink)(f"{words} (kinks='raise')")
