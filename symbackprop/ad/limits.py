"""What a function tends to at a point, from either side, by numbers: where its formula has no slope.

(1 - cos(sqrt(z)))/z at 0 is 1/2 - z/24, but goes there through sqrt(z), whose slope is infinite; (z > 0), (z < 0) may
have two formulas of one function, or those of a kink. The function is evaluated at points so near that a polynomial of
degree 7 through them is it to a hundred digits, if it is analytic up to the point from that side.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import mpmath as mp

from symbackprop.ad.forward import jvp
from symbackprop.ir import Functions, Graph, GraphBuilder, Value, interpret
from symbackprop.ir.interpret import number_to_mpmath
from symbackprop.ir.node import Node
from symbackprop.ops import REGISTRY
from symbackprop.ops.leaves import CONST

_SELECT, _MUL, _DIV = (REGISTRY[name] for name in ("select", "mul", "div"))
NO_VALUE = (ArithmeticError, ValueError, TypeError, KeyError, NotImplementedError)
_DIGITS, _STEP, _POINTS = 220, -20, 8
_EXACT = -100
"""The polynomial is the function where it is at the next point, to this power of ten."""
AGREED = mp.mpf(10) ** -12
"""Slopes from both sides that differ by less are one: numbers of users' have 16 digits."""
Sample = Mapping[str, Any]


class _NoLimitError(Exception):
    """A part of a function is not analytic up to the point."""


class Beside:
    """A function of scalars around the point where the input `variable` is `at`; the other inputs are samples."""

    def __init__(self, builder: GraphBuilder, variable: int, sample: Sample, at: Any) -> None:
        self.builder, self.variable, self.sample, self.at = builder, variable, dict(sample), at

    def arm(self, index: int, side: int) -> int:
        """The arm of choices that is taken beside the point, on the side 1 or -1."""
        nodes = self.builder.nodes
        while nodes[index].op is _SELECT:
            condition, a, b = nodes[index].operands
            if not Graph(nodes, ()).depending([self.variable])[condition]:
                break
            try:
                with mp.workdps(_DIGITS):
                    taken = self._value(condition, side * mp.mpf(10) ** _STEP)
            except NO_VALUE:
                break
            index = a if taken else b
        return index

    def taylor(self, index: int, side: int) -> list[Any] | None:
        """Value, slope, and half of the second derivative at the point; None for what is not analytic up to it."""
        with mp.workdps(_DIGITS):
            step = side * mp.mpf(10) ** _STEP
            try:
                values = [self._value(index, step * k) for k in range(1, _POINTS + 2)]
            except NO_VALUE:
                return None
            if not all(isinstance(value, mp.mpf) and mp.isfinite(value) for value in values):
                return None
            powers = mp.matrix([[mp.mpf(k) ** j for j in range(_POINTS)] for k in range(1, _POINTS + 1)])
            found = mp.lu_solve(powers, mp.matrix(values[:-1]))
            last = mp.fsum(c * mp.mpf(_POINTS + 1) ** j for j, c in enumerate(found))
            if abs(last - values[-1]) > mp.mpf(10) ** _EXACT * max(map(abs, values)):
                return None
            return [found[j] / step**j for j in range(3)]

    def agree(self, one: int, other: int) -> bool:
        """Whether what lies right of the point and what lies left of it have one value and one slope there."""
        right, left = self.taylor(one, 1), self.taylor(other, -1)
        return (
            right is not None
            and left is not None
            and all(abs(a - b) <= AGREED * max(1, abs(a)) for a, b in zip(right[:2], left[:2], strict=True))
        )

    def is_regular(self, index: int) -> bool:
        """Whether the formula has a value and two derivatives at the point."""
        made = GraphBuilder(self.builder.graph([index]))
        one, results = made.const(1), [index]
        for _ in range(2):
            results += jvp(Graph(made.nodes, ()), {self.variable: one}, results[-1:], made)
        name = made.nodes[self.variable].attributes
        with mp.workdps(30):
            try:
                values = interpret(made.graph(results), {**self.sample, name: self.at}, "mpmath")
            except NO_VALUE:
                return False
            return all(isinstance(value, mp.mpf) and mp.isfinite(value) for value in values)

    def by_numbers(self, root: int, side: int, point: Fraction) -> int | None:
        """The function with a polynomial in the place of everything in it that is one of the variable alone."""
        nodes = self.builder.nodes
        moving = Graph(nodes, ()).depending([self.variable])
        alone: list[bool] = []
        for index, node in enumerate(nodes):
            of_operands = bool(node.operands) and all(alone[operand] for operand in node.operands)
            alone.append(index == self.variable or node.op is CONST or of_operands)
        f, made = Functions(self.builder), dict[int, Value]()
        step = f.wrap(self.variable) - point

        def polynomial(index: int) -> Value:
            found = self.taylor(index, side)
            if found is None:
                raise _NoLimitError
            value, slope, half = map(_rational, found)
            return value + step * (slope + step * half)

        def again(index: int) -> Value:
            # No deeper than a region that is looked at.
            if index not in made:
                made[index] = rebuilt(index)
            return made[index]

        def rebuilt(index: int) -> Value:
            if not moving[index] or index == self.variable:
                return f.wrap(index)
            if alone[index]:
                return polynomial(index)
            factors = _factors(nodes, index)
            own = [(factor, above) for factor, above in factors if alone[factor] and moving[factor]]
            if own:
                # What is of the variable alone may have a limit together.
                others = [(again(factor), above) for factor, above in factors if (factor, above) not in own]
                together = _product(f, [(f.wrap(factor), above) for factor, above in own])
                return _product(f, others) * polynomial(together.index)
            node = nodes[index]
            return f.wrap(self.builder.copy(node, tuple([again(operand).index for operand in node.operands])))

        try:
            return again(root).index
        except _NoLimitError:
            return None

    def _value(self, index: int, away: Any) -> Any:
        nodes: list[Node] = self.builder.nodes
        name = nodes[self.variable].attributes
        return interpret(Graph(nodes, (index,)), {**self.sample, name: self.at + away}, "mpmath")[0]


def _factors(nodes: list[Node], root: int) -> list[tuple[int, bool]]:
    """The factors of a product or quotient of more than one, and whether they stand above."""
    found, stack = [], [(root, True)]
    while stack:
        index, above = stack.pop()
        op, operands = nodes[index].op, nodes[index].operands
        if op is _MUL or op is _DIV:
            stack += [(operands[0], above), (operands[1], above == (op is _MUL))]
        else:
            found.append((index, above))
    return found if len(found) > 1 else []


def _product(f: Functions, factors: list[tuple[Value, bool]]) -> Value:
    result = f.const(1)
    for factor, above in factors:
        result = result * factor if above else result / factor
    return result


def samples(names: list[str]) -> dict[str, Any]:
    """Numbers between 1/4 and 5/4 that no formula is made for."""
    return {name: mp.mpf(1) / 4 + mp.frac((k + 1) * mp.phi) for k, name in enumerate(names)}


def as_number(point: Fraction) -> Any:
    """A point to all digits that are used here."""
    with mp.workdps(_DIGITS):
        return number_to_mpmath(point)


def _rational(number: Any) -> Fraction:
    """The simple fraction that a coefficient is, if it is one; else its double."""
    exact = Fraction(int(mp.nint(number * mp.mpf(2) ** 200)), 2**200)
    simple = exact.limit_denominator(10**6)
    return simple if abs(exact - simple) <= Fraction(1, 10**15) * abs(exact) else Fraction(float(number))
