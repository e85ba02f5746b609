"""Identities between shapes: what is repeated is not summed entry by entry, and what is only moved is moved once."""

from __future__ import annotations

from typing import Any

from symbackprop.ops import REGISTRY
from symbackprop.ops.contraction import BROADCAST, CONTRACT, DIAGONALIZE, RESHAPE, TRANSPOSE
from symbackprop.ops.extents import product
from symbackprop.ops.indexing import PAD, SLICE
from symbackprop.ops.reduction import REDUCE_SUM
from symbackprop.passes.rewrite import Rewriter, Rule

_GT, _MUL, _NEG, _SELECT = (REGISTRY[name] for name in ("gt", "mul", "neg", "select"))


def _shape(r: Rewriter, index: int) -> Any:
    return r.nodes[index].type.shape


def _sum_of_repeated(r: Rewriter, axes: Any, x: int) -> int | None:
    """Axes along which the operand only repeats itself become a factor."""
    if not r.is_op(x, BROADCAST):
        return None
    (shape, places), inner = r.nodes[x].attributes, r.operands(x)[0]
    own = _shape(r, inner)
    repeated = {a for a in axes if a not in places or (own[places.index(a)] == 1 and shape[a] != 1)}
    if not repeated:
        return None
    # The result has the axes that stay; what is summed in earnest is summed before it is repeated.
    dropped = tuple(k for k, place in enumerate(places) if place in axes and place not in repeated)
    ones = tuple(k for k, place in enumerate(places) if place in repeated)
    small = r.reduce_sum(inner, (*dropped, *ones))
    kept = [axis for axis in range(len(shape)) if axis not in axes]
    places_left = tuple(kept.index(place) for k, place in enumerate(places) if k not in dropped and k not in ones)
    factor = product(shape[a] for a in repeated)
    return r.broadcast(_times_length(r, factor, small), tuple(shape[axis] for axis in kept), places_left)


def _times_length(r: Rewriter, factor: Any, x: int) -> int:
    """factor*x, the sum of so many; nothing of none, also where x is infinite or nan."""
    length = r.length(factor)
    scaled = r.add(_MUL, (length, x))
    if isinstance(factor, int) or r.number(x) is not None:
        return scaled
    some = r.add(_GT, (length, r.const(0)))
    return r.add(_SELECT, (some, scaled, r.broadcast(r.const(0), r.nodes[x].type.shape)))


def _sum_of_sum(r: Rewriter, axes: Any, x: int) -> int | None:
    if not r.is_op(x, REDUCE_SUM):
        return None
    inner = r.nodes[x].attributes
    left = [axis for axis in range(len(_shape(r, r.operands(x)[0]))) if axis not in inner]
    return r.reduce_sum(r.operands(x)[0], (*inner, *[left[axis] for axis in axes]))


def _sum_of_scaled(r: Rewriter, axes: Any, x: int) -> int | None:
    # sum(c*x) = c*sum(x) for a number c; a sign goes before a sum that is an array. Loops subtract from a total.
    if r.is_op(x, _NEG) and len(axes) < len(_shape(r, x)):
        return r.add(_NEG, (r.reduce_sum(r.operands(x)[0], axes),))
    if r.is_op(x, _MUL):
        for c, other in (r.operands(x), r.operands(x)[::-1]):
            if not _shape(r, c) and r.number(c) is not None:
                return r.add(_MUL, (c, r.reduce_sum(other, axes)))
    return None


def _sum_of_pad(r: Rewriter, axes: Any, x: int) -> int | None:
    # What is put among zeros and summed over all axes is summed as it was.
    if r.is_op(x, PAD) and len(axes) == len(_shape(r, x)):
        return r.reduce_sum(r.operands(x)[0])
    return None


def _sum_of_diagonal(r: Rewriter, axes: Any, x: int) -> int | None:
    if r.is_op(x, DIAGONALIZE) and len(axes) == len(_shape(r, x)):
        return r.reduce_sum(r.operands(x)[0])
    return None


def _sum_over_ones(r: Rewriter, axes: Any, x: int) -> int | None:
    shape = _shape(r, x)
    if all(shape[axis] == 1 for axis in axes):
        return r.structural(RESHAPE, (x,), tuple(n for axis, n in enumerate(shape) if axis not in axes))
    return None


def _repeated_twice(r: Rewriter, attributes: Any, x: int) -> int | None:
    if not r.is_op(x, BROADCAST):
        return None
    shape, axes = attributes
    places = r.nodes[x].attributes[1]
    return r.broadcast(r.operands(x)[0], shape, tuple(axes[place] for place in places))


