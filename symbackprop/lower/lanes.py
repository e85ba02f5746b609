"""Which loops may run several turns at once, one in each lane of a vector register.

Such a loop has no loop inside. What its turns write are entries of their own, at the loop's counter, of arrays that no
turn reads elsewhere; sums over its turns are kept a lane, and added up behind the loop. Names that a turn assigns are
not read before, nor behind.
"""

from __future__ import annotations

from collections.abc import Iterator

from symbackprop.lower.program import (
    EXTREMES,
    Accumulate,
    Allocate,
    Apply,
    Assign,
    Break,
    Call,
    Effect,
    Expr,
    For,
    Function,
    Item,
    Literal,
    Ref,
    Section,
    Statement,
    length_of,
    operands_of,
)

SHORTEST = 4
"""Loops of fewer turns are not worth a register."""
SUMMED = frozenset({"+", *EXTREMES})
"""Accumulations that may be one a lane, and brought together behind the loop."""


def in_lanes(function: Function) -> Function:
    """The function, with such loops marked."""
    if not any(isinstance(statement, For) for statement in function.body):
        return function
    read_outside = _Readers(function)
    function.body[:] = [_marked(statement, read_outside) for statement in function.body]
    return function


class _Readers:
    """How often each name is read, in a function and in its loops."""

    def __init__(self, function: Function) -> None:
        self.everywhere: dict[str, int] = {}
        for expr in _expressions(function.body):
            self._count(expr, self.everywhere)
        for result in function.results:
            self._count(result, self.everywhere)

    @staticmethod
    def _count(expr: Expr, counts: dict[str, int]) -> None:
        for item in _parts(expr):
            if isinstance(item, Ref):
                counts[item.name] = counts.get(item.name, 0) + 1

    def only_in(self, names: set[str], loop: For) -> bool:
        """Whether nothing outside a loop reads these names."""
        inside: dict[str, int] = {}
        for expr in _expressions(loop.body):
            self._count(expr, inside)
        return all(self.everywhere.get(name, 0) == inside.get(name, 0) for name in names)


def _marked(statement: Statement, readers: _Readers) -> Statement:
    if not isinstance(statement, For) or statement.lanes:
        return statement
    if _fits(statement, readers):
        return statement._replace(lanes=True)
    return statement._replace(body=tuple([_marked(inner, readers) for inner in statement.body]))


def _fits(loop: For, readers: _Readers) -> bool:
    length = length_of(loop)
    if isinstance(length, Literal) and isinstance(length.number, int) and length.number < SHORTEST:
        return False
    if not all(isinstance(s, Assign | Accumulate | Section) for s in loop.body):
        return False
    own: set[str] = set()
    sums: dict[str, str] = {}
    written: dict[str, tuple[Expr, ...]] = {}
    for statement in loop.body:
        if isinstance(statement, Section):
            continue
        assert isinstance(statement, Assign | Accumulate)
        target = statement.target
        if isinstance(target, Ref):
            if isinstance(statement, Accumulate):
                if statement.symbol not in SUMMED or sums.setdefault(target.name, statement.symbol) != statement.symbol:
                    return False
            elif target.name in own:
                return False
            else:
                own.add(target.name)
        elif not isinstance(target, Item) or not _is_own(target, loop.counter, written):
            return False
    return not own & sums.keys() and readers.only_in(own, loop) and _reads_its_own(loop, own, set(sums), written)


def _is_own(target: Item, counter: str, written: dict[str, tuple[Expr, ...]]) -> bool:
    """Whether every turn has an entry of its own there, and the array is written nowhere else."""
    at_counter = [place == Ref(counter) for place in target.place]
    if at_counter.count(True) != 1 or any(_mentions(p, counter) for p in target.place if p != Ref(counter)):
        return False
    return written.setdefault(target.array, target.place) == target.place


def _reads_its_own(loop: For, own: set[str], sums: set[str], written: dict[str, tuple[Expr, ...]]) -> bool:
    """Whether turns read nothing that other turns write."""
    known: set[str] = set()
    for statement in loop.body:
        if not isinstance(statement, Assign | Accumulate):
            continue
        read = [statement.value, *(statement.target.place if isinstance(statement.target, Item) else ())]
        if not all(_reads_alone(item, own - known, sums, written) for expr in read for item in _parts(expr)):
            return False
        if isinstance(statement.target, Ref):
            if isinstance(statement, Assign) and isinstance(statement.value, Ref) and statement.value.name in written:
                return False
            known.add(statement.target.name)
    return True


def _reads_alone(item: Expr, unknown: set[str], sums: set[str], written: dict[str, tuple[Expr, ...]]) -> bool:
    match item:
        case Ref(name):
            return name not in sums and name not in written and name not in unknown
        case Item(array, place):
            return written.get(array, place) == place
        case Apply(op, _):
            return op.elementwise
    return isinstance(item, Literal)


def calls_a_library(expr: Expr) -> bool:
    """Whether a function of matrices is in it, which takes one matrix at a time: lanes have their entries apart."""
    return any(isinstance(item, Apply) and not item.op.elementwise for item in _parts(expr))


def _mentions(expr: Expr, name: str) -> bool:
    return any(item == Ref(name) for item in _parts(expr))


def _parts(expr: Expr) -> Iterator[Expr]:
    """An expression, and all inside it."""
    stack = [expr]
    while stack:
        item = stack.pop()
        yield item
        stack.extend(operands_of(item))


def _expressions(statements: tuple[Statement, ...] | list[Statement]) -> Iterator[Expr]:
    """What statements read."""
    for statement in statements:
        match statement:
            case For(_, extent, body):
                yield extent
                yield statement.start
                yield from _expressions(body)
            case Assign(target, value) | Accumulate(target, value):
                yield value
                if isinstance(target, Item):
                    yield from target.place
                elif isinstance(statement, Accumulate):
                    yield target
            case Effect(value) | Break(value):
                yield value
            case Allocate(_, extents):
                yield from extents
            case Call(_, arguments):
                yield from map(Ref, arguments)
