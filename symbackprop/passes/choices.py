"""Sums of choices: where two conditions are one, or exclude each other, the sum of what is chosen is a choice itself.

The adjoints of a chain of branches, each 0 but in its own branch, come out as the chain that the value is, and what
comes together in one branch is seen together by the rules for sums.
"""

from __future__ import annotations

from collections.abc import Callable, KeysView
from functools import reduce

from symbackprop.ops import REGISTRY, Op
from symbackprop.passes.rewrite import Rewriter

_ADD, _SELECT, _AND, _OR, _NOT, _NEG = (
    REGISTRY[name] for name in ("add", "select", "logical_and", "logical_or", "logical_not", "neg")
)
_POLYNOMIAL = REGISTRY["polynomial"]
_MOST_CONDITIONS = 16
_SERIES = ("conditions of series", 0)

Choice = tuple[int, int, int]


def sum_of_choices(op: Op) -> Callable[[Rewriter, int, int], int | None]:
    """The rule for sums, or for differences, of choices."""

    def combine(r: Rewriter, x: int, y: int) -> int | None:
        if not (r.is_op(x, _SELECT) and r.is_op(y, _SELECT)):
            return None
        (c, a, b), (d, e, g) = r.operands(x), r.operands(y)
        if _is_of_series(r, c) or _is_of_series(r, d):
            return None
        if c == d:
            return r.add(_SELECT, (c, r.add(op, (a, e)), r.add(op, (b, g))))
        if _not(r, d) == c:
            return r.add(_SELECT, (c, r.add(op, (a, g)), r.add(op, (b, e))))
        if _not(r, c) == d:
            return r.add(_SELECT, (d, r.add(op, (b, e)), r.add(op, (a, g))))
        if is_zero(r, b) and is_zero(r, g):
            apart = _apart(r, c, d)
            if apart is not None:
                common, condition, is_first = apart
                value = e if op is _ADD else r.add(_NEG, (e,))
                pair = (a, value) if is_first else (value, a)
                return r.add(_SELECT, (common, r.add(_SELECT, (condition, *pair)), b))
            if _says(r, d, c):
                return r.add(_SELECT, (c, r.add(op, (a, y)), b))
            if _says(r, c, d):
                return r.add(_SELECT, (d, r.add(op, (x, e)), g))
        rest = _beyond(r, d, c) if is_zero(r, g) else None
        if rest is not None:
            return _chained(r, (c, a, b), e if op is _ADD else r.add(_NEG, (e,)), rest)
        rest = _beyond(r, c, d) if is_zero(r, b) else None
        if rest is None:
            return None
        own = (d, e, g) if op is _ADD else (d, r.add(_NEG, (e,)), r.add(_NEG, (g,)))
        return _chained(r, own, a, rest)

    return combine


def _is_of_series(r: Rewriter, condition: int) -> bool:
    """Whether this says where a series stands for what cancels: what is beside it there is not looked at together.

    Rules for sums know what cancels near 0; far out x/(1 + x) + (log1p(x) - x)/x is no better than what it was.
    """
    known: tuple[int, set[int]] = r.memo.get(_SERIES, (0, set()))
    count, found = known
    if count < len(r.nodes):
        for node in r.nodes[count:]:
            if node.op is _SELECT and r.is_op(node.operands[1], _POLYNOMIAL):
                found.add(node.operands[0])
        r.memo[_SERIES] = len(r.nodes), found
    return condition in found or _not(r, condition) in found


def _chained(r: Rewriter, first: Choice, value: int, rest: list[int]) -> int:
    """c ? a : b, plus a value where c does not hold and the rest does."""
    c, a, b = first
    if not rest:
        return r.add(_SELECT, (c, a, r.add(_ADD, (b, value))))
    condition = reduce(lambda p, q: r.add(_AND, (p, q)), rest)
    if is_zero(r, b):
        # What is 0 beside both stays a gate: what multiplies it need not be finite there.
        return r.add(_SELECT, (r.add(_OR, (c, condition)), r.add(_SELECT, (c, a, value)), b))
    return r.add(_SELECT, (c, a, r.add(_ADD, (b, r.add(_SELECT, (condition, value, r.const(0)))))))


def _beyond(r: Rewriter, condition: int, other: int) -> list[int] | None:
    """What else a condition says, if it says that the other does not hold; None if it does not say so."""
    parts, excluded = _flat(r, condition, _AND), _flat(r, other, _OR)
    if not excluded <= {_not(r, part) for part in parts}:
        return None
    return [part for part in parts if _not(r, part) not in excluded]


def _apart(r: Rewriter, c: int, d: int) -> tuple[int, int, bool] | None:
    """p and q, p and not q: what both say, and q; whether the first is the one that says q."""
    first, second = _flat(r, c, _AND), _flat(r, d, _AND)
    common = [part for part in first if part in second]
    own, other = first - second, second - first
    if not common or len(own) != 1 or len(other) != 1:
        return None
    (p,), (q,) = own, other
    if _not(r, q) != p and _not(r, p) != q:
        return None
    both = reduce(lambda u, v: r.add(_AND, (u, v)), common)
    return (both, p, True) if _not(r, q) == p else (both, q, False)


def _says(r: Rewriter, condition: int, other: int) -> bool:
    """Whether the other holds wherever the condition does."""
    return not _flat(r, condition, _AND).isdisjoint(_flat(r, other, _OR))


def _flat(r: Rewriter, index: int, op: Op) -> KeysView[int]:
    """The conditions that such operations join."""
    found: dict[int, None] = {}
    stack = [index]
    while stack:
        node = stack.pop()
        if r.is_op(node, op) and len(found) + len(stack) < _MOST_CONDITIONS:
            stack += r.operands(node)[::-1]
        else:
            found[node] = None
    return found.keys()


def _not(r: Rewriter, index: int) -> int | None:
    return r.operands(index)[0] if r.is_op(index, _NOT) else None


def is_zero(r: Rewriter, index: int) -> bool:
    """Whether a node is the number 0, perhaps repeated."""
    number = r.number(r.operands(index)[0] if r.is_fill(index) else index)
    return number is not None and not number