def _repeat_reshaped(r: Rewriter, attributes: Any, x: int) -> int | None:
    """Axes of length 1 that a reshape took away come back as axes of length 1 of a broadcast, and the other way."""
    shape, axes = attributes
    if not r.is_op(x, RESHAPE):
        return None
    inner = r.operands(x)[0]
    before, after = _shape(r, inner), _shape(r, x)
    kept = [k for k, n in enumerate(before) if n != 1]
    if tuple(before[k] for k in kept) != tuple(n for n in after if n != 1):
        return None
    solid = iter([axes[k] for k, n in enumerate(after) if n != 1])
    free = [axis for axis in range(len(shape)) if axis not in {axes[k] for k, n in enumerate(after) if n != 1}]
    if len(before) - len(kept) > len(free):
        return None
    # Axes of length 1 go where the order of axes stays.
    places: list[int] = []
    for n in before:
        if n != 1:
            places.append(next(solid))
        else:
            low = places[-1] if places else -1
            candidates = [axis for axis in free if axis > low]
            if not candidates:
                return None
            places.append(candidates[0])
            free.remove(candidates[0])
    if places != sorted(set(places)):
        return None
    return r.broadcast(inner, shape, tuple(places))


def _transposed_twice(r: Rewriter, order: Any, x: int) -> int | None:
    if r.is_op(x, TRANSPOSE):
        inner = r.nodes[x].attributes
        return r.structural(TRANSPOSE, (r.operands(x)[0],), tuple(inner[axis] for axis in order))
    if r.is_op(x, BROADCAST):
        shape, axes = r.nodes[x].attributes
        new = tuple(shape[axis] for axis in order)
        return r.broadcast(r.operands(x)[0], new, tuple(order.index(axis) for axis in axes))
    return None


def _reshaped_twice(r: Rewriter, shape: Any, x: int) -> int | None:
    if r.is_op(x, RESHAPE):
        return r.structural(RESHAPE, r.operands(x), shape)
    if not _shape(r, x):
        return r.broadcast(x, shape)
    if r.is_fill(x):
        return r.broadcast(r.operands(x)[0], shape)
    if r.is_op(x, BROADCAST):
        # Axes of length 1 that come or go do not change what is repeated.
        old, places = r.nodes[x].attributes
        if tuple(n for n in old if n != 1) == tuple(n for n in shape if n != 1):
            solid_old = [k for k, n in enumerate(old) if n != 1]
            solid_new = [k for k, n in enumerate(shape) if n != 1]
            inner = r.operands(x)[0]
            own = _shape(r, inner)
            small = tuple(n for k, n in enumerate(own) if old[places[k]] != 1)
            to = tuple(solid_new[solid_old.index(p)] for p in places if old[p] != 1)
            if to == tuple(sorted(to)):
                return r.broadcast(r.structural(RESHAPE, (inner,), small), shape, to)
    return None


def _slice_of_repeated(r: Rewriter, pieces: Any, x: int) -> int | None:
    if not r.is_op(x, BROADCAST):
        return None
    shape, axes = r.nodes[x].attributes
    inner = r.operands(x)[0]
    own = _shape(r, inner)
    if any(own[k] == 1 and shape[axis] != 1 for k, axis in enumerate(axes)):
        return None
    small = r.structural(SLICE, (inner,), tuple(pieces[axis] for axis in axes))
    return r.broadcast(small, tuple(length for _, _, length in pieces), axes)


def _slice_of_pad(r: Rewriter, pieces: Any, x: int) -> int | None:
    return r.operands(x)[0] if r.is_op(x, PAD) and r.nodes[x].attributes[1] == pieces else None


def _diagonal_of_diagonal(r: Rewriter, labels: Any, x: int) -> int | None:
    return r.operands(x)[0] if r.is_op(x, DIAGONALIZE) and r.nodes[x].attributes[0] == labels else None


def _product_with_repeated(r: Rewriter, attributes: Any, a: int, b: int) -> int | None:
    """An operand that repeats itself along an axis does not take part in that axis."""
    left, right, out = attributes
    for labels, other_labels, x, other, first in ((left, right, a, b, True), (right, left, b, a, False)):
        if not r.is_op(x, BROADCAST):
            continue
        shape, axes = r.nodes[x].attributes
        inner = r.operands(x)[0]
        own = _shape(r, inner)
        real = [k for k in range(len(axes)) if not (own[k] == 1 and shape[axes[k]] != 1)]
        small = r.structural(RESHAPE, (inner,), tuple(own[k] for k in real))
        kept = tuple(labels[axes[k]] for k in real)
        lone = [label for k, label in enumerate(labels) if label not in kept and label not in other_labels]
        lengths = dict(zip(labels, shape, strict=True))
        inner_out = tuple(label for label in out if label not in lone)
        pair = ((kept, other_labels), (small, other)) if first else ((other_labels, kept), (other, small))
        result = product_of(r, (*pair[0], inner_out), pair[1])
        repeats = product(lengths[label] for label in lone if label not in out)
        if repeats != 1:
            result = _times_length(r, repeats, result)
        full = tuple({**lengths, **dict(zip(other_labels, _shape(r, other), strict=True))}[label] for label in out)
        return r.broadcast(result, full, tuple(out.index(label) for label in inner_out))
    return None


