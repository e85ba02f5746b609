"""A sine beside the cosine of the same number, so that both are computed at once.

The slope of a sine is the cosine of the same number, which comes much later, among the adjoints.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from symbackprop.lower.program import (
    Apply,
    Assign,
    Expr,
    For,
    Function,
    Item,
    Ref,
    Statement,
    operands_of,
    with_operands,
)
from symbackprop.ops import REGISTRY, Op

SIN, COS = REGISTRY["sin"], REGISTRY["cos"]
PARTNERS = {SIN: COS, COS: SIN}
_SELECT = REGISTRY["select"]


def paired(function: Function) -> Function:
    """The function with such two as statements of their own, one behind the other, where the first of them stood; but
    for those that may not be computed. Loops have lanes, and what they share there LLVM finds.
    """
    if any(isinstance(statement, For) for statement in function.body):
        return function
    written = {s.target.array for s in function.body if isinstance(s, Assign) and isinstance(s.target, Item)}
    first: dict[Apply, int] = {}
    for position, statement in enumerate(function.body):
        if isinstance(statement, Assign):
            for found in _turned(statement.value, written):
                first.setdefault(found, position)
    before: dict[int, list[Statement]] = {}
    names: dict[Expr, Ref] = {}
    for one, position in first.items():
        partner = Apply(PARTNERS[one.op], one.operands)
        if partner in first and one not in names:
            for each in (one, partner):
                # No name of a user's, nor one of the compiler's, has a point.
                names[each] = Ref(f"{each.op.name}.{len(names)}")
                before.setdefault(position, []).append(Assign(names[each], each))
    body: list[Statement] = []
    for position, statement in enumerate(function.body):
        body += before.get(position, ())
        body.append(_renamed(statement, names) if names else statement)
    return replace(function, body=body)


def pair(one: Statement, other: Statement) -> dict[Op, Expr]:
    """Where the sine and the cosine go that two such statements compute; empty if these are no such two."""
    if type(one) is Assign and type(other) is Assign and type(one.value) is Apply and one.value.op in PARTNERS:
        partner = PARTNERS[one.value.op]
        if other.value == Apply(partner, one.value.operands):
            return {one.value.op: one.target, partner: other.target}
    return {}


def _turned(expr: Expr, written: set[str]) -> Iterator[Apply]:
    """The sines and cosines in an expression of what has a name, and is never written again."""
    if isinstance(expr, Apply) and expr.op in PARTNERS:
        operand = expr.operands[0]
        if isinstance(operand, Ref) or (isinstance(operand, Item) and operand.array not in written):
            yield expr
    chosen = isinstance(expr, Apply) and expr.op is _SELECT
    for operand in operands_of(expr)[:1] if chosen else operands_of(expr):
        yield from _turned(operand, written)


def _renamed(statement: Statement, names: dict[Expr, Ref]) -> Statement:
    return statement._replace(value=_replaced(statement.value, names)) if isinstance(statement, Assign) else statement


def _replaced(expr: Expr, names: dict[Expr, Ref]) -> Expr:
    if isinstance(expr, Apply) and expr in names:
        return names[expr]
    operands = operands_of(expr)
    return with_operands(expr, tuple([_replaced(operand, names) for operand in operands])) if operands else expr
