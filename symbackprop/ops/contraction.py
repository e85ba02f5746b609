"""Products summed over axes, and the maps between shapes that go with them.

Axes are positional. A broadcast places every axis of its operand at a position of the result, so that no rule of
trailing dimensions is needed; a contraction is an einsum of two operands, its axes labelled by small integers.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from symbackprop.errors import ShapeMismatch
from symbackprop.ops.extents import Shape, product, shape_text
from symbackprop.ops.row import Op

Labels = tuple[int, ...]


# Broadcast: attributes (shape, axes); axis k of the operand becomes axis axes[k] and has that length, or 1. Axes keep
# their order.


def _repeated(attributes: Any, x: Any) -> Any:
    shape, axes = attributes
    fits = len(axes) == len(x.shape) and all(axis < len(shape) for axis in axes)
    if not fits or any(n not in (1, shape[axis]) for n, axis in zip(x.shape, axes, strict=True)):
        raise ShapeMismatch(f"{shape_text(x.shape)} repeated to {shape_text(shape)} along {axes}")
    if any(a >= b for a, b in pairwise(axes)):
        raise ShapeMismatch(f"a repetition changes the order of axes: {axes}")
    return x.dtype, shape


def _unbroadcast(f: Any, bar: Any, position: int, attributes: Any, operands: Any) -> Any:
    shape, axes = attributes
    own = f.shape(operands[0])
    new = tuple(axis for axis in range(len(shape)) if axis not in axes)
    stretched = tuple(axes[k] for k in range(len(axes)) if own[k] == 1 and shape[axes[k]] != 1)
    total = f.reduce_sum(bar, (*new, *stretched))
    return f.reshape(total, own)


def _broadcast_values(attributes: Any, x: Any) -> Any:
    shape, axes = attributes
    full = [1] * len(shape)
    for k, axis in enumerate(axes):
        full[axis] = np.shape(x)[k]
    return np.broadcast_to(np.reshape(np.asarray(x), full), shape).copy()


def _broadcast_batch(f: Any, attributes: Any, operands: Any, batched: Any) -> Any:
    shape, axes = attributes
    samples = f.shape(operands[0])[0]
    return f.broadcast(operands[0], (samples, *shape), (0, *[axis + 1 for axis in axes]))


BROADCAST = Op(
    name="broadcast",
    doc="repeat the operand over new axes, and over axes of length 1",
    elementwise=False,
    cost=0,
    infer=_repeated,
    trivial=lambda attributes, x: attributes[0] == x and attributes[1] == tuple(range(len(x))),
    linear="each",
    transpose=_unbroadcast,
    evaluate=_broadcast_values,
    batch=_broadcast_batch,
)

TRANSPOSE = Op(
    name="transpose",
    doc="axes in another order: axis k of the result is axis attributes[k] of the operand",
    elementwise=False,
    cost=0,
    infer=lambda order, x: (x.dtype, tuple(x.shape[axis] for axis in order)),
    trivial=lambda order, x: order == tuple(range(len(x))),
    linear="each",
    transpose=lambda f, bar, position, order, operands: f.transpose(bar, tuple(map(order.index, range(len(order))))),
    evaluate=lambda order, x: np.transpose(x, order),
    batch=lambda f, order, operands, batched: f.transpose(operands[0], (0, *[axis + 1 for axis in order])),
)

RESHAPE = Op(
    name="reshape",
    doc="the same entries, row by row, in another shape",
    elementwise=False,
    cost=0,
    infer=lambda shape, x: (x.dtype, shape),
    trivial=lambda shape, x: shape == x,
    linear="each",
    transpose=lambda f, bar, position, shape, operands: f.reshape(bar, f.shape(operands[0])),
    evaluate=lambda shape, x: np.reshape(x, shape),
    batch=lambda f, shape, operands, batched: f.reshape(operands[0], (f.shape(operands[0])[0], *shape)),
)


# Contraction: attributes (labels of the left operand, of the right one, of the result).


def _lengths(attributes: Any, a: Any, b: Any) -> dict[int, Any]:
    length: dict[int, Any] = {}
    for labels, operand in zip(attributes, (a, b), strict=False):
        length.update(zip(labels, operand.shape, strict=True))
    return length


def _contracted(attributes: Any, a: Any, b: Any) -> Any:
    length = _lengths(attributes, a, b)
    return "real", tuple(length[label] for label in attributes[2])


def _contract_transposed(f: Any, bar: Any, position: int, attributes: Any, operands: Any) -> Any:
    left, right, out = attributes
    own, other = (left, right) if position == 0 else (right, left)
    kept = tuple(label for label in own if label in out or label in other)
    result = f.contract((out, other, kept), bar, operands[1 - position])
    # What only this operand had, and what was summed over, is repeated.
    return f.broadcast(result, f.shape(operands[position]), tuple(own.index(label) for label in kept))


def _contract_values(attributes: Any, a: Any, b: Any) -> Any:
    left, right, out = attributes
    return np.einsum(np.asarray(a), list(left), np.asarray(b), list(right), list(out))


def _contract_batch(f: Any, attributes: Any, operands: Any, batched: Any) -> Any:
    left, right, out = attributes
    samples = max((*left, *right), default=-1) + 1
    return f.contract(
        ((samples, *left) if batched[0] else left, (samples, *right) if batched[1] else right, (samples, *out)),
        *operands,
    )


CONTRACT = Op(
    name="contract",
    doc="the products of two arrays, summed over axes (einsum)",
    arity=2,
    elementwise=False,
    cost=2,
    work=lambda attributes, a, b: product(
        dict(zip((*attributes[0], *attributes[1]), a.shape + b.shape, strict=True)).values()
    ),
    infer=_contracted,
    linear="each",
    transpose=_contract_transposed,
    evaluate=_contract_values,
    batch=_contract_batch,
)


# Diagonals: attributes are labels of the big array's axes, equal where they run together; 0, 1, ... in order of
# appearance. The small array has an axis for each label.


def relabelled(labels: Any) -> Labels:
    """Labels in order of appearance, from 0 on."""
    order: dict[Any, int] = {}
    return tuple(order.setdefault(label, len(order)) for label in labels)


def _small_shape(labels: Labels, shape: Shape) -> Shape:
    return tuple(shape[labels.index(label)] for label in range(max(labels) + 1))


def _diagonal_values(labels: Labels, x: Any) -> Any:
    return np.einsum(np.asarray(x), list(labels), list(range(max(labels) + 1)))


def _diagonalize_values(attributes: Any, x: Any) -> Any:
    labels, shape = attributes
    result = np.zeros(shape, np.asarray(x).dtype)
    if result.dtype == object:
        result[...] = 0 * np.ravel(x)[0] if np.size(x) else 0
    index = np.meshgrid(*[np.arange(n) for n in np.shape(x)], indexing="ij") if np.ndim(x) else []
    result[tuple(index[label] for label in labels)] = x
    return result


DIAGONAL = Op(
    name="diagonal",
    doc="the entries at which axes of equal label agree",
    elementwise=False,
    cost=0,
    infer=lambda labels, x: (x.dtype, _small_shape(labels, x.shape)),
    trivial=lambda labels, x: labels == tuple(range(len(x))),
    linear="each",
    transpose=lambda f, bar, position, labels, operands: f.diagonalize(bar, labels, f.shape(operands[0])),
    evaluate=_diagonal_values,
    batch=lambda f, labels, operands, batched: f.diagonal(operands[0], (0, *[label + 1 for label in labels])),
)
DIAGONALIZE = Op(
    name="diagonalize",
    doc="zeros, but for the entries at which axes of equal label agree",
    elementwise=False,
    cost=0,
    infer=lambda attributes, x: (x.dtype, attributes[1]),
    trivial=lambda attributes, x: attributes[0] == tuple(range(len(x))),
    linear="each",
    transpose=lambda f, bar, position, attributes, operands: f.diagonal(bar, attributes[0]),
    evaluate=_diagonalize_values,
    batch=lambda f, attributes, operands, batched: f.diagonalize(
        operands[0],
        (0, *[label + 1 for label in attributes[0]]),
        (f.shape(operands[0])[0], *attributes[1]),
    ),
)


def _with_diagonal(attributes: Any, x: Any, v: Any) -> Any:
    result = np.array(x)
    places = np.arange(len(result))
    result[places, places] += v
    return result


# Made at the end of all passes, where a diagonal matrix is added: that matrix never exists.
ADD_DIAGONAL = Op(
    name="add_diagonal",
    doc="a square matrix with a vector added to its diagonal",
    arity=2,
    elementwise=False,
    work=lambda attributes, x, v: product(v.shape),
    infer=lambda attributes, x, v: (x.dtype, x.shape),
    linear="all",
    transpose=lambda f, bar, position, attributes, operands: f.diagonal(bar, (0, 0)) if position else bar,
    evaluate=_with_diagonal,
    batch=lambda f, attributes, operands, batched: f.add_diagonal_of_each(*f.all_batched(operands, batched)),
)

ROWS = (ADD_DIAGONAL, BROADCAST, TRANSPOSE, RESHAPE, CONTRACT, DIAGONAL, DIAGONALIZE)
