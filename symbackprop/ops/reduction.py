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


def _product_less_one(f: Any, axes: Any, x: Any) -> Any:
    # By logarithms where all factors have one: 1 - prod(1 - x) of probabilities of 1e-9 had lost 4e8 ulp.
    one_and = 1 + x
    positive = f.gt(one_and, 0)
    logarithms = f.log1p(f.select(positive, x, 0))
    none_below = f.gt(f.reduce_min(one_and, axes), 0)
    return f.select(none_below, f.expm1(f.reduce_sum(logarithms, axes)), f.reduce_prod(one_and, axes) - 1)


def _product_less_one_values(axes: Any, x: Any) -> Any:
    x = np.asarray(x)
    product = np.multiply.reduce(1 + x, axis=tuple(axes)) - 1
    if x.dtype == object:
        return product
    logarithms = np.sum(np.log1p(np.where(x > -1, x, 0)), axis=tuple(axes))
    return np.where(np.all(x > -1, axis=tuple(axes)), np.expm1(logarithms), product)


PRODUCT_LESS_ONE = Op(
    name="product_less_one",
    doc="the product of 1 + x over one axis, less 1",
    elementwise=False,
    cost=ELEMENTARY,
    work=every_entry,
    infer=remaining,
    tangent=lambda f, z, dot, position, axes, operands: _product_tangent(f, z, dot, position, axes, (1 + operands[0],)),
    evaluate=_product_less_one_values,
    define=_product_less_one,
    batch=shifted_batch("product_less_one"),
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
    PRODUCT_LESS_ONE,
    REDUCE_MAX,
    REDUCE_MIN,
    CUMULATIVE_SUM,
    CUMULATIVE_PRODUCT,
    LINEAR_RECURRENCE,
)
