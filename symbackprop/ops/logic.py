"""Comparisons and Boolean connectives: conditions, never summands; their derivative is nothing."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from symbackprop.ops.row import Op, Spelling, call, infix


class UndecidedError(ArithmeticError):
    """Two balls overlap: whether one number is below the other takes more digits to say."""


def _certain(holds: Callable[..., Any], fails: Callable[..., Any]) -> Callable[..., bool]:
    """A comparison of balls: whether it holds for all their numbers, or for none."""

    def compare(x: Any, y: Any) -> bool:
        if holds(x, y):
            return True
        if fails(x, y):
            return False
        raise UndecidedError

    return compare


def _comparison(
    name: str, sympy: tuple[str, ...], symbol: str, mpmath: Callable[..., Any], opposite: Callable[..., Any]
) -> Op:
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
        ball=_certain(mpmath, opposite),
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
        ball=mpmath,
        result="bool",
        analytic=False,
        operands="bool",
        commutative=arity == 2,
    )


ROWS = (
    _comparison("lt", ("StrictLessThan",), "<", operator.lt, operator.ge),
    _comparison("le", ("LessThan",), "<=", operator.le, operator.gt),
    _comparison("gt", ("StrictGreaterThan",), ">", operator.gt, operator.le),
    _comparison("ge", ("GreaterThan",), ">=", operator.ge, operator.lt),
    _comparison("eq", ("Equality",), "==", operator.eq, operator.ne),
    _comparison("ne", ("Unequality",), "!=", operator.ne, operator.eq),
    _connective("logical_and", "x and y", 2, infix("and"), call("np.logical_and"), lambda x, y: x and y),
    _connective("logical_or", "x or y", 2, infix("or"), call("np.logical_or"), lambda x, y: x or y),
    _connective("logical_xor", "exactly one of two", 2, infix("!="), call("np.logical_xor"), lambda x, y: x != y),
    _connective("logical_not", "not x", 1, infix("not"), call("np.logical_not"), lambda x: not x),
)
