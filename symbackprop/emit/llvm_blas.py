"""Products of matrices as calls of BLAS, which stores matrices column by column.

A matrix of ours, row by row, is its transpose to BLAS: C = A B is asked for as C^T = B^T A^T, and nothing is copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from symbackprop.emit import llvm_products
from symbackprop.emit.assembly import Word
from symbackprop.emit.llvm_tiles import rows
from symbackprop.lower.program import Attribute, Expr

if TYPE_CHECKING:
    from symbackprop.emit.llvm_memory import Array, Memory

PREFIX = "blas_"
"""Names of BLAS's functions in a module; `jit.native` finds them where SciPy publishes them."""
_LARGE = 1 << 24
"""Multiplications of a product that is always left to BLAS."""


class _Matrix(NamedTuple):
    """An array, and whether its transpose is meant."""

    array: Array
    flipped: bool

    @property
    def rank(self) -> int:
        return len(self.array.extents)

    @property
    def rows(self) -> Word:
        return self.array.extents[self.flipped]

    @property
    def columns(self) -> Word:
        return self.array.extents[1 - self.flipped]


def product(body: Memory, operands: tuple[Expr, ...]) -> Word | None:
    """``np.dot(a, b)`` of two vectors as a number, or ``np.dot(a, b, out)`` into an array."""
    left, right = (_matrix(body, operand) for operand in operands[:2])
    if len(operands) == 2:
        return _vectors(body, left, right)
    out = body.whole(operands[2])
    assert out is not None
    if left.rank == right.rank == 2:
        _matrices(body, left, right, out)
    elif left.rank == 2:
        _matrix_vector(body, left, right.array, out, transposed=False)
    else:
        _matrix_vector(body, right, left.array, out, transposed=True)
    return None


def _matrix(body: Memory, expr: Expr) -> _Matrix:
    flipped = isinstance(expr, Attribute)
    array = body.whole(expr.owner if isinstance(expr, Attribute) else expr)
    assert array is not None
    return _Matrix(array, flipped)


def _matrices(body: Memory, left: _Matrix, right: _Matrix, out: Array) -> None:
    """By tiles of our own; by BLAS where the result has fewer rows than one of them, or a single column, and where the
    product is so large that BLAS may share it among threads.
    """
    tall, asm = rows(body.unit), body.asm
    if not tall:
        _by_blas(body, left, right, out)
        return
    name = llvm_products.declare(body.unit, right.flipped)
    good = asm.compare("sge", left.rows, asm.integer(tall))
    for low, length in ((2, right.columns), (1, left.columns)):
        good = asm.binary("and", good, asm.compare("sge", length, asm.integer(low)))
    size = body.size((left.rows, right.columns, left.columns))
    good = asm.binary("and", good, asm.compare("sle", size, asm.integer(_LARGE)))
    own, other, done = (asm.fresh(stem) for stem in ("tiles", "blas", "multiplied"))
    asm.do(f"br i1 {good.text}, label %{own}, label %{other}")
    asm.label(own)
    gap = left.array.extents[1].text
    strides = ("1", gap) if left.flipped else (gap, "1")
    lengths = (left.rows.text, right.columns.text, left.columns.text)
    asm.do(
        f"call void @{name}(ptr {left.array.pointer}, {', '.join(f'i64 {text}' for text in strides)},"
        f" ptr {right.array.pointer}, ptr {out.pointer}, {', '.join(f'i64 {text}' for text in lengths)})"
    )
    asm.do(f"br label %{done}")
    asm.label(other)
    _by_blas(body, left, right, out)
    asm.do(f"br label %{done}")
    asm.label(done)


def _by_blas(body: Memory, left: _Matrix, right: _Matrix, out: Array) -> None:
    one, zero = body.asm.real(1.0), body.asm.real(0.0)
    called(
        body,
        "gemm",
        [
            flag(body, right.flipped),
            flag(body, left.flipped),
            count_of(body, right.columns),
            count_of(body, left.rows),
            count_of(body, left.columns),
            _number(body, one),
            right.array.pointer,
            _stride(body, right.array),
            left.array.pointer,
            _stride(body, left.array),
            _number(body, zero),
            out.pointer,
            _stride(body, out),
        ],
    )


def _matrix_vector(body: Memory, matrix: _Matrix, vector: Array, out: Array, transposed: bool) -> None:
    """out = A x, or A^T x."""
    # Of a matrix without entries BLAS does not write the result.
    name = "llvm.memset.p0.i64"
    body.unit.declared[name] = f"declare void @{name}(ptr, i8, i64, i1)"
    size = body.asm.emit(f"mul i64 {out.extents[0].text}, {8 if body.asm.dtype == 'float64' else 4}")
    body.asm.do(f"call void @{name}(ptr {out.pointer}, i8 0, i64 {size}, i1 false)")
    one = count_of(body, body.asm.integer(1))
    called(
        body,
        "gemv",
        [
            flag(body, matrix.flipped == transposed),
            count_of(body, matrix.array.extents[1]),
            count_of(body, matrix.array.extents[0]),
            _number(body, body.asm.real(1.0)),
            matrix.array.pointer,
            _stride(body, matrix.array),
            vector.pointer,
            one,
            _number(body, body.asm.real(0.0)),
            out.pointer,
            one,
        ],
    )


def _vectors(body: Memory, left: _Matrix, right: _Matrix) -> Word:
    one, own = count_of(body, body.asm.integer(1)), body.asm.scalar["real"]
    count = count_of(body, left.array.extents[0])
    listed = [count, left.array.pointer, one, right.array.pointer, one]
    symbol = _symbol(body, "dot", own, len(listed))
    return Word(body.asm.emit(f"call {own} @{symbol}({', '.join(f'ptr {text}' for text in listed)})"), "real")


def called(body: Memory, name: str, arguments: list[str]) -> None:
    """A function of BLAS or LAPACK, with the addresses of its arguments."""
    symbol = _symbol(body, name, "void", len(arguments))
    body.asm.do(f"call void @{symbol}({', '.join(f'ptr {text}' for text in arguments)})")


def _symbol(body: Memory, name: str, result: str, count: int) -> str:
    symbol = f"{PREFIX}{'d' if body.asm.dtype == 'float64' else 's'}{name}"
    body.unit.declared[symbol] = f"declare {result} @{symbol}({', '.join(['ptr'] * count)})"
    body.unit.libraries.add(symbol)
    return symbol


# Arguments, which BLAS takes by address.


def _place(body: Memory, own: str, text: str) -> str:
    pointer = f"%{body.asm.fresh('slot')}"
    body.asm.stack.append(f"  {pointer} = alloca {own}")
    body.asm.do(f"store {own} {text}, ptr {pointer}")
    return pointer


def flag(body: Memory, transposed: bool) -> str:
    """The address of the letter for a matrix as it stands, or for its transpose."""
    return _place(body, "i8", str(ord("T" if transposed else "N")))


def count_of(body: Memory, extent: Word) -> str:
    """The address of a length."""
    return _place(body, "i32", extent.text if extent.constant else body.asm.emit(f"trunc i64 {extent.text} to i32"))


def _number(body: Memory, word: Word) -> str:
    return _place(body, body.asm.scalar["real"], word.text)


def _stride(body: Memory, array: Array) -> str:
    """The length of a row, which must not be 0."""
    length = array.extents[1]
    return count_of(body, body.asm.choose(body.asm.compare("sgt", length, Word("0", "int")), length, Word("1", "int")))
