"""Products with an exponential: the other factor vanishes as it overflows.

Two exponentials are one; exp(u)*logistic(-u) is logistic(u), and exp(u)/(exp(u) - 1) an occupation at -u.
"""

from __future__ import annotations

import math
from fractions import Fraction

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.passes.exponential_sums import is_opposite, is_scalar, key_of, less
from symbackprop.passes.rewrite import Rewriter, Rule

_MUL, _POW, _EXP, _DIFFERENCE, _LOGISTIC, _SOFTPLUS = (
    REGISTRY[name] for name in ("mul", "pow", "exp", "exp_difference", "logistic", "softplus")
)
_OCCUPATION, _POWER_EXP = REGISTRY["reciprocal_expm1"], REGISTRY["power_exp"]
_SHORT_POWER = 3
"""x**2*exp(-x) is left as it is: 0*inf only from x = 1e154 on, where power_exp would cost four times as much."""


def _product(r: Rewriter, x: int, y: int) -> int | None:
    for a, b in ((x, y), (y, x)):
        found = _pair(r, a, b)
        if found is not None:
            return found.index
    return None


def _pair(r: Rewriter, a: int, b: int) -> Value | None:
    f, first, second = r.f, r.nodes[a], r.nodes[b]
    if second.op is _MUL and r.number(a) is None:
        # exp(u)*(logistic(v)*w): the partner is one of the factors.
        for own, other in (second.operands, second.operands[::-1]):
            found = (_pair(r, a, own) or _pair(r, own, a)) if r.nodes[own].op is not _MUL else None
            if found is not None:
                return found * f.wrap(other)
    if first.op is _EXP and second.op is _EXP and is_scalar(r, a, b):
        return f.exp(f.wrap(first.operands[0]) + f.wrap(second.operands[0]))
    if first.op is _LOGISTIC and second.op is _LOGISTIC and is_opposite(r, first.operands[0], second.operands[0]):
        return f.logistic_slope(f.wrap(first.operands[0]))
    if first.op is _EXP and second.op is _LOGISTIC and is_opposite(r, first.operands[0], second.operands[0]):
        return f.logistic(f.wrap(first.operands[0]))
    if first.op is _EXP and second.op is _OCCUPATION and first.operands == second.operands:
        return -f.reciprocal_expm1(-f.wrap(first.operands[0]))
    if second.op is _SOFTPLUS and first.op in (_EXP, _DIFFERENCE):
        return _beside_softplus(r, a, second.operands[0])
    if first.op is _EXP and second.op is _POW and r.nodes[second.operands[0]].op in (_LOGISTIC, _OCCUPATION):
        return _slope_of_power(r, first.operands[0], *second.operands)
    saturates = r.nodes[second.operands[0]] if second.op is _POW else second
    if first.op is _POWER_EXP and saturates.op in (_LOGISTIC, _OCCUPATION):
        # x**n*exp(u)*logistic(-u)**m: the exponential belongs to what it cancels with.
        base, order, exponent = (f.wrap(operand) for operand in first.operands)
        found = _pair(r, f.exp(exponent).index, b)
        return None if found is None else f.pow(base, order) * found
    if first.op is _EXP and second.op is _POW and is_scalar(r, a, b):
        power = r.number(second.operands[1])
        if power is None or abs(power) >= _SHORT_POWER:
            return f.power_exp(*(f.wrap(operand) for operand in second.operands), f.wrap(first.operands[0]))
    return None


def _beside_softplus(r: Rewriter, index: int, inner: int) -> Value | None:
    """exp(-k*v)*softplus(v) = exp((1 - k)*v)*s/(exp(s) - 1) with s = softplus(v), k > 0, which has a series in s; and
    (exp(-k*v) - exp(u))*softplus(v), where v < 0.
    """
    f, (first, *second), v = r.f, r.operands(index), r.f.wrap(inner)
    if not second:
        times = _times(r, first, inner)
        return None if times is None or times >= 0 else f.exp((times + 1) * v) * _bernoulli(v)
    for own, other, sign in ((first, second[0], -1), (second[0], first, 1)):
        times = _times(r, own, inner)
        if times is not None and times < 0:
            left = f.lt(v, 0)
            # To the right it stands as it is, and sees nothing that is to the left: this rule finds it no more.
            right = f.wrap(index) * f.softplus(f.select(left, 0, v))
            apart = f.expm1(less(r, f.wrap(other), f.wrap(own)))
            return f.select(left, sign * apart * (f.exp((times + 1) * v) * _bernoulli(v)), right)
    return None


