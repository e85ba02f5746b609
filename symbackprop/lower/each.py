"""A function of numbers as one over arrays of them: a loop around its body.

The names that it makes up hold a space, which no name of a program does.
"""

from __future__ import annotations

from symbackprop.lower.doors import DOORS, INPUTS
from symbackprop.lower.lanes import in_lanes
from symbackprop.lower.program import (
    Accumulate,
    Allocate,
    Assign,
    Cast,
    Expr,
    For,
    Function,
    Item,
    Literal,
    Measure,
    Program,
    Receive,
    Ref,
    Require,
    Section,
    Statement,
    Subscript,
    operands_of,
    with_operands,
)

_LENGTH, _COUNTER = "all entries", "this entry"


def each(program: Program, name: str) -> Program:
    """The program with one more function, `name` with the suffix ``_each``.

    It takes a 1-D array for every real number, all of one length, and lengths and what is packed as they are; it
    returns an array for every result, with an axis of entries in front.
    """
    functions = {function.name: function for function in program.functions}
    function = functions[name]
    body: list[Statement] = []
    for statement in function.body:
        body += functions[INPUTS].body if isinstance(statement, Receive) else [statement]
    casts = [s for s in body if isinstance(s, Cast)]
    columns = [cast for cast in casts if cast.length is None and cast.dtype == "real"]
    doors: list[Statement] = [
        cast._replace(name=_column(cast.name), rank=1) if cast in columns else cast for cast in casts
    ]
    first = _column(columns[0].name)
    doors.append(Measure(_LENGTH, first, 0, Literal(0)))
    doors += [Require(_column(cast.name), (Ref(_LENGTH),), "that of the others") for cast in columns[1:]]
    inner: list[Statement] = [s for s in body if not isinstance(s, DOORS)]
    loop, arrays = _loop(function, inner, [cast.name for cast in columns])
    made = Function(
        f"{name}_each",
        [s.name for s in doors if isinstance(s, Cast)],
        [*doors, *arrays, loop],
        [Ref(_column(f"result {position}")) for position in range(len(function.results))],
        bare_value=False,
    )
    return Program([*program.functions, in_lanes(made)])


def _column(name: str) -> str:
    return f"all {name}"


def _loop(function: Function, body: list[Statement], arguments: list[str]) -> tuple[Statement, list[Statement]]:
    """The loop over all entries, and the arrays of results, which it fills."""
    counter = Ref(_COUNTER)
    own = {s.name: s for s in body if isinstance(s, Allocate)}
    turn: list[Statement] = [Assign(Ref(name), Item(_column(name), (counter,))) for name in arguments]
    last: list[Statement] = []
    arrays: list[Statement] = []
    rows: dict[str, str] = {}
    for position, result in enumerate(function.results):
        column = _column(f"result {position}")
        allocated = own.get(result.name) if isinstance(result, Ref) else None
        extents: tuple[Expr, ...] = allocated.extents if allocated is not None else ()
        arrays.append(Allocate(column, (Ref(_LENGTH), *extents), allocated.fill if allocated is not None else None))
        if allocated is None:
            last.append(Assign(Item(column, (counter,)), result))
        elif allocated.name in rows:
            last.append(_copied(column, allocated))
        else:
            # An array of results is a row of the array of all of them.
            rows[allocated.name] = column
    rest: list[Statement] = [s for s in body if not (isinstance(s, Allocate) and s.name in rows)]
    if all(isinstance(s, Assign | Accumulate | Section) for s in rest):
        rest = [_in_row(s, rows) for s in rest]
        last = [_in_row(s, rows) for s in last]
    else:
        turn += [Assign(Ref(name), Item(column, (counter,))) for name, column in rows.items()]
    return For(_COUNTER, Ref(_LENGTH), (*turn, *rest, *last)), arrays


def _copied(column: str, source: Allocate) -> Statement:
    """A row as a copy of another array: of two results that are one array each gets its own."""
    counters = [f"axis {axis}" for axis in range(len(source.extents))]
    place = tuple(map(Ref, counters))
    copied: Statement = Assign(Item(column, (Ref(_COUNTER), *place)), Item(source.name, place))
    for counter, extent in reversed(list(zip(counters, source.extents, strict=True))):
        copied = For(counter, extent, (copied,))
    return copied


def _in_row(statement: Statement, rows: dict[str, str]) -> Statement:
    if isinstance(statement, For):
        return statement._replace(body=tuple([_in_row(inner, rows) for inner in statement.body]))
    if isinstance(statement, Assign | Accumulate):
        target = _row(statement.target, rows)
        assert isinstance(target, Ref | Item | Subscript)
        return statement._replace(target=target, value=_row(statement.value, rows))
    return statement


def _row(expr: Expr, rows: dict[str, str]) -> Expr:
    inner = operands_of(expr)
    made = with_operands(expr, tuple([_row(operand, rows) for operand in inner])) if inner else expr
    if isinstance(made, Item) and made.array in rows:
        return Item(rows[made.array], (Ref(_COUNTER), *made.place))
    return made
