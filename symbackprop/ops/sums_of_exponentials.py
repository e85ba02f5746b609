"""Sums of exponentials over axes: their logarithms, and the shares in them.

The attributes are the axes that are summed over.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symbackprop.ops.reduction import every_entry, remaining, shifted_batch, spread
from symbackprop.ops.row import ELEMENTARY, Op

# Sums of exponentials. The logarithm of one, the shares in it and their logarithms are rows of their own, since their
# derivatives are made of each other: to differentiate the definitions would carry a maximum along, whose contributions
# cancel. All three share the maximum, the exponentials and the sum. Measured at logits of 1e4: shares by these
# definitions are right to 3e-16 relative, by exp(x - logsumexp(x)) to 9e-13, as exp itself overflows from 709.8 on.


def _finite_or_zero(f: Any, largest: Any) -> Any:
    # An infinite maximum would give inf - inf.
    return f.select(f.lt(f.abs(largest), f.const("inf")), largest, 0)


def exponentials(f: Any, axes: Any, x: Any) -> tuple[Any, Any, Any, Any]:
    """The shift, what is left of x, its exponentials, and their sum."""
    shift = _finite_or_zero(f, f.reduce_max(x, axes))
    rest = x - spread(f, shift, f.shape(x), axes)
    terms = f.exp(rest)
    return shift, rest, terms, f.reduce_sum(terms, axes)


def _logsumexp_define(f: Any, axes: Any, x: Any) -> Any:
    shift, _, _, total = exponentials(f, axes, x)
    return shift + f.log(total)


def _softmax_define(f: Any, axes: Any, x: Any) -> Any:
    _, _, terms, total = exponentials(f, axes, x)
    return terms / spread(f, total, f.shape(x), axes)


def _log_softmax_define(f: Any, axes: Any, x: Any) -> Any:
    _, rest, _, total = exponentials(f, axes, x)
    return rest - spread(f, f.log(total), f.shape(x), axes)


def _logsumexp_tangent(f: Any, z: Any, dot: Any, position: int, axes: Any, operands: Any) -> Any:
    return f.reduce_sum(dot * f.softmax(operands[0], axes), axes)


def _softmax_tangent(f: Any, z: Any, dot: Any, position: int, axes: Any, operands: Any) -> Any:
    return z * (dot - spread(f, f.reduce_sum(z * dot, axes), f.shape(z), axes))


def _log_softmax_tangent(f: Any, z: Any, dot: Any, position: int, axes: Any, operands: Any) -> Any:
    mean = f.reduce_sum(f.softmax(operands[0], axes) * dot, axes)
    return dot - spread(f, mean, f.shape(z), axes)


def _softmax_values(axes: Any, x: Any) -> Any:
    x = np.asarray(x)
    if not x.size:
        return x.copy()
    largest = np.max(x, axis=tuple(axes), keepdims=True)
    terms = _exp(x - np.where(abs(largest) < np.inf, largest, 0))
    return terms / np.sum(terms, axis=tuple(axes), keepdims=True)


def _log_softmax_values(axes: Any, x: Any) -> Any:
    x = np.asarray(x)
    if not x.size:
        return x.copy()
    largest = np.max(x, axis=tuple(axes), keepdims=True)
    rest = x - np.where(abs(largest) < np.inf, largest, 0)
    return rest - _log(np.sum(_exp(rest), axis=tuple(axes), keepdims=True))


def _exp(x: Any) -> Any:
    return _elementwise(x, "exp")


def _log(x: Any) -> Any:
    return _elementwise(x, "log")


def _elementwise(x: Any, name: str) -> Any:
    """An elementary function of doubles or of mpmath's numbers."""
    if np.asarray(x).dtype != object:
        return getattr(np, name)(x)
    import mpmath as mp

    return np.frompyfunc(getattr(mp, name), 1, 1)(x)


def _logsumexp_values(axes: Any, x: Any) -> Any:
    x = np.asarray(x)
    if x.dtype == object:
        return _log(np.asarray(np.sum(_exp(x), axis=tuple(axes)), object))
    rest = [n for axis, n in enumerate(x.shape) if axis not in axes]
    count = int(np.prod([x.shape[axis] for axis in axes]))
    flat = np.moveaxis(x, tuple(axes), tuple(range(len(axes)))).reshape(count, *rest)
    return np.logaddexp.reduce(flat, axis=0)