def product_of(r: Rewriter, labels: Any, operands: Any) -> int:
    """A contraction, or a plain product and sum where one operand is a scalar or nothing is summed or crossed."""
    left, right, out = labels
    a, b = operands
    if left and right and set(left) != set(right):
        return r.f.contract(labels, r.f.wrap(a), r.f.wrap(b)).index
    lengths = dict(zip((*left, *right), (*_shape(r, a), *_shape(r, b)), strict=True))
    # All labels of both: one is a scalar, or both have the same axes.
    order = left or right
    shape = tuple(lengths[label] for label in order)
    if left and right and left != right:
        b = r.structural(TRANSPOSE, (b,), tuple(right.index(label) for label in order))
    total = r.broadcast(r.add(_MUL, (a, b)), shape) if order else r.add(_MUL, (a, b))
    summed = r.reduce_sum(total, tuple(k for k, label in enumerate(order) if label not in out))
    left_over = [label for label in order if label in out]
    if tuple(left_over) == tuple(out):
        return summed
    return r.structural(TRANSPOSE, (summed,), tuple(left_over.index(label) for label in out))


def _product_with_transposed(r: Rewriter, attributes: Any, a: int, b: int) -> int | None:
    """A transpose is a matter of labels."""
    labels, operands = list(attributes), [a, b]
    changed = False
    for k in (0, 1):
        if r.is_op(operands[k], TRANSPOSE):
            order = r.nodes[operands[k]].attributes
            labels[k] = tuple(labels[k][order.index(axis)] for axis in range(len(order)))
            operands[k] = r.operands(operands[k])[0]
            changed = True
        elif r.is_op(operands[k], RESHAPE):
            inner = r.operands(operands[k])[0]
            before, after = _shape(r, inner), _shape(r, operands[k])
            if before == after[::-1] and len(before) == 2 and 1 in before:
                labels[k], operands[k], changed = labels[k][::-1], inner, True
    return r.f.contract(tuple(labels), *map(r.f.wrap, operands)).index if changed else None


def _product_with_scaled(r: Rewriter, attributes: Any, a: int, b: int) -> int | None:
    # (-a) b = -(a b), and numbers go before the product; x*c for a scalar variable stays, where it was written.
    for k, x in enumerate((a, b)):
        if r.is_op(x, _NEG):
            operands = (r.operands(x)[0], b) if k == 0 else (a, r.operands(x)[0])
            return r.add(_NEG, (r.structural(CONTRACT, operands, attributes),))
    return None


def _plain_product(r: Rewriter, attributes: Any, a: int, b: int) -> int | None:
    """Nothing is summed or crossed: an elementwise product."""
    left, right, _ = attributes
    return product_of(r, attributes, (a, b)) if not left or not right or set(left) == set(right) else None


def _sum_of_transposed(r: Rewriter, axes: Any, x: int) -> int | None:
    """The sum in the order in which the array stands."""
    if not r.is_op(x, TRANSPOSE):
        return None
    order = r.nodes[x].attributes
    summed = r.reduce_sum(r.operands(x)[0], tuple(order[axis] for axis in axes))
    left = [axis for axis in range(len(order)) if axis not in {order[k] for k in axes}]
    wanted = [order[axis] for axis in range(len(order)) if axis not in axes]
    return r.structural(TRANSPOSE, (summed,), tuple(left.index(axis) for axis in wanted))


def _diagonal_of_one(r: Rewriter, labels: Any, x: int) -> int | None:
    return r.structural(RESHAPE, (x,), (1,) * (max(labels) + 1)) if set(_shape(r, x)) == {1} else None


def _scaled_diagonal(r: Rewriter, x: int, y: int) -> int | None:
    # c*diag(v) = diag(c*v) for a scalar c.
    for c, other in ((x, y), (y, x)):
        if not _shape(r, c) and r.is_op(other, DIAGONALIZE):
            (inner,) = r.operands(other)
            scaled = r.broadcast(r.add(_MUL, (c, inner)), _shape(r, inner))
            return r.structural(DIAGONALIZE, (scaled,), r.nodes[other].attributes)
    return None


_LABELS = ((0, 1), (0, 2), (1, 2))

