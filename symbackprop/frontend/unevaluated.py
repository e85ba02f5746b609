"""What SymPy may leave unevaluated: derivatives, substitutions, limits, memberships. They are evaluated, or refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.errors import UnsupportedExpression

if TYPE_CHECKING:
    from symbackprop.frontend.scalar import Build, Translator


def _of_matrices(expr: Any) -> bool:
    return isinstance(expr, sp.Derivative) and bool(expr.has(sp.MatrixExpr))


def _evaluated(expr: Any) -> tuple[Any, ...]:
    if _of_matrices(expr):
        return ()
    result = expr.doit()
    return () if result == expr or isinstance(result, type(expr)) else (result,)


def _evaluated_or_refused(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    if _of_matrices(expr):
        raise UnsupportedExpression("SymPy's derivatives of matrix expressions are wrong in places; write this one out")
    if not operands:
        raise UnsupportedExpression(f"SymPy leaves this {type(expr).__name__} unevaluated; evaluate it first")
    return operands[0]


def _membership(expr: Any) -> tuple[Any, ...]:
    try:
        return (expr.args[1].as_relational(expr.args[0]),)
    except (AttributeError, NotImplementedError):
        return ()


OPERANDS: dict[type, Callable[[Any], Sequence[Any]]] = {
    sp.Derivative: _evaluated,
    sp.Subs: _evaluated,
    sp.Limit: _evaluated,
    sp.Contains: _membership,
}
"""What is visited instead of their arguments."""
BUILD: dict[type, Build] = dict.fromkeys(OPERANDS, _evaluated_or_refused)
