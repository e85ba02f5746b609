"""Sums of exponentials over sums of exponentials, whose largest terms overflow together.

Over a sum D of positive weights every exponential is a share of it. A difference of two is the hyperbolic tangent of
half their distance times the share of their sum,

    (exp(u) - exp(v))/D = tanh((u - v)/2)*(exp(u) + exp(v))/D,

so that neither value nor slope cancels where u is near v, or where one of both is all there is of D.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import NamedTuple

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.ops.row import ELEMENTARY
from symbackprop.passes.exponential_sums import (
    GROWING,
    ZERO,
    Key,
    Term,
    expanded,
    halved,
    is_positive,
    key_of,
    less,
    logarithm_of_sum,
    opposite,
)
from symbackprop.passes.factors import all_factors
from symbackprop.passes.offsets import terms
from symbackprop.passes.rewrite import Rewriter

_ADD, _MUL, _POW, _EXP = (REGISTRY[name] for name in ("add", "mul", "pow", "exp"))
SHORT_POWERS = (2, 3, 4)
_DEEPEST = 3


class _Numbers(NamedTuple):
    """A sum of exponentials with numbers for weights."""

    weights: dict[Key, Fraction]
    exponents: dict[Key, Value]


def quotient_of_sums(r: Rewriter, x: int, below: list[Term]) -> Value | None:
    """A sum in which more than one exponential stands over one of positive weights, or over a difference of two."""
    if len(below) < 2 or not is_sum_of_exponentials(r, x):
        return None
    if is_positive(below):
        return _over(r, x, below)
    pair = _difference(below)
    if pair is not None:
        return _over_difference(r, x, *pair)
    # 2*cosh(u) + w: over the cosine, beside which a constant is small.
    known = [term for term in below if term.number is not None]
    unknown = [term for term in below if term.number is None]
    keys = {term.key for term in known}
    if not (is_positive(known) and any(key != ZERO and opposite(key) in keys for key in keys)):
        return None
    if any(term.key != ZERO for term in unknown):
        return None
    above, one = _over(r, x, known), _lone(r, ZERO, r.f.const(0), known)
    if above is None or one is None:
        return None
    for term in unknown:
        above = above / (1 + term.weight * one)
    return above


def over_power(r: Rewriter, x: int, below: list[Term], times: int) -> Value | None:
    """x over the power of a sum of positive weights: as many sums among the factors of x as there are take one each.

    The slope of sinh(x)/(1 + 2*cosh(x)), and its own slope, as SymPy writes them.
    """
    if not is_positive(below) or len(below) < 3:
        return None
    total: Value | None = None
    left, f = times, r.f
    for factor in all_factors(r, x):
        power = r.number(r.operands(factor)[1]) if r.is_op(factor, _POW) else None
        base, count = (r.operands(factor)[0], int(power)) if power in SHORT_POWERS else (factor, 1)
        own = _over(r, base, below) if count <= left and grows_anywhere(r, base) else None
        if own is None:
            part = f.wrap(factor)
        else:
            part, left = own if count == 1 else f.pow(own, count), left - count
        total = part if total is None else total * part
    one = _lone(r, ZERO, f.const(0), below)
    if one is None or total is None or left == times:
        return None
    return total if not left else total * (one if left == 1 else f.pow(one, left))


def grows_anywhere(r: Rewriter, index: int) -> bool:
    found = terms(r, index)
    return found is not None and any(_grows(r, node) for node in found[1])


def is_sum_of_exponentials(r: Rewriter, index: int) -> bool:
    """Whether a factor is cosh, sinh or expm1, or a sum with an exponential and something beside it."""
    for factor in all_factors(r, index):
        found = terms(r, factor)
        growing = [node for node in found[1] if _grows(r, node)] if found is not None else []
        alone = found is None or len(found[1]) + bool(found[0]) == 1
        if growing and (not alone or any(_is_sum(r, node) for node in growing)):
            return True
    return False


def grow_alike(r: Rewriter, index: int, parts: list[Term]) -> bool:
    """Whether a term grows in what the exponents of a sum are of."""
    nodes = {node for term in parts for node, _ in term.key[1]}
    rows = [row for factor in all_factors(r, index) for node in _terms(r, factor) for row in all_factors(r, node)]
    # Of a product of sums, each sum.
    rows += [row for node in rows for inner in _terms(r, node) for row in all_factors(r, inner)]
    growing = [operand for row in rows if r.nodes[row].op in GROWING for operand in r.operands(row)]
    return any(node in nodes for operand in growing for node, _ in key_of(r, operand)[1])


def _terms(r: Rewriter, index: int) -> Iterable[int]:
    found = terms(r, index)
    return () if found is None else found[1]


def _is_sum(r: Rewriter, index: int) -> bool:
    return any(r.nodes[factor].op in GROWING - {_EXP} for factor in all_factors(r, index))


def _grows(r: Rewriter, index: int) -> bool:
    return any(r.nodes[factor].op in GROWING for factor in all_factors(r, index))


def _difference(below: list[Term]) -> tuple[Term, Term] | None:
    """The positive term first: over 1 - exp(u) as over exp(u) - 1."""
    if len(below) != 2 or below[0].number is None or below[1].number is None or below[0].number != -below[1].number:
        return None
    return (below[0], below[1]) if below[0].number > 0 else (below[1], below[0])


def _over_difference(r: Rewriter, x: int, plus: Term, minus: Term) -> Value | None:
    """x/(n*exp(u) - n*exp(v)) through n*exp(u) + n*exp(v), but for quotients that are rows."""
    assert plus.number is not None
    row = _over(r, x, [plus, minus])
    # What grows in something else alone is left to an occupation, where that is one as it is written.
    if row is not None or (plus.key == ZERO and not grow_alike(r, x, [plus, minus])):
        return row
    positive = _over(r, x, [plus, minus._replace(number=plus.number, weight=plus.weight)])
    return None if positive is None else positive / r.f.tanh(halved(r, less(r, plus.exponent, minus.exponent)))


def _over(r: Rewriter, x: int, below: list[Term], shift: int | None = None, depth: int = 0) -> Value | None:
    """x*exp(shift) over a sum, term by term."""
    found = terms(r, x)
    if found is None or depth > _DEEPEST or is_of_one(r, found[1]):
        return None
    numbers = _Numbers({}, {})
    pieces: list[Value] = []
    for factor, weight, own in expanded(r, *found):
        exponent = _plus(r, own, shift)
        if weight is None:
            key = ZERO if exponent is None else key_of(r, exponent)
            numbers.weights[key] = numbers.weights.get(key, Fraction(0)) + factor
            numbers.exponents.setdefault(key, r.f.const(0) if exponent is None else r.f.wrap(exponent))
        else:
            piece = _weighted(r, weight, exponent, below, depth)
            if piece is None:
                return None
            pieces.append(piece if factor == 1 else factor * piece)
    own_pieces = _of_numbers(r, numbers, below)
    if own_pieces is None:
        return None
    pieces = own_pieces + pieces
    total = pieces[0] if pieces else r.f.const(0)
    for piece in pieces[1:]:
        total = total + piece
    return total


def is_of_one(r: Rewriter, parts: Mapping[int, Fraction]) -> bool:
    """sin(v) - v with v = exp(x), or expm1(x) - x: terms that may cancel have to stay together."""
    for node in parts:
        for operand in r.operands(node) if r.nodes[node].op.cost >= ELEMENTARY else ():
            found = terms(r, operand)
            if operand in parts or (found is not None and not parts.keys().isdisjoint(found[1])):
                return True
    return False


def _plus(r: Rewriter, first: int | None, second: int | None) -> int | None:
    if first is None or second is None:
        return second if first is None else first
    return r.add(_ADD, (first, second))


def _weighted(r: Rewriter, weight: int, exponent: int | None, below: list[Term], depth: int) -> Value | None:
    """weight*exp(exponent) over a sum, where a factor of the weight may be a sum of exponentials itself."""
    f, factors = r.f, all_factors(r, weight)
    for place, factor in enumerate(factors):
        found = terms(r, factor)
        if found is not None and any(_grows(r, node) for node in found[1]):
            inner = _over(r, factor, below, exponent, depth + 1)
            return None if inner is None else _product(r, factors[:place] + factors[place + 1 :], inner)
    key = ZERO if exponent is None else key_of(r, exponent)
    lone = _lone(r, key, f.const(0) if exponent is None else f.wrap(exponent), below)
    return None if lone is None else f.wrap(weight) * lone


def _product(r: Rewriter, factors: list[int], last: Value) -> Value:
    for factor in factors[::-1]:
        last = r.f.wrap(factor) * last
    return last


def _lone(r: Rewriter, key: Key, exponent: Value, below: list[Term]) -> Value | None:
    """exp(exponent) over a sum of positive weights."""
    return _group(r, {key: Fraction(1)}, {key: exponent}, below) if is_positive(below) else None


def _of_numbers(r: Rewriter, numbers: _Numbers, below: list[Term]) -> list[Value] | None:
    """The shares of exponentials with numbers for weights: differences of two first, then what has one ratio."""
    left = {key: weight for key, weight in numbers.weights.items() if weight}
    ratio = _ratio_row(r, left, numbers.exponents, below)
    if ratio is not None:
        return [ratio]
    if not is_positive(below):
        return None
    weights = {term.key: term.number for term in below}
    pieces: list[Value | None] = []

    def pair(number: Fraction, u: Key, v: Key) -> None:
        half = halved(r, less(r, numbers.exponents[u], numbers.exponents[v]))
        both = _group(r, {u: Fraction(1), v: Fraction(1)}, numbers.exponents, below)
        pieces.append(None if both is None else number * r.f.tanh(half) * both)

    for u in list(left):
        for v in list(left):
            if u in left and v in left and left[u] == -left[v] and weights.get(u) == weights.get(v) and u != v:
                pair(left.pop(u), u, v)
                left.pop(v)
    if len(left) > 1 and not sum(left.values()) and len({weights.get(key) for key in left}) == 1:
        # All differ from the one of the largest weight: the sum vanishes where all are equal.
        last = max(left, key=lambda key: abs(left[key]))
        for key in left:
            if key != last:
                pair(left[key], key, last)
        left = {}
    groups: dict[tuple[Fraction, bool], dict[Key, Fraction]] = {}
    for key, number in left.items():
        weight = weights.get(key)
        groups.setdefault((number / (weight or 1), weight is not None), {})[key] = weight or Fraction(1)
    for (number, _), group in groups.items():
        share = _group(r, group, numbers.exponents, below)
        pieces.append(None if share is None else share if number == 1 else number * share)
    return None if None in pieces else [piece for piece in pieces if piece is not None]


def _group(
    r: Rewriter, weights: Mapping[Key, Fraction], exponents: Mapping[Key, Value], below: list[Term]
) -> Value | None:
    """A few exponentials with positive weights over the sum: a logistic function where they are a part of it."""
    own = [term for term in below if term.key in weights]
    ratios = {weights[term.key] / term.number for term in own if term.number is not None}
    if len(own) == len(weights) and len(ratios) == 1:
        (number,) = ratios
        rest = [term for term in below if term.key not in weights]
        if not rest:
            return r.f.const(number)
        first, second = logarithm_of_sum(r, own), logarithm_of_sum(r, rest)
        if first is None or second is None:
            return None
        share = r.f.logistic(less(r, first, second))
        return share if number == 1 else number * share
    f = r.f
    terms_of = [Term(n, f.const(n), key, exponents[key]) for key, n in weights.items()]
    first, second = logarithm_of_sum(r, terms_of), logarithm_of_sum(r, below)
    return None if first is None or second is None else f.exp(less(r, first, second))


def _ratio_row(
    r: Rewriter, above: dict[Key, Fraction], exponents: Mapping[Key, Value], below: list[Term]
) -> Value | None:
    """Multiples of cosh(u) or sinh(u) over cosh(v) or sinh(v), and of expm1(u) over expm1(v)."""
    if len(above) != 2 or len(below) != 2 or any(term.number is None for term in below):
        return None
    (u, number), (v, other) = above.items()
    c, d = below
    assert c.number is not None and d.number is not None
    if abs(number) != abs(other) or abs(c.number) != abs(d.number):
        return None
    if {u, v} == {c.key, d.key}:
        own = {c.key: c.number, d.key: d.number}
        return r.f.const(number / own[u]) if number / own[u] == other / own[v] else None
    sine, over_sine = number == -other, c.number == -d.number
    if u == opposite(v) and c.key == opposite(d.key):
        name = f"{'sinh' if sine else 'cosh'}_over_{'sinh' if over_sine else 'cosh'}"
        return number / c.number * r.f.apply(REGISTRY[name], exponents[u], c.exponent)
    if sine and over_sine and ZERO in (u, v) and ZERO in (c.key, d.key):
        first, second = (u, number) if v == ZERO else (v, other), (c, c.number) if d.key == ZERO else (d, d.number)
        return first[1] / second[1] * r.f.expm1_ratio(exponents[first[0]], second[0].exponent)
    return None
