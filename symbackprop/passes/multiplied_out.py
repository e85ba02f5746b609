"""Sums of exponentials with products of sums multiplied out: K + N*(exp(u) - 1) is (K - N) + N*exp(u)."""

from __future__ import annotations

from fractions import Fraction
from functools import reduce

from symbackprop.ops import REGISTRY
from symbackprop.passes.exponential_quotients import is_of_one
from symbackprop.passes.exponential_sums import GROWING, Expanded, Term, exponentials, joined
from symbackprop.passes.offsets import MOST_TERMS, terms
from symbackprop.passes.rewrite import Rewriter

_ADD, _SUB, _MUL, _DIV, _EXP = (REGISTRY[name] for name in ("add", "sub", "mul", "div", "exp"))
_SUMS = frozenset({_ADD, _SUB, *GROWING} - {_EXP})
_MOST_FACTORS = 24
_DEEPEST = 2

Sum = tuple[Term, ...]


def sum_of(r: Rewriter, index: int) -> Sum | None:
    """A sum, or a row that is one, as its terms; None of what is no sum of exponentials."""
    if r.nodes[index].op not in _SUMS:
        return None
    parts = _expanded(r, index)
    found = None if parts is None else joined(r, parts)
    return None if found is None or len(found) < 2 else tuple(found)


def _expanded(r: Rewriter, index: int, depth: int = 0) -> list[Expanded] | None:
    """The terms, products with sums of exponentials multiplied out."""
    found = terms(r, index)
    if found is None or depth > _DEEPEST or is_of_one(r, found[1]):
        return None
    parts: list[Expanded] = [(found[0], None, None)] if found[0] else []
    for node, number in found[1].items():
        grown: list[Expanded] = [(number, None, None)]
        above: list[int] = []
        below: list[int] = []
        for factor, upright in _factors(r, node):
            inner = _exponentials(r, factor, depth) if upright else None
            if inner is None:
                (above if upright else below).append(factor)
            else:
                grown = [_product(r, part, other) for part in grown for other in inner]
        if len(grown) == 1 and grown[0] == (number, None, None):
            # As it is written: what vanishes together in it stays together.
            parts.append((number, node, None))
        else:
            weight = _weight(r, above, below)
            parts += [_product(r, part, (Fraction(1), weight, None)) for part in grown]
    return parts if len(parts) <= MOST_TERMS else None


def _weight(r: Rewriter, above: list[int], below: list[int]) -> int | None:
    if not above and not below:
        return None
    product, divisor = (reduce(lambda x, y: r.add(_MUL, (x, y)), side or [r.const(1)]) for side in (above, below))
    return r.add(_DIV, (product, divisor)) if below else product


def _factors(r: Rewriter, index: int) -> list[tuple[int, bool]]:
    """The factors, and whether they are above."""
    stack = [(index, True)]
    found: list[tuple[int, bool]] = []
    while stack:
        node, upright = stack.pop()
        op = r.nodes[node].op
        if (op is _MUL or op is _DIV) and len(stack) + len(found) < _MOST_FACTORS:
            x, y = r.operands(node)
            stack += [(y, upright is (op is _MUL)), (x, upright)]
        else:
            found.append((node, upright))
    return found


def _exponentials(r: Rewriter, index: int, depth: int) -> list[Expanded] | None:
    op = r.nodes[index].op
    if op in GROWING:
        return [(number, None, exponent) for number, exponent in exponentials(r, index)]
    inner = _expanded(r, index, depth + 1) if op is _ADD or op is _SUB else None
    return inner if inner is not None and any(exponent is not None for _, _, exponent in inner) else None


def _product(r: Rewriter, first: Expanded, second: Expanded) -> Expanded:
    weight, exponent = (
        x if y is None else y if x is None else r.add(op, (x, y))
        for op, x, y in zip((_MUL, _ADD), first[1:], second[1:], strict=True)
    )
    return first[0] * second[0], weight, exponent
