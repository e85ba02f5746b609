"""Which names and entries statements read and write, and which places are the same for all samples."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from symbackprop.lower.program import (
    Accumulate,
    Assign,
    Effect,
    Expr,
    For,
    Item,
    Ref,
    Statement,
    operands_of,
    with_operands,
)


def accesses(statements: Iterable[Statement], written: bool = True) -> Iterator[tuple[str, tuple[Expr, ...]]]:
    """The entries that statements read, and write, with their places."""
    for statement in statements:
        if isinstance(statement, For):
            yield from accesses(statement.body, written)
        elif isinstance(statement, Assign | Accumulate):
            yield from items_of(statement.value)
            if written:
                yield from items_of(statement.target)


def items_of(expr: Expr) -> Iterator[tuple[str, tuple[Expr, ...]]]:
    stack = [expr]
    while stack:
        item = stack.pop()
        if isinstance(item, Item):
            yield item.array, item.place
        stack.extend(operands_of(item))


def is_shared(place: tuple[Expr, ...], varying: set[str]) -> bool:
    """Whether a place is the same for all samples, where these names are not."""
    return not any(names_of(item) & varying or _reads_memory(item) for item in place)


def _reads_memory(expr: Expr) -> bool:
    return isinstance(expr, Item) or any(map(_reads_memory, operands_of(expr)))


def names_of(expr: Expr) -> set[str]:
    found: set[str] = set()
    stack = [expr]
    while stack:
        item = stack.pop()
        if isinstance(item, Ref):
            found.add(item.name)
        elif isinstance(item, Item):
            found.add(item.array)
        stack.extend(operands_of(item))
    return found


def touched(statement: Statement) -> tuple[set[str], set[str]]:
    """The names that a statement reads, and those that it writes."""
    match statement:
        case For(_, extent, body):
            reads, writes = names_of(extent) | names_of(statement.start), set()
            for inner in body:
                more, written = touched(inner)
                reads |= more
                writes |= written
            return reads, writes
        case Assign(target, value) | Accumulate(target, value):
            places = names_of(target) - {target.array} if isinstance(target, Item) else set()
            own = target.array if isinstance(target, Item) else next(iter(names_of(target)))
            return names_of(value) | places, {own}
        case Effect(value):
            names = names_of(value)
            return names, names
    names = set()
    stack: list[object] = list(statement)
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            names.add(item)
        elif isinstance(item, tuple):
            stack.extend(item)
    return names, names


class Rows(NamedTuple):
    """What stands in the place of arrays of all samples, in the turn of one."""

    counter: str
    private: set[str]
    """Arrays of which each sample has a row of its own, or a number."""
    copied: dict[str, str]
    """Arrays of which a turn has a copy of its row, and that."""
    varying: set[str]
    """Names that are not the same for all samples."""

    def rewritten(self, statement: Statement) -> Statement:
        """A statement over these rows."""
        if isinstance(statement, For):
            body = tuple(map(self.rewritten, statement.body))
            return statement._replace(extent=self._expr(statement.extent), body=body)
        if isinstance(statement, Assign | Accumulate):
            target = self._expr(statement.target)
            assert isinstance(target, Ref | Item)
            return statement._replace(target=target, value=self._expr(statement.value))
        return statement

    def _expr(self, expr: Expr) -> Expr:
        inner = operands_of(expr)
        made = with_operands(expr, tuple(map(self._expr, inner))) if inner else expr
        if isinstance(made, Item) and made.place[:1] == (Ref(self.counter),):
            if made.array in self.private:
                return Item(made.array, made.place[1:]) if len(made.place) > 1 else Ref(made.array)
            if made.array in self.copied and is_shared(made.place[1:], self.varying):
                return Item(self.copied[made.array], made.place[1:])
        return made
