"""Temperatures of sums of exponentials over axes, t*log(sum(exp(x/t))) and log(sum(exp(b*x)))/b, and entropies."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from symbackprop.ops import REGISTRY
from symbackprop.ops.reduction import REDUCE_SUM
from symbackprop.ops.sums_of_exponentials import LOG_SOFTMAX, LOGSUMEXP, SOFTMAX
from symbackprop.passes.offsets import Parts, built, terms
from symbackprop.passes.powers import number_and_powers, over, raised
from symbackprop.passes.rewrite import Rewriter, Rule

_MUL, _DIV, _NEG = (REGISTRY[name] for name in ("mul", "div", "neg"))


def _product(r: Rewriter, x: int, y: int) -> int | None:
    return _with_temperature(r, x, y, 1)


def _quotient(r: Rewriter, x: int, y: int) -> int | None:
    return _with_temperature(r, x, y, -1)


def _with_temperature(r: Rewriter, x: int, y: int, sign: int) -> int | None:
    """A logarithm beside what its exponents are divided by, or over what they are multiplied by."""
    if not any(_has_logarithm(r, node) for node in (x, y)):
        return None
    f = r.f
    (number, above), (other, below) = number_and_powers(r.nodes, x), number_and_powers(r.nodes, y)
    powers = {base: above.get(base, 0) + sign * below.get(base, 0) for base in {**above, **below}}
    for node, power in powers.items():
        if power != 1 or r.nodes[node].op is not LOGSUMEXP:
            continue
        (u,), axes = r.operands(node), r.nodes[node].attributes
        size, inner = number_and_powers(r.nodes, u)
        for base, times in powers.items():
            if abs(times) == 1 and inner.get(base) == -times and not r.nodes[base].type.shape:
                shape = r.nodes[u].type.shape
                values = f.broadcast(raised(f, over(inner, {base: -times}), size), shape, tuple(range(len(shape))))
                t = f.wrap(base) if times > 0 else 1 / f.wrap(base)
                smooth = f.reduce_smooth_maximum(values, t, axes)
                return (raised(f, over(powers, {node: 1, base: times}), number * other**sign) * smooth).index
    return None


def _has_logarithm(r: Rewriter, index: int) -> bool:
    node = r.nodes[index]
    inner = (node, *[r.nodes[operand] for operand in node.operands]) if node.op in (_MUL, _DIV, _NEG) else (node,)
    return any(one.op is LOGSUMEXP for one in inner)


def _entropy(r: Rewriter, axes: Any, x: int) -> int | None:
    """sum(p*log(p)) of a softmax."""
    if not r.is_op(x, _MUL):
        return None
    for one, other in (r.operands(x), r.operands(x)[::-1]):
        share, logarithm = r.nodes[one], r.nodes[other]
        if share.op is SOFTMAX and logarithm.op is LOG_SOFTMAX and share.attributes == logarithm.attributes == axes:
            return (
                (-r.f.softmax_entropy(r.f.wrap(share.operands[0]), axes)).index
                if (share.operands == logarithm.operands)
                else None
            )
    return None


def _sum(r: Rewriter, x: int, y: int) -> int | None:
    return _less_mean(r, x, y, 1)


def _difference(r: Rewriter, x: int, y: int) -> int | None:
    return _less_mean(r, x, y, -1)


def _less_mean(r: Rewriter, x: int, y: int, sign: int) -> int | None:
    """log(sum(exp(u))) less the mean of u."""
    left, right = terms(r, x), terms(r, y)
    if left is None or right is None:
        return None
    parts: Parts = dict(left[1])
    for node, factor in right[1].items():
        parts[node] = parts.get(node, Fraction(0)) + sign * factor
    for logarithm, factor in parts.items():
        if r.nodes[logarithm].op is not LOGSUMEXP:
            continue
        for mean, size in parts.items():
            if _is_mean(r, mean, size, logarithm, factor):
                rest = {node: number for node, number in parts.items() if number and node not in (mean, logarithm)}
                entropy = r.f.softmax_entropy(r.f.wrap(r.operands(logarithm)[0]), r.nodes[logarithm].attributes)
                rest[entropy.index] = factor
                return built(r, left[0] + sign * right[0], rest)
    return None


def _is_mean(r: Rewriter, mean: int, size: Fraction, logarithm: int, factor: Fraction) -> bool:
    """Whether size*mean is -factor*sum(softmax(u)*u)."""
    number, powers = number_and_powers(r.nodes, mean)
    (u,), axes = r.operands(logarithm), r.nodes[logarithm].attributes
    share = r.known_structural(SOFTMAX, (u,), axes)
    if share is None:
        return False
    for node, power in powers.items():
        if power != 1 or r.nodes[node].op is not REDUCE_SUM or r.nodes[node].attributes != axes:
            continue
        own, inner = number_and_powers(r.nodes, r.operands(node)[0])
        if inner.get(share) != 1:
            continue
        outer = over(powers, {node: 1})
        values = over({base: inner.get(base, 0) + outer.get(base, 0) for base in {**inner, **outer}}, {share: 1})
        count, wanted = number_and_powers(r.nodes, u)
        if {
            base: power for base, power in values.items() if power
        } == wanted and size * number * own == -factor * count:
            return True
    return False


RULES = (
    Rule(
        "t*log(sum(exp(x/t))) -> a row whose slope is an entropy",
        "mul",
        _product,
        lambda f, x, y, c: f.reduce_sum(y) * f.logsumexp(x / f.reduce_sum(y), (1,)),
        needs=("logsumexp",),
        on_arrays=True,
    ),
    Rule(
        "log(sum(exp(b*x)))/b -> the same",
        "div",
        _quotient,
        lambda f, x, y, c: f.logsumexp(f.reduce_sum(y) * x, (1,)) / f.reduce_sum(y),
        needs=("logsumexp",),
        on_arrays=True,
    ),
    Rule(
        "sum(softmax(x)*log_softmax(x)) -> -softmax_entropy(x)",
        "reduce_sum",
        _entropy,
        lambda f, x, y, c: f.reduce_sum(f.softmax(x, (1,)) * f.log_softmax(x, (1,)), (1,)),
    ),
    Rule(
        "logsumexp(x) - sum(softmax(x)*x) -> softmax_entropy(x)",
        "sub",
        _difference,
        lambda f, x, y, c: f.logsumexp(x, (1,)) - f.reduce_sum(f.softmax(x, (1,)) * x, (1,)),
        needs=("logsumexp",),
        on_arrays=True,
    ),
    Rule(
        "logsumexp(-x) + sum(softmax(-x)*x) -> softmax_entropy(-x)",
        "add",
        _sum,
        lambda f, x, y, c: f.logsumexp(-x, (1,)) + f.reduce_sum(f.softmax(-x, (1,)) * x, (1,)),
        needs=("logsumexp",),
        on_arrays=True,
    ),
)
