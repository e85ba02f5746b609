"""Differences of gamma functions' logarithms and derivatives from Stirling's formula: log(x) - digamma(x), by which
gamma distributions are fitted, 1/x - trigamma(x), loggamma(x) - x*log(x) + x.

All are of size 1/x, and have lost as many digits as x has. Through Binet's function, a row, they have all.
"""

from __future__ import annotations

import math
from fractions import Fraction

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.ops.leaves import CONST
from symbackprop.passes.deviance import LOGARITHMS, Key, argument_of_logarithm, key_of
from symbackprop.passes.factors import all_factors
from symbackprop.passes.offsets import Parts, built, terms
from symbackprop.passes.rewrite import Rewriter, Rule

_MUL, _DIV, _LOG = (REGISTRY[name] for name in ("mul", "div", "log"))
_LOGGAMMA, _DIGAMMA, _POLYGAMMA, _X_DIGAMMA, _BINET = (
    REGISTRY[name] for name in ("loggamma", "digamma", "polygamma", "x_digamma", "binet")
)
_OF_GAMMA = frozenset({_LOGGAMMA, _DIGAMMA, _POLYGAMMA, _X_DIGAMMA})
_SUMS = frozenset({REGISTRY["add"], REGISTRY["sub"]})
_HALF = Fraction(1, 2)


def beside_stirling(r: Rewriter, constant: Fraction, parts: Parts) -> int | None:
    """One of these differences among the terms of a sum."""
    for node, factor in parts.items():
        op = r.nodes[node].op
        if op is _BINET:
            # What has come out of another sum.
            apart = _logarithms_apart(r, parts, r.f.wrap(r.operands(node)[1]))
            if apart != parts:
                return _sum(r, constant, {}, *((r.f.wrap(n), c) for n, c in apart.items()))
        if op in _OF_GAMMA and len(parts) > 1:
            found = (_of_polygamma if op is _POLYGAMMA else _of_logarithm)(r, constant, parts, node, factor)
            if found is not None:
                return found
    return None


def _of_logarithm(r: Rewriter, constant: Fraction, parts: Parts, node: int, c: Fraction) -> int | None:
    """c*digamma(u) - c*log(u), u times that, and c*loggamma(u) less c*(u + number)*log(u) or times digamma(u)."""
    f, op = r.f, r.nodes[node].op
    u = f.wrap(r.operands(node)[0])
    own = key_of(r, u.index)
    for other, d in parts.items():
        weight, function = _weighted(r, other)
        if _argument(r, function) != own:
            continue
        rest = {n: factor for n, factor in parts.items() if n not in (node, other)}
        if op is _LOGGAMMA:
            number = _number(r, c, u.index, d, weight)
            if number is None:
                continue
            # log(gamma(u)) is (u - 1/2)*log(u) - u + log(2*pi)/2 and Binet's function.
            added = [(f.binet(0, u), c), (u, -c), (f.log(2 * f.const("pi")), c / 2)]
            if r.is_op(function, _DIGAMMA):
                # digamma(u) is log(u) - 1/(2*u) and its slope; all of the factor of log(u) is left, a number.
                added += [(f.binet(1, u), number), (u * f.binet(1, u), -c), (1 / u, -number / 2)]
                constant += c / 2
            return _sum(r, constant, rest, *added, (f.log(u), number - c / 2))
        if r.is_op(function, _DIGAMMA):
            continue
        if c == -d and op is _DIGAMMA and weight is None:
            return _sum(r, constant, rest, (f.binet(1, u), c), (1 / u, -c / 2))
        if c == -d and op is _X_DIGAMMA and weight == u.index:
            return _sum(r, constant, rest, (_times_argument(u), c))
    return None


def _times_argument(u: Value) -> Value:
    """u*(digamma(u) - log(u)), whose slope is that of Binet's function where u is large only."""
    f = u.f
    small = f.lt(u, 1)
    # Of two arguments, so that it is not found once more.
    one, other = f.select(small, u, 1), f.select(small, u, 2)
    return f.select(small, f.x_digamma(one) - other * f.log(other), u * f.binet(1, f.select(small, 1, u)) - _HALF)


