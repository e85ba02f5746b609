"""Cut a big straight-line function into parts, so that no compiler meets one of superlinear cost.

Numba's time on one function grows faster than linearly from some hundred statements on. Parts are functions of the
arguments that they read and of one work array, which holds every value that crosses from one part into another.
"""

from __future__ import annotations

from symbackprop.lower.program import (
    Allocate,
    Apply,
    Assign,
    Call,
    Cast,
    Expr,
    Fill,
    Function,
    Item,
    Measure,
    Ref,
    Section,
    Statement,
    Total,
)

# Statements of one part, by target.
PART = {"numba": 200, "numpy": 2000, "python": 2000}
WORK = "work"


def split(function: Function, part: int) -> list[Function]:
    """The function as parts and a driver; unchanged in a list of its own if it is short or has loops."""
    body = function.body
    doors = [s for s in body if isinstance(s, Cast | Measure | Allocate)]
    straight = [s for s in body if not isinstance(s, Cast | Measure | Allocate)]
    if len(straight) <= 2 * part or not all(isinstance(s, Assign | Section) for s in straight):
        return [function]
    chunks: list[list[Statement]] = [list(straight[start : start + part]) for start in range(0, len(straight), part)]
    slots = _crossing(function, chunks)
    parts = []
    calls: list[Statement] = []
    arrays = [s.name for s in doors if isinstance(s, Allocate | Measure)]
    for number, chunk in enumerate(chunks, 1):
        rewritten = [_rewrite(statement, slots) for statement in chunk]
        used = _names(rewritten)
        parameters = [name for name in (*function.parameters, *arrays, WORK) if name in used]
        name = f"_{function.name}_part_{number}"
        parts.append(Function(name, parameters, rewritten, part=True))
        calls.append(Call(name, tuple(parameters)))
    driver = Function(
        function.name,
        function.parameters,
        [*doors, Allocate(WORK, (len(slots),)), *calls],
        [_substitute(result, slots) for result in function.values],
        [_substitute(result, slots) for result in function.leaves] if function.leaves is not None else None,
        function.bare_value,
        function.bare_leaf,
    )
    return [*parts, driver]


def _crossing(function: Function, chunks: list[list[Statement]]) -> dict[str, Item]:
    """A place in the work array for each name that another part, or the result, reads."""
    defined: dict[str, int] = {}
    slots: dict[str, Item] = {}
    for number, chunk in enumerate(chunks):
        for statement in chunk:
            if isinstance(statement, Assign):
                for name in _expression_names(statement.value):
                    if defined.get(name, number) != number and name not in slots:
                        slots[name] = Item(WORK, len(slots))
                if isinstance(statement.target, Ref):
                    defined[statement.target.name] = number
    for result in function.results:
        for name in _expression_names(result):
            if name in defined and name not in slots:
                slots[name] = Item(WORK, len(slots))
    return slots


def _rewrite(statement: Statement, slots: dict[str, Item]) -> Statement:
    if not isinstance(statement, Assign):
        return statement
    target = (
        slots.get(statement.target.name, statement.target) if isinstance(statement.target, Ref) else statement.target
    )
    return Assign(target, _substitute(statement.value, slots), statement.note)


def _substitute(expr: Expr, slots: dict[str, Item]) -> Expr:
    kind = type(expr)
    if kind is Ref:
        return slots.get(expr.name, expr)  # type: ignore[union-attr]
    if kind is Apply:
        return Apply(expr.op, tuple([_substitute(operand, slots) for operand in expr.operands]))  # type: ignore[union-attr]
    if kind is Total:
        return Total(_substitute(expr.operand, slots))  # type: ignore[union-attr]
    if kind is Fill:
        return Fill(_substitute(expr.operand, slots), expr.extent)  # type: ignore[union-attr]
    return expr


def _expression_names(expr: Expr) -> list[str]:
    names: list[str] = []
    stack = [expr]
    while stack:
        item = stack.pop()
        if isinstance(item, Ref):
            names.append(item.name)
        elif isinstance(item, Item):
            names.append(item.array)
        elif isinstance(item, Apply):
            stack.extend(item.operands)
        elif isinstance(item, Total | Fill):
            stack.append(item.operand)
            if isinstance(item, Fill):
                names.append(item.extent)
    return names


def _names(statements: list[Statement]) -> set[str]:
    used: set[str] = set()
    for statement in statements:
        if isinstance(statement, Assign):
            used.update(_expression_names(statement.value))
            used.update(_expression_names(statement.target))
    return used