RULES = (
    Rule(
        "sum of a repeated array -> multiple of its sum",
        "reduce_sum",
        _sum_of_repeated,
        lambda f, x, y, c: f.reduce_sum(f.broadcast(f.reduce_sum(x, (1,)), ("N", 3), (0,)), (0, 1)),
    ),
    Rule(
        "product with the same axes -> elementwise product",
        "contract",
        _plain_product,
        lambda f, x, y, c: f.contract(((0, 1), (1, 0), (0,)), x, f.transpose(y, (1, 0))),
    ),
    Rule(
        "sum of a transpose -> sum",
        "reduce_sum",
        _sum_of_transposed,
        lambda f, x, y, c: f.reduce_sum(f.transpose(x, (1, 0)), (0,)),
    ),
    Rule(
        "diagonal of a single entry -> reshape",
        "diagonal",
        _diagonal_of_one,
        lambda f, x, y, c: f.diagonal(f.slice(f.mt(y), ((0, 1, 1), (0, 1, 1))), (0, 0)),
    ),
    Rule(
        "c*diag(v) -> diag(c*v)",
        "mul",
        _scaled_diagonal,
        lambda f, x, y, c: f.reduce_sum(x) * f.diagonalize(x, (0, 1, 1), ("N", 3, 3)),
        needs=("diagonalize",),
        on_arrays=True,
    ),
    Rule("sum of a sum -> one sum", "reduce_sum", _sum_of_sum, lambda f, x, y, c: f.reduce_sum(f.reduce_sum(x, (0,)))),
    Rule("sum(c*x) -> c*sum(x)", "reduce_sum", _sum_of_scaled, lambda f, x, y, c: f.reduce_sum(3 * x, (0,))),
    Rule(
        "sum of padded -> sum",
        "reduce_sum",
        _sum_of_pad,
        lambda f, x, y, c: f.reduce_sum(f.pad(x, ("N", 5), ((0, 1, "N"), (1, 1, 3)))),
    ),
    Rule(
        "sum of a diagonal matrix -> sum",
        "reduce_sum",
        _sum_of_diagonal,
        lambda f, x, y, c: f.reduce_sum(f.diagonalize(x, (0, 1, 1), ("N", 3, 3))),
    ),
    Rule(
        "sum over axes of length 1 -> reshape",
        "reduce_sum",
        _sum_over_ones,
        lambda f, x, y, c: f.reduce_sum(f.reshape(x, ("N", 1, 3)), (1,)),
    ),
    Rule(
        "repeated twice -> repeated",
        "broadcast",
        _repeated_twice,
        lambda f, x, y, c: f.broadcast(f.broadcast(x, (2, "N", 3), (1, 2)), (2, 4, "N", 3), (0, 2, 3)),
    ),
    Rule(
        "repeated after a reshape of ones -> repeated",
        "broadcast",
        _repeat_reshaped,
        lambda f, x, y, c: f.broadcast(f.reshape(x, ("N", 1, 3)), ("N", 4, 3), (0, 1, 2)),
    ),
    Rule(
        "transpose of a transpose or a repetition",
        "transpose",
        _transposed_twice,
        lambda f, x, y, c: f.transpose(f.broadcast(x, ("N", 2, 3), (0, 2)), (1, 2, 0)),
    ),
    Rule(
        "reshape of a reshape",
        "reshape",
        _reshaped_twice,
        lambda f, x, y, c: f.reshape(f.reshape(x, ("N", 1, 3)), ("N", 3, 1)),
    ),
    Rule(
        "part of a repeated array -> repeated part",
        "slice",
        _slice_of_repeated,
        lambda f, x, y, c: f.slice(f.broadcast(x, ("N", 2, 3), (0, 2)), ((0, 1, "N"), (0, 1, 1), (0, 2, 2))),
    ),
    Rule(
        "part of a padded array -> array",
        "slice",
        _slice_of_pad,
        lambda f, x, y, c: f.slice(f.pad(x, ("N", 5), ((0, 1, "N"), (1, 1, 3))), ((0, 1, "N"), (1, 1, 3))),
    ),
    Rule(
        "diagonal of a diagonal matrix -> vector",
        "diagonal",
        _diagonal_of_diagonal,
        lambda f, x, y, c: f.diagonal(f.diagonalize(x, (0, 1, 1), ("N", 3, 3)), (0, 1, 1)),
    ),
    Rule(
        "product with a repeated array -> product with what is repeated",
        "contract",
        _product_with_repeated,
        lambda f, x, y, c: f.contract(_LABELS, f.broadcast(f.reduce_sum(x, (1,)), ("N", 3), (0,)), y),
    ),
    Rule(
        "product with a transpose -> product",
        "contract",
        _product_with_transposed,
        lambda f, x, y, c: f.contract(((1, 0), (0, 2), (1, 2)), f.transpose(x, (1, 0)), y),
    ),
    Rule(
        "(-a) b -> -(a b)",
        "contract",
        _product_with_scaled,
        lambda f, x, y, c: f.contract(_LABELS, -x, y),
    ),
)
