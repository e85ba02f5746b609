"""The largest and the smallest value of an expression over an index, which SymPy has no notation for."""

from __future__ import annotations

from typing import Any

from sympy.concrete.expr_with_intlimits import ExprWithIntLimits


class MaxOver(ExprWithIntLimits):  # type: ignore[misc]
    """``MaxOver(f(i), (i, low, high))``: the largest value of f; -inf over an empty range. A tie splits evenly.

    >>> import sympy as sp
    >>> i, n = sp.symbols("i n", integer=True)
    >>> MaxOver(sp.IndexedBase("x")[i], (i, 0, n - 1))
    MaxOver(x[i], (i, 0, n - 1))
    """

    __slots__ = ()

    def _eval_is_extended_real(self) -> Any:
        return self.function.is_extended_real


class MinOver(ExprWithIntLimits):  # type: ignore[misc]
    """``MinOver(f(i), (i, low, high))``: the smallest value of f; inf over an empty range. A tie splits evenly.

    >>> import sympy as sp
    >>> i, n = sp.symbols("i n", integer=True)
    >>> MinOver(i**2, (i, 1, n)).free_symbols
    {n}
    """

    __slots__ = ()

    def _eval_is_extended_real(self) -> Any:
        return self.function.is_extended_real
