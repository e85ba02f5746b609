"""Sums of exponentials whose weights have no known sign, as what a quotient is by: over the largest exponential.

With a weight of either sign there is no logarithm, and no share. Where exp(u) is the largest of the exponentials below,

    sum(v*exp(s))/sum(w*exp(t)) = sum(v*exp(s - u))/sum(w*exp(t - u)),

whose terms vanish far out: none is infinite beside another, and the slope of what is constant there is none.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import reduce
from typing import NamedTuple

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.ops.leaves import INPUT
from symbackprop.passes.exponential_quotients import SHORT_POWERS
from symbackprop.passes.exponential_sums import GROWING, ZERO, Key, key_of, less
from symbackprop.passes.factors import all_factors
from symbackprop.passes.offsets import MOST_TERMS, offset, terms
from symbackprop.passes.rewrite import Rewriter, Rule

_ADD, _SUB, _MUL, _DIV, _NEG, _POW, _EXP, _COSH, _SINH = (
    REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg", "pow", "exp", "cosh", "sinh")
)
_MOST_FACTORS = 8
_MOST_PEAKS = 3
_MOST_NODES = 64
_MODEST = 300
_DEEPEST = 2

Growth = tuple[tuple[Fraction, int], ...]
"""A sum of exponentials with numbers for weights, which stay together: exp(u) - 1."""


class _Part(NamedTuple):
    """number*weight*growth, the weight a product over another."""

    number: Fraction
    above: tuple[int, ...]
    below: tuple[int, ...]
    growth: Growth


def _quotient(r: Rewriter, x: int, y: int) -> int | None:
    """x over a product with a sum of exponentials, or with a short power of one."""
    factors = all_factors(r, y)
    for place, factor in enumerate(factors):
        power = r.number(r.operands(factor)[1]) if r.is_op(factor, _POW) else None
        base, times = (r.operands(factor)[0], int(power)) if power in SHORT_POWERS else (factor, 1)
        found = _over_largest(r, x, base, times)
        if found is not None:
            others = map(r.f.wrap, factors[:place] + factors[place + 1 :])
            return reduce(operator.truediv, others, found).index
    return None


def _over_largest(r: Rewriter, x: int, y: int, power: int) -> Value | None:
    """x/y**power, where y is a sum of exponentials."""
    f, below = r.f, _parts(r, y)
    if not below:
        return None
    exponents = {key_of(r, exponent): exponent for part in below for _, exponent in part.growth}
    above = _parts(r, x, alone=True) if len(exponents) > 1 else None
    if not above or _is_share(r, x, y, above, exponents):
        return None
    peaks = [f.wrap(exponents[key]) for key in _peaks(exponents)]
    if not 1 < len(peaks) <= _MOST_PEAKS:
        return None
    over = [_shifted(r, above, peak if power == 1 else power * peak) for peak in peaks]
    under = [_shifted(r, below, peak) for peak in peaks]
    total, divisor = over.pop(), under.pop()
    for place in range(len(peaks) - 2, -1, -1):
        is_largest = reduce(f.logical_and, [f.ge(peaks[place], other) for other in peaks[place + 1 :]])
        total = f.select(is_largest, over[place], total)
        # As a choice it is no sum of exponentials, which would be taken apart once more.
        divisor = f.select(is_largest, under[place], divisor)
    below_it = divisor if power == 1 else f.pow(divisor, power)
    if r.known(_DIV, (total.index, below_it.index)) is not None:
        # Another sweep comes to what stands beside that: or to the same quotient once more.
        known: Value | None = r.memo.get((f"over largest {y} {power}", x))
        return known
    far = total / below_it
    # Near each other they stay as they are written: what may vanish there, or is even, has its series and its rows.
    whole = y if power == 1 else r.add(_POW, (y, r.const(power)))
    near = [f.lt(f.abs(less(r, peak, peaks[0])), 2) for peak in peaks[1:]]
    is_near = reduce(f.logical_and, near, f.lt(f.abs(peaks[0]), _MODEST))
    found = f.select(is_near, f.wrap(r.plain(_DIV, (x, whole))), far)
    r.memo[f"over largest {y} {power}", x] = found
    return found


def _is_share(r: Rewriter, x: int, y: int, above: list[_Part], exponents: Mapping[Key, int]) -> bool:
    """u*w/(u + v), where w has no exponential in common with v: of that `passes.quotients` makes a row."""
    own = {key_of(r, exponent) for part in above for _, exponent in part.growth} - {ZERO}
    found, factors = terms(r, y), all_factors(r, x)
    alone = () if found is None or not own.isdisjoint(exponents) else [node for node in found[1] if node in factors]
    inputs = _inputs(r, exponents.values())
    return any(not _grows(r, node) and (inputs or set()).isdisjoint(_inputs(r, [node]) or ()) for node in alone)


def _parts(r: Rewriter, index: int, alone: bool = False, depth: int = 0) -> list[_Part] | None:
    """The terms of a sum of exponentials; `alone`: also of what is none."""
    found = terms(r, index) if depth <= _DEEPEST else None
    if found is None or not (alone or any(_grows(r, node) for node in found[1])):
        return None
    parts = [_Part(found[0], (), (), ((Fraction(1), r.const(0)),))] if found[0] else []
    for node, number in found[1].items():
        own = _product(r, node, depth)
        if own is None:
            return None
        parts += [part._replace(number=number * part.number) for part in own]
    return parts if len(parts) <= MOST_TERMS else None


def _grows(r: Rewriter, index: int) -> bool:
    above = [
        node
        for factor in all_factors(r, index)
        for node in (r.operands(factor) if r.is_op(factor, _DIV) else (factor,))
    ]
    return any(r.nodes[factor].op in GROWING for node in above for factor in all_factors(r, node))


def _product(r: Rewriter, index: int, depth: int) -> list[_Part] | None:
    """A product of weights, of exponentials and of sums of these, multiplied out."""
    made = [_Part(Fraction(1), (), (), ((Fraction(1), r.const(0)),))]
    stack = [(index, True)]
    for _ in range(2 * _MOST_FACTORS):
        if not stack or len(made) > MOST_TERMS:
            break
        node, upright = stack.pop()
        op, operands, number = r.nodes[node].op, r.operands(node), r.number(node)
        if op is _MUL:
            stack += [(operands[1], upright), (operands[0], upright)]
        elif op is _DIV:
            stack += [(operands[1], not upright), (operands[0], upright)]
        elif number:
            made = [part._replace(number=part.number * number if upright else part.number / number) for part in made]
        elif op in GROWING and upright:
            made = [part._replace(growth=_times(r, part.growth, _growth(r, node))) for part in made]
        else:
            inner = _parts(r, node, depth=depth + 1) if upright and (op is _ADD or op is _SUB) else None
            if inner is not None:
                made = [_joined(r, part, other) for part in made for other in inner]
            elif upright:
                made = [part._replace(above=(*part.above, node)) for part in made]
            else:
                made = [part._replace(below=(*part.below, node)) for part in made]
    return None if stack else made


def _growth(r: Rewriter, index: int) -> Growth:
    one, half, (u, *others) = Fraction(1), Fraction(1, 2), r.operands(index)
    op = r.nodes[index].op
    if op is _EXP:
        return ((one, u),)
    if op is _COSH or op is _SINH:
        return ((half, u), (half if op is _COSH else -half, r.add(_NEG, (u,))))
    return ((one, u), (-one, others[0] if others else r.const(0)))


def _times(r: Rewriter, first: Growth, second: Growth) -> Growth:
    return tuple([(a * b, r.add(_ADD, (u, v))) for a, u in first for b, v in second])


def _joined(r: Rewriter, first: _Part, second: _Part) -> _Part:
    return _Part(
        first.number * second.number,
        first.above + second.above,
        first.below + second.below,
        _times(r, first.growth, second.growth),
    )


def may_vanish(r: Rewriter, weights: Iterable[tuple[Fraction, tuple[int, ...]]], exponents: Iterable[int]) -> bool:
    """Whether a sum may be 0 where all that it depends on is, as exp(u) - 1 and exp(u) - 1 - u; from the numbers before
    its exponentials and the products that these have for weights.
    """
    known = [(number, factors) for number, factors in weights]
    inputs, others = _inputs(r, exponents), _inputs(r, [node for _, factors in known for node in factors])
    if inputs is None or others is None or (others and inputs.isdisjoint(others)):
        return False
    return not sum(number * math.prod(_at_zero(r, node) for node in factors) for number, factors in known)


def _at_zero(r: Rewriter, index: int) -> Fraction:
    """The number that a weight is beside what vanishes with its inputs, as far as is known."""
    found = terms(r, index)
    if found is None:
        return Fraction(0)
    offsets = [(offset(r, node), factor) for node, factor in found[1].items() if r.nodes[node].op is not INPUT]
    return found[0] + sum(own[0] * factor for own, factor in offsets if own is not None)


def _inputs(r: Rewriter, nodes: Iterable[int]) -> set[int] | None:
    """The inputs that these depend on; None where there is more to them than a few nodes."""
    seen: set[int] = set()
    stack = list(nodes)
    while stack and len(seen) < _MOST_NODES:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack += r.operands(node)
    return None if stack else {node for node in seen if r.nodes[node].op is INPUT}


def _peaks(exponents: Iterable[Key]) -> list[Key]:
    """The exponents that may be the largest: of x, 0 and -x the outer ones."""
    keys = list({key[1]: key for key in exponents}.values())
    lines = [_from(keys[0], key) for key in keys]
    along = next((line for line in lines if line), {})
    places = [_multiple(line, along) for line in lines]
    known = [place for place in places if place is not None]
    if len(known) == len(places):
        return [keys[places.index(max(known))], keys[places.index(min(known))]] if len(keys) > 1 else keys
    return [key for key in keys if not any(_is_halfway(key, a, b) for a in keys for b in keys if a != key)]


def _is_halfway(key: Key, first: Key, second: Key) -> bool:
    return _from(key, first) == {node: -factor for node, factor in _from(key, second).items()}


def _from(start: Key, key: Key) -> dict[int, Fraction]:
    line = dict(key[1])
    for node, factor in start[1]:
        line[node] = line.get(node, Fraction(0)) - factor
    return {node: factor for node, factor in line.items() if factor}


def _multiple(line: dict[int, Fraction], unit: dict[int, Fraction]) -> Fraction | None:
    if not line:
        return Fraction(0)
    ratios = {line[node] / unit[node] for node in line} if line.keys() == unit.keys() else set()
    return ratios.pop() if len(ratios) == 1 else None


def _shifted(r: Rewriter, parts: list[_Part], by: Value) -> Value:
    """The sum times exp(-by)."""
    f = r.f
    total: Value | None = None
    for number, above, below, growth in parts:
        grown: Value | None = None
        for factor, exponent in growth:
            term = f.exp(less(r, f.wrap(exponent), by))
            term = term if abs(factor) == 1 else abs(factor) * term
            grown = (term if factor > 0 else -term) if grown is None else grown + term if factor > 0 else grown - term
        assert grown is not None
        for node in above:
            grown = f.wrap(node) * grown
        for node in below:
            grown = grown / f.wrap(node)
        grown = grown if abs(number) == 1 else abs(number) * grown
        total = (grown if number > 0 else -grown) if total is None else total + grown if number > 0 else total - grown
    assert total is not None
    return total


RULES = (
    Rule(
        "cosh(x)/(exp(x) + y*exp(-x)) -> (1 + exp(-2*x))/2/(1 + y*exp(-2*x)) where x > 0",
        "div",
        _quotient,
        lambda f, x, y, c: f.cosh(x) / (f.exp(x) + y * f.exp(-x)),
        needs=tuple(sorted(row.name for row in GROWING)),
        domain=((-1000.0, 1000.0), (2.0, 3.0)),
        before=math.inf,
        after=10,
    ),
)
