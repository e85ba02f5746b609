"""Comparisons and Boolean connectives: conditions, never summands; their derivative is nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from symbackprop.ops.row import Op, Spelling, call, infix


def _comparison(name: str, sympy: tuple[str, ...], symbol: str, mpmath: Callable[..., Any]) -> Op:
    return Op(
        name=name,
        doc=f"x {symbol} y",
        arity=2,
        partials=(None, None),
        sympy=sympy,
        python=infix(symbol),
        numpy=infix(symbol),
        numba=infix(symbol),
        mpmath=mpmath,
        result="bool",
        commutative=symbol in ("==", "!="),
        analytic=False,
        domain=((-3, 3), (-3, 3)),
    )


def _connective(name: str, doc: str, arity: int, python: Spelling, numpy: Spelling, mpmath: Callable[..., Any]) -> Op:
    return Op(
        name=name,
        doc=doc,
        arity=arity,
        partials=(None,) * arity,
        python=python,
        numpy=numpy,
        numba=python,
        mpmath=mpmath,
        result="bool",
        analytic=False,
        operands="bool",
        commutative=arity == 2,
    )


ROWS = (
    _comparison("lt", ("StrictLessThan",), "<", lambda x, y: x < y),
    _comparison("le", ("LessThan",), "<=", lambda x, y: x <= y),
    _comparison("gt", ("StrictGreaterThan",), ">", lambda x, y: x > y),
    _comparison("ge", ("GreaterThan",), ">=", lambda x, y: x >= y),
    _comparison("eq", ("Equality",), "==", lambda x, y: x == y),
    _comparison("ne", ("Unequality",), "!=", lambda x, y: x != y),
    _connective("logical_and", "x and y", 2, infix("and"), call("np.logical_and"), lambda x, y: x and y),
    _connective("logical_or", "x or y", 2, infix("or"), call("np.logical_or"), lambda x, y: x or y),
    _connective("logical_xor", "exactly one of two", 2, infix("!="), call("np.logical_xor"), lambda x, y: x != y),
    _connective("logical_not", "not x", 1, infix("not"), call("np.logical_not"), lambda x: not x),
)
