"""Quotients of gamma functions and differences of their logarithms: all overflow from 171.6 on, the quotient need not.

gamma(x + a)/gamma(x) is a row in x and a, gamma(x)*gamma(y)/gamma(x + y) is the beta function, among other factors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.passes.factors import all_factors
from symbackprop.passes.offsets import minus, square_of, terms
from symbackprop.passes.rewrite import Rewriter, Rule
from symbackprop.passes.whole_numbers import GAMMA_LIKE

_ADD, _LOG, _RISING, _LOG_RISING, _LOG_BETA = (
    REGISTRY[name] for name in ("add", "log", "rising", "log_rising", "log_beta")
)
_DIGAMMAS = frozenset({REGISTRY["digamma"], REGISTRY["digamma_near"]})
_NONE, _ONE = Fraction(0), Fraction(1)
_MOST_STEPS = 4
"""gamma(x + n)/gamma(x) is a product of n factors up to so many."""


def _quotient(r: Rewriter, x: int, y: int) -> int | None:
    above, below = (list(_factors(r, operand)) for operand in (x, y))
    over, under = ([factor for factor in side if r.nodes[factor].op in GAMMA_LIKE] for side in (above, below))
    for one, (numerator, divisor) in ((False, (over, under)), (True, (under, over))):
        for p, q, total in _betas(r, numerator, divisor):
            for factor in (p, q):
                (below if one else above).remove(factor)
            (above if one else below).remove(total)
            beta = r.f.beta(*(r.f.wrap(r.operands(factor)[0]) for factor in (p, q)))
            return _joined(r, above, below, 1 / beta if one else beta)
    for first in over:
        for second in under:
            ratio = _ratio(r, r.operands(first)[0], r.operands(second)[0])
            if ratio is not None:
                above.remove(first)
                below.remove(second)
                return _joined(r, above, below, ratio)
    return None


def _factors(r: Rewriter, index: int) -> Iterator[int]:
    """The factors, a square of a gamma function twice."""
    for factor in all_factors(r, index):
        root = square_of(r, factor)
        yield from (factor,) if root is None or r.nodes[root].op not in GAMMA_LIKE else (root, root)


def _betas(r: Rewriter, over: list[int], under: list[int]) -> Iterator[tuple[int, int, int]]:
    """Two gamma functions above and that of the sum of their arguments below."""
    for place, p in enumerate(over):
        for q in over[place + 1 :]:
            total = r.add(_ADD, (r.operands(p)[0], r.operands(q)[0]))
            for divisor in under:
                if r.operands(divisor)[0] == total:
                    yield p, q, divisor


def _joined(r: Rewriter, above: list[int], below: list[int], quotient: Value) -> int:
    # The others by themselves: sin(u) and u have to meet.
    others = [math.prod(map(r.f.wrap, side), start=r.f.const(1)) for side in (above, below)]
    return (others[0] / others[1] * quotient).index


def _ratio(r: Rewriter, u: int, v: int) -> Value | None:
    """gamma(u)/gamma(v)"""
    apart = minus(r, u, v)
    if apart is None:
        return None
    f, number = r.f, r.number(apart)
    if number is not None and number.denominator == 1 and abs(number) <= _MOST_STEPS:
        low = f.wrap(v if number > 0 else u)
        product = math.prod((low + k for k in range(1, abs(number.numerator))), start=low)
        return product if number > 0 else 1 / product
    if _is_sum_with(r, v, u):
        return 1 / f.rising(f.wrap(u), -f.wrap(apart))
    return f.rising(f.wrap(v), f.wrap(apart))


def _is_sum_with(r: Rewriter, v: int, u: int) -> bool:
    """Whether v is what has more terms: u + a of a small u has lost digits that u has."""
    (constant, parts), (other, others) = (terms(r, node) or (_NONE, {node: _ONE}) for node in (v, u))
    return len(parts) + bool(constant) > len(others) + bool(other)


def _difference_of_digammas(r: Rewriter, x: int, y: int) -> int | None:
    """digamma(u) - digamma(v)"""
    if not (r.nodes[x].op in _DIGAMMAS and r.nodes[y].op in _DIGAMMAS):
        return None
    u, v = r.operands(x)[0], r.operands(y)[0]
    apart = minus(r, u, v)
    if apart is None:
        return None
    if _is_sum_with(r, v, u):
        return r.f.digamma_difference(r.f.wrap(u), -r.f.wrap(apart)).index
    return (-r.f.digamma_difference(r.f.wrap(v), r.f.wrap(apart))).index


def _logarithm(r: Rewriter, x: int) -> int | None:
    """log(gamma(u)/gamma(v)), which may have a value below 0."""
    return r.add(REGISTRY["log_of_rising"], r.operands(x)) if r.is_op(x, _RISING) else None


def _exponential(r: Rewriter, x: int) -> int | None:
    """exp(loggamma(u) - loggamma(v)), also with + loggamma(v - u), and exp(log(v)), which is that where u is v + 1."""
    if r.is_op(x, _LOG):
        v = r.f.wrap(r.operands(x)[0])
        return r.f.select(r.f.ge(v, 0), v, r.f.const("nan")).index
    if r.nodes[x].op not in (_LOG_RISING, _LOG_BETA):
        return None
    f, (u, apart) = r.f, (r.f.wrap(operand) for operand in r.operands(x))
    if r.is_op(x, _LOG_BETA):
        return f.select(f.gt(f.minimum(u, apart), 0), f.beta(u, apart), f.const("nan")).index
    return f.select(f.gt(f.minimum(u, u + apart), 0), f.rising(u, apart), f.const("nan")).index


_LARGE, _APART = (20.0, 3000.0), (0.1, 3.0)

RULES = (
    Rule(
        "gamma(x + y)/gamma(x) -> rising(x, y), and beta functions among factors",
        "div",
        _quotient,
        lambda f, x, y, c: f.gamma(x + y) / f.gamma(x),
        needs=("gamma", "gamma_near"),
        domain=(_LARGE, _APART),
        before=math.inf,
        after=14,
    ),
    Rule(
        "digamma(x + y) - digamma(x) -> -digamma_difference(x, y)",
        "sub",
        _difference_of_digammas,
        lambda f, x, y, c: f.digamma(x + y) - f.digamma(x),
        among=("digamma", "digamma_near"),
        domain=(_LARGE, (1e-6, 3.0)),
        before=1e8,
        after=10,
    ),
    Rule(
        "log(rising(x, y)) -> log_rising(x, y)",
        "log",
        _logarithm,
        lambda f, x, y, c: f.log(f.rising(x, y)),
        among=("rising",),
        domain=(_LARGE, (1e-6, 0.1)),
        before=2e5,
        after=60,
    ),
    Rule(
        "exp(log_rising(x, y)) -> rising(x, y)",
        "exp",
        _exponential,
        lambda f, x, y, c: f.exp(f.log_rising(x, y)),
        among=("log_rising", "log_beta", "log"),
        domain=((20.0, 1e12), _APART),
        before=60,
        after=10,
    ),
)