LOGSUMEXP = Op(
    name="logsumexp",
    doc="log of the sum of exponentials over axes",
    elementwise=False,
    cost=2 * ELEMENTARY,
    work=every_entry,
    infer=remaining,
    tangent=_logsumexp_tangent,
    evaluate=_logsumexp_values,
    define=_logsumexp_define,
    batch=shifted_batch("logsumexp"),
)
SOFTMAX = Op(
    name="softmax",
    doc="exponentials, divided by their sum over axes",
    elementwise=False,
    cost=2 * ELEMENTARY,
    infer=lambda axes, x: (x.dtype, x.shape),
    tangent=_softmax_tangent,
    evaluate=_softmax_values,
    define=_softmax_define,
    batch=shifted_batch("softmax"),
)
LOG_SOFTMAX = Op(
    name="log_softmax",
    doc="the logarithm of the softmax over axes",
    elementwise=False,
    cost=2 * ELEMENTARY,
    infer=lambda axes, x: (x.dtype, x.shape),
    tangent=_log_softmax_tangent,
    evaluate=_log_softmax_values,
    define=_log_softmax_define,
    batch=shifted_batch("log_softmax"),
)


def _weighted_define(f: Any, axes: Any, w: Any, x: Any) -> Any:
    shift, _, total = _weighted_exponentials(f, axes, w, x)
    return shift + f.log(total)


def _weighted_tangent(f: Any, z: Any, dot: Any, position: int, axes: Any, operands: Any) -> Any:
    w, x = operands
    share = f.weighted_softmax(w, x, axes)
    return f.reduce_sum(dot * (_counted(f, w, share) if position == 1 else share), axes)


def _counted(f: Any, w: Any, share: Any) -> Any:
    """w*share, 0 where w is, also beside an exponential that overflows."""
    return f.select(f.ne(w, 0), w * share, 0)


def _weighted_exponentials(f: Any, axes: Any, w: Any, x: Any) -> tuple[Any, Any, Any]:
    """The shift, the exponentials of what is left of x, and their sum with weights."""
    # The shift is the largest exponent that counts: a weight of 0 may stand beside an exponent that overflows.
    counted = f.select(f.ne(w, 0), x, f.const("-inf"))
    shift = _finite_or_zero(f, f.reduce_max(counted, axes))
    terms = f.exp(x - spread(f, shift, f.shape(x), axes))
    return shift, terms, f.reduce_sum(_counted(f, w, terms), axes)


def _weighted_softmax_define(f: Any, axes: Any, w: Any, x: Any) -> Any:
    # By the logarithm z as exp(x - z), it would have lost what z is rounded by: 4 % in a mixture at exponents of 1e15.
    _, terms, total = _weighted_exponentials(f, axes, w, x)
    return terms / spread(f, total, f.shape(x), axes)


def _weighted_softmax_tangent(f: Any, z: Any, dot: Any, position: int, axes: Any, operands: Any) -> Any:
    w, _ = operands
    if position == 0:
        return -(z * spread(f, f.reduce_sum(z * dot, axes), f.shape(z), axes))
    return z * (dot - spread(f, f.reduce_sum(_counted(f, w, z) * dot, axes), f.shape(z), axes))


def _weighted_softmax_values(axes: Any, w: Any, x: Any) -> Any:
    w, x = np.asarray(w), np.asarray(x)
    _, terms, total = _weighted_terms(axes, w, x)
    return terms / total


def _weighted_terms(axes: Any, w: Any, x: Any) -> tuple[Any, Any, Any]:
    counts = w != 0
    largest = np.maximum.reduce(np.where(counts, x, -np.inf), axis=tuple(axes), initial=-np.inf, keepdims=True)
    shift = np.where(abs(largest) < np.inf, largest, 0)
    terms = _exp(x - shift)
    total = np.sum(np.where(counts, w * terms, 0), axis=tuple(axes), keepdims=True)
    return shift, terms, total


def _weighted_values(axes: Any, w: Any, x: Any) -> Any:
    shift, _, total = _weighted_terms(axes, np.asarray(w), np.asarray(x))
    return np.squeeze(np.asarray(shift + _log(np.asarray(total, x.dtype))), axis=tuple(axes))


WEIGHTED_LOGSUMEXP = Op(
    name="weighted_logsumexp",
    doc="log of the sum over axes of exponentials times weights of any sign; nan where that sum is negative",
    arity=2,
    elementwise=False,
    cost=2 * ELEMENTARY,
    infer=lambda axes, w, x: remaining(axes, x),
    tangent=_weighted_tangent,
    evaluate=_weighted_values,
    define=_weighted_define,
    batch=shifted_batch("weighted_logsumexp"),
)
WEIGHTED_SOFTMAX = Op(
    name="weighted_softmax",
    doc="exponentials, divided by the sum over axes of exponentials times weights: exp(x)/sum(w*exp(x))",
    arity=2,
    elementwise=False,
    cost=2 * ELEMENTARY,
    infer=lambda axes, w, x: (x.dtype, x.shape),
    tangent=_weighted_softmax_tangent,
    evaluate=_weighted_softmax_values,
    define=_weighted_softmax_define,
    batch=shifted_batch("weighted_softmax"),
)

ROWS = (LOGSUMEXP, SOFTMAX, LOG_SOFTMAX, WEIGHTED_LOGSUMEXP, WEIGHTED_SOFTMAX)
