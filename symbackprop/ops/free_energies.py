"""Smooth maxima over axes, whose slope in the temperature is an entropy: t*log(sum(exp(x/t))).

As the difference of a logarithm and a mean that slope had lost what the exponents are larger than 1, and was 0 below a
temperature of 1/40 of the distance between the two largest.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symbackprop.ops.reduction import every_entry, remaining, shifted_batch, spread
from symbackprop.ops.row import ELEMENTARY, Op
from symbackprop.ops.sums_of_exponentials import exponentials


def _smooth_maximum(f: Any, axes: Any, x: Any, t: Any) -> Any:
    return t * f.logsumexp(x / spread(f, t, f.shape(x), axes), axes)


def _smooth_tangent(f: Any, z: Any, dot: Any, position: int, axes: Any, operands: Any) -> Any:
    x, t = operands
    u = x / spread(f, t, f.shape(x), axes)
    return dot * f.softmax_entropy(u, axes) if position else f.reduce_sum(dot * f.softmax(u, axes), axes)


def _smooth_values(axes: Any, x: Any, t: Any) -> Any:
    x, t = np.asarray(x), np.asarray(t)
    u = x / np.expand_dims(t, tuple(axes))
    shift = np.max(u, axis=tuple(axes), keepdims=True)
    return t * (
        np.squeeze(shift, tuple(axes)) + _function("log", np.sum(_function("exp", u - shift), axis=tuple(axes)))
    )


def _function(name: str, x: Any) -> Any:
    """An elementary function of doubles or of mpmath's numbers."""
    x = np.asarray(x)
    if x.dtype != object:
        return getattr(np, name)(x)
    import mpmath as mp

    return np.frompyfunc(getattr(mp, name), 1, 1)(x)


def _parts(f: Any, axes: Any, x: Any) -> tuple[Any, Any, Any]:
    """What x is less than its largest, its exponentials, and minus their mean."""
    _, rest, terms, total = exponentials(f, axes, x)
    # 0*inf of what does not count at all.
    products = f.select(f.gt(terms, 0), terms * rest, 0)
    return rest, terms, f.reduce_sum(products, axes) / total


def _entropy(f: Any, axes: Any, x: Any) -> Any:
    rest, terms, mean = _parts(f, axes, x)
    # The sum of all exponentials but the largest, 1: beside it they would be rounded.
    below = f.lt(rest, 0)
    others = f.reduce_sum(f.select(below, terms, 0), axes) + (f.reduce_sum(f.select(below, 0, 1), axes) - 1)
    return f.log1p(others) - mean


def _entropy_values(axes: Any, x: Any) -> Any:
    rest, terms, total, mean = _values(axes, x)
    largest = rest == 0
    others = np.sum(np.where(largest, 0, terms), axis=tuple(axes)) + (np.sum(largest, axis=tuple(axes)) - 1)
    return _function("log1p", np.asarray(others, total.dtype)) - np.squeeze(mean, tuple(axes))


def _values(axes: Any, x: Any) -> tuple[Any, Any, Any, Any]:
    x = np.asarray(x)
    rest = x - np.max(x, axis=tuple(axes), keepdims=True)
    terms = _function("exp", rest)
    total = np.sum(terms, axis=tuple(axes), keepdims=True)
    return rest, terms, total, np.sum(np.where(terms > 0, terms * rest, 0), axis=tuple(axes), keepdims=True) / total


def _deviation(f: Any, axes: Any, x: Any) -> Any:
    rest, _, mean = _parts(f, axes, x)
    return rest - spread(f, mean, f.shape(x), axes)


def _deviation_tangent(f: Any, z: Any, dot: Any, position: int, axes: Any, operands: Any) -> Any:
    share = f.softmax(operands[0], axes)
    return dot - spread(f, f.reduce_sum((share + share * z) * dot, axes), f.shape(z), axes)


def _deviation_values(axes: Any, x: Any) -> Any:
    rest, _, _, mean = _values(axes, x)
    return rest - mean


ROWS = (
    Op(
        name="reduce_smooth_maximum",
        doc="t*log(sum(exp(x/t))) over axes, with a t for each sum",
        arity=2,
        elementwise=False,
        cost=2 * ELEMENTARY,
        work=every_entry,
        infer=lambda axes, x, t: remaining(axes, x),
        tangent=_smooth_tangent,
        evaluate=_smooth_values,
        define=_smooth_maximum,
        batch=shifted_batch("reduce_smooth_maximum"),
    ),
    Op(
        name="softmax_entropy",
        doc="the entropy of the softmax over axes: log(sum(exp(x))) less the mean of x",
        elementwise=False,
        cost=2 * ELEMENTARY,
        work=every_entry,
        infer=remaining,
        tangent=lambda f, z, dot, position, axes, operands: (
            -f.reduce_sum(dot * (f.softmax(operands[0], axes) * f.softmax_deviation(operands[0], axes)), axes)
        ),
        evaluate=_entropy_values,
        define=_entropy,
        batch=shifted_batch("softmax_entropy"),
    ),
    Op(
        name="softmax_deviation",
        doc="x less its mean over the softmax",
        elementwise=False,
        cost=2 * ELEMENTARY,
        infer=lambda axes, x: (x.dtype, x.shape),
        tangent=_deviation_tangent,
        evaluate=_deviation_values,
        define=_deviation,
        batch=shifted_batch("softmax_deviation"),
    ),
)
