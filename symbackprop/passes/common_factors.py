"""What the terms of a sum have in common as factors: y*exp(u)/v and y/v are y/v times exp(u) and 1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

from symbackprop.ir import Functions, Node, Value
from symbackprop.ops import REGISTRY
from symbackprop.ops.leaves import CONST

_MUL, _DIV, _NEG, _POW = (REGISTRY[name] for name in ("mul", "div", "neg", "pow"))
_SHORT_POWER = 4
_MOST_FACTORS = 8
_PRODUCTS = frozenset({_MUL, _DIV, _NEG, _POW, CONST})
_ONE, _MINUS_ONE = Fraction(1), Fraction(-1)


class Quotient(NamedTuple):
    """A number times a product over a product."""

    number: Fraction
    above: list[int]
    below: list[int]

    @property
    def is_number(self) -> bool:
        return not self.above and not self.below

    def built(self, f: Functions) -> Value:
        total = _product(f, self.above)
        total = total / _product(f, self.below) if self.below else total
        return total if self.number == 1 else self.number * total


def _product(f: Functions, factors: Sequence[int]) -> Value:
    """The product, with powers as they were before they were taken apart: 1 + u**3/(v - u**3) is a share."""
    parts = [f.pow(f.wrap(factor), n) if n > 1 else f.wrap(factor) for factor, n in Counter(factors).items()]
    total = parts[0] if parts else f.const(1)
    for part in parts[1:]:
        total = total * part
    return total


def factors_of(nodes: Sequence[Node], index: int, known: dict[int, Quotient]) -> Quotient:
    """A node as a quotient of products, squares taken apart as well; what is `known` of these nodes grows."""
    found = known.get(index)
    if found is None:
        found = known[index] = _taken_apart(nodes, index)
    return found


def _taken_apart(nodes: Sequence[Node], index: int) -> Quotient:
    op, operands, *_ = nodes[index]
    if op not in _PRODUCTS:
        return Quotient(_ONE, [index], [])
    if op is _MUL and nodes[operands[0]].op not in _PRODUCTS and nodes[operands[1]].op not in _PRODUCTS:
        return Quotient(_ONE, [*operands], [])  # most that there are
    number = _ONE
    above: list[int] = []
    below: list[int] = []
    stack = [(index, True)]
    while stack:
        current, is_above = stack.pop()
        node = nodes[current]
        few = len(above) + len(below) + len(stack) < _MOST_FACTORS
        if node.op is _MUL and few:
            stack += [(operand, is_above) for operand in node.operands[::-1]]
        elif node.op is _DIV and few:
            stack += [(node.operands[1], not is_above), (node.operands[0], is_above)]
        elif node.op is _NEG:
            number = _MINUS_ONE if number is _ONE else -number
            stack.append((node.operands[0], is_above))
        elif node.op is _POW and few and (power := _short_power(nodes, node)):
            stack += [(node.operands[0], is_above)] * power
        elif node.op is CONST and type(node.attributes) is Fraction and node.attributes:
            if number is _ONE and is_above:
                number = node.attributes
            else:
                number = number * node.attributes if is_above else number / node.attributes
        else:
            (above if is_above else below).append(current)
    return Quotient(number, above, below)


def _short_power(nodes: Sequence[Node], node: Node) -> int:
    """How often a power is its base times itself; 0 where it is not, or too often to be written out."""
    exponent = nodes[node.operands[1]].attributes if nodes[node.operands[1]].op is CONST else None
    if type(exponent) is not Fraction or exponent.denominator != 1:
        return 0
    return exponent.numerator if 1 < exponent.numerator <= _SHORT_POWER else 0


def without_common(
    nodes: Sequence[Node], terms: Sequence[int], known: dict[int, Quotient]
) -> tuple[Quotient, list[Quotient]] | None:
    """What all terms are multiples of, and each divided by that; None where they share nothing but numbers. `known` are
    the nodes that were taken apart before.
    """
    split = [factors_of(nodes, terms[0], known)]
    first = split[0]
    over, under = set(first.above), set(first.below)
    for term in terms[1:]:
        part = factors_of(nodes, term, known)
        split.append(part)
        # Most have nothing in common, and are found out before anything is counted.
        over.intersection_update(part.above)
        under.intersection_update(part.below)
        if not over and not under:
            return None
    if not any(_has_twice(part) for part in split):
        rest = [Quotient(n, [f for f in a if f not in over], [f for f in b if f not in under]) for n, a, b in split]
        return Quotient(_ONE, [f for f in first.above if f in over], [f for f in first.below if f in under]), rest
    above, below = Counter(first.above), Counter(first.below)
    for part in split[1:]:
        above &= Counter(part.above)
        below &= Counter(part.below)
    rest = [Quotient(part.number, _without(part.above, above), _without(part.below, below)) for part in split]
    return Quotient(_ONE, list(above.elements()), list(below.elements())), rest


def _has_twice(part: Quotient) -> bool:
    return len(set(part.above)) < len(part.above) or len(set(part.below)) < len(part.below)


def _without(factors: list[int], common: Counter[int]) -> list[int]:
    left = common.copy()
    kept = []
    for factor in factors:
        if left[factor]:
            left[factor] -= 1
        else:
            kept.append(factor)
    return kept
