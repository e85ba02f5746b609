"""Cut a big straight-line function into parts, so that no compiler meets one of superlinear cost.

Numba's time on one function grows faster than linearly from some hundred statements on. Parts are functions of the
arguments that they read and of one work array, which holds every value that crosses from one part into another.
"""

from __future__ import annotations

from dataclasses import replace

from symbackprop.lower.program import (
    Accumulate,
    Allocate,
    Apply,
    Assign,
    Call,
    Cast,
    Demand,
    Expr,
    For,
    Function,
    Item,
    Literal,
    Measure,
    Receive,
    Ref,
    Require,
    Section,
    Statement,
    operands_of,
    with_operands,
)

# Statements of one part, by target. Of Rosenbrock's function in 300 variables LLVM takes 0.23 s in parts of 200, 0.13 s
# in parts of 100 and of 50, 0.54 s in one.
PART = {"numba": 100, "numpy": 2000, "python": 2000}
WORK = "work"
_DOORS = (Cast, Measure, Require, Demand, Receive, Allocate)


def split(function: Function, part: int) -> list[Function]:
    """The function as parts and a driver; unchanged in a list of its own if it is short.

    Either the statements outside loops are cut, or those of each long loop; what a loop sums up stays in the driver.
    """
    doors = [s for s in function.body if isinstance(s, _DOORS)]
    straight: list[Statement] = [s for s in function.body if not isinstance(s, _DOORS)]
    arrays = [s.name for s in doors if isinstance(s, Allocate | Measure)]
    arrays += [n for s in doors if isinstance(s, Receive) for n in s.names if n not in function.parameters]
    if len(straight) > 2 * part and all(isinstance(s, Assign | Section) for s in straight):
        cut = _Cut(function.name, [*function.parameters, *arrays, WORK], part)
        calls = cut.into_parts(straight, function.results)
        return [*cut.parts, _driver(function, [*doors, _work(cut), *calls], cut.slots)]
    if not any(_is_long(s, part) for s in straight):
        return [function]
    scalars = [s.target.name for s in straight if isinstance(s, Assign) and isinstance(s.target, Ref)]
    counters = [s.counter for s in straight if isinstance(s, For)][:1]
    cut = _Cut(function.name, [*function.parameters, *arrays, *dict.fromkeys(scalars), *counters, WORK], part)
    body = [_cut_loop(cut, s) if isinstance(s, For) and _is_long(s, part) else s for s in straight]
    return [*cut.parts, replace(_driver(function, [*doors, _work(cut), *body], {}), slots=cut.slots)]


def _is_long(statement: Statement, part: int) -> bool:
    """Whether this is a loop that is worth cutting: of nothing but numbers, and so long that lanes are given up."""
    return (
        isinstance(statement, For)
        and len(statement.body) > 4 * part
        and all(isinstance(s, Assign | Accumulate | Section) for s in statement.body)
    )


def _work(cut: _Cut) -> Allocate:
    return Allocate(WORK, (Literal(len(cut.slots)),))


def _driver(function: Function, body: list[Statement], slots: dict[str, Item]) -> Function:
    return Function(
        function.name,
        function.parameters,
        body,
        [_substitute(result, slots) for result in function.values],
        [_substitute(result, slots) for result in function.leaves] if function.leaves is not None else None,
        function.bare_value,
        function.bare_leaf,
        slots=slots,
    )


def _cut_loop(cut: _Cut, loop: For) -> For:
    sums = [s for s in loop.body if isinstance(s, Accumulate)]
    calls = cut.into_parts([s for s in loop.body if not isinstance(s, Accumulate)], [s.value for s in sums])
    kept = [s._replace(value=_substitute(s.value, cut.slots)) for s in sums]
    return loop._replace(body=(*calls, *kept), lanes=False, private=())


class _Cut:
    """Parts of one function, and the places in its work array."""

    def __init__(self, name: str, outer: list[str], size: int) -> None:
        """`outer` are the names that a part may get as parameters, in order."""
        self.name, self.outer, self.size = name, outer, size
        self.parts: list[Function] = []
        self.slots: dict[str, Item] = {}

    def into_parts(self, statements: list[Statement], readers: list[Expr]) -> list[Statement]:
        """Calls of the parts that the statements become; `readers` use their names afterwards."""
        chunks = [statements[start : start + self.size] for start in range(0, len(statements), self.size)]
        read = self._cross(chunks, readers)
        calls: list[Statement] = []
        for chunk, names in zip(chunks, read, strict=True):
            rewritten = [_rewrite(statement, own, self.slots) for statement, own in zip(chunk, names, strict=True)]
            used = {name for own in names for name in own}
            if any(name in self.slots for name in used):
                used.add(WORK)
            parameters = [name for name in self.outer if name in used]
            name = f"_{self.name}_part_{len(self.parts) + 1}"
            self.parts.append(Function(name, parameters, rewritten, part=True))
            calls.append(Call(name, tuple(parameters)))
        return calls

    def _cross(self, chunks: list[list[Statement]], readers: list[Expr]) -> list[list[list[str]]]:
        """A place in the work array for each name that another part, or what comes after, reads; and for each statement
        of each part the names in it.
        """
        defined: dict[str, int] = {}
        slots = self.slots
        found = []
        for number, chunk in enumerate(chunks):
            found.append([_names(statement) for statement in chunk])
            for statement, names in zip(chunk, found[-1], strict=True):
                for name in names:
                    if defined.get(name, number) != number and name not in slots:
                        slots[name] = Item(WORK, (Literal(len(slots)),))
                if isinstance(statement, Assign) and isinstance(statement.target, Ref):
                    defined[statement.target.name] = number
        for reader in readers:
            for name in _names_in(reader):
                if name in defined and name not in slots:
                    slots[name] = Item(WORK, (Literal(len(slots)),))
        return found


def _rewrite(statement: Statement, names: list[str], slots: dict[str, Item]) -> Statement:
    if not isinstance(statement, Assign) or slots.keys().isdisjoint(names):
        return statement
    target = statement.target
    if isinstance(target, Ref):
        target = slots.get(target.name, target)
    return Assign(target, _substitute(statement.value, slots), statement.note)


def _substitute(expr: Expr, slots: dict[str, Item]) -> Expr:
    # By type, the most frequent first.
    if type(expr) is Apply:
        return Apply(expr.op, tuple([_substitute(operand, slots) for operand in expr.operands]))
    if type(expr) is Ref:
        return slots.get(expr.name, expr)
    inner = operands_of(expr)
    return with_operands(expr, tuple([_substitute(operand, slots) for operand in inner])) if inner else expr


def _names(statement: Statement) -> list[str]:
    if not isinstance(statement, Assign):
        return []
    names, target = _names_in(statement.value), statement.target
    if type(target) is Ref:
        names.append(target.name)
    else:
        names += _names_in(target)
    return names


def _names_in(expr: Expr) -> list[str]:
    names: list[str] = []
    stack = [expr]
    while stack:
        item = stack.pop()
        kind = type(item)
        if kind is Apply:
            stack.extend(item.operands)  # type: ignore[union-attr]
        elif kind is Ref:
            names.append(item.name)  # type: ignore[union-attr]
        elif kind is not Literal:
            if kind is Item:
                names.append(item.array)  # type: ignore[union-attr]
            stack.extend([operand for operand in operands_of(item) if type(operand) is not Literal])
    return names
