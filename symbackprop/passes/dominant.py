"""Quotients and logarithms of sums of exponentials whose weights have no known sign, by the dominant exponential.

Of logistic growth K*N0*exp(u)/(K + N0*(exp(u) - 1)), and of partition functions with degeneracies as symbols, there is
no logarithm, and no share: a weight may be negative. Where exp(u) is the largest of the exponentials of a sum, it goes
out of it, and leaves its own weight, which is constant, beside terms that vanish far out,

    w*exp(u) + v*exp(s) = exp(u)*(w + v*exp(s - u)),

so that nothing overflows, and what is constant far out has no slope but that of the terms which vanish. Where no
exponent is beyond 1 a quotient stays as it is written: what meets in it near 0 goes on meeting. The factors without
exponentials stay a quotient of their own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial, reduce
from operator import mul
from typing import NamedTuple

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.passes.exponential_quotients import SHORT_POWERS
from symbackprop.passes.exponential_sums import (
    GROWING,
    Key,
    is_positive,
    less,
)
from symbackprop.passes.factors import all_factors
from symbackprop.passes.multiplied_out import Sum, sum_of
from symbackprop.passes.near_one import logarithm
from symbackprop.passes.offsets import terms
from symbackprop.passes.rewrite import Rewriter, Rule

_ADD, _SUB, _MUL, _DIV, _NEG, _POW, _EXP, _LOG, _COSH = (
    REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg", "pow", "exp", "log", "cosh")
)
_OF_TERMS = frozenset({_ADD, _SUB, _MUL, _DIV, _NEG})
LOGARITHM_OF = "logarithm of"
"""The question that the memo answers for the choices that a logarithm has become, with what it was of."""
_MOST_FACTORS = 24
_MOST_EXPONENTS = 4


class _Side(NamedTuple):
    """A product: its sums of exponentials with their powers, the exponents of lone exponentials, and the rest."""

    sums: list[tuple[int, Sum, int]]
    exponents: list[Value]
    others: list[tuple[Value, int]]


class _Arm(NamedTuple):
    """Where an exponential is dominant, and which exponent it has in a sum; None where it is in none of its terms."""

    condition: Value
    dominant: Callable[[Sum], Value | None]
    on_a_line: bool
    """Whether all exponents are multiples of one."""


def _quotient(r: Rewriter, x: int, y: int) -> int | None:
    below = _sides(r, y)[0]
    # What is over exp(u) - 1 may vanish with it, and is for other rules.
    if not any(_is_mixed(parts) for _, parts, _ in below.sums) or any(_vanishes(r, node) for node, *_ in below.sums):
        return None
    common = _with_common_weight(r, y)
    if common is not None:
        weight, total = common
        return (r.f.wrap(x) / weight / total).index
    sides = _sides(r, x, y)
    if _has_common_terms(r, *sides):
        return None
    f, found = r.f, r.f.wrap(r.plain(_DIV, (x, y)))
    arms = _arms(r, [(node, parts) for node, parts, _ in below.sums], _has_shares(r, *sides))
    for arm in reversed(arms):
        found = f.select(_is_far(r, arm, [parts for _, parts, _ in below.sums]), _far(r, *sides, arm), found)
    return found.index if arms else None


def _logarithm(r: Rewriter, x: int) -> int | None:
    """log(S) = u + log(T)."""
    parts = sum_of(r, x)
    if parts is None or not _is_mixed(parts):
        return None
    arms = _arms(r, [(x, parts)], False)
    near = logarithm(r, x) if arms else None
    f, found = r.f, r.f.wrap(r.plain(_LOG, (x,)) if near is None else near)
    for arm in reversed(arms):
        u = arm.dominant(parts)
        assert u is not None
        far = u + f.wrap(r.plain(_LOG, (_shifted(r, parts, u).index,)))
        found = f.select(_is_far(r, arm, [parts]), far, found)
    if not arms:
        return None
    r.memo[LOGARITHM_OF, found.index] = x
    return found.index


def _vanishes(r: Rewriter, index: int) -> bool:
    return r.nodes[index].op in GROWING and not r.is_op(index, _COSH)


def _with_common_weight(r: Rewriter, index: int) -> tuple[Value, Value] | None:
    """w*exp(u) + 2*w*exp(v) as w and exp(u) + 2*exp(v), whose weights are known."""
    parts = sum_of(r, index)
    found = [terms(r, term.weight.index) for term in parts or ()]
    single = [own[1] for own in found if own is not None and not own[0] and len(own[1]) == 1]
    if not parts or len(single) < len(parts) or len({node for own in single for node in own}) > 1:
        return None
    numbers = [number for own in single for number in own.values()]
    if not all(number > 0 for number in numbers):
        return None
    f = r.f
    total = f.const(0)
    for term, number in zip(parts, numbers, strict=True):
        total = total + (f.exp(term.exponent) if number == 1 else number * f.exp(term.exponent))
    return f.wrap(next(iter(single[0]))), total


def _is_mixed(parts: Sum) -> bool:
    return len(parts) > 1 and not is_positive(list(parts))


def _sides(r: Rewriter, x: int, y: int | None = None) -> tuple[_Side, _Side]:
    """The factors of x/y, those above and those below."""
    f, sides = r.f, (_Side([], [], []), _Side([], [], []))
    stack = [(x, 0, 1)] if y is None else [(x, 0, 1), (y, 1, 1)]
    for _ in range(_MOST_FACTORS):
        if not stack:
            break
        node, at, count = stack.pop(0)
        op, operands = r.nodes[node].op, r.operands(node)
        power = r.number(operands[1]) if op is _POW else None
        parts = sum_of(r, node)
        if op is _MUL or op is _DIV:
            stack += [(operands[0], at, count), (operands[1], at if op is _MUL else 1 - at, count)]
        elif op is _NEG:
            sides[at].others.append((f.const(-1), count))
            stack.append((operands[0], at, count))
        elif power in SHORT_POWERS and count == 1:
            stack.append((operands[0], at, int(power or 0)))
        elif op is _EXP:
            sides[at].exponents.append(_times(count, f.wrap(operands[0])))
        elif parts is not None:
            sides[at].sums.append((node, parts, count))
        else:
            sides[at].others.append((f.wrap(node), count))
    for node, at, count in stack:
        sides[at].others.append((f.wrap(node), count))
    return sides


def _times(count: int, u: Value) -> Value:
    return u if count == 1 else count * u


def _arms(r: Rewriter, known: list[tuple[int, Sum]], shares: bool) -> list[_Arm]:
    """Where an exponent beyond 1 is the largest, or the smallest one below -1 where no term is constant."""
    sums = [parts for _, parts in known]
    keys = {term.key: term.exponent for parts in sums for term in parts if term.key[1]}
    longest = max(keys, key=lambda key: max(abs(factor) for _, factor in key[1]))
    if all(_multiple(key, longest) is not None for key in keys):
        return _on_a_line(r, sums, longest, keys[longest], shares)
    # A hyperbolic sine of something else, whose exponentials cancel near 0, is not taken apart.
    alone = len(sums) == 1 and len(keys) <= _MOST_EXPONENTS and _is_of_exponentials(r, known[0][0])
    return _in_space(r, keys, sums[0]) if alone else []


def _is_of_exponentials(r: Rewriter, index: int) -> bool:
    """Whether a sum grows by rows exp alone."""
    stack = [index]
    while stack:
        op, operands = r.nodes[(node := stack.pop())].op, r.operands(node)
        if op in GROWING and op is not _EXP:
            return False
        stack += operands if op in _OF_TERMS else ()
    return True


def _multiple(key: Key, unit: Key) -> Fraction | None:
    """The number c of an exponent c*u + d."""
    line, along = dict(key[1]), dict(unit[1])
    ratios = {line[node] / along[node] for node in line} if line.keys() == along.keys() else set()
    return Fraction(0) if not line else ratios.pop() if len(ratios) == 1 else None


def _on_a_line(r: Rewriter, sums: list[Sum], unit: Key, u: Value, shares: bool) -> list[_Arm]:
    """All exponents are multiples of u, but for a number: the largest one is dominant, or the smallest one."""

    def dominant(pick: Callable[..., Fraction], parts: Sum) -> Value | None:
        known = {multiple: term for term in parts if (multiple := _multiple(term.key, unit)) is not None}
        return known[pick(known)].exponent if any(known) else None

    sides: list[tuple[Value, Callable[..., Fraction]]] = [(r.f.gt(u, 1), max), (r.f.lt(u, -1), min)]
    return [
        _Arm(condition, partial(dominant, pick), True)
        for condition, pick in sides
        if shares or any(pick(_multiple(term.key, unit) or 0 for term in parts) for parts in sums)
    ]


def _in_space(r: Rewriter, keys: dict[Key, Value], parts: Sum) -> list[_Arm]:
    f = r.f
    floor = [f.const(0)] if any(not term.key[1] for term in parts) else []
    arms = []
    for key, u in keys.items():
        others = [other for other in keys.values() if other is not u] + floor
        largest = reduce(f.logical_and, [f.ge(u, other) for other in others], f.gt(f.abs(u), 1))
        arms.append(_Arm(largest, partial(_own, u, key), False))
    return arms


def _own(u: Value, key: Key, parts: Sum) -> Value | None:
    return u if any(term.key == key for term in parts) else None


def _is_far(r: Rewriter, arm: _Arm, sums: list[Sum]) -> Value:
    """Where the terms with the dominant exponentials are not small beside the others: else these are to be divided by,
    and the sum is about what it is as written.
    """
    f, found = r.f, arm.condition
    for parts in sums:
        u = arm.dominant(parts)
        for term in parts:
            if u is not None and term.exponent.index == u.index:
                found = f.logical_and(found, f.lt(f.abs(_shifted(r, parts, u)), 4 * f.abs(term.weight)))
    return found


def _far(r: Rewriter, above: _Side, below: _Side, arm: _Arm) -> Value:
    """The quotient where an exponential is dominant."""
    f, exponent = r.f, r.f.const(0)
    for u in above.exponents:
        exponent = less(r, exponent, -u)
    for u in below.exponents:
        exponent = less(r, exponent, u)
    divisors: list[tuple[Value, int]] = []
    for _, parts, count in below.sums:
        dominant = arm.dominant(parts)
        assert dominant is not None
        divisors.append((_shifted(r, parts, dominant), count))
        exponent = less(r, exponent, _times(count, dominant))
    # A weight over a sum with that weight is a share, of which `passes.quotients` makes a row.
    weights = _weights(r, below)
    divisor, power = divisors[0] if len(divisors) == 1 else (_product_of(r, divisors), 1)
    shared = [value for value, count in above.others if value.index in weights and count == power]
    others = [(value, count) for value, count in above.others if value.index not in weights or count != power]
    if _has_shares(r, above, below):
        pieces = [(term.weight, less(r, exponent, -term.exponent)) for term in above.sums[0][1]]
    else:
        factors: list[tuple[Value, int]] = []
        for node, parts, count in above.sums:
            dominant = arm.dominant(parts) if arm.on_a_line or _is_of_exponentials(r, node) else None
            factors.append((f.wrap(node) if dominant is None else _shifted(r, parts, dominant), count))
            exponent = exponent if dominant is None else less(r, exponent, -_times(count, dominant))
        pieces = [(_product_of(r, factors), exponent)]
    far = f.const(0)
    for weight, u in pieces:
        piece = weight * f.exp(u)
        own = reduce(mul, shared, piece if power == 1 else f.const(1))
        share = _power(r, f.wrap(r.plain(_DIV, (own.index, divisor.index))), power)
        far = far + (share if power == 1 else piece * share)
    return _product_of(r, others) / _product_of(r, below.others) * far


def _product_of(r: Rewriter, factors: list[tuple[Value, int]]) -> Value:
    return reduce(mul, [_power(r, value, count) for value, count in factors], r.f.const(1))


def _power(r: Rewriter, base: Value, count: int) -> Value:
    return base if count == 1 else r.f.pow(base, count)


def _weights(r: Rewriter, below: _Side) -> set[int]:
    weights = [term.weight.index for _, parts, _ in below.sums for term in parts if term.number is None]
    return {factor for weight in weights for factor in [weight, *all_factors(r, weight)] if r.number(factor) is None}


def _has_shares(r: Rewriter, above: _Side, below: _Side) -> bool:
    """Whether a sum is over one with a weight that it has itself: each of its terms is taken over that."""
    if [count for *_, count in above.sums] != [1] or [count for *_, count in below.sums] != [1]:
        return False
    weights = _weights(r, below)
    return any(not weights.isdisjoint(all_factors(r, term.weight.index)) for term in above.sums[0][1])


def _has_common_terms(r: Rewriter, above: _Side, below: _Side) -> bool:
    """(a + exp(x))/(a - exp(x)), whose slope in a is known to the rules for quotients of what is nearly equal."""
    return any(
        over.key == under.key and None is over.number is under.number and _are_multiples(r, over.weight, under.weight)
        for _, sum_above, _ in above.sums
        for _, sum_below, _ in below.sums
        for over in sum_above
        for under in sum_below
    )


def _are_multiples(r: Rewriter, x: Value, y: Value) -> bool:
    one, other = terms(r, x.index), terms(r, y.index)
    if one is None or other is None or one[1].keys() != other[1].keys():
        return x.index == y.index
    ratios = {one[1][node] / other[1][node] for node in other[1]} | ({one[0] / other[0]} if other[0] else set())
    return len(ratios) == 1 and bool(one[0]) == bool(other[0])


def _shifted(r: Rewriter, parts: Sum, by: Value) -> Value:
    """The sum times exp(-by)."""
    f = r.f
    total = f.const(0)
    for term in parts:
        grown = f.exp(less(r, term.exponent, by))
        if term.number is not None and term.number < 0:
            total = total - (grown if term.number == -1 else -term.number * grown)
        else:
            total = total + (grown if term.number == 1 else term.weight * grown)
    return total


RULES = (
    Rule(
        "cosh(x)/(y - exp(x) - exp(-x)/2) -> (1 + exp(-2*x))/2/(y*exp(-x) - 1 - exp(-2*x)/2) where x > 1, and likewise",
        "div",
        _quotient,
        lambda f, x, y, c: f.cosh(x) / (y - f.exp(x) - f.exp(-x) / 2),
        needs=tuple(sorted(row.name for row in GROWING)),
        domain=((-1000.0, 1000.0), (-3.0, -2.0)),
        before=math.inf,
        after=10,
    ),
)
LOGARITHM_RULES = (
    Rule(
        "log(y + 3 + 2*exp(x) + exp(2*x)) -> 2*x + log((y + 3)*exp(-2*x) + 2*exp(-x) + 1) where x > 1/2, and likewise",
        "log",
        _logarithm,
        lambda f, x, y, c: f.log(y + 3 + 2 * f.exp(x) + f.exp(2 * x)),
        needs=tuple(sorted(row.name for row in GROWING)),
        domain=((-1000.0, 1000.0), (-2.0, 2.0)),
        before=math.inf,
        after=10,
    ),
)