def _product(r: Rewriter, x: int, y: int) -> int | None:
    """u*(digamma(u) - log(u)), as the difference has come to be written."""
    for argument, index in ((x, y), (y, x)):
        found = terms(r, index) if r.nodes[index].op in _SUMS else None
        parts = {} if found is None else found[1]
        for node, c in parts.items():
            if not r.is_op(node, _BINET) or r.operands(node)[1] != argument or r.number(r.operands(node)[0]) != 1:
                continue
            u = r.f.wrap(argument)
            for other, d in parts.items():
                if _over(r, other, argument) * d == -c / 2 and found is not None:
                    rest = built(r, found[0], {n: e for n, e in parts.items() if n not in (node, other)})
                    return (c * _times_argument(u) + u * r.f.wrap(rest)).index
    return None


def _of_polygamma(r: Rewriter, constant: Fraction, parts: Parts, node: int, c: Fraction) -> int | None:
    """c*trigamma(u) - c/u, which has a value to the left of 0 as well."""
    f = r.f
    order, argument = r.operands(node)
    if r.number(order) != 1 or r.nodes[argument].type.shape:
        return None
    u = f.wrap(argument)
    for other, d in parts.items():
        if _over(r, other, argument) * d != -c:
            continue
        rest = {n: factor for n, factor in parts.items() if n not in (node, other)}
        right = f.gt(u, 0)
        guarded = f.polygamma(1, f.select(right, 1, u))
        beside = f.select(right, f.binet(2, f.select(right, u, 1)) + _HALF / u / u, guarded - 1 / u)
        return _sum(r, constant, rest, (beside, c))
    return None


def _over(r: Rewriter, index: int, u: int) -> Fraction:
    """The number that this is over u; 0 for something else."""
    above = r.number(r.operands(index)[0]) if r.is_op(index, _DIV) and r.operands(index)[1] == u else None
    return above or Fraction(0)


def _weighted(r: Rewriter, index: int) -> tuple[int | None, int]:
    """p and log(u) of p*log(u), and likewise of digamma(u); None for p where there is none."""
    if r.is_op(index, _MUL):
        for weight, function in (r.operands(index), r.operands(index)[::-1]):
            if _argument(r, function) is not None:
                return weight, function
    return None, index


def _argument(r: Rewriter, index: int) -> Key | None:
    """u of digamma(u), and of log(u), which may be log1p(u - 1)."""
    op = r.nodes[index].op
    if op is _DIGAMMA:
        return key_of(r, r.operands(index)[0])
    return argument_of_logarithm(r, index) if op in LOGARITHMS else None


def _logarithms_apart(r: Rewriter, parts: Parts, u: Value) -> Parts:
    """The terms with log(c*u) as log(c) + log(u): Stirling's formula as it is written has log(2*pi*u)/2."""
    found: Parts = {}
    for node, factor in parts.items():
        inner = all_factors(r, r.operands(node)[0]) if r.is_op(node, _LOG) else []
        others = [u.f.wrap(other) for other in inner if other != u.index]
        apart = len(inner) == len(others) + 1 > 1 and all(r.is_op(other.index, CONST) for other in others)
        logarithms = [u.f.log(u), u.f.log(math.prod(others))] if apart else [u.f.wrap(node)]
        for logarithm in logarithms:
            found[logarithm.index] = found.get(logarithm.index, Fraction(0)) + factor
    return found


def _number(r: Rewriter, c: Fraction, u: int, d: Fraction, weight: int | None) -> Fraction | None:
    """c*u + d*p, if that is a number."""
    own, other = terms(r, u), None if weight is None else terms(r, weight)
    if own is None or other is None:
        return None
    scaled = {n: c * factor for n, factor in own[1].items()}
    return c * own[0] + d * other[0] if scaled == {n: -d * factor for n, factor in other[1].items()} else None


def _sum(r: Rewriter, constant: Fraction, parts: Parts, *added: tuple[Value, Fraction]) -> int:
    """The sum with more terms, which may be sums themselves."""
    total = dict(parts)
    for value, factor in added:
        own = terms(r, value.index) or (Fraction(0), {value.index: Fraction(1)})
        constant += factor * own[0]
        for node, coefficient in own[1].items():
            total[node] = total.get(node, Fraction(0)) + factor * coefficient
    return built(r, constant, {node: factor for node, factor in total.items() if factor})


RULES = (
    Rule(
        "x*(binet(1, x) - 1/(2*x)) -> x*binet(1, x) - 1/2, and x*digamma(x) - x*log(x) below 1",
        "mul",
        _product,
        lambda f, x, y, c: x * (f.binet(1, x) - 1 / x / 2),
        domain=((1e-6, 1e6),),
        needs=("binet",),
        among=("add", "sub"),
        before=1e12,
        after=6,
    ),
)
