"""SymPy's dimensions and index bounds to extents: integers, named dimensions, and polynomials in these."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from symbackprop.errors import UnsupportedExpression
from symbackprop.frontend.problems import short
from symbackprop.ops.extents import Extent, floored, plus, times


def extent_of(expr: Any, dimension: Callable[[Any], str]) -> Extent:
    """A length as an extent; `dimension` names the symbols in it.

    Raises UnsupportedExpression for what is not made of integers, symbols, sums, products, powers and floors.

    >>> N = sp.Symbol("N", integer=True)
    >>> str(extent_of(2*N - 1, str)), str(extent_of(sp.floor(N/2), str))
    ('2*N - 1', 'N//2')
    """
    expr = sp.sympify(expr)
    if expr.is_Integer:
        return int(expr)
    if isinstance(expr, sp.Symbol):
        if expr.is_integer is False:
            raise UnsupportedExpression(f"the length {expr} is declared not to be an integer")
        return dimension(expr)
    if isinstance(expr, sp.Add | sp.Mul):
        combine = plus if isinstance(expr, sp.Add) else times
        result: Extent = 0 if isinstance(expr, sp.Add) else 1
        for part in sorted(expr.args, key=sp.default_sort_key):
            result = combine(result, extent_of(part, dimension))
        return result
    if isinstance(expr, sp.Pow) and expr.exp.is_Integer and expr.exp > 0:
        result = 1
        for _ in range(int(expr.exp)):
            result = times(result, extent_of(expr.base, dimension))
        return result
    if isinstance(expr, sp.floor):
        numerator, denominator = sp.fraction(sp.together(expr.args[0]))
        if denominator.is_Integer:
            return floored(extent_of(numerator, dimension), int(denominator))
    raise UnsupportedExpression(
        f"the length {short(expr)} is no integer expression; lengths are made of integers, symbols, +, -, * and floor"
    )
