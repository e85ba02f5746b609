"""Adjoints in which a divisor comes back as a factor: (p/v)*(v*w) is p*w.

The slope of p/gamma(u) is p/gamma(u)**2 times gamma(u)*digamma(u), and was 0 from u = 99 on.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY, Op
from symbackprop.ops.row import ELEMENTARY
from symbackprop.passes.factors import all_factors
from symbackprop.passes.rewrite import Rewriter, Rule

_MUL, _DIV, _NEG = REGISTRY["mul"], REGISTRY["div"], REGISTRY["neg"]


def _cancelled(r: Rewriter, x: int, y: int) -> int | None:
    """p/v, perhaps times q, times v*w is p*w*q."""
    for quotient, other in ((x, y), (y, x)):
        for rest, (p, v) in _quotients_in(r, quotient):
            for factor, below in _divisors(r, v):
                for beside in _without_factor(r, other, factor):
                    made = p if below is None else r.add(_DIV, (p, below))
                    for kept in (*beside, *rest):
                        made = r.add(_MUL, (made, kept))
                    return made
    return None


def _over_own_slope(r: Rewriter, x: int, y: int) -> int | None:
    """p/v*v' as p*(v'/v), of v that vanishes like an exponential: p/v overflows before the product does."""
    for quotient, other in ((x, y), (y, x)):
        sign = -1 if r.is_op(quotient, _NEG) else 1
        for rest, (p, v) in _quotients_in(r, r.operands(quotient)[0] if sign < 0 else quotient):
            known = _SLOPES.get(r.nodes[v].op)
            if known is None:
                continue
            factors, above = all_factors(r, other), all_factors(r, p)
            slopes, own = (
                [node for node in nodes if r.is_op(node, known[0]) and r.operands(node) == r.operands(v)]
                for nodes in (factors, above)
            )
            # What has its slope above it already is such a ratio: beside another slope it would be made for ever.
            if len(slopes) < known[1] or len(own) >= known[1]:
                continue
            for slope in slopes[: known[1]]:
                factors.remove(slope)
            ratio = known[2](*map(r.f.wrap, r.operands(v)))
            return (sign * math.prod(map(r.f.wrap, (*rest, *factors)), start=r.f.wrap(p)) * ratio).index
    return None


_SLOPES: dict[Op, tuple[Op, int, Callable[[Value], Value]]] = {
    REGISTRY["erfc"]: (REGISTRY["bell"], 2, lambda u: u.f.erfc_hazard(u)),
    REGISTRY["softplus"]: (REGISTRY["logistic"], 1, lambda u: u.f.logistic(u) / u.f.softplus(u)),
}
"""The factors that slopes are made of, how many, and their product over the function."""


def _divisors(r: Rewriter, index: int) -> Iterator[tuple[int, int | None]]:
    """A divisor as a whole, or a factor of it and the other, where one is a function, which may be large: elsewhere a
    quotient that several slopes share would be one for each.
    """
    yield index, None
    if r.is_op(index, _MUL) and any(r.nodes[factor].op.cost >= ELEMENTARY for factor in r.operands(index)):
        first, second = r.operands(index)
        yield first, second
        yield second, first


def _quotients_in(r: Rewriter, index: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """A quotient, or one beside another factor: that factor, and numerator and divisor."""
    if r.is_op(index, _DIV):
        yield (), r.operands(index)
    elif r.is_op(index, _MUL):
        for own, other in (r.operands(index), r.operands(index)[::-1]):
            if r.is_op(own, _DIV):
                yield (other,), r.operands(own)


def _without_factor(r: Rewriter, index: int, factor: int) -> Iterator[tuple[int, ...]]:
    """What is left of a product without one of its two factors."""
    if index == factor:
        yield ()
    elif r.is_op(index, _MUL) and factor in r.operands(index):
        first, second = r.operands(index)
        yield (second,) if first == factor else (first,)


# True but where what cancels is 0 or has overflowed; the values of users keep these.
RULES = (
    Rule(
        "(x/y)*(y*z) -> x*z",
        "mul",
        _cancelled,
        lambda f, x, y, c: (f.exp(x) / y) * (y * f.sin(x)),
        among=("div", "mul"),
        needs=("div",),
    ),
    Rule(
        "y/softplus(x)*logistic(x) -> y*(logistic(x)/softplus(x)), and likewise of erfc(x)",
        "mul",
        _over_own_slope,
        lambda f, x, y, c: y / f.softplus(x) * f.logistic(x),
        domain=((-700.0, 30.0), (1e20, 1e30)),
        among=("div", "mul", "neg"),
        needs=("erfc", "softplus"),
        before=math.inf,
        after=10,
    ),
)
