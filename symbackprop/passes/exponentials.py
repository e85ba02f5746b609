"""Sums, quotients, powers and logarithms of exponentials, whatever their order and their signs.

exp(u) overflows from 709.8 on, and its adjoint is then 0*inf. What a sum of exponentials is used for (its logarithm, a
share in it, a power) does not overflow: the rows of `ops.compound`, logistic, softplus and logaddexp are written in the
exponents.
"""

from __future__ import annotations

import math
from fractions import Fraction

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.passes.exponential_products import RULES as PRODUCT_RULES
from symbackprop.passes.exponential_quotients import (
    SHORT_POWERS,
    grow_alike,
    is_sum_of_exponentials,
    over_power,
    quotient_of_sums,
)
from symbackprop.passes.exponential_sums import (
    ZERO,
    Term,
    halved,
    has_unknown,
    is_opposite,
    is_positive,
    is_scalar,
    key_of,
    less,
    logarithm_of_sum,
    lone_logarithm,
    opposite,
    split,
    sum_of_exponentials,
)
from symbackprop.passes.factors import factors_and_others
from symbackprop.passes.offsets import terms
from symbackprop.passes.rewrite import Rewriter, Rule
from symbackprop.passes.stable_sums import has_weighted_sum, share_of_sum
from symbackprop.passes.vanishing import may_vanish

_ADD, _SUB, _MUL, _DIV, _NEG, _POW, _SQRT, _EXP, _EXPM1 = (
    REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg", "pow", "sqrt", "exp", "expm1")
)
_TANH, _LOGISTIC, _SOFTPLUS = (REGISTRY[name] for name in ("tanh", "logistic", "softplus"))
_DOUBLE = REGISTRY["double_exponential"]
_RECIPROCALS = {REGISTRY["sech"]: REGISTRY["cosh"], REGISTRY["csch"]: REGISTRY["sinh"]}
"""Of what a quotient by these is a product."""


# Sums.


def _hyperbolic_sum(r: Rewriter, x: int, y: int) -> int | None:
    return _hyperbolic(r, r.plain(_ADD, (x, y))) if r.is_op(x, _EXP) or r.is_op(y, _EXP) else None


def _hyperbolic_difference(r: Rewriter, x: int, y: int) -> int | None:
    if r.is_op(y, _DOUBLE) and r.number(x) == 1:
        return r.f.cloglog_inverse(r.f.wrap(r.operands(y)[0])).index
    if r.is_op(x, _SOFTPLUS) and r.is_op(y, _SOFTPLUS) and is_opposite(r, r.operands(x)[0], r.operands(y)[0]):
        return r.operands(x)[0]
    return _hyperbolic(r, r.plain(_SUB, (x, y))) if r.is_op(x, _EXP) or r.is_op(y, _EXP) else None


def _hyperbolic(r: Rewriter, index: int) -> int | None:
    """c*(exp(u) + exp(-u)) = 2*c*cosh(u), and with a minus sinh(u): the derivative would cancel at u = 0."""
    parts = sum_of_exponentials(r, index)
    if parts is None or len(parts) != 2:
        return None
    a, b = parts
    if a.number is None or b.number is None or abs(a.number) != abs(b.number) or a.key != opposite(b.key):
        return None
    row = r.f.cosh if a.number == b.number else r.f.sinh
    return (2 * a.number * row(a.exponent)).index


# Quotients.


