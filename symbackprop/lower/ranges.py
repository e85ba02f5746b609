"""Loops over no more turns than do something.

A sum over b from 0 to a - 1 arrives as one over all b, of what counts where ``a - b - 1 >= 0`` and of 0 elsewhere.
Where such a condition bounds the counter of a loop by others, and elsewhere the loop only adds zeros, or sets them
where zeros are, the loop gets the bound instead: half the turns of a triangle, three of n of a band, no
condition in any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from symbackprop.lower.program import (
    Accumulate,
    Apply,
    Assign,
    Expr,
    For,
    Item,
    Literal,
    Ref,
    Section,
    Statement,
    operands_of,
    with_operands,
)
from symbackprop.ops import REGISTRY
from symbackprop.ops.indexing import TO_REAL

_ADD, _SUB, _MUL = (REGISTRY[name] for name in ("int_add", "int_sub", "int_mul"))
_SELECT, _AND, _GE = (REGISTRY[name] for name in ("select", "logical_and", "ge"))
_ZERO = Literal(Fraction(0))


@dataclass(frozen=True, slots=True)
class Affine:
    """A sum of multiples of names, and a number."""

    terms: Mapping[str, int] = field(default_factory=dict)
    number: int = 0

    def plus(self, other: Affine, factor: int = 1) -> Affine:
        terms = dict(self.terms)
        for name, count in other.terms.items():
            terms[name] = terms.get(name, 0) + factor * count
        return Affine({name: count for name, count in terms.items() if count}, self.number + factor * other.number)

    def with_name(self, name: str, value: Affine) -> Affine:
        """Another value in the place of a name."""
        count = self.terms.get(name, 0)
        return self.plus(Affine({name: 1}), -count).plus(value, count)

    @property
    def expr(self) -> Expr:
        """As a programmer writes it: what is added before what is taken away."""
        found: Expr | None = None
        for name, count in sorted(self.terms.items(), key=lambda term: term[1] < 0):
            size = Ref(name) if abs(count) == 1 else Apply(_MUL, (Literal(abs(count)), Ref(name)))
            if found is None:
                found = size if count > 0 else Apply(_SUB, (Literal(0), size))
            else:
                found = Apply(_ADD if count > 0 else _SUB, (found, size))
        if found is None:
            return Literal(self.number)
        if not self.number:
            return found
        return Apply(_ADD if self.number > 0 else _SUB, (found, Literal(abs(self.number))))


def bounded(statements: list[Statement], zeros: set[str]) -> list[Statement]:
    """Statements with loops that have no turn that adds nothing; `zeros` are the arrays that start from zeros."""
    return [_bounded(s, zeros, {}) if isinstance(s, For) else s for s in statements]


def _bounded(statement: Statement, zeros: set[str], outer: Mapping[str, Affine]) -> Statement:
    """`outer` are the lengths of the loops around it."""
    if isinstance(statement, Assign | Accumulate):
        return statement._replace(value=_shorter(statement.value))
    if not isinstance(statement, For):
        return statement
    loop, extent = statement, affine(statement.extent)
    if extent is None:
        return loop
    for condition in _conditions(statement.body, zeros):
        loop = _with_bound(loop, condition, extent, outer)
    within = {**outer, loop.counter: extent}
    return loop._replace(body=tuple([_bounded(inner, zeros, within) for inner in loop.body]))


def _with_bound(loop: For, condition: Expr, extent: Affine, outer: Mapping[str, Affine]) -> For:
    """The loop bounded by a condition under which all of it stands, if it says where the turns begin or end."""
    least = _at_least_zero(condition)
    if least is None or abs(least.terms.get(loop.counter, 0)) != 1:
        return loop
    sign = least.terms[loop.counter]
    rest = least.plus(Affine({loop.counter: 1}), -sign)
    if sign > 0:
        start = Affine().plus(rest, -1)
        if loop.start != Literal(0) or not _never_negative(start, outer):
            return loop
        loop = loop._replace(start=start.expr)
    else:
        end = rest.plus(Affine({}, 1))
        if affine(loop.extent) != extent or not _never_negative(extent.plus(end, -1), outer):
            return loop
        loop = loop._replace(extent=end.expr)
    return loop._replace(body=tuple([_without(inner, condition) for inner in loop.body]))


def _never_negative(value: Affine, lengths: Mapping[str, Affine]) -> bool:
    """Whether a sum of counters is 0 or more in all turns."""
    for counter, length in reversed(list(lengths.items())):
        extreme = Affine() if value.terms.get(counter, 0) > 0 else length.plus(Affine({}, -1))
        value = value.with_name(counter, extreme)
    return not value.terms and value.number >= 0


# Conditions.


def _conditions(statements: tuple[Statement, ...], zeros: set[str]) -> list[Expr]:
    """The conditions without which none of these statements changes anything."""
    common: list[Expr] | None = None
    names: dict[Expr, list[Expr]] = {}
    for statement in statements:
        if isinstance(statement, Section):
            continue
        own = _conditions_of(statement, zeros, names)
        common = own if common is None else [condition for condition in common if condition in own]
    return common or []


def _conditions_of(statement: Statement, zeros: set[str], names: dict[Expr, list[Expr]]) -> list[Expr]:
    """`names` are those of numbers that are 0 without their conditions."""
    match statement:
        case For(_, _, body):
            return _conditions(body, zeros)
        case Assign(Ref() as target, value):
            names[target] = _conditions_on(value, names)
            return names[target]
        case Assign(Item(array), value) if array in zeros:
            return _conditions_on(value, names)
        case Accumulate(_, value, _, "+"):
            return _conditions_on(value, names)
    return []


def _conditions_on(value: Expr, names: dict[Expr, list[Expr]]) -> list[Expr]:
    """The conditions without which a value is 0."""
    if isinstance(value, Apply) and value.op is _SELECT and value.operands[2] == _ZERO:
        return _parts(value.operands[0])
    return names.get(value, [])


def _parts(condition: Expr) -> list[Expr]:
    """Conditions that hold together."""
    if isinstance(condition, Apply) and condition.op is _AND:
        return [part for operand in condition.operands for part in _parts(operand)]
    return [condition]


def _without(statement: Statement, condition: Expr) -> Statement:
    if isinstance(statement, For):
        return statement._replace(body=tuple([_without(inner, condition) for inner in statement.body]))
    if not isinstance(statement, Assign | Accumulate) or not _conditions_on(statement.value, {}):
        return statement
    assert isinstance(statement.value, Apply)
    mine, value, _ = statement.value.operands
    rest = [part for part in _parts(mine) if part != condition]
    if not rest:
        return statement._replace(value=value)
    together = rest[0]
    for part in rest[1:]:
        together = Apply(_AND, (together, part))
    return statement._replace(value=Apply(_SELECT, (together, value, _ZERO)))


def _shorter(expr: Expr) -> Expr:
    """An expression with the conditions on indices in it collected: i - j for (i + 1) + -1*j + -1."""
    least = _at_least_zero(expr)
    if least is not None:
        return Apply(_GE, (Apply(TO_REAL, (least.expr,)), _ZERO))
    inner = operands_of(expr)
    return with_operands(expr, tuple(map(_shorter, inner))) if inner else expr


def _at_least_zero(condition: Expr) -> Affine | None:
    """What a condition says is not negative, as a sum of names."""
    match condition:
        case Apply(op, (Apply(converted, (sum_,)), bound)) if op is _GE and converted is TO_REAL and bound == _ZERO:
            return affine(sum_)
    return None


def affine(expr: Expr) -> Affine | None:
    """An integer expression as a sum of names; None for what is none."""
    match expr:
        case Ref(name):
            return Affine({name: 1})
        case Literal(int(number)):
            return Affine({}, number)
        case Apply(op, (left, right)) if op in (_ADD, _SUB, _MUL):
            a, b = affine(left), affine(right)
            if a is None or b is None:
                return None
            if op is not _MUL:
                return a.plus(b, 1 if op is _ADD else -1)
            if a.terms and b.terms:
                return None
            return Affine().plus(a, b.number) if a.terms else Affine().plus(b, a.number)
    return None
