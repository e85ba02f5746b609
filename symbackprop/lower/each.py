"""A function of numbers as one over arrays of them: a loop around its body.

The names that it makes up hold a space, which no name of a program does.
"""

from __future__ import annotations

from symbackprop.lower.doors import INPUTS, DOORS
from symbackprop.lower.program import (
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
    Statement,
)

_LENGTH, _COUNTER = "all entries", "this entry"


def each(program: Program, name: str) -> Program:
    """The program with one more function, `name` with the suffix ``_each``.

    It takes a 1-D array for every number, all of one length, and what is packed as it is; it returns an array for every
    result, with an axis of entries in front.
    """
    functions = {function.name: function for function in program.functions}
    function = functions[name]
    body = [s for s in function.body if not isinstance(s, Receive)]
    if len(body) < len(function.body):
        body = [*functions[INPUTS].body, *body]
    casts = [s for s in body if isinstance(s, Cast)]
    columns = [cast for cast in casts if cast.length is None]
    doors: list[Statement] = [
        cast if cast.length is not None else cast._replace(name=_column(cast.name), rank=1) for cast in casts
    ]
    first = _column(columns[0].name)
    doors.append(Measure(_LENGTH, first, 0, Literal(0)))
    doors += [Require(_column(cast.name), (Ref(_LENGTH),), "that of the others") for cast in columns[1:]]
    inner = [s for s in body if not isinstance(s, DOORS)]
    loop, arrays = _loop(function, inner, [cast.name for cast in columns])
    made = Function(
        f"{name}_each",
        [s.name for s in doors if isinstance(s, Cast)],
        [*doors, *arrays, loop],
        [Ref(_column(f"result {position}")) for position in range(len(function.results))],
        bare_value=False,
    )
    return Program([*program.functions, made])


def _column(name: str) -> str:
    return f"all {name}"


def _loop(
    function: Function, body: list[Statement], arguments: list[str]
) -> tuple[Statement, list[Statement]]:
    """The loop over all entries, and the arrays of results, which it fills."""
    counter = Ref(_COUNTER)
    own = {s.name: s for s in body if isinstance(s, Allocate)}
    turn: list[Statement] = [Assign(Ref(name), Item(_column(name), (counter,))) for name in arguments]
    last: list[Statement] = []
    arrays: list[Statement] = []
    placed: set[str] = set()
    for position, result in enumerate(function.results):
        column = _column(f"result {position}")
        allocated = own.get(result.name) if isinstance(result, Ref) else None
        extents: tuple[Expr, ...] = allocated.extents if allocated is not None else ()
        arrays.append(Allocate(column, (Ref(_LENGTH), *extents)))
        if allocated is not None and allocated.name not in placed:
            # An array of results is a row of the array of all of them.
            placed.add(allocated.name)
            turn.append(Assign(Ref(allocated.name), Item(column, (counter,))))
        else:
            last.append(Assign(Item(column, (counter,)), result))
    rest = [s for s in body if not (isinstance(s, Allocate) and s.name in placed and s.fill is None)]
    return For(_COUNTER, Ref(_LENGTH), (*turn, *rest, *last)), arrays