def _bernoulli(v: Value) -> Value:
    s = v.f.softplus(v)
    return s * v.f.reciprocal_expm1(s)


def _slope_of_power(r: Rewriter, exponent: int, inner: int, power: int) -> Value | None:
    """exp(u)*logistic(-u)**n = logistic(u)*logistic(-u)**(n - 1), and with 1/(exp(u) - 1) = -1 - 1/(exp(-u) - 1)."""
    f, number = r.f, r.number(power)
    if number is None or number < 2 or number.denominator != 1:
        return None
    u, base = f.wrap(exponent), f.wrap(inner)
    times = _times(r, exponent, r.operands(inner)[0])
    if times is not None and abs(times) != 1:
        return _multiple_of_power(r, int(times), inner, int(number))
    if r.is_op(inner, _OCCUPATION):
        found = -f.reciprocal_expm1(-u) * base if r.operands(inner) == (exponent,) else None
    else:
        found = f.logistic_slope(u) if is_opposite(r, exponent, r.operands(inner)[0]) else None
    return found if found is None or number == 2 else found * f.pow(base, f.const(number - 2))


def _multiple_of_power(r: Rewriter, times: int, inner: int, number: int) -> Value | None:
    """exp(k*u)*logistic(-u)**n = logistic(u)**k*logistic(-u)**(n - k), or exp((k - n)*u)*logistic(u)**n; and with
    occupations.
    """
    f, base, within = r.f, r.f.wrap(inner), r.f.wrap(r.operands(inner)[0])
    if r.is_op(inner, _OCCUPATION):
        u, k, mirrored = within, times, -f.reciprocal_expm1(-within)
    else:
        u, k, mirrored = -within, -times, f.logistic(-within)
    if k < 2:
        return None
    found = f.pow(mirrored, f.const(min(k, number)))
    if k < number:
        return found * f.pow(base, f.const(number - k))
    return found if k == number else f.exp((k - number) * u) * found


def _times(r: Rewriter, exponent: int, unit: int) -> Fraction | None:
    """k where the exponent is k times the unit, for a whole k."""
    (constant, terms), (own, units) = key_of(r, exponent), key_of(r, unit)
    left, right = dict(terms), dict(units)
    if not right or left.keys() != right.keys():
        return None
    ratios = {left[node] / right[node] for node in right}
    (times, *others) = ratios
    return times if not others and times.denominator == 1 and constant == times * own else None


RULES = (
    Rule(
        "exp(x)*logistic(-x) -> logistic(x)",
        "mul",
        _product,
        lambda f, x, y, c: f.exp(x) * f.logistic(-x),
        needs=("exp", "logistic"),
        domain=((-1000.0, 1000.0),),
        before=7.7e15,
        after=2,
    ),
    Rule(
        "exp(x)*reciprocal_expm1(x)**2 -> -reciprocal_expm1(x)*reciprocal_expm1(-x)",
        "mul",
        _product,
        lambda f, x, y, c: f.exp(x) * f.pow(f.reciprocal_expm1(x), 2),
        needs=("exp", "reciprocal_expm1"),
        domain=((1e-3, 1000.0),),
        before=math.inf,
        after=5,
    ),
    Rule(
        "exp(2*x)*logistic(-x)**3 -> logistic(x)**2*logistic(-x)",
        "mul",
        _product,
        lambda f, x, y, c: f.exp(2 * x) * f.pow(f.logistic(-x), 3),
        needs=("exp", "logistic"),
        domain=((-300.0, 700.0),),
        before=math.inf,
        after=5,
    ),
    Rule(
        "exp(-x)*softplus(x) -> s/(exp(s) - 1) with s = softplus(x)",
        "mul",
        _product,
        lambda f, x, y, c: f.exp(-x) * f.softplus(x),
        needs=("exp", "softplus"),
        # Further left the series of `passes.removable` stands beside it; as written 0*inf from -709 on.
        domain=((-3.0, 700.0),),
        before=37,
        after=26,
    ),
)
