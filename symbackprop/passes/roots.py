"""A number times the slope of its root, which are 0 and infinite at 0: x/(2*sqrt(x)) is sqrt(x)/2.

The derivative of x/(1 + sqrt(x)) has x*sqrt_slope(x) in it, nan at 0, where the derivative is 1.
"""

from __future__ import annotations

import math

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.passes.factors import all_factors
from symbackprop.passes.rewrite import Rewriter, Rule

_MUL, _DIV, _NEG, _POW = (REGISTRY[name] for name in ("mul", "div", "neg", "pow"))
_SQRT_SLOPE, _POWER_SLOPE = REGISTRY["sqrt_slope"], REGISTRY["power_slope"]
_DEEPEST = 6


def _beside_slope(r: Rewriter, x: int, y: int) -> int | None:
    for slope, other in ((x, y), (y, x)):
        for factor in all_factors(r, slope):
            raised = _times_base(r, factor)
            if raised is None:
                continue
            base, value = raised
            rest = _without(r, other, base)
            if rest is not None:
                others = all_factors(r, slope)
                others.remove(factor)
                # The power last: what is 0 beside it, as exp(-u**k) is, stays 0 where the rest overflows.
                return (math.prod(map(r.f.wrap, others), start=r.f.const(1)) * r.f.wrap(rest) * value).index
    return None


def _times_base(r: Rewriter, slope: int) -> tuple[int, Value] | None:
    """The base of an infinite slope at 0, and the two multiplied."""
    f, op = r.f, r.nodes[slope].op
    if op is _SQRT_SLOPE:
        (base,) = r.operands(slope)
        return base, f.sqrt(f.wrap(base)) / 2
    if op is _POWER_SLOPE:
        base, exponent = r.operands(slope)
        return base, f.wrap(exponent) * f.pow(f.wrap(base), f.wrap(exponent))
    if op is _POW:
        base, exponent = r.operands(slope)
        number = r.number(exponent)
        if number is not None and -1 < number < 0:
            return base, f.pow(f.wrap(base), f.const(number + 1))
    return None


def _without(r: Rewriter, index: int, factor: int, depth: int = 0) -> int | None:
    """A product over one of its factors, as it is written but for that; None where it has no such factor."""
    if index == factor:
        return r.const(1)
    op, operands = r.nodes[index].op, r.operands(index)
    if depth > _DEEPEST:
        return None
    if op is _POW and operands[0] == factor:
        number = r.number(operands[1])
        return None if number is None or number < 1 else r.f.pow(r.f.wrap(factor), r.f.const(number - 1)).index
    for place in (0, 1) if op is _MUL else (0,) if op is _DIV or op is _NEG else ():
        found = _without(r, operands[place], factor, depth + 1)
        if found is not None:
            if op is _MUL and r.number(found) == 1:
                return operands[1 - place]
            return r.plain(op, (*operands[:place], found, *operands[place + 1 :]))
    return None


RULES = (
    Rule(
        "y*x*sqrt_slope(x) -> y*sqrt(x)/2, and likewise of powers",
        "mul",
        _beside_slope,
        lambda f, x, y, c: y * x * f.sqrt_slope(x),
        domain=((0.0, 4.0),),
        among=("sqrt_slope", "power_slope", "pow", "mul"),
    ),
)
