"""Gamma functions of what is near a whole number: beside their poles, where they are 1, and where their logarithm is 0.

The sum y - 9 has no digit of a small y, which alone tells how far it is from the pole: the functions take it along.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import reduce

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.passes.companions import identities
from symbackprop.passes.offsets import Offset, built, offset, terms
from symbackprop.passes.rewrite import Rewriter, Rule

_NONE = Fraction(0)
GAMMA_LIKE = frozenset({REGISTRY["gamma"], REGISTRY["gamma_near"]})
"""The gamma function of the first operand."""


def _distances(r: Rewriter, index: int) -> Iterator[Offset]:
    """The whole numbers that a node is known to come near, and how far it is from each."""
    own = terms(r, index)
    if own is None:
        return
    constant, parts = own
    if constant and parts and constant.denominator == 1:
        yield constant, built(r, _NONE, parts)
    found = offset(r, index)
    if found is not None and found[0].denominator == 1:
        yield found
    if len(parts) == 1:
        ((node, factor),) = parts.items()
        for value, rest in identities(r, node):
            whole = constant + factor * value
            if whole.denominator == 1:
                yield whole, built(r, _NONE, {rest: factor})


def _nearest(r: Rewriter, index: int, chosen: Callable[[Fraction], bool]) -> tuple[Value, Value] | None:
    """How far a node is from the nearest of the chosen numbers, and which one that is."""
    known: dict[Fraction, int] = {}
    for whole, rest in _distances(r, index):
        if chosen(whole):
            known.setdefault(whole, rest)
    f = r.f
    found = [(f.wrap(rest), f.const(whole)) for whole, rest in known.items()]
    return reduce(_nearer, found) if found else None


def _nearer(one: tuple[Value, Value], other: tuple[Value, Value]) -> tuple[Value, Value]:
    f = one[0].f
    closer = f.lt(f.abs(one[0]), f.abs(other[0]))
    return f.select(closer, one[0], other[0]), f.select(closer, one[1], other[1])


def _is_zero(whole: Fraction) -> bool:
    return whole in (1, 2)


def _is_pole(whole: Fraction) -> bool:
    # From 0 a number differs by itself, and from -x a sum n + x that is positive by what it rounds to.
    return whole < 0


def _loggamma(r: Rewriter, x: int) -> int | None:
    found = _nearest(r, x, _is_zero)
    return None if found is None else r.f.loggamma_near(r.f.wrap(x), *found).index


def _log_of_gamma(r: Rewriter, x: int) -> int | None:
    f, u = r.f, r.f.wrap(x)
    zero, pole = _nearest(r, x, _is_zero), _nearest(r, x, _is_pole)
    if pole is not None:
        return f.log_of_gamma_near(u, pole[0]).index
    if zero is None:
        return None
    is_near = f.lt(f.abs(zero[0]), Fraction(1, 2))
    # The function itself sees nothing that is near: this rule would find it once more.
    direct = f.wrap(r.plain(REGISTRY["log_of_gamma"], (f.select(is_near, 3, u).index,)))
    return f.select(is_near, f.loggamma_near(u, *zero), direct).index


def _beside_pole(name: str) -> Callable[[Rewriter, int], int | None]:
    def near(r: Rewriter, x: int) -> int | None:
        found = _nearest(r, x, _is_pole)
        return None if found is None else r.add(REGISTRY[name], (x, found[0].index))

    return near


_SMALL, _TINY = (-0.4, 0.4), (-0.2, 0.2)

RULES = (
    Rule(
        "loggamma(1 + x) -> loggamma_near(1 + x, x, 1)",
        "loggamma",
        _loggamma,
        lambda f, x, y, c: f.loggamma(x + 1),
        domain=(_SMALL,),
        before=1e7,
        after=7,
    ),
    Rule(
        "log_of_gamma(1 + x) -> loggamma_near(1 + x, x, 1) near its zero, log_of_gamma_near(x - 3, x) beside poles",
        "log_of_gamma",
        _log_of_gamma,
        lambda f, x, y, c: f.log_of_gamma(x + 1),
        domain=(_SMALL,),
        before=1e7,
        after=7,
    ),
    Rule(
        "gamma(x - 9) -> gamma_near(x - 9, x)",
        "gamma",
        _beside_pole("gamma_near"),
        lambda f, x, y, c: f.gamma(x - 9),
        domain=(_TINY,),
        before=1e7,
        after=60,
    ),
    Rule(
        "digamma(x - 9) -> digamma_near(x - 9, x)",
        "digamma",
        _beside_pole("digamma_near"),
        lambda f, x, y, c: f.digamma(x - 9),
        domain=(_TINY,),
        before=1e7,
        after=60,
    ),
)
