"""The array rows as functions of values, with their attributes as arguments: ``f.reduce_sum(x, (0,))``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from symbackprop.errors import ShapeMismatch
from symbackprop.ir.graph import GraphBuilder
from symbackprop.ops import REGISTRY
from symbackprop.ops.array_norms import REDUCE_SQUARES
from symbackprop.ops.extents import Extent, Shape, plus, shape_text

if TYPE_CHECKING:
    from symbackprop.ir.value import Value

Piece = tuple[Extent, int, Extent]
"""(start, step, length) of a slice along one axis."""
Labels = tuple[int, ...]


class ArrayFunctions:
    """Mixed into `Functions`; shapes and axes are checked by the rows' own rules."""

    builder: GraphBuilder

    def wrap(self, index: int) -> Value:
        raise NotImplementedError

    def _structural(self, name: str, operands: Sequence[Any], attributes: Any = None) -> Value:
        indices = tuple([self._index(operand) for operand in operands])
        return self.wrap(self.builder.structural(REGISTRY[name], indices, attributes))

    def _index(self, operand: Any) -> int:
        raise NotImplementedError

    # Shapes.

    def shape(self, value: Any) -> Shape:
        return self.builder.nodes[self._index(value)].type.shape

    def total(self, extents: Iterable[Extent]) -> Extent:
        """The sum of lengths."""
        result: Extent = 0
        for extent in extents:
            result = plus(result, extent)
        return result

    def length(self, extent: Extent) -> Value:
        """A length as a real number."""
        return self.wrap(self.builder.length(extent))

    def size(self, extent: Extent) -> Value:
        """A length as an integer."""
        if isinstance(extent, int):
            return self.wrap(self.builder.integer(extent))
        return self._structural("size", (), extent)

    def iota(self, length: Extent) -> Value:
        return self._structural("iota", (), length)

    def broadcast(self, value: Any, shape: Shape, axes: Sequence[int] = ()) -> Value:
        return self.wrap(self.builder.broadcast(self._index(value), tuple(shape), tuple(axes)))

    def fill(self, number: Any, shape: Shape) -> Value:
        """A scalar everywhere."""
        return self.broadcast(number, shape, ())

    def transpose(self, value: Any, order: Sequence[int]) -> Value:
        return self._structural("transpose", (value,), tuple(order))

    def mt(self, value: Any) -> Value:
        """The last two axes exchanged."""
        rank = len(self.shape(value))
        return self.transpose(value, (*range(rank - 2), rank - 1, rank - 2))

    def reshape(self, value: Any, shape: Shape) -> Value:
        return self._structural("reshape", (value,), tuple(shape))

    # Products and sums.

    def contract(self, labels: tuple[Labels, Labels, Labels], a: Any, b: Any) -> Value:
        """The einsum of two arrays. Raises ShapeMismatch where axes of one label differ in length."""
        lengths: dict[int, Extent] = {}
        for own, operand in zip(labels, (a, b), strict=False):
            for label, extent in zip(own, self.shape(operand), strict=True):
                if lengths.setdefault(label, extent) != extent:
                    shapes = f"{shape_text(self.shape(a))} and {shape_text(self.shape(b))}"
                    raise ShapeMismatch(f"a product of shapes {shapes}: {lengths[label]} and {extent} do not match")
        order: dict[int, int] = {}
        for label in (*labels[0], *labels[1]):
            order.setdefault(label, len(order))
        canonical = tuple(tuple(order[label] for label in own) for own in labels)
        return self._structural("contract", (a, b), canonical)

    def matmul(self, a: Any, b: Any) -> Value:
        """The product of matrices; axes before the last two run together."""
        rank = len(self.shape(a))
        lead = tuple(range(3, rank + 1))
        return self.contract(((*lead, 0, 1), (*lead, 1, 2), (*lead, 0, 2)), a, b)

    def inner(self, a: Any, b: Any) -> Value:
        """The sum of the products of all entries of two matrices; axes before the last two stay."""
        rank = len(self.shape(a))
        lead = tuple(range(2, rank))
        return self.contract(((*lead, 0, 1), (*lead, 0, 1), lead), a, b)

    def reduce_sum(self, value: Any, axes: Sequence[int] | None = None) -> Value:
        return self.wrap(self.builder.reduce_sum(self._index(value), None if axes is None else tuple(axes)))

    def reduce_prod(self, value: Any, axes: Sequence[int]) -> Value:
        """The product over axes, one after the other."""
        result = self.wrap(self._index(value))
        for axis in sorted(axes, reverse=True):
            result = self._structural("reduce_prod", (result,), (axis,))
        return result

    def product_less_one(self, value: Any, axes: Sequence[int]) -> Value:
        """The product of 1 + value over one axis, less 1."""
        return self._structural("product_less_one", (value,), tuple(axes))

    def reduce_max(self, value: Any, axes: Sequence[int]) -> Value:
        return self._structural("reduce_max", (value,), tuple(sorted(axes)))

    def reduce_min(self, value: Any, axes: Sequence[int]) -> Value:
        return self._structural("reduce_min", (value,), tuple(sorted(axes)))

    def reduce_norm(self, value: Any, axes: Sequence[int]) -> Value:
        return self._structural("reduce_norm", (value,), tuple(sorted(axes)))

    def reduce_squares(self, value: Any, axes: Sequence[int]) -> Value:
        """The sum of squares, or minus its root: for loops, behind all derivatives."""
        return self.wrap(self.builder.structural(REDUCE_SQUARES, (self._index(value),), tuple(sorted(axes))))

    def logsumexp(self, value: Any, axes: Sequence[int]) -> Value:
        return self._structural("logsumexp", (value,), tuple(sorted(axes)))

    def softmax(self, value: Any, axes: Sequence[int]) -> Value:
        return self._structural("softmax", (value,), tuple(sorted(axes)))

    def log_softmax(self, value: Any, axes: Sequence[int]) -> Value:
        return self._structural("log_softmax", (value,), tuple(sorted(axes)))

    def weighted_logsumexp(self, weights: Any, value: Any, axes: Sequence[int]) -> Value:
        """log(sum(weights*exp(value))) of two arrays of one shape."""
        return self._structural("weighted_logsumexp", (weights, value), tuple(sorted(axes)))

    def weighted_softmax(self, weights: Any, value: Any, axes: Sequence[int]) -> Value:
        """exp(value)/sum(weights*exp(value)) of two arrays of one shape."""
        return self._structural("weighted_softmax", (weights, value), tuple(sorted(axes)))

    def reduce_smooth_maximum(self, value: Any, temperature: Any, axes: Sequence[int]) -> Value:
        """temperature*log(sum(exp(value/temperature))), with one temperature or one for each sum."""
        kept = tuple(extent for axis, extent in enumerate(self.shape(value)) if axis not in axes)
        temperature = self._full(temperature, kept) if kept else temperature
        return self._structural("reduce_smooth_maximum", (value, temperature), tuple(sorted(axes)))

    def softmax_entropy(self, value: Any, axes: Sequence[int]) -> Value:
        return self._structural("softmax_entropy", (value,), tuple(sorted(axes)))

    def softmax_deviation(self, value: Any, axes: Sequence[int]) -> Value:
        return self._structural("softmax_deviation", (value,), tuple(sorted(axes)))

    def diagonal(self, value: Any, labels: Labels) -> Value:
        return self._structural("diagonal", (value,), tuple(labels))

    def diagonalize(self, value: Any, labels: Labels, shape: Shape) -> Value:
        return self._structural("diagonalize", (value,), (tuple(labels), tuple(shape)))

    def add_diagonal(self, value: Any, vector: Any) -> Value:
        return self._structural("add_diagonal", (value, vector))

    def add_diagonal_of_each(self, values: Any, vectors: Any) -> Value:
        """Of a stack of matrices and one of vectors."""
        diagonal = self.diagonalize(vectors, (0, 1, 1), self.shape(values))
        return self.wrap(self.builder.add(REGISTRY["add"], (self._index(values), diagonal.index)))

    # Parts.

    def slice(self, value: Any, pieces: Sequence[Piece]) -> Value:
        return self._structural("slice", (value,), tuple(pieces))

    def pad(self, value: Any, shape: Shape, pieces: Sequence[Piece]) -> Value:
        return self._structural("pad", (value,), (tuple(shape), tuple(pieces)))

    def concatenate(self, values: Sequence[Any], axis: int) -> Value:
        return self._structural("concatenate", values, axis)

    def gather(self, source: Any, *indices: Any) -> Value:
        """Entries of `source`; one integer index an axis, all of one shape or scalar."""
        return self._structural("gather", (source, *indices))

    def scatter_add(self, updates: Any, shape: Shape, *indices: Any) -> Value:
        return self._structural("scatter_add", (updates, *indices), tuple(shape))

    # Along an axis.

    def cumulative_sum(self, value: Any, axis: int, reverse: bool = False) -> Value:
        return self._structural("cumulative_sum", (value,), (axis, reverse))

    def cumulative_product(self, value: Any, axis: int, reverse: bool = False) -> Value:
        return self._structural("cumulative_product", (value,), (axis, reverse))

    def linear_recurrence(self, a: Any, b: Any, axis: int, reverse: bool = False) -> Value:
        shape = max(self.shape(a), self.shape(b), key=len)
        return self._structural("linear_recurrence", (self._full(a, shape), self._full(b, shape)), (axis, reverse))

    def _full(self, value: Any, shape: Shape) -> Value:
        return self.fill(value, shape) if not self.shape(value) else self.wrap(self._index(value))

    def shifted(self, value: Any, axis: int, reverse: bool, first: int) -> Value:
        """Each entry replaced by the one before it (after it, if reversed), and the first by a number."""
        # One too many, then cut: the other way about, an axis of length 0 would lose an entry that it does not have.
        shape = self.shape(value)
        edge = self.fill(first, tuple(1 if k == axis else n for k, n in enumerate(shape)))
        longer = self.concatenate([value, edge] if reverse else [edge, value], axis)
        return self.slice(longer, tuple((int(reverse and k == axis), 1, n) for k, n in enumerate(shape)))

    def exclusive_product(self, value: Any, axis: int, reverse: bool = False) -> Value:
        """The product of all entries before (after, if reversed) each entry."""
        return self.shifted(self.cumulative_product(value, axis, reverse), axis, reverse, 1)

    # Linear algebra.

    def solve(self, a: Any, b: Any) -> Value:
        return self._structural("solve", (a, b))

    def triangular_solve(self, a: Any, b: Any, lower: bool = True, transposed: bool = False) -> Value:
        return self._structural("triangular_solve", (a, b), (lower, transposed))

    def inv(self, a: Any) -> Value:
        return self._structural("inv", (a,))

    def det(self, a: Any) -> Value:
        return self._structural("det", (a,))

    def cofactor(self, a: Any) -> Value:
        return self._structural("cofactor", (a,))

    def cofactor_tangent(self, a: Any, dot: Any) -> Value:
        return self._structural("cofactor_tangent", (a, dot))

    def log_abs_det(self, a: Any) -> Value:
        return self._structural("log_abs_det", (a,))

    def det_sign(self, a: Any) -> Value:
        return self._structural("det_sign", (a,))

    def cholesky(self, a: Any) -> Value:
        return self._structural("cholesky", (a,))

    # Samples.

    def all_batched(self, operands: Sequence[Any], batched: Sequence[bool]) -> list[Value]:
        """Operands that all have a leading axis of samples, where some have."""
        samples = next(self.shape(o)[0] for o, is_batched in zip(operands, batched, strict=True) if is_batched)
        return [
            operand
            if is_batched
            else self.broadcast(operand, (samples, *self.shape(operand)), range(1, len(self.shape(operand)) + 1))
            for operand, is_batched in zip(operands, batched, strict=True)
        ]
