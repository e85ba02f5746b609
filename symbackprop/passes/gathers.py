"""Places that are known in advance: a gather along a whole axis is the array itself, a scatter along one what it adds.

They come out of steps of a scan that are lifted over all steps, where the number of the step becomes 0, 1, 2, ...
"""

from __future__ import annotations

from typing import Any

from symbackprop.ops.contraction import BROADCAST, RESHAPE, TRANSPOSE
from symbackprop.ops.indexing import GATHER, IOTA, SCATTER_ADD
from symbackprop.passes.rewrite import Rewriter, Rule


def _counted(r: Rewriter, index: int) -> tuple[int, Any] | None:
    """(axis, length) of an index that counts 0, 1, 2, ... along one axis of its own shape."""
    node = r.nodes[index]
    if node.op is IOTA:
        return 0, node.attributes
    if node.op is BROADCAST and r.is_op(node.operands[0], IOTA):
        shape, axes = node.attributes
        length = r.nodes[node.operands[0]].attributes
        return (axes[0], length) if shape[axes[0]] == length else None
    return None


def _order(r: Rewriter, shape: Any, indices: tuple[int, ...]) -> tuple[int, ...] | None:
    """The axis of the indices' shape along which each index counts a whole axis of an array, if they all do."""
    counted = [_counted(r, index) for index in indices]
    if any(found is None or found[1] != extent for found, extent in zip(counted, shape, strict=True)):
        return None
    order = tuple(found[0] for found in counted if found is not None)
    full = r.nodes[indices[0]].type.shape if indices else ()
    return order if sorted(order) == list(range(len(full))) else None


def _whole(r: Rewriter, attributes: Any, source: int, *indices: int) -> int | None:
    order = _order(r, r.nodes[source].type.shape, indices)
    if order is None:
        return None
    return r.structural(TRANSPOSE, (source,), tuple(order.index(axis) for axis in range(len(order))))


def _without_ones(r: Rewriter, attributes: Any, source: int, *indices: int) -> int | None:
    """Places along axes of length 1 are one place."""
    shape = max([r.nodes[index].type.shape for index in indices], key=len, default=())
    solid = tuple(extent for extent in shape if extent != 1)
    if solid == shape:
        return None
    small = [r.structural(RESHAPE, (i,), solid) if r.nodes[i].type.shape else i for i in indices]
    found = r.structural(GATHER, (source, *small))
    # Where all places are single the gather is a number.
    found = r.broadcast(found, solid) if not r.nodes[found].type.shape else found
    return r.structural(RESHAPE, (found,), shape)


def _spread(r: Rewriter, shape: Any, updates: int, *indices: int) -> int | None:
    order = _order(r, shape, indices)
    return None if order is None else r.structural(TRANSPOSE, (updates,), order)


def _sum_of_scatter(r: Rewriter, axes: Any, x: int) -> int | None:
    # Where something is added along an axis does not matter once that axis is summed.
    if not r.is_op(x, SCATTER_ADD):
        return None
    updates, *indices = r.operands(x)
    kept = [k for k in range(len(indices)) if k not in axes]
    if not kept:
        return r.reduce_sum(updates)
    shape = tuple(r.nodes[x].attributes[k] for k in kept)
    return r.structural(SCATTER_ADD, (updates, *[indices[k] for k in kept]), shape)


def _places(f: Any, shape: Any) -> list[Any]:
    return [f.broadcast(f.iota(extent), shape, (axis,)) for axis, extent in enumerate(shape)]


def _plus_nothing(r: Rewriter, a: int, b: int) -> int | None:
    for kept, zero in ((a, b), (b, a)):
        number = r.number(zero)
        if number == 0 and (r.nodes[kept].type.shape or not r.nodes[zero].type.shape):
            return kept
    return None


RULES = (
    Rule(
        "i + 0 -> i",
        "int_add",
        _plus_nothing,
        lambda f, x, y, c: f.to_real(f.int_add(f.iota("N"), f.size(0))) * f.reduce_sum(x, (1,)),
        on_arrays=True,
    ),
    Rule("gather of every place -> array", "gather", _whole, lambda f, x, y, c: f.gather(x, *_places(f, ("N", 3)))),
    Rule(
        "gather along axes of length 1 -> reshaped gather",
        "gather",
        _without_ones,
        lambda f, x, y, c: f.gather(x, f.fill(f.size(0), (1, 3)), f.broadcast(f.iota(3), (1, 3), (1,))),
    ),
    Rule(
        "scatter to every place -> array",
        "scatter_add",
        _spread,
        lambda f, x, y, c: f.scatter_add(x, ("N", 3), *_places(f, ("N", 3))),
    ),
    Rule(
        "sum of a scatter along an axis -> scatter along the others",
        "reduce_sum",
        _sum_of_scatter,
        lambda f, x, y, c: f.reduce_sum(
            f.scatter_add(x, (3, 3, "N"), *[_places(f, ("N", 3))[k] for k in (1, 1, 0)]), (0,)
        ),
    ),
)
