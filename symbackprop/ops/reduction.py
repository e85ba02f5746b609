"""Reductions over axes, and running sums and products along one.

The attributes of a reduction are the axes that go; what stays keeps its order. A linear recurrence
``y[k] = a[k]*y[k-1] + b[k]`` is what running products and their derivatives of any order are made of.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symbackprop.ops import matrices_numpy as for_numpy
from symbackprop.ops.extents import Shape, product
from symbackprop.ops.row import ELEMENTARY, Op, helper


def remaining(axes: Any, x: Any) -> Any:
    return x.dtype, tuple(extent for axis, extent in enumerate(x.shape) if axis not in axes)


def spread(f: Any, value: Any, shape: Shape, axes: Any) -> Any:
    """A reduced value beside what it was reduced from."""
    return f.broadcast(value, shape, tuple(axis for axis in range(len(shape)) if axis not in axes))


def every_entry(axes: Any, x: Any, *others: Any) -> Any:
    return product(x.shape)


def _kept(axes: Any, x: Any) -> bool:
    return not axes


def shifted_batch(name: str) -> Any:
    def batch(f: Any, axes: Any, operands: Any, batched: Any) -> Any:
        return getattr(f, name)(*f.all_batched(operands, batched), tuple(axis + 1 for axis in axes))

    return batch


def _reduced(ufunc: Any, start: float) -> Any:
    def evaluate(axes: Any, x: Any) -> Any:
        return ufunc.reduce(np.asarray(x), axis=tuple(axes), **({} if start is None else {"initial": start}))

    return evaluate


REDUCE_SUM = Op(
    name="reduce_sum",
    doc="sum over axes",
    elementwise=False,
    work=every_entry,
    infer=remaining,
    trivial=_kept,
    linear="each",
    transpose=lambda f, bar, position, axes, operands: spread(f, bar, f.shape(operands[0]), axes),
    evaluate=lambda axes, x: np.sum(np.asarray(x), axis=tuple(axes)),
    batch=shifted_batch("reduce_sum"),
)


def _product_tangent(f: Any, z: Any, dot: Any, position: int, axes: Any, operands: Any) -> Any:
    # The product of all others by exclusive products from both ends: exact with any number of zeros, no division.
    (x,) = operands
    (axis,) = axes
    before, after = f.exclusive_product(x, axis), f.exclusive_product(x, axis, reverse=True)
    return f.reduce_sum(dot * (before * after), axes)


REDUCE_PROD = Op(
    name="reduce_prod",
    doc="product over one axis",
    elementwise=False,
    work=every_entry,
    infer=remaining,
    trivial=_kept,
    tangent=_product_tangent,
    evaluate=lambda axes, x: np.multiply.reduce(np.asarray(x), axis=tuple(axes)),
    batch=shifted_batch("reduce_prod"),
)


def _extreme_tangent(f: Any, z: Any, dot: Any, position: int, axes: Any, operands: Any) -> Any:
    # A tie splits evenly between those that attain the extreme.
    (x,) = operands
    attained = f.select(f.eq(x, spread(f, z, f.shape(x), axes)), 1, 0)
    count = f.reduce_sum(attained, axes)
    tangent = f.reduce_sum(dot * attained, axes) / count
    return f.unless_kink(tangent, f.gt(count, 1), z, "several entries attain it")


def _extreme(name: str, doc: str, ufunc: Any, start: float) -> Op:
    return Op(
        name=name,
        doc=doc,
        elementwise=False,
        work=every_entry,
        infer=remaining,
        trivial=_kept,
        tangent=_extreme_tangent,
        evaluate=_reduced(ufunc, start),
        batch=shifted_batch(name),
        kink="a tie splits evenly",
    )


REDUCE_MAX = _extreme("reduce_max", "the largest over axes; -inf of none", np.maximum, -np.inf)
REDUCE_MIN = _extreme("reduce_min", "the smallest over axes; inf of none", np.minimum, np.inf)


# Sums of exponentials. The logarithm of one, the shares in it and their logarithms are rows of their own, since their
# derivatives are made of each other: to differentiate the definitions would carry a maximum along, whose contributions
# cancel. All three share the maximum, the exponentials and the sum. Measured at logits of 1e4: shares by these
# definitions are right to 3e-16 relative, by exp(x - logsumexp(x)) to 9e-13, as exp itself overflows from 709.8 on.


def _finite_or_zero(f: Any, largest: Any) -> Any:
    # An infinite maximum would give inf - inf.
    return f.select(f.lt(f.abs(largest), f.const("inf")), largest, 0)


def _exponentials(f: Any, axes: Any, x: Any) -> tuple[Any, Any, Any, Any]:
    """The shift, what is left of x, its exponentials, and their sum."""
    shift = _finite_or_zero(f, f.reduce_max(x, axes))
    rest = x - spread(f, shift, f.shape(x), axes)
    terms = f.exp(rest)
    return shift, rest, terms, f.reduce_sum(terms, axes)


def _logsumexp_define(f: Any, axes: Any, x: Any) -> Any:
    shift, _, _, total = _exponentials(f, axes, x)
    return shift + f.log(total)


def _softmax_define(f: Any, axes: Any, x: Any) -> Any:
    _, _, terms, total = _exponentials(f, axes, x)
    return terms / spread(f, total, f.shape(x), axes)


def _log_softmax_define(f: Any, axes: Any, x: Any) -> Any:
    _, rest, _, total = _exponentials(f, axes, x)
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
    # The shift is the largest exponent that counts: a weight of 0 may stand beside an exponent that overflows.
    counts = f.ne(w, 0)
    shift = _finite_or_zero(f, f.reduce_max(f.select(counts, x, f.const("-inf")), axes))
    terms = f.select(counts, w * f.exp(x - spread(f, shift, f.shape(x), axes)), 0)
    return shift + f.log(f.reduce_sum(terms, axes))


def _weighted_tangent(f: Any, z: Any, dot: Any, position: int, axes: Any, operands: Any) -> Any:
    w, x = operands
    share = f.exp(x - spread(f, z, f.shape(x), axes))
    if position == 1:
        share = f.select(f.ne(w, 0), w * share, 0)
    return f.reduce_sum(dot * share, axes)


def _weighted_values(axes: Any, w: Any, x: Any) -> Any:
    w, x = np.asarray(w), np.asarray(x)
    counts = w != 0
    largest = np.maximum.reduce(np.where(counts, x, -np.inf), axis=tuple(axes), initial=-np.inf, keepdims=True)
    shift = np.where(abs(largest) < np.inf, largest, 0)
    terms = np.where(counts, w * _exp(np.where(counts, x - shift, 0)), 0)
    total = np.asarray(np.sum(terms, axis=tuple(axes)), terms.dtype)
    return np.reshape(shift, np.shape(total)) + _log(total)


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


# Running sums and products: attributes (axis, reverse).


def _along(function: Any) -> Any:
    def evaluate(attributes: Any, *operands: Any) -> Any:
        axis, reverse = attributes
        moved = [np.moveaxis(np.asarray(x), axis, 0) for x in operands]
        moved = [x[::-1] if reverse else x for x in moved]
        result = function(*moved)
        return np.moveaxis(result[::-1] if reverse else result, 0, axis).copy()

    return evaluate


def _recurrence_values(a: Any, b: Any) -> Any:
    result = np.array(b)
    for k in range(1, len(result)):
        result[k] = a[k] * result[k - 1] + b[k]
    return result


def _along_batch(name: str) -> Any:
    def batch(f: Any, attributes: Any, operands: Any, batched: Any) -> Any:
        axis, reverse = attributes
        return getattr(f, name)(*f.all_batched(operands, batched), axis + 1, reverse)

    return batch


CUMULATIVE_SUM = Op(
    name="cumulative_sum",
    doc="running sums along an axis",
    elementwise=False,
    infer=lambda attributes, x: (x.dtype, x.shape),
    linear="each",
    transpose=lambda f, bar, position, attributes, operands: f.cumulative_sum(bar, attributes[0], not attributes[1]),
    evaluate=_along(lambda x: np.cumsum(x, axis=0)),
    batch=_along_batch("cumulative_sum"),
    numpy=helper(for_numpy._cumulative_sum),
)
CUMULATIVE_PRODUCT = Op(
    name="cumulative_product",
    doc="running products along an axis",
    elementwise=False,
    infer=lambda attributes, x: (x.dtype, x.shape),
    tangent=lambda f, z, dot, position, attributes, operands: f.linear_recurrence(
        operands[0], dot * f.shifted(z, *attributes, 1), *attributes
    ),
    evaluate=_along(lambda x: np.cumprod(x, axis=0)),
    batch=_along_batch("cumulative_product"),
    numpy=helper(for_numpy._cumulative_product),
)


def _recurrence_tangent(f: Any, z: Any, dot: Any, position: int, attributes: Any, operands: Any) -> Any:
    a, _ = operands
    axis, reverse = attributes
    return f.linear_recurrence(a, dot * f.shifted(z, axis, reverse, 0) if position == 0 else dot, axis, reverse)


def _recurrence_transposed(f: Any, bar: Any, position: int, attributes: Any, operands: Any) -> Any:
    # u[k] = bar[k] + a[k+1]*u[k+1], from the other end.
    axis, reverse = attributes
    return f.linear_recurrence(f.shifted(operands[0], axis, not reverse, 0), bar, axis, not reverse)


LINEAR_RECURRENCE = Op(
    name="linear_recurrence",
    doc="y[k] = a[k]*y[k-1] + b[k] along an axis, from y[0] = b[0]",
    arity=2,
    elementwise=False,
    cost=2,
    infer=lambda attributes, a, b: ("real", b.shape),
    linear=(1,),
    tangent=_recurrence_tangent,
    transpose=_recurrence_transposed,
    evaluate=_along(_recurrence_values),
    batch=_along_batch("linear_recurrence"),
    numpy=helper(for_numpy._linear_recurrence),
)

ROWS = (
    REDUCE_SUM,
    REDUCE_PROD,
    REDUCE_MAX,
    REDUCE_MIN,
    LOGSUMEXP,
    SOFTMAX,
    LOG_SOFTMAX,
    WEIGHTED_LOGSUMEXP,
    CUMULATIVE_SUM,
    CUMULATIVE_PRODUCT,
    LINEAR_RECURRENCE,
)
