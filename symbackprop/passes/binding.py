"""Tight binding: p + q + k - sqrt((p + q + k)**2 - 4*p*q) and p - q - k + sqrt((p - q - k)**2 + 4*k*p), among factors.

Root and sum agree to all digits where one of p, q is small beside k, and what is under the root has none where p is
near q and k is small; the slopes have lost twice as many.
"""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import combinations

from symbackprop.ops import REGISTRY
from symbackprop.passes.factors import all_factors
from symbackprop.passes.offsets import Parts, built, square_of, terms
from symbackprop.passes.powers import Powers, number_and_powers
from symbackprop.passes.rewrite import Rewriter, Rule
from symbackprop.passes.tails import ratio_of

_SQRT, _NEG, _BOUND, _FREE = (REGISTRY[name] for name in ("sqrt", "neg", "bound", "free"))
_SHARES = REGISTRY["bound_fraction"], REGISTRY["free_fraction"]
_FRACTIONS = {_BOUND: _SHARES[0], _FREE: _SHARES[1]}
_NONE, _ONE = Fraction(0), Fraction(1)
Term = tuple[int, Fraction]
"""A node and its coefficient."""


def _sum(r: Rewriter, x: int, y: int) -> int | None:
    return _of_sum(r, x, y, _ONE)


def _difference(r: Rewriter, x: int, y: int) -> int | None:
    return _of_sum(r, x, y, -_ONE)


def _of_sum(r: Rewriter, x: int, y: int, sign: Fraction) -> int | None:
    one, other = terms(r, x), terms(r, y)
    if one is None or other is None:
        return None
    constant, parts = one[0] + sign * other[0], dict(one[1])
    for node, factor in other[1].items():
        parts[node] = parts.get(node, _NONE) + sign * factor
    for root in [node for node in parts if r.is_op(node, _SQRT) and not r.nodes[node].type.shape]:
        factor = parts[root]
        # The others are -factor times the sum under the root.
        rest = {node: part / -factor for node, part in parts.items() if node != root and part} if factor else {}
        found = _bound(r, r.operands(root)[0], -constant / factor, rest) if len(rest) >= 2 else None
        if found is not None:
            return (-2 * factor * r.f.wrap(found)).index
    return None


def _bound(r: Rewriter, under: int, constant: Fraction, total: Parts) -> int | None:
    """bound(p, q, k) where `under` is total**2 - 4*p*q, and total p + q + k."""
    own = terms(r, under)
    if own is None or own[0] or len(own[1]) != 2:
        return None
    for (square, one), (product, factor) in (list(own[1].items()), list(own[1].items())[::-1]):
        base = square_of(r, square)
        inner = terms(r, base) if base is not None and one == 1 else None
        if inner is None or not _is_same(inner, (constant, total)):
            continue
        for first, second in combinations(total, 2):
            if _is_product(r, (product, factor / -4), (first, total[first]), (second, total[second])):
                k = built(r, constant, {n: part for n, part in total.items() if n not in (first, second)})
                if total[first] * total[second] > 0:
                    p, q = (built(r, _NONE, {node: total[node]}) for node in (first, second))
                    return r.add(_BOUND, (p, q, k))
                # Of -p, which is positive, it is what stays free.
                low, high = (first, second) if total[first] < 0 else (second, first)
                p, q = (built(r, _NONE, {node: abs(total[node])}) for node in (low, high))
                return r.add(_NEG, (r.add(_FREE, (p, k, q)),))
    return None


def _is_same(one: tuple[Fraction, Parts], other: tuple[Fraction, Parts]) -> bool:
    """Whether two sums are the same, or one is less the other: their squares are."""
    negative = -other[0], {node: -factor for node, factor in other[1].items()}
    return one in (other, negative)


def _is_product(r: Rewriter, product: Term, one: Term, other: Term) -> bool:
    number, powers = number_and_powers(r.nodes, product[0])
    (a, first), (b, second) = (number_and_powers(r.nodes, node) for node in (one[0], other[0]))
    both: Powers = {base: first.get(base, 0) + second.get(base, 0) for base in {**first, **second}}
    same = {base: power for base, power in both.items() if power} == powers
    return same and number * product[1] == a * b * one[1] * other[1]


def _share(r: Rewriter, x: int, y: int) -> int | None:
    """bound(p, q, k)/p and free(p, q, k)/p, among factors: for a small p their slopes in p are no differences."""
    factors = all_factors(r, x)
    for whole in [factor for factor in factors if r.nodes[factor].op in _FRACTIONS]:
        op, (p, q, k) = r.nodes[whole].op, r.operands(whole)
        for of, other in ((p, q), (q, p)) if op is _BOUND else ((p, q),):
            ratio = ratio_of(r, y, of)
            if ratio is not None:
                share = r.f.wrap(r.add(_FRACTIONS[op], (of, other, k)))
                numbers = [number for factor in factors if (number := r.number(factor)) is not None]
                others = [r.f.wrap(n) for n in factors if n != whole and r.number(n) is None]
                number = math.prod(numbers, start=1 / ratio)
                return math.prod(others, start=share if number == 1 else number * share).index
    return None


def _other_share(r: Rewriter, x: int, y: int) -> int | None:
    """1 - bound_fraction(p, q, k), and 1 - free_fraction."""
    found = dict(zip(_SHARES, _SHARES[::-1], strict=True))
    if r.number(x) != 1 or r.nodes[y].op not in found:
        return None
    return r.add(found[r.nodes[y].op], r.operands(y))


_TOTALS = (1e-6, 1e3)

RULES = (
    Rule(
        "x + y + 1 - sqrt((x + y + 1)**2 - 4*x*y) -> 2*bound(x, y, 1)",
        "sub",
        _difference,
        lambda f, x, y, c: x + y + 1 - f.sqrt((x + y + 1) * (x + y + 1) - 4 * (x * y)),
        needs=("sqrt",),
        domain=(_TOTALS, _TOTALS),
        before=1e12,
        after=10,
    ),
    Rule(
        "x - y - 1 + sqrt((x - y - 1)**2 + 4*x) -> 2*free(x, y, 1)",
        "add",
        _sum,
        lambda f, x, y, c: f.sqrt((x - y - 2) * (x - y - 2) + 4 * (x * y)) + (x - y - 2),
        needs=("sqrt",),
        domain=(_TOTALS, _TOTALS),
        before=1e12,
        after=10,
    ),
    Rule(
        "bound(x, y, 1)/x -> bound_fraction(x, y, 1)",
        "div",
        _share,
        lambda f, x, y, c: f.bound(x, y, f.const(1)) / x,
        among=("bound", "free", "mul"),
        needs=("bound", "free"),
        domain=((1e-9, 1e3), _TOTALS),
        before=1e9,
        after=20,
    ),
    Rule(
        "1 - bound_fraction(x, y, 1) -> free_fraction(x, y, 1)",
        "sub",
        _other_share,
        lambda f, x, y, c: 1 - f.bound_fraction(x, y, f.const(1)),
        among=("bound_fraction", "free_fraction"),
        domain=((1e-6, 1.0), (1e3, 1e9)),
        before=1e6,
        after=20,
    ),
)
