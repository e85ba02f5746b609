"""Which conditions hold at points only, and which everywhere but there: Eq and Ne, and what says the same without them.

Abs(x) > 0, Or(x > 0, x < 0), and the last of three arms (x > 0), (x < 0), (True) single out x = 0 as well. A condition
that compares one variable with numbers is looked at on each side of these numbers and at them, so that any such
combination is known for what it is. It stays the condition of the value: over nan it is not what Eq or Ne would say.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import NamedTuple

from symbackprop.ir import Graph, Node
from symbackprop.ops import REGISTRY, Op
from symbackprop.ops.leaves import CONST
from symbackprop.ops.reduction import REDUCE_SUM

_AND, _OR, _XOR, _NOT = (REGISTRY[f"logical_{name}"] for name in ("and", "or", "xor", "not"))
_EQ, _NE, _ADD, _SUB, _MUL, _NEG, _ABS, _POW = (
    REGISTRY[name] for name in ("eq", "ne", "add", "sub", "mul", "neg", "abs", "pow")
)
_ROOTS = frozenset(REGISTRY[name] for name in ("sqrt", "norm_root"))
_NORMS = frozenset({"hypot", "norm"})
COMPARISONS: dict[Op, Callable[[Fraction, Fraction], bool]] = {
    REGISTRY[name]: getattr(operator, name) for name in ("lt", "le", "gt", "ge", "eq", "ne")
}
_MIRRORED = {
    REGISTRY[a]: REGISTRY[b] for one, other in (("lt", "gt"), ("le", "ge")) for a, b in ((one, other), (other, one))
}
_JOINED: dict[Op, Callable[[list[bool]], bool]] = {
    _AND: all,
    _OR: any,
    _XOR: lambda two: sum(two) == 1,
    _NOT: lambda one: not any(one),
}
# Rows that are constant somewhere, or whose derivative is: an equation between such may hold on more than a boundary.
_FLAT = frozenset(
    REGISTRY[name]
    for name in (
        *("select", "maximum", "minimum", "reduce_max", "reduce_min"),
        *("floor", "ceiling", "sign", "frac", "mod", "heaviside", "abs"),
    )
)
_STEPS = frozenset(REGISTRY[name] for name in ("floor", "ceiling", "sign", "to_real"))
_MOST = 12
"""Conditions of more comparisons, and longer chains of arms, are none that single out a point."""

Holds = Callable[[Fraction], bool]
Key = tuple[int, int, bool]
"""What is compared: two nodes, of which the second is -1 where it is a number, and whether it is none below 0."""


class Equation(NamedTuple):
    """The two nodes that are equal at a point, the second may be a number."""

    variable: int
    point: int | Fraction


class Compared(NamedTuple):
    """A condition on one variable: with which numbers it is compared, and whether the condition holds for a number."""

    key: Key
    numbers: frozenset[Fraction]
    holds: Holds
    size: int = 1

    def variables(self, nodes: Sequence[Node]) -> list[int]:
        """The nodes that are compared."""
        variable, other, above = self.key
        sides = [_vanishing(nodes, variable) if above and not any(self.numbers) else variable, other]
        return [side for side in sides if side >= 0 and nodes[side].op is not CONST]


class Link(NamedTuple):
    """An arm of choices by one variable: its condition (-1 for the last), the node, the equation where it holds if that
    is one, and whether it holds at points only.
    """

    condition: int
    arm: int
    equation: Equation | None
    thin: bool


class Conditions:
    """Which conditions hold on a set of measure zero only (thin), and which everywhere but there (thick)."""

    def __init__(self, graph: Graph, wrt: Sequence[int]) -> None:
        self.graph = graph
        self._moving, self._smooth = _moving(graph, wrt), _smooth(graph)
        count = len(graph.nodes)
        self.thin, self.thick = [False] * count, [False] * count
        self.compared: dict[int, Compared] = {}
        for index, node in enumerate(graph.nodes):
            if node.type.dtype != "bool" or not node.operands:
                continue
            known = compared(graph.nodes, index, self.compared)
            if known is not None:
                self.compared[index] = known
                if self._isolates(known.key):
                    points, between = cells(known.numbers, known.key)
                    inside, outside = [[c for c in each if known.holds(c)] for each in (points, between)]
                    self.thin[index] = bool(inside) and not outside
                    self.thick[index] = len(inside) < len(points) and len(outside) == len(between)
                continue
            thin, thick = [[kind[o] for o in node.operands] for kind in (self.thin, self.thick)]
            if node.op is _NOT:
                self.thin[index], self.thick[index] = thick[0], thin[0]
            elif node.op is _AND:
                self.thin[index], self.thick[index] = any(thin), all(thick)
            elif node.op is _OR:
                self.thin[index], self.thick[index] = all(thin), any(thick)

    def any_thin(self, index: int) -> bool:
        """Whether a choice has an arm at points."""
        condition = self.graph.nodes[index].operands[0]
        return self.thin[condition] or bool(self.split(condition)[1]) or bool(self.chain(index))

    def _isolates(self, key: Key) -> bool:
        sides = [self._inside(side) for side in key[:2] if side >= 0]
        return all(self._smooth[side] for side in sides) and any(self._moving[side] for side in sides)

    def _inside(self, side: int) -> int:
        # |x| = c holds where x = c or x = -c.
        node = self.graph.nodes[side]
        return node.operands[0] if node.op is _ABS else side

    def split(self, condition: int) -> tuple[list[int], list[int]]:
        """The parts of a conjunction that are not thick, and those that are."""
        parts, stack = [], [condition]
        while stack:
            index = stack.pop()
            if self.graph.nodes[index].op is _AND and not self.thick[index]:
                stack.extend(self.graph.nodes[index].operands)
            else:
                parts.append(index)
        return [p for p in parts if not self.thick[p]], [p for p in parts if self.thick[p]]

    def equation(self, condition: int) -> Equation | None:
        """The one equation that a condition is, or the negation of."""
        known = self.compared.get(condition)
        return None if known is None else self._at(known.key, self._points(known))

    def _points(self, known: Compared) -> list[Fraction]:
        points, between = cells(known.numbers, known.key)
        usual = known.holds(between[0])
        return [point for point in points if known.holds(point) != usual]

    def _at(self, key: Key, points: list[Fraction]) -> Equation | None:
        if len(points) != 1:
            return None
        variable, other, above = key
        if other >= 0:
            return Equation(variable, other)
        return Equation(_vanishing(self.graph.nodes, variable) if above and not points[0] else variable, points[0])

    def chain(self, index: int) -> list[Link]:
        """The arms of choices by one variable, one after the other, if the earlier ones leave points to a later one."""
        nodes = self.graph.nodes
        arms: list[tuple[int, int]] = []
        known = self.compared.get(nodes[index].operands[0])
        if known is None or not self._isolates(known.key):
            return []
        numbers, conditions = frozenset[Fraction](), list[Holds]()
        while nodes[index].op.name == "select" and len(arms) < _MOST:
            condition, arm, rest = nodes[index].operands
            own = self.compared.get(condition)
            if own is None or own.key != known.key:
                break
            arms.append((condition, arm))
            conditions.append(own.holds)
            numbers |= own.numbers
            index = rest
        if nodes[index].attributes == "nan":
            return []  # There is no arm, and no derivative.
        points, between = cells(numbers, known.key)
        found: list[Link] = []
        leaves = False
        for place, (condition, arm) in enumerate([*arms, (-1, index)]):
            at, wide = ([c for c in each if _first(conditions, c) == place] for each in (points, between))
            thin = bool(at) and not wide
            found.append(Link(condition, arm, self._at(known.key, at) if thin else None, thin))
            leaves |= thin and (condition < 0 or not self.thin[condition])
        return found if leaves and not all(link.thin for link in found) else []


def _first(conditions: list[Holds], number: Fraction) -> int:
    return next((place for place, holds in enumerate(conditions) if holds(number)), len(conditions))


def cells(numbers: frozenset[Fraction], key: Key) -> tuple[list[Fraction], list[Fraction]]:
    """The numbers that something is compared with, and one for each interval between them."""
    points = sorted(number for number in numbers if number >= 0 or not key[2])
    if key[2] and not points:
        return [], [Fraction(1)]
    middles = [(a + b) / 2 for a, b in pairwise(points)]
    below = [] if key[2] and points[0] == 0 else [points[0] / 2 if key[2] else points[0] - 1]
    return points, [*below, *middles, points[-1] + 1]


def compared(nodes: Sequence[Node], index: int, known: dict[int, Compared]) -> Compared | None:
    """A condition as one on a single variable; `known` are those of its operands."""
    op, operands = nodes[index].op, nodes[index].operands
    if op in COMPARISONS:
        return _comparison(nodes, op, *operands)
    parts = [known.get(operand) for operand in operands]
    first = parts[0]
    if op not in _JOINED or first is None or any(part is None or part.key != first.key for part in parts):
        return None
    found = [part for part in parts if part is not None]
    size = sum(part.size for part in found)
    if size > _MOST:
        return None
    numbers = frozenset[Fraction]().union(*[part.numbers for part in found])
    return Compared(first.key, numbers, partial(_joined, _JOINED[op], found), size)


def _joined(join: Callable[[list[bool]], bool], parts: list[Compared], number: Fraction) -> bool:
    return join([part.holds(number) for part in parts])


def _comparison(nodes: Sequence[Node], op: Op, x: int, y: int) -> Compared | None:
    if _number(nodes, x) is not None:
        x, y, op = y, x, _MIRRORED.get(op, op)
    number = _number(nodes, y)
    if number is None:
        return _pair(nodes, op, x, y)
    # What is added to the variable, or multiplies it, is brought to the right.
    while True:
        row, operands = nodes[x].op, nodes[x].operands
        left, right = (_number(nodes, operands[k]) if k < len(operands) else None for k in (0, 1))
        if row is _NEG:
            x, number, op = operands[0], -number, _MIRRORED.get(op, op)
        elif row is _SUB and left is not None:
            x, number, op = operands[1], left - number, _MIRRORED.get(op, op)
        elif row is _SUB and right is not None:
            x, number = operands[0], number + right
        elif row is _SUB and number == 0:
            return _pair(nodes, op, *operands)
        elif row is _ADD and (left is not None or right is not None):
            x, number = operands[right is None], number - (left if left is not None else right or 0)
        elif row is _MUL and (left or right):
            factor = left or right or Fraction(1)
            x, number, op = operands[right is None], number / factor, op if factor > 0 else _MIRRORED.get(op, op)
        else:
            break
    if nodes[x].op is CONST:
        return None
    return Compared((x, -1, not_below_zero(nodes, x)), frozenset({number}), partial(_against, COMPARISONS[op], number))


def _pair(nodes: Sequence[Node], op: Op, x: int, y: int) -> Compared | None:
    """Two nodes, of which one may be a number that is no fraction: their difference beside 0."""
    if nodes[x].op is CONST and nodes[y].op is CONST:
        return None
    if x > y:
        x, y, op = y, x, _MIRRORED.get(op, op)
    return Compared((x, y, False), frozenset({Fraction(0)}), partial(_against, COMPARISONS[op], Fraction(0)))


def _against(holds: Callable[[Fraction, Fraction], bool], number: Fraction, value: Fraction) -> bool:
    return holds(value, number)


def _number(nodes: Sequence[Node], index: int) -> Fraction | None:
    node = nodes[index]
    return node.attributes if node.op is CONST and type(node.attributes) is Fraction else None


def not_below_zero(nodes: Sequence[Node], index: int) -> bool:
    """Whether a value is a sum of squares, an absolute value, or a root."""
    stack, seen = [index], 0
    while stack:
        seen += 1
        node = nodes[stack.pop()]
        op, operands = node.op, node.operands
        if op is _ADD or op is REDUCE_SUM or (op is _MUL and operands[0] != operands[1]):
            stack += operands
        elif not (_is_square(nodes, node) or op in _ROOTS or op is _ABS or op.name in _NORMS or _is_positive(node)):
            return False
        if seen > 4 * _MOST:
            return False
    return True


def _is_square(nodes: Sequence[Node], node: Node) -> bool:
    if node.op is _MUL:
        return node.operands[0] == node.operands[1]
    exponent = _number(nodes, node.operands[1]) if node.op is _POW else None
    return exponent is not None and exponent.denominator == 1 and exponent % 2 == 0 and exponent > 0


def _is_positive(node: Node) -> bool:
    return node.op is CONST and type(node.attributes) is Fraction and node.attributes >= 0


def origin_of(nodes: Sequence[Node], condition: int) -> list[int]:
    """The parts that are 0 where a norm or a sum of squares is, of a condition that compares it with 0; else nothing.

    Not of Eq and Ne, which promise nan where the limit of a formula is not known.
    """
    known = compared(nodes, condition, {}) if nodes[condition].op in COMPARISONS else None
    if known is None or nodes[condition].op in (_EQ, _NE) or not known.key[2] or any(known.numbers):
        return []
    parts: list[int] = []
    stack = [known.key[0]]
    while stack and len(parts) < _MOST:
        node = nodes[stack.pop()]
        if node.op is _ADD or node.op in _ROOTS:
            stack += node.operands
        elif node.op is _ABS or node.op.name in _NORMS:
            parts += node.operands
        elif _is_square(nodes, node):
            parts.append(node.operands[0])
        else:
            return []
    return list(dict.fromkeys(parts))


def _vanishing(nodes: Sequence[Node], index: int) -> int:
    """What is 0 where an absolute value, a square or a root is."""
    while nodes[index].op is _ABS or nodes[index].op in _ROOTS or _is_square(nodes, nodes[index]):
        index = nodes[index].operands[0]
    return index


def _moving(graph: Graph, wrt: Sequence[int]) -> list[bool]:
    """Whether a node changes with those, other than in steps."""
    moving = [False] * len(graph.nodes)
    sources = set(wrt)
    for index, node in enumerate(graph.nodes):
        moves = node.type.dtype == "real" and node.op not in _STEPS
        moving[index] = index in sources or (moves and any(moving[operand] for operand in node.operands))
    return moving


def _smooth(graph: Graph) -> list[bool]:
    smooth: list[bool] = []
    for node in graph.nodes:
        smooth.append(node.op not in _FLAT and all(smooth[operand] for operand in node.operands))
    return smooth
