"""Parts of matrices, and matrices made of parts: entries, slices, blocks, diagonals, explicit matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import sympy as sp
from sympy.matrices.expressions import blockmatrix, diagonal
from sympy.matrices.expressions.matexpr import MatrixElement
from sympy.matrices.expressions.slice import MatrixSlice

from symbackprop.errors import ShapeMismatch, UnsupportedExpression
from symbackprop.frontend.integers import integer_node, symbols_in
from symbackprop.frontend.problems import short
from symbackprop.frontend.ranges import ROOT
from symbackprop.ops.extents import Extent, Shape, floored, minus, shape_text, terms_of, times

if TYPE_CHECKING:
    from symbackprop.frontend.scalar import Build, Translator
    from symbackprop.ir.arrays import Piece

NDIM_ARRAYS = (
    sp.ImmutableDenseNDimArray,
    sp.ImmutableSparseNDimArray,
    sp.MutableDenseNDimArray,
    sp.MutableSparseNDimArray,
)
_EXPLICIT = (sp.ImmutableDenseMatrix, sp.MutableDenseMatrix, sp.ImmutableSparseMatrix, sp.MutableSparseMatrix)


# Entries and slices.


def entry(t: Translator, expr: Any, array: int, indices: Sequence[Any]) -> int:
    """The entry of an array at places that are made of integers and dimensions."""
    # SymPy refuses what is out of range whatever the dimensions are.
    pieces = [(t.extent(index), 1, 1) for index in indices]
    return t.f.reshape(t.f.slice(t.f.wrap(array), pieces), ()).index


def _negative(extent: Extent) -> bool:
    """Whether a length is below 0 whatever its dimensions are."""
    terms = terms_of(extent)
    return bool(terms) and all(count < 0 for count in terms.values()) and () in terms


def _element(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    return entry(t, expr, operands[0], (expr.i, expr.j))


def _slice_length(expr: Any, length: Extent, step: int) -> Extent:
    if step == 1:
        return length
    result = floored(length, step)
    if times(result, step) != length:
        raise UnsupportedExpression(
            f"{short(expr)}: SymPy and Python disagree about how many rows or columns a slice of {length} in steps of"
            f" {step} has; let it stop after a multiple of {step}"
        )
    return result


def _slice(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    pieces: list[Piece] = []
    if any(t.is_integer(symbol) for start, _, _ in (expr.rowslice, expr.colslice) for symbol in symbols_in(start)):
        return _moving_slice(t, expr, operands[0])
    for start, stop, step in (expr.rowslice, expr.colslice):
        if not sp.sympify(step).is_Integer or step < 1:
            raise UnsupportedExpression(f"{short(expr)}: a slice needs a constant positive step, not {step}")
        first = t.extent(start)
        pieces.append((first, int(step), _slice_length(expr, minus(t.extent(stop), first), int(step))))
    return t.f.slice(t.f.wrap(operands[0]), pieces).index


def _moving_slice(t: Translator, expr: Any, array: int) -> int:
    """Rows and columns from a place on that is only known at the call, or in a step of a scan."""
    f, places, lengths = t.f, [], []
    for start, stop, step in (expr.rowslice, expr.colslice):
        places.append(integer_node(t.indices, start, ROOT).value)
        lengths.append(_slice_length(expr, t.extent(sp.expand(stop - start)), int(step)))
    shape = tuple(lengths)
    indices = []
    for axis, (place, length, (start, _, step)) in enumerate(
        zip(places, lengths, (expr.rowslice, expr.colslice), strict=True)
    ):
        along = f.iota(length) if step == 1 else f.int_mul(f.size(int(step)), f.iota(length))
        moved = along if start == 0 else place if length == 1 else f.int_add(along, place)
        indices.append(f.broadcast(moved, shape, (axis,) if f.shape(moved) else ()))
    return f.gather(f.wrap(array), *indices).index


# Blocks.


def _blocks(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    rows, columns = expr.blocks.shape
    values = t.values(operands)
    # SymPy has checked that the blocks fit.
    strips = [t.f.concatenate(values[row * columns : (row + 1) * columns], 1) for row in range(rows)]
    return t.f.concatenate(strips, 0).index


def _block_diagonal(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    f = t.f
    values = t.values(operands)
    shapes = [f.shape(value) for value in values]
    strips = []
    for k, value in enumerate(values):
        rows = shapes[k][0]
        left, right = f.total(s[1] for s in shapes[:k]), f.total(s[1] for s in shapes[k + 1 :])
        parts = [f.fill(0, (rows, left)), value, f.fill(0, (rows, right))]
        strips.append(f.concatenate([part for part in parts if f.shape(part)[1] != 0 or part is value], 1))
    return f.concatenate(strips, 0).index


# Diagonals.


def _of_vector(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    vector = t.f.wrap(operands[0])
    rows, columns = t.f.shape(vector)
    size = rows if columns == 1 else columns
    if 1 not in (rows, columns):
        raise ShapeMismatch(
            f"{type(expr).__name__} needs a vector, and {short(expr.args[0])} has the shape"
            f" {shape_text((rows, columns))} (at {t.path(expr)})"
        )
    return t.f.diagonalize(t.f.reshape(vector, (size,)), (0, 0), (size, size)).index


def _leading_square(t: Translator, expr: Any, operand: int) -> tuple[Any, Shape]:
    """The square that holds the diagonal of a matrix, and the shape of the whole."""
    value = t.f.wrap(operand)
    shape = t.f.shape(value)
    rows, columns = shape
    if rows == columns:
        return value, shape
    wide = minus(columns, rows)
    if not _negative(minus(wide, 1)) and all(count > 0 for count in terms_of(wide).values()):
        size = rows
    elif all(count < 0 for count in terms_of(wide).values()):
        size = columns
    else:
        raise UnsupportedExpression(
            f"{short(expr)}: it is not known which of {rows} and {columns} is smaller; take a square part first"
        )
    return t.f.slice(value, ((0, 1, size), (0, 1, size))), shape


def _diagonal_of(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    part, _ = _leading_square(t, expr, operands[0])
    vector = t.f.diagonal(part, (0, 0))
    return t.f.reshape(vector, (*t.f.shape(vector), 1)).index


def _only_diagonal(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    part, shape = _leading_square(t, expr, operands[0])
    vector = t.f.diagonal(part, (0, 0))
    (size,) = t.f.shape(vector)
    matrix = t.f.diagonalize(vector, (0, 0), (size, size))
    if shape == (size, size):
        return matrix.index
    return t.f.pad(matrix, shape, ((0, 1, size), (0, 1, size))).index


# Explicit matrices and arrays of scalars.


def explicit(t: Translator, shape: Sequence[int], operands: Sequence[int]) -> int:
    """Scalars, row by row, as an array."""
    f, shape = t.f, tuple(int(n) for n in shape)
    if len(set(operands)) == 1 or not operands:
        return f.fill(f.wrap(operands[0]) if operands else 0, shape).index
    return f.reshape(f.concatenate([f.fill(f.wrap(operand), (1,)) for operand in operands], 0), shape).index


def _explicit(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    for part, operand in zip(_flat(expr), operands, strict=True):
        if t.builder.nodes[operand].type.shape:
            raise UnsupportedExpression(f"an explicit matrix has scalars as entries, not {short(part)}")
    return explicit(t, expr.shape, operands)


def _flat(expr: Any) -> Sequence[Any]:
    if isinstance(expr, NDIM_ARRAYS):
        return [expr[expr._get_tuple_index(k)] for k in range(len(expr))]
    return list(expr.flat())


def _first(expr: Any) -> Sequence[Any]:
    return (expr.args[0],)


OPERANDS: dict[type, Callable[[Any], Sequence[Any]]] = {
    MatrixElement: _first,
    MatrixSlice: _first,
    blockmatrix.BlockMatrix: lambda expr: list(expr.blocks.flat()),
    blockmatrix.BlockDiagMatrix: lambda expr: tuple(expr.args),
    diagonal.DiagMatrix: _first,
    diagonal.DiagonalMatrix: _first,
    diagonal.DiagonalOf: _first,
    **dict.fromkeys((*_EXPLICIT, *NDIM_ARRAYS), _flat),
}

BUILD: dict[type, Build] = {
    MatrixElement: _element,
    MatrixSlice: _slice,
    blockmatrix.BlockMatrix: _blocks,
    blockmatrix.BlockDiagMatrix: _block_diagonal,
    diagonal.DiagMatrix: _of_vector,
    diagonal.DiagonalMatrix: _only_diagonal,
    diagonal.DiagonalOf: _diagonal_of,
    **dict.fromkeys((*_EXPLICIT, *NDIM_ARRAYS), _explicit),
}
