"""SymPy classes for sums over the entries of a matrix expression, which SymPy has no words for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.errors import UnsupportedExpression
from symbackprop.frontend.problems import short
from symbackprop.frontend.shapes import ARRAYS

if TYPE_CHECKING:
    from symbackprop.frontend.scalar import Build, Translator


def as_matrix(given: Any) -> Any:
    """A matrix expression as such, an explicit matrix as an immutable one. Raises UnsupportedExpression for others."""
    if isinstance(given, sp.MatrixBase):
        return given.as_immutable()
    if isinstance(given, sp.MatrixExpr):
        return given
    raise UnsupportedExpression(f"{short(given)} is a {type(given).__name__}; a matrix expression is due here")


class Total(sp.Expr):  # type: ignore[misc]
    """The sum of all entries of a matrix expression, or of one of SymPy's array expressions: a scalar.

    >>> import sympy as sp
    >>> N = sp.Symbol("N", integer=True)
    >>> X = sp.MatrixSymbol("X", N, 3)
    >>> Total(X) / N
    Total(X)/N
    >>> Total(sp.Matrix([[1, 2], [3, 4]])).doit()
    10
    """

    is_commutative = True
    is_extended_real = True

    def __new__(cls, matrix: Any) -> Any:
        return super().__new__(cls, matrix if isinstance(matrix, ARRAYS) else as_matrix(matrix))

    def doit(self, **hints: Any) -> Any:
        """The sum written out, where the matrix is explicit."""
        (matrix,) = self.args
        return sum(matrix.flat(), sp.S.Zero) if isinstance(matrix, sp.MatrixBase) else self

    def _eval_derivative(self, symbol: Any) -> Any:
        raise NotImplementedError("SymPy does not differentiate this sum; compile_grad does")


class RowLogSumExp(sp.MatrixExpr):  # type: ignore[misc]
    """``log(sum(exp(x)))`` over each row of a matrix expression, a column; exact at any size of the entries.

    >>> import sympy as sp
    >>> RowLogSumExp(sp.MatrixSymbol("X", 4, 3)).shape
    (4, 1)
    """

    def __new__(cls, matrix: Any) -> Any:
        return super().__new__(cls, as_matrix(matrix))

    @property
    def shape(self) -> Any:
        return (self.args[0].shape[0], sp.S.One)

    def _entry(self, i: Any, j: Any, **kwargs: Any) -> Any:
        return sp.matrices.expressions.matexpr.MatrixElement(self, i, j)


def _total(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    return t.f.reduce_sum(t.f.wrap(operands[0])).index


def _row_logsumexp(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    value = t.f.wrap(operands[0])
    return t.f.reshape(t.f.logsumexp(value, (1,)), (t.f.shape(value)[0], 1)).index


def _first(expr: Any) -> Sequence[Any]:
    return (expr.args[0],)


OPERANDS: dict[type, Callable[[Any], Sequence[Any]]] = {Total: _first, RowLogSumExp: _first}
BUILD: dict[type, Build] = {Total: _total, RowLogSumExp: _row_logsumexp}
