"""Logarithms of products over axes, likelihoods: a product vanishes or overflows long before any of its factors does.

So do parts of a factor: Poisson's density w**k*exp(-w)/gamma(k + 1) is inf/inf at k = 300, and a mixture's is 0 far
from all components. The logarithm of a factor is that of its parts, by their sizes; their signs are multiplied.
"""

from __future__ import annotations

import math

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.ops.reduction import REDUCE_PROD
from symbackprop.passes.logarithms import factors_of, logarithm_of_positive_row
from symbackprop.passes.offsets import offset
from symbackprop.passes.rewrite import Rewriter, Rule
from symbackprop.passes.stable_sums import size_and_sign

_POW, _GAMMA = REGISTRY["pow"], REGISTRY["gamma"]


def _of_product(r: Rewriter, x: int) -> int | None:
    """The logarithm of a product over axes."""
    f, node = r.f, r.nodes[x]
    if node.op is not REDUCE_PROD:
        return None
    size, sign = _size_and_sign(r, node.operands[0])
    total = f.reduce_sum(size, node.attributes)
    if sign is None:
        return total.index
    positive = f.gt(f.reduce_prod(sign, node.attributes), 0)
    # The product itself stays where it has no logarithm: nan, or minus infinity with its slope.
    without = f.log(f.select(positive, 1, f.wrap(x)))
    return f.select(positive, total, without).index


def _size_and_sign(r: Rewriter, index: int) -> tuple[Value, Value | None]:
    """The logarithm of the size of every entry, and their signs; None where all are positive."""
    f, shape = r.f, r.nodes[index].type.shape
    sizes, signs, rest = [], [], f.const(1)
    for node, power in factors_of(r, index) or [(index, 1)]:
        known = _known(r, node)
        if known is None:
            rest = rest * f.wrap(node) if power > 0 else rest / f.wrap(node)
            continue
        size, sign = known
        sizes.append(size if power > 0 else -size)
        signs += [] if sign is None else [sign]
    number = r.number(rest.index)
    if number != 1:
        sizes.append(_logarithm_of_size(r, rest))
    if number is None or number <= 0:
        signs.append(f.sign(rest))

    def full(value: Value) -> Value:
        return value if f.shape(value) else f.fill(value, shape)

    size = full(sum(sizes[1:], start=sizes[0]) if sizes else f.const(0))
    return size, full(math.prod(signs[1:], start=signs[0])) if signs else None


def _logarithm_of_size(r: Rewriter, x: Value) -> Value:
    """log(abs(x)), of 1 + v by v."""
    constant, beside = offset(r, x.index) or (0, -1)
    if constant != 1:
        return x.f.log(x.f.abs(x))
    v = x.f.wrap(beside)
    return x.f.log1p(x.f.select(x.f.lt(v, -1), -2 - v, v))


def _known(r: Rewriter, index: int) -> tuple[Value, Value | None] | None:
    if r.number(index) is not None:
        return None
    positive = logarithm_of_positive_row(r, index)
    return _of_part(r, index) if positive is None else (positive, None)


def _of_part(r: Rewriter, index: int) -> tuple[Value, Value] | None:
    """The logarithm of the size, and the sign, of what leaves the range of numbers before its logarithm does."""
    f, node = r.f, r.nodes[index]
    if node.op is _POW:
        base, exponent = map(f.wrap, node.operands)
        size = f.abs(base)
        known = exponent * f.log(size) if r.number(exponent.index) is not None else f.log_power(size, exponent)
        return known, f.pow(f.sign(base), exponent)
    if node.op is _GAMMA:
        return f.loggamma(f.wrap(node.operands[0])), f.sign(f.wrap(index))
    return size_and_sign(r, index)


RULES = (
    Rule(
        "log(prod(x)) -> sum(log(abs(x))), where it is positive",
        "log",
        _of_product,
        lambda f, x, y, c: f.log(f.reduce_prod(x, (1,))),
        needs=("reduce_prod",),
        among=("reduce_prod",),
        on_arrays=True,
    ),
)
