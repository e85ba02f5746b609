"""Parts of arrays, and the integers that pick them.

A slice takes equally spaced entries, and its transpose, the padding, puts them back among zeros. A gather takes entries
at computed places; its transpose adds them up where they came from, which costs what the gather costs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symbackprop.ops.extents import plus, product
from symbackprop.ops.row import Op, Spelling, call, helper, infix

# Slice: attributes are (start, step, length) an axis. Pad: attributes (shape, the same).


def _slice_values(pieces: Any, x: Any) -> Any:
    x = np.asarray(x)
    for axis, (start, step, length) in enumerate(pieces):
        places = start + step * np.arange(length)
        if length and not (places.min() >= 0 and places.max() < x.shape[axis]):
            raise IndexError(f"index {places.max()} is out of range for an axis of length {x.shape[axis]}")
        x = np.take(x, places, axis)
    return x


def _pad_values(attributes: Any, x: Any) -> Any:
    shape, pieces = attributes
    x = np.asarray(x)
    result = np.zeros(shape, x.dtype)
    if result.dtype == object:
        result[...] = 0 * x.ravel()[0] if x.size else 0
    result[np.ix_(*[start + step * np.arange(length) for start, step, length in pieces])] = x
    return result


def _whole(samples: Any) -> Any:
    return (0, 1, samples)


SLICE = Op(
    name="slice",
    doc="equally spaced entries: (start, step, length) for every axis",
    elementwise=False,
    cost=0,
    infer=lambda pieces, x: (x.dtype, tuple(length for _, _, length in pieces)),
    trivial=lambda pieces, x: all(piece == (0, 1, extent) for piece, extent in zip(pieces, x, strict=True)),
    linear="each",
    transpose=lambda f, bar, position, pieces, operands: f.pad(bar, f.shape(operands[0]), pieces),
    evaluate=_slice_values,
    batch=lambda f, pieces, operands, batched: f.slice(operands[0], (_whole(f.shape(operands[0])[0]), *pieces)),
)
PAD = Op(
    name="pad",
    doc="equally spaced entries of an array of zeros",
    elementwise=False,
    cost=0,
    infer=lambda attributes, x: (x.dtype, attributes[0]),
    trivial=lambda attributes, x: attributes[1] == tuple(_whole(extent) for extent in attributes[0]),
    linear="each",
    transpose=lambda f, bar, position, attributes, operands: f.slice(bar, attributes[1]),
    evaluate=_pad_values,
    batch=lambda f, attributes, operands, batched: f.pad(
        operands[0],
        (f.shape(operands[0])[0], *attributes[0]),
        (_whole(f.shape(operands[0])[0]), *attributes[1]),
    ),
)


def _joined(axis: int, *parts: Any) -> Any:
    length: Any = 0
    for part in parts:
        length = plus(length, part.shape[axis])
    first = parts[0].shape
    return parts[0].dtype, (*first[:axis], length, *first[axis + 1 :])


def _part(f: Any, bar: Any, position: int, axis: int, operands: Any) -> Any:
    start = f.total([f.shape(operand)[axis] for operand in operands[:position]])
    shape = f.shape(operands[position])
    return f.slice(bar, tuple((start if k == axis else 0, 1, extent) for k, extent in enumerate(shape)))


CONCATENATE = Op(
    name="concatenate",
    doc="arrays one after the other along an axis",
    arity=None,
    elementwise=False,
    cost=0,
    infer=_joined,
    trivial=lambda axis, *parts: len(parts) == 1,
    linear="all",
    transpose=_part,
    evaluate=lambda axis, *parts: np.concatenate(parts, axis),
    batch=lambda f, axis, operands, batched: f.concatenate(f.all_batched(operands, batched), axis + 1),
)


# Gather: source, then an index for each of its axes, all of one shape. Scatter-add: attribute the shape of the source.


def _gather_values(attributes: Any, source: Any, *indices: Any) -> Any:
    source = np.asarray(source)
    _in_range(source.shape, indices)
    return source[tuple(indices)]


def _scatter_values(shape: Any, updates: Any, *indices: Any) -> Any:
    _in_range(shape, indices)
    updates = np.asarray(updates)
    result = np.zeros(shape, updates.dtype)
    if result.dtype == object:
        result[...] = 0 * updates.ravel()[0] if updates.size else 0
    np.add.at(result, tuple(indices), updates)
    return result


def _in_range(shape: Any, indices: Any) -> None:
    for length, index in zip(shape, indices, strict=True):
        if np.size(index) and not (np.min(index) >= 0 and np.max(index) < length):
            wrong = np.min(index) if np.min(index) < 0 else np.max(index)
            raise IndexError(f"index {wrong} is out of range for an axis of length {length}")


def _indexed_batch(f: Any, operands: Any, batched: Any) -> Any:
    """Indices with a leading axis of samples, and one that counts the samples where the array itself has that axis."""
    array, *indices = operands
    samples = next(f.shape(operand)[0] for operand, is_batched in zip(operands, batched, strict=True) if is_batched)
    shapes = [f.shape(i)[1:] if b else f.shape(i) for i, b in zip(indices, batched[1:], strict=True)]
    shape = max(shapes, key=len, default=())
    full = (samples, *shape)
    spread = [
        f.broadcast(i, full, tuple(range(len(f.shape(i)))) if b else tuple(range(1, len(f.shape(i)) + 1)))
        for i, b in zip(indices, batched[1:], strict=True)
    ]
    return array, full, spread, f.broadcast(f.iota(samples), full, (0,)), samples


def _gather_batch(f: Any, attributes: Any, operands: Any, batched: Any) -> Any:
    array, _, indices, counter, _ = _indexed_batch(f, operands, batched)
    return f.gather(array, *([counter] if batched[0] else []), *indices)


def _scatter_batch(f: Any, shape: Any, operands: Any, batched: Any) -> Any:
    updates, full, indices, counter, samples = _indexed_batch(f, operands, batched)
    if not batched[0]:
        updates = f.broadcast(updates, full, tuple(range(1, len(full))))
    return f.scatter_add(updates, (samples, *shape), counter, *indices)


def _gathered(attributes: Any, source: Any, *indices: Any) -> Any:
    return source.dtype, max([index.shape for index in indices], key=len, default=())


GATHER = Op(
    name="gather",
    doc="entries at given places, one index an axis",
    arity=None,
    elementwise=False,
    infer=_gathered,
    linear=(0,),
    transpose=lambda f, bar, position, attributes, operands: f.scatter_add(bar, f.shape(operands[0]), *operands[1:]),
    evaluate=_gather_values,
    batch=_gather_batch,
)
SCATTER_ADD = Op(
    name="scatter_add",
    doc="entries added up at given places of an array of zeros",
    work=lambda shape, updates, *indices: product(updates.shape),
    arity=None,
    elementwise=False,
    infer=lambda shape, updates, *indices: (updates.dtype, shape),
    linear=(0,),
    transpose=lambda f, bar, position, shape, operands: f.gather(bar, *operands[1:]),
    evaluate=_scatter_values,
    batch=_scatter_batch,
)

# Integers.

IOTA = Op(
    name="iota",
    doc="0, 1, 2, ... up to the length in the attribute",
    arity=0,
    elementwise=False,
    cost=0,
    infer=lambda length: ("int", (length,)),
    evaluate=lambda length: np.arange(length),
)
SIZE = Op(
    name="size",
    doc="a length as an integer",
    arity=0,
    elementwise=False,
    cost=0,
    infer=lambda extent: ("int", ()),
    evaluate=lambda extent: np.int64(extent),
)


def _integer(name: str, doc: str, symbol: str, exact: Any, commutative: bool = False) -> Op:
    return Op(
        name=name,
        doc=doc,
        arity=2,
        result="int",
        operands="int",
        python=infix(symbol),
        numpy=infix(symbol),
        numba=infix(symbol),
        mpmath=exact,
        commutative=commutative,
        partials=(None, None),
        analytic=False,
        domain=((0, 9), (1, 9)),
    )


INT_SELECT = Op(
    name="int_select",
    doc="the integer a where the condition holds, else b",
    arity=3,
    result="int",
    operands=("bool", "int", "int"),
    python=Spelling("if", operator=True),
    numpy=call("np.where"),
    numba=Spelling("if", operator=True),
    mpmath=lambda c, a, b: a if c else b,
    partials=(None, None, None),
    analytic=False,
    domain=((0, 1), (0, 9), (0, 9)),
)

TO_REAL = Op(
    name="to_real",
    doc="an integer as a real number",
    operands="int",
    partials=(None,),
    cost=0,
    python=Spelling("float"),
    numpy=Spelling("np.float64"),
    numba=Spelling("float"),
    mpmath=lambda x: 1 * x,
    analytic=False,
    domain=((-9, 9),),
)


def _inside(index: Any, length: Any) -> Any:
    """The index, or an error where it is outside 0, ..., length - 1."""
    if index < 0 or index >= length:
        raise IndexError("an index is out of range of its array")
    return index


def _all_inside(index: Any, length: Any) -> Any:
    """The indices, or an error where one is outside 0, ..., length - 1."""
    if np.any(index < 0) or np.any(index >= length):
        raise IndexError("an index is out of range of its array")
    return index


IN_RANGE = Op(
    name="in_range",
    doc="an index that is checked against the length of its axis",
    arity=2,
    result="int",
    operands="int",
    partials=(None, None),
    cost=1,
    python=helper(_inside),
    numpy=helper(_all_inside),
    numba=helper(_inside),
    mpmath=lambda index, length: _inside(index, length),
    analytic=False,
    domain=((0, 4), (5, 9)),
)

ROWS = (
    SLICE,
    PAD,
    CONCATENATE,
    GATHER,
    SCATTER_ADD,
    IOTA,
    SIZE,
    TO_REAL,
    INT_SELECT,
    IN_RANGE,
    _integer("int_add", "sum of integers", "+", lambda x, y: x + y, commutative=True),
    _integer("int_sub", "difference of integers", "-", lambda x, y: x - y),
    _integer("int_mul", "product of integers", "*", lambda x, y: x * y, commutative=True),
    _integer("int_floordiv", "quotient of integers, rounded down", "//", lambda x, y: x // y),
    _integer("int_mod", "remainder of integers, of the divisor's sign", "%", lambda x, y: x % y),
)
