"""Quotients of two that have an asymptote in common: softplus(u)/(u + 1), and logaddexp(u, v)/u where v is far below u.

Both are u and a rest, and the slope of their quotient is that of the difference of their rests. The two terms of the
quotient rule are larger by u: 300 ulp at u = 700, and nothing is left where the slope vanishes like exp(-u).
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from functools import reduce

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.passes.offsets import Parts, built, terms, with_term
from symbackprop.passes.rewrite import Rewriter, Rule

_DIV, _SOFTPLUS, _LOGADDEXP, _LOG_EXP_SUM = (REGISTRY[name] for name in ("div", "softplus", "logaddexp", "log_exp_sum"))
_WITH_ASYMPTOTES = frozenset({_SOFTPLUS, _LOGADDEXP, _LOG_EXP_SUM})


def _quotient(r: Rewriter, x: int, y: int) -> int | None:
    """x/y, of which one at least is a function with an asymptote and both are close to that."""
    if not (_has_asymptote(r, x) or _has_asymptote(r, y)):
        return None
    f, others = r.f, {u: (factor, rest) for u, factor, rest in _beside(r, y)}
    near: list[tuple[Value, Value]] = []
    for u, factor, rest in _beside(r, x):
        if u in others:
            scale, other = others[u]
            own = rest / (factor / scale)
            # A rest as large as half of u costs a digit of the whole; one as large as u costs all.
            is_near = f.lt(2 * (f.abs(own) + f.abs(other)), abs(scale) * f.abs(f.wrap(u)))
            quotient = f.quotient_near(f.wrap(x) / (factor / scale), f.wrap(y), own - other)
            near.append((is_near, factor / scale * quotient))
    if not near:
        return None
    # The quotient itself sees nothing that is near, so that no sweep finds it again.
    is_near = reduce(f.logical_or, [condition for condition, _ in near])
    total = f.wrap(r.plain(_DIV, (x, f.select(is_near, 1, f.wrap(y)).index)))
    for condition, quotient in near:
        total = f.select(condition, quotient, total)
    return total.index


def _has_asymptote(r: Rewriter, index: int) -> bool:
    found = terms(r, index)
    return found is not None and any(r.nodes[node].op in _WITH_ASYMPTOTES for node in found[1])


def _beside(r: Rewriter, index: int) -> Iterator[tuple[int, Fraction, Value]]:
    """What this may be a multiple of, the factor, and the rest, which is 0 for the number nothing."""
    found = terms(r, index)
    for node, factor in found[1].items() if found is not None else ():
        assert found is not None
        rest = r.f.wrap(built(r, found[0], {n: c for n, c in found[1].items() if n != node}))
        yield node, factor, rest
        for u, own in _asymptotes(r, node):
            yield u, factor, factor * own + rest


def _asymptotes(r: Rewriter, index: int) -> Iterator[tuple[int, Value]]:
    """A function as another and a rest without cancellation."""
    f, node = r.f, r.nodes[index]
    operands = [f.wrap(operand) for operand in node.operands]
    if node.op is _SOFTPLUS:
        yield node.operands[0], f.softplus(-operands[0])
    elif node.op is _LOGADDEXP:
        for u, v in (operands, operands[::-1]):
            yield u.index, f.softplus(v - u)
    elif node.op is _LOG_EXP_SUM and r.number(node.operands[1]) == 1:
        u, _, v, weight = operands
        yield u.index, f.log1p(weight * f.exp(v - u))


def beyond_asymptote(r: Rewriter, constant: Fraction, parts: Parts) -> int | None:
    """softplus(u) - u and logaddexp(u, v) - u where u is a sum, or a number times something, whose terms are all there:
    the loss of a classifier as users write it, log(1 + exp(w*x + b)) - (w*x + b).
    """
    for node, factor in parts.items() if len(parts) > 1 else ():
        for u, rest in _asymptotes(r, node) if r.nodes[node].op in _WITH_ASYMPTOTES else ():
            own = terms(r, u)
            if own is None or not own[1] or any(parts.get(n) != -factor * c for n, c in own[1].items()):
                continue
            left = {n: c for n, c in parts.items() if n != node and n not in own[1]}
            return built(r, constant + factor * own[0], with_term(left, rest.index, factor))
    return None


RULES = (
    Rule(
        "softplus(x)/(x + y) -> 1 + (softplus(-x) - y)/(x + y), where x is larger than both",
        "div",
        _quotient,
        lambda f, x, y, c: f.softplus(x) / (x + y),
        needs=tuple(sorted(row.name for row in _WITH_ASYMPTOTES)),
        domain=((1.0, 1e6), (0.1, 3.0)),
        before=7e6,
        after=90,
    ),
)
