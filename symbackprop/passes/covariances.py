"""Means of products less products of means, as users write variances, covariances, correlations and slopes of lines.

With W = sum(w), A = sum(w*a) and B = sum(w*b),

    W*sum(w*a*b) - A*B = W*sum(w*(a - A/W)*(b - B/W)),

whose terms do not cancel: of data at 1e8 beside each other by 1 the left side has no digit. Weights are 1, others, or
those of a softmax, whose sum is 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations
from typing import Any, NamedTuple

from symbackprop.ir import Value
from symbackprop.ops.reduction import REDUCE_SUM
from symbackprop.ops.sums_of_exponentials import SOFTMAX, WEIGHTED_SOFTMAX
from symbackprop.passes.offsets import Parts, built, terms
from symbackprop.passes.powers import Powers, number_and_powers, over, raised
from symbackprop.passes.rewrite import Rewriter, Rule
from symbackprop.passes.weighted_terms import is_nonnegative

_LEAST = 64
"""Weights cancel whose sum is no more than this part of that of their sizes, and so do those that are all 0."""


class _Means(NamedTuple):
    """What W*sum(w*a*b) - A*B is made of."""

    weights: Powers
    first: Powers
    second: Powers
    total: Value | None
    """W; None of weights whose sum is 1."""


def _of_sum(r: Rewriter, x: int, y: int) -> int | None:
    return _of_terms(r, x, y, 1)


def _of_difference(r: Rewriter, x: int, y: int) -> int | None:
    return _of_terms(r, x, y, -1)


def _of_terms(r: Rewriter, x: int, y: int, sign: int) -> int | None:
    """Of x + y, or x - y, a term of each together."""
    left, right = terms(r, x), terms(r, y)
    if left is None or right is None:
        return None
    for one, factor in left[1].items():
        for other, size in right[1].items():
            found = _together(r, one, factor, other, sign * size)
            if found is None:
                continue
            parts: Parts = {node: number for node, number in left[1].items() if node != one}
            for node, number in right[1].items():
                if node != other:
                    parts[node] = parts.get(node, Fraction(0)) + sign * number
            constant = left[0] + sign * right[0]
            parts = {node: number for node, number in parts.items() if number}
            return found.index if not parts and not constant else (r.f.wrap(built(r, constant, parts)) + found).index
    return None


def _together(r: Rewriter, x: int, factor: Fraction, y: int, size: Fraction) -> Value | None:
    """factor*x + size*y, where one is a sum of products and the other a product of sums."""
    left, right = number_and_powers(r.nodes, x), number_and_powers(r.nodes, y)
    for (number, whole), (other, product) in (
        ((factor * left[0], left[1]), (-size * right[0], right[1])),
        ((size * right[0], right[1]), (-factor * left[0], left[1])),
    ):
        if number * other <= 0:
            continue
        for joint, rest in _sums(r, whole):
            for first, second, others in _pairs_of_sums(r, product):
                means = _means(r, (joint, first, second), number / other, over(rest, others))
                if means is not None:
                    return _unless_weightless(r, (joint, first, second), means, number, rest)
    return None


def _sums(r: Rewriter, powers: Powers) -> Iterator[tuple[int, Powers]]:
    for node, power in powers.items():
        if power == 1 and r.nodes[node].op is REDUCE_SUM:
            yield node, over(powers, {node: 1})


def _pairs_of_sums(r: Rewriter, powers: Powers) -> Iterator[tuple[int, int, Powers]]:
    """Two factors that are sums, perhaps one that is squared, and the other factors."""
    for node, power in powers.items():
        if power == 2 and r.nodes[node].op is REDUCE_SUM:
            yield node, node, over(powers, {node: 2})
    for one, other in combinations([node for node, _ in _sums(r, powers)], 2):
        yield one, other, over(powers, {one: 1, other: 1})


def _means(r: Rewriter, sums: tuple[int, int, int], number: Fraction, ratio: Powers) -> _Means | None:
    """Which weights make one of the sums that of the products of what the two others are of."""
    nodes = [r.nodes[index] for index in sums]
    inner = [node.operands[0] for node in nodes]
    axes, shape = nodes[0].attributes, r.nodes[inner[0]].type.shape
    if any(node.attributes != axes or r.nodes[o].type.shape != shape for node, o in zip(nodes, inner, strict=True)):
        return None
    (c, joint), (d, first), (e, second) = (number_and_powers(r.nodes, index) for index in inner)
    both = {base: first.get(base, 0) + second.get(base, 0) for base in {**first, **second}}
    weights = {base: power for base, power in over(both, joint).items() if power}
    if c != d * e or any(power < 0 for power in weights.values()):
        return None
    one, other = ({b: p for b, p in over(own, weights).items() if p} for own in (first, second))
    # Of sum(y)*sum(x**2) - sum(x)*sum(x*y), with the weights y, one would be x/y: none where a weight is 0.
    if not one or not other or any(power < 0 for power in (*one.values(), *other.values())):
        return None
    left = {base: power for base, power in ratio.items() if power}
    if not weights:
        lengths = Powers()
        for axis in axes:
            if isinstance(shape[axis], int):
                number /= shape[axis]
            else:
                length = r.length(shape[axis])
                lengths[length] = lengths.get(length, 0) + 1
        return _Means(weights, one, other, raised(r.f, lengths)) if number == 1 and left == lengths else None
    if number != 1:
        return None
    if not left:
        return _Means(weights, one, other, None) if _is_softmax(r, weights, axes) else None
    (total, *more) = left
    node = r.nodes[total]
    if more or left[total] != 1 or node.op is not REDUCE_SUM or node.attributes != axes:
        return None
    known = number_and_powers(r.nodes, node.operands[0])
    same = known == (Fraction(1), weights) and r.nodes[node.operands[0]].type.shape == shape
    return _Means(weights, one, other, r.f.wrap(total)) if same else None


def _is_softmax(r: Rewriter, weights: Powers, axes: tuple[int, ...]) -> bool:
    for base in weights:
        op, operands, attributes, _ = r.nodes[base]
        own = {base: 1} if op is SOFTMAX else {base: 1, operands[0]: 1} if op is WEIGHTED_SOFTMAX else None
        if own == weights and attributes == axes:
            return True
    return False


def _unless_weightless(r: Rewriter, sums: tuple[int, int, int], means: _Means, number: Fraction, rest: Powers) -> Value:
    """number*rest*sum(w*(a - A/W)*(b - B/W)), and as it was of weights that cancel, which have no means."""
    f, total = r.f, means.total
    scale = raised(f, rest, number)
    if total is None or not means.weights or rest.get(total.index, 0) < 1 or is_nonnegative(r, total.index):
        return scale * _centred(r, sums, means, total)
    weights, axes = raised(f, means.weights), r.nodes[total.index].attributes
    cancel = f.le(_LEAST * f.abs(total), f.reduce_sum(f.abs(weights), axes))
    joint, one, other = map(f.wrap, sums)
    # By a weight that is 0 elsewhere: this rule finds it no more.
    given = raised(f, over(rest, {total.index: 1}), number) * (f.select(cancel, total, 0) * joint - one * other)
    return f.select(cancel, given, scale * _centred(r, sums, means, f.select(cancel, 1, total)))


def _centred(r: Rewriter, sums: tuple[int, int, int], means: _Means, weight: Value | None) -> Value:
    """sum(w*(a - A/W)*(b - B/W))."""
    f, (joint, *others) = r.f, sums
    (inner,), axes = r.operands(joint), r.nodes[joint].attributes
    shape = r.nodes[inner].type.shape
    kept = tuple(axis for axis in range(len(shape)) if axis not in axes)
    factors = []
    for powers, total in zip((means.first, means.second), others, strict=True):
        mean = f.wrap(total) if weight is None else f.wrap(total) / weight
        factors.append(raised(f, powers) - f.broadcast(mean, shape, kept))
    one, other = factors
    product = f.pow(one, 2) if one.index == other.index else one * other
    if means.weights:
        product = raised(f, means.weights) * product
    return f.reduce_sum(f.broadcast(product, shape, tuple(range(len(shape)))), axes)


def _example(f: Any, x: Any, y: Any, sign: int) -> Any:
    first, second, both = (f.reduce_sum(value, (0,)) for value in (x, y, x * y))
    n = f.length("N")
    return both / n - first * second / (n * n) if sign < 0 else both / n + (-1 * (first * second)) / (n * n)


RULES = (
    Rule(
        "sum(x*y)/n - sum(x)*sum(y)/n**2 -> sum((x - sum(x)/n)*(y - sum(y)/n))/n",
        "sub",
        _of_difference,
        lambda f, x, y, c: _example(f, x, y, -1),
        needs=("reduce_sum",),
        on_arrays=True,
    ),
    Rule(
        "-sum(x)*sum(y)/n**2 + sum(x*y)/n -> sum((x - sum(x)/n)*(y - sum(y)/n))/n",
        "add",
        _of_sum,
        lambda f, x, y, c: _example(f, x, y, 1),
        needs=("reduce_sum",),
        on_arrays=True,
    ),
)