def _quotient(r: Rewriter, x: int, y: int) -> int | None:
    """x over what grows."""
    f = r.f
    over, below = f.wrap(x), r.nodes[y]
    if below.op is _EXP:
        return (over * f.exp(-f.wrap(below.operands[0]))).index
    if below.op in _RECIPROCALS:
        return (over * f.apply(_RECIPROCALS[below.op], f.wrap(below.operands[0]))).index
    if below.op is _MUL:
        # c**2*(exp(u) - 1) is infinite as soon as one of its factors is.
        for own, other in (below.operands, below.operands[::-1]):
            nested = r.number(other) is None or r.is_op(own, _MUL) or r.nodes[own].op in _RECIPROCALS
            part = _quotient(r, x, own) if r.number(own) is None and nested else None
            if part is not None:
                return (f.wrap(part) / f.wrap(other)).index
    if below.op is _POW and (r.number(below.operands[1]) or 0) > 0:
        return _over_power_of(r, x, *below.operands)
    if r.is_op(x, _LOGISTIC) and r.is_op(y, _LOGISTIC) and is_opposite(r, r.operands(x)[0], r.operands(y)[0]):
        return f.exp(f.wrap(r.operands(x)[0])).index
    parts = sum_of_exponentials(r, y)
    if parts is None:
        return None
    found = _hyperbolic_tangent(r, x, parts) or quotient_of_sums(r, x, parts)
    if found is not None:
        return found.index
    if is_positive(parts) and has_weighted_sum(r, x):
        total = logarithm_of_sum(r, parts)
        return None if total is None else share_of_sum(r, x, total.index)
    if is_sum_of_exponentials(r, x) and grow_alike(r, x, parts):
        return None
    if len(parts) == 2:
        found = _over_two(r, x, *parts)
        if found is not None:
            return found.index
    return _over_positive(r, x, parts) if is_positive(parts) else None


def _over_power_of(r: Rewriter, x: int, base: int, exponent: int) -> int | None:
    f, number = r.f, r.number(exponent)
    if r.nodes[base].op in _RECIPROCALS:
        grown = f.apply(_RECIPROCALS[r.nodes[base].op], f.wrap(r.operands(base)[0]))
        return (f.wrap(x) * f.pow(grown, f.wrap(exponent))).index
    parts = sum_of_exponentials(r, base) if number in SHORT_POWERS else None
    if parts is not None and has_unknown(parts) and grow_alike(r, x, parts):
        return None
    inner = _reciprocal(r, base)
    if inner is not None:
        return (f.wrap(x) * f.pow(inner, f.wrap(exponent))).index
    found = None if parts is None else over_power(r, x, parts, int(number or 0))
    return None if found is None else found.index


def _hyperbolic_tangent(r: Rewriter, x: int, below: list[Term]) -> Value | None:
    """a*(exp(u) - exp(v))/(b*(exp(u) + exp(v))) = a/b*tanh((u - v)/2)."""
    above = sum_of_exponentials(r, x)
    if above is None or len(above) != 2 or len(below) != 2:
        return None
    numbers = {term.key: term.number for term in below}
    (a, b) = above
    c = numbers.get(a.key)
    if a.number is None or b.number is None or c is None or a.number != -b.number or numbers.get(b.key) != c:
        return None
    return a.number / c * r.f.tanh(halved(r, less(r, a.exponent, b.exponent)))


def _reciprocal(r: Rewriter, index: int) -> Value | None:
    """One over a sum of two exponentials, where that is a row, also among factors; None else."""
    if r.is_op(index, _MUL):
        for own, other in (r.operands(index), r.operands(index)[::-1]):
            found = _reciprocal(r, own)
            if found is not None:
                return found / r.f.wrap(other)
    parts = sum_of_exponentials(r, index)
    return None if parts is None or len(parts) != 2 else _over_two(r, r.const(1), *parts)


def _over_two(r: Rewriter, x: int, a: Term, b: Term) -> Value | None:
    """x/(p*exp(u) + q*exp(v))."""
    f, over = r.f, r.f.wrap(x)
    weight, exponent = split(r, x)
    if exponent is None and b.number is not None and b.number == a.number and a.key == opposite(b.key):
        return over / (2 * a.number) * f.sech(a.exponent)
    if exponent is None and a.number is not None and b.number == -a.number and a.key == opposite(b.key):
        return over / (2 * a.number) * f.csch(a.exponent)
    for own, other in ((a, b), (b, a)):
        key = ZERO if exponent is None else key_of(r, exponent)
        if key != own.key:
            continue
        scale = f.const(1) if weight is None else f.wrap(weight)
        d = less(r, other.exponent, own.exponent)
        if own.number == other.number and own.number is not None:
            return scale / own.number * f.logistic(-d)
        if own.number is not None and own.number == -(other.number or 0):
            return -1 / own.number * scale * f.reciprocal_expm1(d)
        if not is_scalar(r, x, own.weight.index, other.weight.index, d.index):
            return None
        weights = [(Fraction(1), (term.weight.index,)) for term in (own, other)]
        if may_vanish(r, weights, (own.exponent.index, other.exponent.index)):
            return None
        if own.number is None:
            for factor, others in factors_and_others(r, scale.index):
                if factor == own.weight.index:
                    share = f.exp_share(d, own.weight, other.weight)
                    return share if others is None else f.wrap(others) * share
        return scale * f.exp_reciprocal(d, own.weight, other.weight)
    return None


