"""Terms of sums of exponentials over axes: products of weights and exponentials, seen through repetitions."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from symbackprop.ops import REGISTRY
from symbackprop.ops.contraction import BROADCAST, RESHAPE, TRANSPOSE
from symbackprop.ops.leaves import LENGTH
from symbackprop.ops.sums_of_exponentials import LOG_SOFTMAX, SOFTMAX
from symbackprop.passes.rewrite import Rewriter

_ADD, _SUB, _MUL, _DIV, _NEG, _POW, _ABS, _EXP, _SELECT = (
    REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg", "pow", "abs", "exp", "select")
)
VIEWS = frozenset({BROADCAST, RESHAPE, TRANSPOSE})
_NONNEGATIVE = frozenset({_EXP, _ABS, REGISTRY["sqrt"], REGISTRY["logistic"], SOFTMAX, LENGTH})
MOST_FACTORS = 16
"""Longer products are not looked through, so that a chain of products costs what its length is."""
DEEPEST = 6


class Split(NamedTuple):
    """A product as weight*exp(exponent); no weight means 1."""

    weight: int | None
    exponent: int


def seen(r: Rewriter, value: int, views: tuple[int, ...]) -> int:
    """A value through views, given by the nodes that show something else through them."""
    for view in reversed(views):
        if r.nodes[value].type.shape or r.nodes[view].op is not BROADCAST:
            node = r.nodes[view]
            value = r.structural(node.op, (value, *node.operands[1:]), node.attributes)
    return value


def through_views(r: Rewriter, index: int) -> tuple[int, tuple[int, ...]]:
    views: tuple[int, ...] = ()
    while r.nodes[index].op in VIEWS:
        views = (*views, index)
        index = r.operands(index)[0]
    return index, views


def split_exponential(r: Rewriter, index: int, depth: int = 0) -> Split | None:
    """weight*exp(exponent), if there is an exponential in this product at all."""
    weight: int | None = None
    exponent: int | None = None
    stack: list[tuple[int, tuple[int, ...], bool]] = [(index, (), True)]
    for _ in range(2 * MOST_FACTORS):
        if not stack:
            break
        node_index, views, above = stack.pop()
        inner, more = through_views(r, node_index)
        views = (*views, *more)
        node = r.nodes[inner]
        if node.op is _EXP or node.op is SOFTMAX:
            part = node.operands[0] if node.op is _EXP else r.structural(LOG_SOFTMAX, node.operands, node.attributes)
            exponent = joined(r, exponent, seen(r, part, views), _ADD if above else _SUB)
        elif node.op is _MUL and above:
            stack += [(operand, views, True) for operand in node.operands[::-1]]
        elif node.op is _DIV and above:
            stack += [(node.operands[1], views, False), (node.operands[0], views, True)]
        elif above and (masked := _masked(r, inner, depth)) is not None:
            exponent = joined(r, exponent, seen(r, masked.exponent, views), _ADD)
            if masked.weight is not None:
                weight = joined(r, weight, seen(r, masked.weight, views), _MUL)
        else:
            weight = joined(r, weight, seen(r, inner, views), _MUL if above else _DIV)
    if stack or exponent is None:
        return None
    return Split(weight, exponent)


def _masked(r: Rewriter, index: int, depth: int) -> Split | None:
    """Of a term that counts under a condition, as those of a risk set do: elsewhere its exponent is minus infinity."""
    node = r.nodes[index]
    if node.op is not _SELECT or depth == DEEPEST:
        return None
    c, *arms = node.operands
    numbers = [r.number(through_views(r, arm)[0]) for arm in arms]
    if 0 not in numbers:
        return None
    kept = 1 - numbers.index(Fraction(0))
    found = split_exponential(r, arms[kept], depth + 1)
    if found is None:
        return None

    def where(value: int, other: int) -> int:
        chosen = (other, value) if kept else (value, other)
        return full(r, r.add(_SELECT, (c, *chosen)), node.type.shape)

    weight = None if found.weight is None else where(found.weight, r.const(0))
    return Split(weight, where(found.exponent, r.f.const("-inf").index))


def joined(r: Rewriter, known: int | None, part: int, op: object) -> int:
    if known is not None:
        return r.add(op, (known, part))  # type: ignore[arg-type]
    if op is _SUB:
        return r.add(_NEG, (part,))
    return r.add(_DIV, (r.const(1), part)) if op is _DIV else part


def is_nonnegative(r: Rewriter, index: int) -> bool:
    """Whether a weight is known to be none below zero, from a handful of nodes."""
    stack = [index]
    for _ in range(MOST_FACTORS):
        if not stack:
            return True
        inner, _ = through_views(r, stack.pop())
        node, number = r.nodes[inner], r.number(inner)
        if node.op is _MUL and node.operands[0] == node.operands[1]:
            continue
        if node.op is _MUL or node.op is _DIV:
            stack += node.operands
        elif node.op is _POW:
            stack.append(node.operands[0])
        elif node.op is _SELECT:
            stack += node.operands[1:]
        elif not (node.op in _NONNEGATIVE or (number is not None and number >= 0)):
            return False
    return False


def full(r: Rewriter, value: int, shape: tuple[object, ...]) -> int:
    return value if r.nodes[value].type.shape else r.broadcast(value, shape)  # type: ignore[arg-type]
