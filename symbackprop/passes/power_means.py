"""Norms and means of a power s: (x**s + y**s)**(1/s), and (w*x**s + (1 - w)*y**s)**(1/s), the CES production function.

The powers overflow at s = 700 for x = 3, and a mean, whose limit at s = 0 is geometric, is 1**inf there. With the ratio
of its bases, h = s*log(x/y), it is the larger base times (v + w*exp(-abs(h)))**(1/s), where nothing overflows; a mean
beside h = 0 is y*exp(log(x/y)*g) with the mean g of the first share over all exponents from 0 to s, a smooth function.
Of more than two the mean of two is a base of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import reduce

import numpy as np

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.passes.offsets import MOST_TERMS, terms
from symbackprop.passes.powers import Powers, number_and_powers, raised
from symbackprop.passes.rewrite import Rewriter, Rule

_ADD, _POW = REGISTRY["add"], REGISTRY["pow"]
_LONGEST_CHAIN = 8
"""Powers by numbers up to this one are products, and of usual sizes far from the ends of the range."""
_NEAR, _NODES = Fraction(1, 2), 6
"""Of Gauss and Legendre's rule: the shares are logistic functions, whose poles are pi away; it errs by 2e-17."""
_ONE, _SMALLEST = Fraction(1), Fraction(1, 10**300)
Part = tuple[Value, Value]
"""A weight and a base."""


def _power(r: Rewriter, x: int, y: int) -> int | None:
    number = r.number(y)
    if (number is not None and number.denominator == 1) or r.nodes[x].type.shape or r.nodes[y].type.shape:
        return None
    found = terms(r, x)
    if found is None:
        return None
    constant, parts = found
    if len(parts) + bool(constant) < 2 or not any(_may_be_power(r, node) for node in parts):
        return None
    exponent: tuple[Fraction, Powers] | None = None
    pieces: list[Part] = []
    for node, factor in parts.items():
        piece = _as_power(r, node, factor, y, exponent)
        if piece is None:
            return None
        exponent, weight, base = piece
        pieces.append((weight, base))
    if exponent is None or len(pieces) > MOST_TERMS:
        return None
    f = r.f
    if constant:
        pieces.append((f.const(constant), f.const(1)))
    whole = number_and_powers(r.nodes, y)[0] * exponent[0]
    s = raised(f, exponent[1], exponent[0])
    # Where a base is 0 or below the power itself is taken, which then is of 1 elsewhere. Of abs(x) > 0 but one point
    # would be left, whose slopes are those beside it.
    conditions = [f.gt(base, _SMALLEST) for _, base in pieces]
    if len(pieces) > 2:
        # Of weights of both signs the mean of the first two may be none where that of all is one.
        signs = [r.number(weight.index) for weight, _ in pieces]
        if any(sign is not None and sign < 0 for sign in signs):
            return None
        conditions += [f.gt(weight, 0) for (weight, _), sign in zip(pieces, signs, strict=True) if sign is None]
    positive = reduce(f.logical_and, conditions)
    mean = _mean(r, [(weight, f.select(positive, base, 1)) for weight, base in pieces], s)
    raised_mean = mean if whole == 1 else 1 / mean if whole == -1 else f.pow(mean, f.const(whole))
    apart = f.wrap(r.plain(_POW, (f.select(positive, 1, f.wrap(x)).index, y)))
    return f.select(positive, raised_mean, apart).index


def _may_be_power(r: Rewriter, index: int) -> bool:
    return any(r.is_op(base, _POW) or abs(power) > _LONGEST_CHAIN for base, power in _powers(r, index).items())


def _powers(r: Rewriter, index: int) -> Powers:
    return number_and_powers(r.nodes, index)[1]


def _as_power(
    r: Rewriter, index: int, factor: Fraction, outer: int, known: tuple[Fraction, Powers] | None
) -> tuple[tuple[Fraction, Powers], Value, Value] | None:
    """The exponent, the weight and the base of a term, whose exponent times the outer one is a number."""
    number, powers = number_and_powers(r.nodes, index)
    others = _powers(r, outer)
    for node, power in powers.items():
        base, own = (r.operands(node)[0], r.operands(node)[1]) if r.is_op(node, _POW) else (node, None)
        size, variables = (Fraction(power), Powers()) if own is None else number_and_powers(r.nodes, own)
        size = size if own is None else size * power
        if own is None and abs(power) <= _LONGEST_CHAIN:
            continue
        if any(variables.get(name, 0) + others.get(name, 0) for name in {**variables, **others}):
            continue
        if known is not None and known != (size, variables):
            continue
        left = {other: count for other, count in powers.items() if other != node}
        # An even power is that of the size.
        value = r.f.abs(r.f.wrap(base)) if own is None and power % 2 == 0 else r.f.wrap(base)
        return (size, variables), raised(r.f, left, factor * number), value
    return None


def _mean(r: Rewriter, parts: Sequence[Part], s: Value) -> Value:
    """(w*x**s + v*y**s + ...)**(1/s) of positive x, y, ..."""
    (weight, base), *others = parts
    f = base.f
    numbers = [r.number(part[0].index) for part in parts]
    of_one = all(number is not None for number in numbers) and sum(filter(None, numbers)) == 1
    for other_weight, other in others:
        total = weight + other_weight
        if of_one:
            base, weight = _of_two(r, (weight / total, base), (other_weight / total, other), s), total
        else:
            base, weight = _of_two(r, (weight, base), (other_weight, other), s), f.const(1)
    return base


def _of_two(r: Rewriter, one: Part, other: Part, s: Value) -> Value:
    (w, x), (v, y) = one, other
    f, logarithm = x.f, x.f.log_ratio(x, y)
    h = s * logarithm
    if w.index == v.index:
        first, high, low = f.gt(h, 0), w, v
    else:
        first = f.gt(w * f.exp(h), v)
        high, low = f.select(first, w, v), f.select(first, v, w)
    shrunk = low * f.exp(f.select(first, -h, h))
    logarithm_of_sum = f.log1p(shrunk) if r.number(high.index) == 1 else f.log(high + shrunk)
    far = f.select(first, x, y) * f.exp(logarithm_of_sum / s)
    if terms(r, (w + v).index) != (_ONE, {}):
        return far
    places, weights = np.polynomial.legendre.leggauss(_NODES)
    share = f.const(0)
    for place, weight in zip(places.tolist(), weights.tolist(), strict=True):
        share = share + Fraction(weight / 2) * f.exp_share(-(Fraction((1 + place) / 2) * h), w, v)
    # A share has a real pole, between 0 and h perhaps, where its weights are of both signs.
    is_near = f.logical_and(f.lt(f.abs(h), _NEAR), f.logical_and(f.ge(w, 0), f.ge(v, 0)))
    return f.select(is_near, y * f.exp(logarithm * share), far)


_BASES = (0.1, 9.0)

RULES = (
    Rule(
        "(x**400 + y**400)**(1/400) -> Max(x, y)*(1 + exp(-abs(400*log(x/y))))**(1/400), and means",
        "pow",
        _power,
        lambda f, x, y, c: f.pow(f.pow(x, 400) + f.pow(y, 400), Fraction(1, 400)),
        among=("add", "sub"),
        needs=("pow",),
        domain=(_BASES, _BASES),
        before=math.inf,
        # A slope that is ((x/y)**399) amplifies roundings 400 times.
        after=600,
    ),
)