def _over_positive(r: Rewriter, x: int, parts: list[Term]) -> int | None:
    """w*exp(u)/sum: a logistic of the distance to all others where exp(u) is in the sum, else exp(u - log(sum))."""
    f = r.f
    weight, exponent = split(r, x)
    scale = f.const(1) if weight is None else f.wrap(weight)
    key = ZERO if exponent is None else key_of(r, exponent)
    own = next((term for term in parts if term.key == key), None)
    if own is None:
        total = logarithm_of_sum(r, parts)
        if total is None:
            return None
        return (scale * f.exp(-total if exponent is None else f.wrap(exponent) - total)).index
    rest = logarithm_of_sum(r, [term for term in parts if term is not own])
    if rest is None:
        return None
    return (scale / own.weight * f.logistic(less(r, lone_logarithm(own), rest))).index


# Powers and roots.


def _power(r: Rewriter, x: int, y: int) -> int | None:
    f, number = r.f, r.number(y)
    if r.is_op(x, _EXP):
        return f.exp(f.wrap(y) * f.wrap(r.operands(x)[0])).index
    if number is not None and number.denominator == 1:
        inner = _reciprocal(r, x) if number < 0 else None
        return None if inner is None else f.pow(inner, f.const(-number)).index
    parts = sum_of_exponentials(r, x)
    if parts is None or not is_positive(parts):
        return None
    total = logarithm_of_sum(r, parts)
    return None if total is None else f.exp(f.wrap(y) * total).index


def _root(r: Rewriter, x: int) -> int | None:
    f = r.f
    if r.is_op(x, _EXP):
        return f.exp(f.wrap(r.operands(x)[0]) / 2).index
    if r.is_op(x, _EXPM1):
        return f.sqrt_expm1(f.wrap(r.operands(x)[0])).index
    return _power(r, x, r.const(Fraction(1, 2)))


# Exponentials of exponentials, and functions of one.


def _exponential(r: Rewriter, x: int) -> int | None:
    f, node = r.f, r.nodes[x]
    if node.op is _NEG and r.is_op(node.operands[0], _EXP):
        return f.double_exponential(f.wrap(r.operands(node.operands[0])[0])).index
    if node.op is _NEG and r.is_op(node.operands[0], _SOFTPLUS):
        return f.logistic(-f.wrap(r.operands(node.operands[0])[0])).index
    if node.op is _MUL and r.is_op(node.operands[1], _SOFTPLUS) and -(r.number(node.operands[0]) or 0) in SHORT_POWERS:
        number, (inner,) = r.number(node.operands[0]), r.operands(node.operands[1])
        return f.pow(f.logistic(-f.wrap(inner)), f.const(-(number or 0))).index
    if node.op is _NEG and r.is_op(node.operands[0], _ADD):
        # exp(-(u + exp(-u)))
        for a, b in (r.operands(node.operands[0]), r.operands(node.operands[0])[::-1]):
            if r.is_op(b, _EXP) and is_opposite(r, a, r.operands(b)[0]):
                return f.double_exponential_slope(f.wrap(r.operands(b)[0])).index
    if node.op is _SUB and r.is_op(node.operands[1], _EXP) and r.operands(node.operands[1])[0] == node.operands[0]:
        return f.double_exponential_slope(f.wrap(node.operands[0])).index
    return None


def _exponential_less_one(r: Rewriter, x: int) -> int | None:
    if r.is_op(x, _NEG) and r.is_op(r.operands(x)[0], _EXP):
        return (-r.f.cloglog_inverse(r.f.wrap(r.operands(r.operands(x)[0])[0]))).index
    return None


def _angle(r: Rewriter, x: int) -> int | None:
    return r.f.atan_exp(r.f.wrap(r.operands(x)[0])).index if r.is_op(x, _EXP) else None


