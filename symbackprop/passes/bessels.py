"""Bessel functions beside what they grow or vanish like: ratios, exp(-u)*besseli(n, u), u**n*besselk(n, u).

Each factor overflows or vanishes, the product does not. The slope of u**n*besselk(n, u), a covariance of Matern's, is
-u**n*besselk(n - 1, u), of which the difference of two poles has no digits near 0.
"""

from __future__ import annotations

import math

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.passes.exponential_sums import less
from symbackprop.passes.factors import all_factors
from symbackprop.passes.powers import number_and_powers, raised
from symbackprop.passes.rewrite import Rewriter, Rule
from symbackprop.passes.tails import along

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
                found = _of_neighbours(r, r.nodes[above].op, one, other, u)
                if found is None:
                    found = r.add(_DIV, (r.add(row, (one, u)), r.add(row, (other, u))))
                # The others by themselves: sin(u) and u have to meet.
                beside = _product(r, list(others))
                return (beside / _product(r, list(rest)) * r.f.wrap(found)).index
    return None


def _of_neighbours(r: Rewriter, row: object, one: int, other: int, u: int) -> int | None:
    """besseli(n + 1, u)/besseli(n, u) as u times a row, whose slope is between terms of 1/u where both are near 1."""
    above, below = r.number(one), r.number(other)
    if row is not _BESSELI or above is None or below is None or abs(above - below) != 1 or min(above, below) < 0:
        return None
    quotient = r.f.wrap(u) * r.f.besseli_quotient(min(above, below), r.f.wrap(u))
    return (quotient if above > below else 1 / quotient).index


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
    # What it grows like, over which the scaled row is it.
    growth = f.abs(u) if r.is_op(bessel, _BESSELI) else -u
    rest = f.exp(less(r, f.wrap(r.operands(exponential)[0]), -growth if upright else growth))
    scaled = f.wrap(r.add(_WITHOUT_GROWTH[r.nodes[bessel].op], (order.index, u.index)))
    beside = _product(r, above) / _product(r, below)
    return (beside * (rest * scaled if upright else rest / scaled)).index


def _product(r: Rewriter, factors: list[int]) -> Value:
    return math.prod(map(r.f.wrap, factors[1:]), start=r.f.wrap(factors[0])) if factors else r.f.const(1)


def _powered(r: Rewriter, x: int, y: int) -> int | None:
    """u**n*besselk(n, u) among factors, as a row."""
    number, powers = number_and_powers(r.nodes, r.plain(_MUL, (x, y)))
    for bessel, count in powers.items():
        if not r.is_op(bessel, _BESSELK) or count != 1:
            continue
        order, u = r.operands(bessel)
        times, (scale, own) = r.number(order), number_and_powers(r.nodes, u)
        if times is None or times.denominator != 1 or times < 1 or not scale:
            continue
        n = int(times)
        if any(abs(powers.get(base, 0)) < n * abs(power) or powers[base] * power < 0 for base, power in own.items()):
            continue
        rest = {base: power - n * own.get(base, 0) for base, power in powers.items() if base != bessel}
        row = r.f.wrap(r.add(REGISTRY["besselk_powered"], (order, u)))
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
        # The slope is 1/(2*x*x), between terms near 1.
        after=5e6,
    ),
    Rule(
        "exp(-x)*besseli(0, x) -> exp(-x + |x|)*besseli_scaled(0, x)",
        "mul",
        _beside_exponential,
        lambda f, x, y, c: f.exp(-x) * f.besseli(0, x),
        needs=("besseli", "besselk"),
        domain=((0.1, 900.0),),
        before=math.inf,
        # The slope is 1/(2*x) of terms that are near each other.
        after=5e3,
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
        "x*besselk(1, x) -> besselk_powered(1, x)",
        "mul",
        _powered,
        lambda f, x, y, c: x * f.besselk(1, x),
        needs=("besselk",),
        domain=((1e-9, 30.0),),
        before=1e13,
        after=40,
    ),
)
