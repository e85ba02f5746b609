"""Products with an exponential: the other factor vanishes as it overflows.

Two exponentials are one; exp(u)*logistic(-u) is logistic(u), and exp(u)/(exp(u) - 1) an occupation at -u.
"""

from __future__ import annotations

import math

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.passes.exponential_sums import is_opposite, is_scalar
from symbackprop.passes.rewrite import Rewriter, Rule

_MUL, _POW, _EXP, _LOGISTIC, _OCCUPATION = (
    REGISTRY[name] for name in ("mul", "pow", "exp", "logistic", "reciprocal_expm1")
)
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
    if first.op is _EXP and second.op is _POW and r.nodes[second.operands[0]].op in (_LOGISTIC, _OCCUPATION):
        return _slope_of_power(r, first.operands[0], *second.operands)
    if first.op is _EXP and second.op is _POW and is_scalar(r, a, b):
        power = r.number(second.operands[1])
        if power is None or abs(power) >= _SHORT_POWER:
            return f.power_exp(*(f.wrap(operand) for operand in second.operands), f.wrap(first.operands[0]))
    return None


def _slope_of_power(r: Rewriter, exponent: int, inner: int, power: int) -> Value | None:
    """exp(u)*logistic(-u)**n = logistic(u)*logistic(-u)**(n - 1), and with 1/(exp(u) - 1) = -1 - 1/(exp(-u) - 1)."""
    f, number = r.f, r.number(power)
    if number is None or number < 2 or number.denominator != 1:
        return None
    u, base = f.wrap(exponent), f.wrap(inner)
    if r.is_op(inner, _OCCUPATION):
        found = -f.reciprocal_expm1(-u) * base if r.operands(inner) == (exponent,) else None
    else:
        found = f.logistic_slope(u) if is_opposite(r, exponent, r.operands(inner)[0]) else None
    return found if found is None or number == 2 else found * f.pow(base, f.const(number - 2))


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
)
