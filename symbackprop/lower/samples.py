"""One loop over samples instead of many.

What is lowered for a batch is a row of loops over its samples, with products of matrices between them, each of which
reads what the one before has written, N rows long. Where a sample reads nothing of other samples but sums over all, the
loops are one: a sample goes all the way forward and back while what it needs is in the cache, and arrays of N rows that
only it reads shrink to a row. Products become loops inside; so this is for models small enough that no BLAS would gain.

Programs are single-assignment here: an array is written by one loop, or summed up by one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from symbackprop.lower.lanes import SUMMED, calls_a_library
from symbackprop.lower.places import Rows, accesses, is_shared, items_of, names_of, touched
from symbackprop.lower.product_loops import Namer, Shapes, number_of, opened, product_of
from symbackprop.lower.program import (
    Accumulate,
    Allocate,
    Assign,
    Expr,
    For,
    Invoke,
    Item,
    Literal,
    Ref,
    Section,
    Statement,
    length_of,
    runs_seldom,
)

FEWEST = 64
"""Turns of a loop of known length, from which on it may be one over samples."""
MOST_SUMMED = 512
"""Entries of all sums over samples: in eight lanes they take 32 kB, a first-level cache."""


def over_samples(
    statements: list[Statement],
    allocations: list[Statement],
    shapes: Shapes,
    results: set[str],
    counters: list[str],
    name: Namer,
) -> tuple[list[Statement], list[Statement]] | None:
    """Statements and allocations with the loops over samples fused; None where they stay as they are.

    `counters` are the names of loop counters by depth, three at least; `name` makes a new name.
    """
    length = _samples(statements)
    if length is None:
        return None
    own = {s.name for s in allocations if isinstance(s, Allocate)} - results
    fused = _Fused(counters[0], length, _works_inside(statements, length, shapes, own))
    for statement in statements:
        loops = opened(statement, shapes, length, counters, name, own if fused.open else set())
        if loops is None or (not fused.take(statement, loops) and loops[0] is not statement and _is_unknown(loops)):
            return None
    if fused.loops < 2 or not fused.is_safe(shapes):
        return None
    return _written(fused, allocations, shapes, results, counters, name)


def _samples(statements: list[Statement]) -> Expr | None:
    """The length that the deepest loops of unknown length run over, or else most of them, if it is a dimension or a
    large number.
    """
    loops = [s for s in statements if isinstance(s, For) and not runs_seldom(s)]
    loops = [loop for loop in loops if (number_of(loop.extent) or FEWEST) >= FEWEST]
    lengths = [loop.extent for loop in loops]
    depths: dict[Expr, int] = {}
    for loop in loops:
        depths[loop.extent] = max(depths.get(loop.extent, 0), _unknown_depth(loop.body))
    return max(lengths, key=lambda length: (depths[length], lengths.count(length)), default=None)


def _works_inside(statements: list[Statement], length: Expr, shapes: Shapes, own: set[str]) -> bool:
    """Whether a sample takes loops of unknown length over more axes than it reads or writes outside its turn, where
    lanes of samples are far apart: a mixture of Gaussians, but not a softmax of rows.
    """
    depth = apart = 0
    for loop in statements:
        if isinstance(loop, For) and loop.extent == length and _Turn(loop.counter, True).read(loop.body):
            depth = max(depth, _unknown_depth(loop.body))
            for array, place in accesses(loop.body):
                if array not in own and place[:1] == (Ref(loop.counter),):
                    apart = max(apart, sum(number_of(extent) is None for extent in shapes.get(array, ())[1:]))
    return depth > apart


def _unknown_depth(statements: Iterable[Statement]) -> int:
    loops = [s for s in statements if isinstance(s, For)]
    return max([_unknown_depth(s.body) + (number_of(length_of(s)) is None) for s in loops], default=0)


def _is_unknown(loops: list[Statement]) -> bool:
    """Whether a loop over samples has loops of unknown length inside."""
    return isinstance(loops[-1], For) and _unknown_depth(loops[-1].body) > 0


# Fusing.


@dataclass(slots=True)
class _Fused:
    """The loop, and what stands before and behind it."""

    counter: str
    length: Expr
    open: bool
    """Whether loops of unknown length may stand inside."""
    products: int = 0
    """Products of known size that became loops inside."""
    before: list[Statement] = field(default_factory=list)
    body: list[Statement] = field(default_factory=list)
    after: list[Statement] = field(default_factory=list)
    loops: int = 0
    rows: set[str] = field(default_factory=set)
    """Arrays that the loop writes, a row a sample."""
    sums: set[str] = field(default_factory=set)
    own: set[str] = field(default_factory=set)
    """Numbers that a turn assigns."""
    late: set[str] = field(default_factory=set)
    """What is written behind the loop."""

    def take(self, statement: Statement, loops: list[Statement]) -> bool:
        """Place a statement, and say whether it joined the loop; `loops` are what it is as a loop over samples, after
        what that loop starts from.
        """
        *first, loop = loops
        if isinstance(statement, Section):
            (self.after or self.body or self.before).append(statement)
            return False
        reads, writes = touched(statement)
        if isinstance(loop, For) and self._is_whole(loop) and self._joins(loop):
            self.loops += 1
            self.products += loop is not statement and not _is_unknown(loops)
            self.before += first
            self.body += loop.body
            return True
        if reads & (self.rows | self.sums | self.own | self.late) or writes & (self.sums | self.rows):
            self.after.append(statement)
            self.late |= writes
        else:
            self.before.append(statement)
        return False

    def _is_whole(self, loop: For) -> bool:
        return loop.extent == self.length and loop.start == Literal(0)

    def _joins(self, loop: For) -> bool:
        """Whether a loop does for each sample what only that sample, and sums so far, allow; if so it is noted."""
        found = _Turn(self.counter, self.open)
        if not found.read(loop.body):
            return False
        reads, _ = touched(loop)
        if reads & (self.sums | self.late | found.sums) or found.sums & (self.rows | self.own):
            return False
        everything = self.rows | found.rows
        if any(name in everything and not found.is_own(place) for name, place in found.items):
            return False
        self.rows |= found.rows
        self.sums |= found.sums
        self.own |= found.own
        return True

    def is_safe(self, shapes: Shapes) -> bool:
        """Whether the sums fit the first-level cache, where BLAS would do as well otherwise."""
        if not self.products:
            return True
        total = 0
        for name in self.sums:
            size = product_of(number_of(extent) for extent in shapes.get(name, ()))
            if not size:
                return False
            total += size
        return total <= MOST_SUMMED


class _Turn:
    """What one turn of a loop reads and writes."""

    def __init__(self, counter: str, is_open: bool) -> None:
        self.counter, self.open = counter, is_open
        self.rows: set[str] = set()
        self.sums: set[str] = set()
        self.own: set[str] = set()
        self.before: set[str] = set()
        """What is read that the turn has not assigned: that of the turn before, if it is assigned later."""
        self.items: list[tuple[str, tuple[Expr, ...]]] = []

    def read(self, statements: Iterable[Statement]) -> bool:
        """Whether all statements are of a kind that can be fused."""
        return all(self._read(statement) for statement in statements)

    def _read(self, statement: Statement) -> bool:
        match statement:
            case Section():
                return True
            case For(_, extent, body):
                self._look(extent)
                length = length_of(statement)
                inside = self.open or isinstance(length, Literal)
                return inside and self._is_shared((length, statement.start)) and self.read(body)
            case Assign(_, value) | Accumulate(_, value, _, _) if calls_a_library(value):
                return False
            case Assign(target, value):
                self._look(value)
                if isinstance(target, Ref):
                    self.own.add(target.name)
                    return not isinstance(value, Invoke) and target.name not in self.before
                return isinstance(target, Item) and self._row(target)
            case Accumulate(target, value, _, symbol):
                self._look(value)
                if isinstance(target, Ref):
                    if target.name not in self.own:
                        self.sums.add(target.name)
                    return symbol in SUMMED or target.name in self.own
                if not isinstance(target, Item):
                    return False
                if target.place[:1] == (Ref(self.counter),):
                    return self._row(target)
                self.sums.add(target.array)
                return symbol in SUMMED and self._is_shared(target.place)
        return False

    def _look(self, value: Expr) -> None:
        self.items += items_of(value)
        self.before |= names_of(value) - self.own

    def is_own(self, place: tuple[Expr, ...]) -> bool:
        """Whether a place is in the row of the sample, and the same in all rows."""
        return place[:1] == (Ref(self.counter),) and self._is_shared(place[1:])

    def _is_shared(self, place: tuple[Expr, ...]) -> bool:
        return is_shared(place, {self.counter, *self.own})

    def _row(self, target: Item) -> bool:
        self.rows.add(target.array)
        self.items.append((target.array, target.place))
        return target.place[:1] == (Ref(self.counter),)


# The loop as it is written.


def _written(
    fused: _Fused,
    allocations: list[Statement],
    shapes: Shapes,
    results: set[str],
    counters: list[str],
    name: Namer,
) -> tuple[list[Statement], list[Statement]]:
    outside: set[str] = set(results)
    for statement in [*fused.before, *fused.after]:
        outside |= set().union(*touched(statement))
    filled = {s.name for s in allocations if isinstance(s, Allocate) and s.fill is not None}
    private = fused.rows - outside - filled
    copies, copied = _copies(fused, shapes, counters, name)
    rows = Rows(fused.counter, private, copied, {fused.counter, *fused.own})
    body = [*copies, *map(rows.rewritten, fused.body)]
    arrays = {row: shapes[row][1:] for row in private if len(shapes[row]) > 1}
    made: list[Statement] = []
    for statement in allocations:
        if isinstance(statement, Allocate) and statement.name in private:
            if statement.name in arrays:
                made.append(statement._replace(extents=arrays[statement.name]))
        elif isinstance(statement, Allocate) and statement.name in fused.sums and statement.fill is None:
            made.append(statement._replace(fill=0))
        else:
            made.append(statement)
    made += [Allocate(copy, shapes[array][1:]) for array, copy in copied.items()]
    local = (*sorted(arrays), *copied.values())
    loop = For(fused.counter, fused.length, tuple(body), True, local)
    return [*fused.before, loop, *fused.after], made


def _copies(fused: _Fused, shapes: Shapes, counters: list[str], name: Namer) -> tuple[list[Statement], dict[str, str]]:
    """Rows of inputs that a turn reads, brought together once: entry by entry they are far apart in lanes."""
    copied: dict[str, str] = {}
    statements: list[Statement] = []
    for array, place in accesses(fused.body, written=False):
        if array in fused.rows or array in copied or place[:1] != (Ref(fused.counter),) or array not in shapes:
            continue
        if not is_shared(place[1:], {fused.counter, *fused.own}):
            continue
        if len(shapes[array]) != 2 or not 2 <= (number_of(shapes[array][1]) or MOST_SUMMED) <= MOST_SUMMED:
            continue
        copied[array] = name(f"{array}_row")
        inner = Ref(counters[1])
        entry = Assign(Item(copied[array], (inner,)), Item(array, (Ref(fused.counter), inner)))
        statements.append(For(inner.name, shapes[array][1], (entry,)))
    return statements, copied
