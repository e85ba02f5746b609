"""Removable singularities at a point: quotients of zeros, replaced by their Taylor polynomial there.

``(exp(x) - 1)/x`` is 0/0 at x = 0, and so are its derivatives as they come of the quotient rule; as the polynomial
``1 + x/2 + x**2/6`` it has there the right value and the right derivatives of first and second order. The polynomial is
used at that point alone, so that its degree is no question of accuracy.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import mpmath as mp

from symbackprop.ad.forward import jvp
from symbackprop.ir import Functions, Graph, Value, interpret
from symbackprop.ir.node import Node
from symbackprop.ops import REGISTRY
from symbackprop.ops.leaves import CONST, INPUT

_ADD, _SUB, _MUL, _DIV, _NEG, _POW = (REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg", "pow"))
_DEGREE = 2
"""Derivatives of a model are of second order at most."""
_HIGHEST_ZERO = 6
"""Denominators with a zero of a higher order than this are left as they are: every order is a derivative more."""
_DIGITS, _ZERO = 50, mp.mpf(10) ** -35
"""A coefficient is 0 if it is at three points, computed with 15 digits more than are asked to vanish."""


class _Quotient(NamedTuple):
    """A value, or where there is a denominator, which vanishes at the point, a numerator over it."""

    numerator: Value
    denominator: Value | None = None


class Removable:
    """Rewrites values over scalars for the point at which `variable` is `point`, which does not depend on it."""

    def __init__(self, f: Functions, variable: int, point: int) -> None:
        self.f, self.variable, self.point = f, variable, point
        self._quotients: dict[int, _Quotient] = {}
        self._substituted: dict[int, int] = {variable: point}

    def __call__(self, root: int) -> int:
        """The value, equal to `root` and its derivatives at the point, with no 0/0 in it where that can be had."""
        nodes = self.f.builder.nodes
        needed = Graph(nodes, (root,)).reaching()
        for index in range(root + 1):
            if needed[index]:
                self._quotients[index] = self._rewritten(index, nodes[index])
        return self._resolved(self._quotients[root]).index

    def _rewritten(self, index: int, node: Node) -> _Quotient:
        if not node.operands:
            return _Quotient(self.f.wrap(index))
        operands = [self._quotients[operand] for operand in node.operands]
        if node.op is _DIV:
            return self._over(*operands)
        if node.op is _POW and self._is_negative(node.operands[1]):
            exponent = self.f.const(-self._number(node.operands[1]))
            power = self.f.pow(self._resolved(operands[0]), exponent).index
            return self._over(
                _Quotient(self.f.const(1)), self._plain(self.f.builder.nodes[power], [operands[0], _Quotient(exponent)])
            )
        if all(operand.denominator is None for operand in operands):
            return self._plain(node, operands)
        if node.op is _NEG:
            return _Quotient(-operands[0].numerator, operands[0].denominator)
        if node.op is _MUL:
            x, y = operands
            return _Quotient(x.numerator * y.numerator, _times(x.denominator, y.denominator))
        if node.op is _ADD or node.op is _SUB:
            x, y = operands
            left, right = _times(x.numerator, y.denominator), _times(y.numerator, x.denominator)
            assert left is not None and right is not None
            return _Quotient(self.f.apply(node.op, left, right), _times(x.denominator, y.denominator))
        return self._plain(node, operands)

    def _plain(self, node: Node, operands: list[_Quotient]) -> _Quotient:
        if node.op is _POW and self._is_short(node.operands[1]):
            # As products: high derivatives of a power end in 0*x**-1.
            base = result = self._resolved(operands[0])
            for _ in range(int(self._number(node.operands[1])) - 1):
                result = result * base
            return _Quotient(result)
        over = tuple(self._resolved(operand).index for operand in operands)
        return _Quotient(self.f.wrap(self.f.builder.copy(node, over)))

    def _over(self, x: _Quotient, y: _Quotient) -> _Quotient:
        numerator, denominator = _times(x.numerator, y.denominator), _times(y.numerator, x.denominator)
        assert numerator is not None and denominator is not None
        if self._vanishes(denominator.index):
            return _Quotient(numerator, denominator)
        return _Quotient(numerator / denominator)

    def _is_negative(self, index: int) -> bool:
        return self._number(index) < 0

    def _is_short(self, index: int) -> bool:
        number = self._number(index)
        return number.denominator == 1 and 1 < number <= _HIGHEST_ZERO

    def _number(self, index: int) -> Fraction:
        """A rational constant, 0 for anything else."""
        node = self.f.builder.nodes[index]
        return node.attributes if node.op is CONST and isinstance(node.attributes, Fraction) else Fraction(0)

    # Taylor polynomials.

    def _resolved(self, quotient: _Quotient) -> Value:
        u, v = quotient
        if v is None:
            return u
        top, bottom = _Series(self, u.index), _Series(self, v.index)
        order = next((k for k in range(_HIGHEST_ZERO + 1) if not self._is_zero(bottom[k])), None)
        if order is None or not all(self._is_zero(top[k]) for k in range(order)):
            return u / v
        f = self.f
        found: list[Value] = []
        for k in range(_DEGREE + 1):
            rest = f.wrap(top[order + k])
            for j, known in enumerate(found):
                rest = rest - known * f.wrap(bottom[order + k - j])
            found.append(rest / f.wrap(bottom[order]))
        step = f.wrap(self.variable) - f.wrap(self.point)
        result = found[-1]
        for coefficient in reversed(found[:-1]):
            result = coefficient + step * result
        return result

    def at_point(self, index: int) -> int:
        """A value with the point in the place of the variable."""
        builder = self.f.builder
        needed = Graph(builder.nodes, (index,)).reaching()
        for k in range(index + 1):
            if needed[k] and k not in self._substituted:
                node = builder.nodes[k]
                operands = tuple(self._substituted[operand] for operand in node.operands)
                self._substituted[k] = builder.copy(node, operands) if operands != node.operands else k
        return self._substituted[index]

    def _vanishes(self, index: int) -> bool:
        return self._is_zero(self.at_point(index))

    def _is_zero(self, index: int) -> bool:
        """Whether a value is 0 whatever the inputs: at three points, in high precision."""
        nodes = self.f.builder.nodes
        graph = Graph(nodes, (index,))
        names = [node.attributes for node in nodes if node.op is INPUT and node.type.dtype == "real"]
        with mp.workdps(_DIGITS):
            for sample in range(3):
                point = {name: _sample(sample * len(names) + k) for k, name in enumerate(names)}
                try:
                    (value,) = interpret(graph, point, "mpmath")
                except (ArithmeticError, ValueError, KeyError):
                    return False
                if not abs(value) < _ZERO:
                    return False
        return True


class _Series:
    """Taylor coefficients of a value at the point, made as they are asked for."""

    def __init__(self, at: Removable, index: int) -> None:
        self._at = at
        self._derivatives = [index]
        self._coefficients: list[int] = []

    def __getitem__(self, k: int) -> int:
        builder = self._at.f.builder
        while len(self._derivatives) <= k:
            graph = Graph(builder.nodes, ())
            one = builder.const(1)
            self._derivatives += jvp(graph, {self._at.variable: one}, [self._derivatives[-1]], builder)
        while len(self._coefficients) <= k:
            number = len(self._coefficients)
            derivative = self._at.f.wrap(self._at.at_point(self._derivatives[number]))
            self._coefficients.append((derivative / math.factorial(number) if number > 1 else derivative).index)
        return self._coefficients[k]


def _times(x: Value | None, y: Value | None) -> Value | None:
    if x is None or y is None:
        return x if y is None else y
    return x * y


def _sample(k: int) -> mp.mpf:
    """A number between 1/4 and 5/4 that no formula is made for."""
    return mp.mpf(1) / 4 + mp.frac((k + 1) * mp.phi)