def _cross_entropy(r: Rewriter, x: int, y: int) -> int | None:
    """y*softplus(-u) + (1 - y)*softplus(u): its derivative in y is -u, and no difference of the two."""
    f = r.f
    for first, second in ((x, y), (y, x)):
        if not (r.is_op(first, _MUL) and r.is_op(second, _MUL)):
            return None
        (a, u), (b, v) = (_beside_softplus(r, node) for node in (first, second))
        if a is None or b is None or u is None or v is None or not is_opposite(r, u, v):
            continue
        rest = terms(r, b)
        if rest is not None and rest == (Fraction(1), {a: Fraction(-1)}):
            return f.cross_entropy(f.wrap(v), f.wrap(a)).index
    return None


def _beside_softplus(r: Rewriter, index: int) -> tuple[int | None, int | None]:
    for own, other in (r.operands(index), r.operands(index)[::-1]):
        if r.is_op(own, _SOFTPLUS):
            return other, r.operands(own)[0]
    return None, None


def _inverse(r: Rewriter, x: int) -> int | None:
    return r.operands(x)[0] if r.is_op(x, _TANH) else None


_WIDE, _TAILS, _MODEST = (-700.0, 700.0), (-1000.0, 1000.0), (-2.0, 0.5)

RULES = (
    *PRODUCT_RULES,
    Rule(
        "exp(x) + exp(-x) -> 2*cosh(x)",
        "add",
        _hyperbolic_sum,
        lambda f, x, y, c: f.exp(x) + f.exp(-x),
        needs=("exp",),
        domain=(_WIDE,),
        before=5e5,
        after=1,
    ),
    Rule(
        "exp(x) - exp(-x) -> 2*sinh(x)",
        "sub",
        _hyperbolic_difference,
        lambda f, x, y, c: f.exp(x) - f.exp(-x),
        needs=("exp", "softplus", "double_exponential"),
        domain=(_WIDE,),
        before=1.1e08,
        after=1,
    ),
    Rule(
        "exp(x)/(exp(x) + exp(y)) -> logistic(x - y)",
        "div",
        _quotient,
        lambda f, x, y, c: f.exp(x) / (f.exp(x) + f.exp(y)),
        domain=(_TAILS, _TAILS),
        before=9e15,
        after=390,
    ),
    Rule(
        "(1 + exp(x))**y -> exp(y*softplus(x))",
        "pow",
        _power,
        lambda f, x, y, c: f.pow(f.exp(x) + 1, y),
        domain=(_TAILS, _MODEST),
        before=8.9e15,
        after=250,
    ),
    Rule(
        "sqrt(1 + exp(x)) -> exp(softplus(x)/2)",
        "sqrt",
        _root,
        lambda f, x, y, c: f.sqrt(f.exp(x) + 1),
        domain=(_TAILS,),
        before=math.inf,
        after=5,
    ),
    Rule(
        "exp(-exp(x)) -> double_exponential(x)",
        "exp",
        _exponential,
        lambda f, x, y, c: f.exp(-f.exp(x)),
        domain=(_TAILS,),
        before=math.inf,
        after=150,
    ),
    Rule(
        "expm1(-exp(x)) -> -cloglog_inverse(x)",
        "expm1",
        _exponential_less_one,
        lambda f, x, y, c: f.expm1(-f.exp(x)),
        domain=(_TAILS,),
        before=math.inf,
        after=90,
    ),
    Rule(
        "atan(exp(x)) -> atan_exp(x)",
        "atan",
        _angle,
        lambda f, x, y, c: f.atan(f.exp(x)),
        domain=(_TAILS,),
        before=6.6e15,
        after=1,
    ),
    Rule(
        "y*softplus(-x) + (1 - y)*softplus(x) -> cross_entropy(x, y)",
        "add",
        _cross_entropy,
        lambda f, x, y, c: y * f.softplus(-x) + (1 - y) * f.softplus(x),
        needs=("softplus",),
        domain=(_TAILS, (1e-6, 0.999)),
        before=2.1e08,
        after=100,
    ),
    Rule(
        "atanh(tanh(x)) -> x",
        "atanh",
        _inverse,
        lambda f, x, y, c: f.atanh(f.tanh(x)),
        domain=(_TAILS,),
        before=math.inf,
        after=1,
    ),
)
