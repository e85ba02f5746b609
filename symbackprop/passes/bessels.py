"""Bessel functions beside what they grow or vanish like: ratios, exp(-u)*besseli(n, u), u**n*besselk(n, u).

Each factor overflows or vanishes, the product does not. The slope of u**n*besselk(n, u), a covariance of Matern's, is
-u**n*besselk(n - 1, u), of which the difference of two poles has no digits near 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.passes.exponential_sums import less
from symbackprop.passes.factors import all_factors
from symbackprop.passes.offsets import terms
from symbackprop.passes.powers import number_and_powers, raised
from symbackprop.passes.rewrite import Rewriter, Rule
from symbackprop.passes.tails import along, ratio_of

_MUL, _DIV, _EXP, _BESSELI, _BESSELK = (REGISTRY[name] for name in ("mul", "div", "exp", "besseli", "besselk"))


def _of_bessel(r: Rewriter, x: int, y: int) -> int | None:
    """A ratio of two that grow, or vanish, alike."""
    for above, others in along(r, x):
        for below, rest in along(r, y):
            row = _WITHOUT_GROWTH.get(r.nodes[above].op)
            if row is None or r.nodes[below].op is not r.nodes[above].op:
                continue
            (one, u), (other, v) = r.operands(above), r.operands(below)
            if u == v and one != other:
                found = _of_neighbours(r, r.nodes[above].op, one, other, u, others, rest)
                if found is None:
                    found = r.add(_DIV, (r.add(row, (one, u)), r.add(row, (other, u))))
                # The others by themselves: sin(u) and u have to meet.
                beside = _product(r, list(others))
                return (beside / _product(r, list(rest)) * r.f.wrap(found)).index
    return None


def _of_neighbours(
    r: Rewriter, row: object, one: int, other: int, u: int, others: Sequence[int], rest: Sequence[int]
) -> int | None:
    """besseli(n + 1, u)/besseli(n, u), or of besselk, as rows, whose slopes are no differences of terms near 1."""
    above, below = r.number(one), r.number(other)
    if above is None or below is None or abs(above - below) != 1 or min(above, below) < 0:
        return None
    f, v, n = r.f, r.f.wrap(u), min(above, below)
    grows = row is _BESSELI
    ratio = f.besseli_ratio(n, v) if grows else f.besselk_ratio(n, v)
    if any(ratio_of(r, factor, u) is not None for factor in ((rest, others)[(above > below) is not grows])):
        # u takes its zero or pole away (DLMF 10.29.1 for K).
        if grows:
            ratio = v * f.besseli_quotient(n, v)
        elif n:
            ratio = (2 * n + v / f.besselk_ratio(n - 1, v)) / v
    return (ratio if above > below else 1 / ratio).index


_WITHOUT_GROWTH = {
    _BESSELI: REGISTRY["besseli_scaled"],
    REGISTRY["besselk"]: REGISTRY["besselk_scaled"],
}


def _beside_exponential(r: Rewriter, x: int, y: int) -> int | None:
    """exp(a)*besseli(n, u) = exp(a + |u|)*besseli_scaled(n, u) among factors, and with exp(-u) for besselk."""
    factors = all_factors(r, x) + all_factors(r, y)
    return _without_growth(r, factors, [])


def _exponential_over(r: Rewriter, x: int, y: int) -> int | None:
    """exp(a)/besseli(n, u) = exp(a - |u|)/besseli_scaled(n, u) among factors, and with exp(u) for besselk."""
    return _without_growth(r, all_factors(r, x), all_factors(r, y))


def _without_growth(r: Rewriter, above: list[int], below: list[int]) -> int | None:
    f, upright = r.f, not below
    held = above if upright else below
    exponential = next((node for node in above if r.is_op(node, _EXP)), None)
    bessel = next((node for node in held if r.nodes[node].op in _WITHOUT_GROWTH), None)
    if exponential is None or bessel is None:
        return None
    above.remove(exponential)
    held.remove(bessel)
    order, u = map(f.wrap, r.operands(bessel))
    beside = _product(r, above) / _product(r, below)
    exponent = f.wrap(r.operands(exponential)[0])
    decaying = _decaying(r, order, u, exponent) if upright and r.is_op(bessel, _BESSELI) else None
    if decaying is not None:
        return (beside * decaying).index
    # What it grows like, over which the scaled row is it.
    growth = f.abs(u) if r.is_op(bessel, _BESSELI) else -u
    rest = f.exp(less(r, exponent, -growth if upright else growth))
    scaled = f.wrap(r.add(_WITHOUT_GROWTH[r.nodes[bessel].op], (order.index, u.index)))
    return (beside * (rest * scaled if upright else rest / scaled)).index


def _decaying(r: Rewriter, order: Value, u: Value, exponent: Value) -> Value | None:
    """exp(a)*besseli(n, u) of an exponent a with the term -u or u: the slopes of -u and |u| would be left to cancel."""
    f, n = r.f, r.number(order.index)
    own, parts = terms(r, u.index), terms(r, exponent.index)
    if own is None or parts is None or own[0] or len(own[1]) != 1:
        return None
    ((node, factor),) = own[1].items()
    ratio = parts[1].get(node, 0) / factor
    # Of no whole order there is none at -u.
    if abs(ratio) != 1 or (ratio > 0 and (n is None or n.denominator != 1)):
        return None
    towards = -u if ratio > 0 else u
    rest = f.exp(less(r, exponent, -towards))
    return rest * (-1 if ratio > 0 and n and n % 2 else 1) * f.besseli_decaying(order, towards)


def _product(r: Rewriter, factors: list[int]) -> Value:
    return math.prod(map(r.f.wrap, factors[1:]), start=r.f.wrap(factors[0])) if factors else r.f.const(1)


_POWERED = {_BESSELK: REGISTRY["besselk_powered"], REGISTRY["bessely"]: REGISTRY["bessely_powered"]}


def _powered(r: Rewriter, x: int, y: int) -> int | None:
    """u**n*besselk(n, u) and u**n*bessely(n, u) among factors, as rows."""
    number, powers = number_and_powers(r.nodes, r.plain(_MUL, (x, y)))
    for bessel, count in powers.items():
        without_pole = _POWERED.get(r.nodes[bessel].op)
        if without_pole is None or count != 1:
            continue
        order, u = r.operands(bessel)
        times, (scale, own) = r.number(order), number_and_powers(r.nodes, u)
        if times is None or times.denominator != 1 or times < 1 or not scale:
            continue
        n = int(times)
        # What u is divided by may come later: x**2*bessely(2, x/y) is y**2 times the row.
        above = {base: power for base, power in own.items() if power > 0}
        if not above or any(powers.get(base, 0) < n * power for base, power in above.items()):
            continue
        rest = {base: powers.get(base, 0) - n * own.get(base, 0) for base in {**powers, **own} if base != bessel}
        row = r.f.wrap(r.add(without_pole, (order, u)))
        return (raised(r.f, rest, number / scale**n) * row).index
    return None


RULES = (
    Rule(
        "besseli(1, x)/besseli(0, x) -> besseli_scaled(1, x)/besseli_scaled(0, x)",
        "div",
        _of_bessel,
        lambda f, x, y, c: f.besseli(1, x) / f.besseli(0, x),
        needs=("besseli", "besselk"),
        domain=((1.0, 900.0),),
        before=math.inf,
        # The slope is 1/(2*x*x), up to 24 between terms near 1.
        after=2000,
    ),
    Rule(
        "exp(-x)*besseli(0, x) -> besseli_decaying(0, x), and exp(y + |x|)*besseli_scaled(0, x) for exp(y)",
        "mul",
        _beside_exponential,
        lambda f, x, y, c: f.exp(-x) * f.besseli(0, x),
        needs=("besseli", "besselk"),
        domain=((0.1, 900.0),),
        before=math.inf,
        # The slope is 1/(2*x), up to 24 of terms that are near each other.
        after=130,
    ),
    Rule(
        "exp(x)/besseli(0, x) -> exp(x - |x|)/besseli_scaled(0, x)",
        "div",
        _exponential_over,
        lambda f, x, y, c: f.exp(x) / f.besseli(0, x),
        needs=("besseli", "besselk"),
        domain=((0.1, 900.0),),
        before=math.inf,
        after=5e3,
    ),
    Rule(
        "x*besselk(1, x) -> besselk_powered(1, x), and likewise of bessely",
        "mul",
        _powered,
        lambda f, x, y, c: x * f.besselk(1, x),
        needs=("besselk", "bessely"),
        domain=((1e-9, 30.0),),
        before=1e13,
        after=40,
    ),
)
