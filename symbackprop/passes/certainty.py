"""Certainty equivalents, t*log(p*exp(x/t) + q*exp(y/t) + ...) or log(...)/b, with symbols for weights that sum to 1.

Where t is large, or b near 0, the sum is near 1 and the whole tends to the mean p*x + q*y. With one exponent y apart,

    t*log(p*exp(x/t) + q*exp(y/t)) = y + t*log1p(p*expm1((x - y)/t)),

whose functions over their arguments have series: value and slopes need no quotient that is 0/0, and what they are made
of are the differences of the exponents alone.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import reduce

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY, Op
from symbackprop.passes.dominant import LOGARITHM_OF
from symbackprop.passes.exponential_sums import is_positive, less, sum_of_exponentials
from symbackprop.passes.offsets import Parts, terms
from symbackprop.passes.powers import Powers, number_and_powers, raised
from symbackprop.passes.rewrite import Rewriter, Rule
from symbackprop.passes.secant_rows import Near
from symbackprop.passes.temperatures import Temperature, temperature_of

_MUL, _DIV, _LOG, _LOG1P, _SELECT, _LOG_EXP_SUM, _NEAR_ONE = (
    REGISTRY[name] for name in ("mul", "div", "log", "log1p", "select", "log_exp_sum", "log_near_one")
)
_LOGARITHMS = frozenset({_LOG, _LOG1P, _SELECT, _LOG_EXP_SUM, _NEAR_ONE})
_ONE = Fraction(1)
_Far = tuple[Op, tuple[int, int]]
"""The product as it is written, for where the mean is not taken."""
_Share = tuple[Value, Parts]
"""A weight, and the terms of its exponent."""


def _quotient(r: Rewriter, x: int, y: int) -> int | None:
    number, powers = number_and_powers(r.nodes, x)
    divisor, below = number_and_powers(r.nodes, y)
    if not any(r.nodes[base].op in _LOGARITHMS for base in powers):
        return None
    powers = {base: powers.get(base, 0) - below.get(base, 0) for base in {**powers, **below}}
    # The quotient sees 1 where the mean is taken: neither 0/0, nor this rule once more.
    return _certain(r, number / divisor, powers, lambda is_near: (_DIV, (x, _one_where(r, is_near, y))))


def _product(r: Rewriter, x: int, y: int) -> int | None:
    number, powers = number_and_powers(r.nodes, x)
    factor, others = number_and_powers(r.nodes, y)
    for own, other in ((x, y), (y, x)):
        if r.nodes[own].op in _LOGARITHMS:
            joined = {base: powers.get(base, 0) + others.get(base, 0) for base in {**powers, **others}}
            return _certain(
                r,
                number * factor,
                joined,
                lambda is_near: (_MUL, (_one_where(r, is_near, other), own)),  # noqa: B023
            )
    return None


def _one_where(r: Rewriter, is_near: Value, index: int) -> int:
    return r.f.select(is_near, 1, r.f.wrap(index)).index


def _certain(r: Rewriter, number: Fraction, powers: Powers, far: Callable[[Value], _Far]) -> int | None:
    """A product with a logarithm and a temperature, as the mean and what is beside it, where that is near."""
    f = r.f
    for index, times in powers.items():
        shares = _shares_under(r, index) if times == 1 else None
        if shares is None:
            continue
        others = {base: power for base, power in powers.items() if base != index and power}
        temperature = temperature_of(r, [parts for _, parts in shares], others)
        if not temperature:
            continue
        mean, conditions = _mean(Temperature(r, temperature), shares)
        if not conditions:
            continue
        is_near = reduce(f.logical_and, conditions)
        left = {base: power - temperature.get(base, 0) for base, power in others.items()}
        op, operands = far(is_near)
        return f.select(is_near, raised(f, left, number) * mean, f.wrap(r.plain(op, operands))).index
    return None


def _mean(t: Temperature, shares: list[_Share]) -> tuple[Value, list[Value]]:
    """t*log(sum of w*exp(x/t)) where no x is far from the last one."""
    near, inner = Near(t.r.f), t.r.f.const(0)
    *others, (_, parts) = shares
    last = t.times(parts)
    for weight, own in others:
        d = less(t.r, t.times(own), last)
        if t.r.number(d.index) != 0:
            inner = inner + weight * (d * near.expm1(d * t.inverse))
    # Of one and the same exponent alone there is nothing to be near.
    return last + inner * near.over("log1p", inner * t.inverse), near.conditions[:-1] and near.conditions


def _shares_under(r: Rewriter, index: int) -> list[_Share] | None:
    """The terms of a sum of exponentials of which this is the logarithm, if some weight is a symbol and all add up
    to 1; the one with the longest weight is the last.
    """
    op, operands, *_ = r.nodes[index]
    if op is _LOG_EXP_SUM:
        u, p, v, q = operands
        weighted = [(r.f.wrap(p), u), (r.f.wrap(q), v)]
    elif op in _LOGARITHMS:
        inner = r.memo.get((LOGARITHM_OF, index)) if op is _SELECT else operands[0]
        parts = None if inner is None else sum_of_exponentials(r, inner, int(op is _LOG1P))
        if parts is None or is_positive(parts):
            return None
        weighted = [(term.weight, term.exponent.index) for term in parts]
    else:
        return None
    found = [terms(r, weight.index) for weight, _ in weighted]
    exponents = [terms(r, exponent) for _, exponent in weighted]
    total: Parts = {}
    for own in found:
        for node, factor in own[1].items() if own is not None else ():
            total[node] = total.get(node, Fraction(0)) + factor
    constant = sum((own[0] for own in found if own is not None), start=Fraction(0))
    if None in found or None in exponents or constant != 1 or any(total.values()) or not total:
        return None
    shares = [(weight, own[1]) for (weight, _), own in zip(weighted, exponents, strict=True) if own is not None]
    return sorted(shares, key=lambda share: len((terms(r, share[0].index) or (_ONE, {}))[1]))


RULES = (
    Rule(
        "log(y*exp(x) + (1 - y)*exp(x*y))/x -> y + y*(1 - y)*(expm1(s)/s)*(log1p(y*s)/(y*s)) where s is small",
        "div",
        _quotient,
        lambda f, x, y, c: f.log_exp_sum(x, y, x * y, 1 - y) / x,
        needs=tuple(sorted(row.name for row in _LOGARITHMS)),
        domain=((-1e-3, 1e-3), (0.1, 0.9)),
        before=4e28,
        after=30,
    ),
    Rule(
        "x*log(y*exp(1/x) + (1 - y)*exp(y/x)) -> y + y*(1 - y)*(expm1(s)/s)*(log1p(y*s)/(y*s)) where s is small",
        "mul",
        _product,
        lambda f, x, y, c: x * f.log_exp_sum(1 / x, y, y / x, 1 - y),
        needs=tuple(sorted(row.name for row in _LOGARITHMS)),
        among=tuple(sorted(row.name for row in _LOGARITHMS)),
        domain=((1e3, 1e6), (0.1, 0.9)),
        before=4e14,
        after=50,
    ),
)
