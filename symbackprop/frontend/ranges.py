"""Bound indices: the axes that they become, integer expressions linear in them, and how far these reach.

An index that runs from `low` to `high` is an axis. Where a bound depends on an outer index the axis covers the whole
rectangle and the sum masks what lies outside (`for j <= i`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from symbackprop.ops.extents import Extent, extent_from, minus, plus, terms_of, times


class Affine(NamedTuple):
    """A constant and integer multiples of indices."""

    terms: tuple[tuple[Axis, Extent], ...]
    constant: Extent

    def plus(self, other: Affine) -> Affine:
        total: dict[Axis, Extent] = dict(self.terms)
        for axis, coefficient in other.terms:
            total[axis] = plus(total.get(axis, 0), coefficient)
        kept = [(axis, coefficient) for axis, coefficient in total.items() if coefficient != 0]
        return Affine(tuple(sorted(kept, key=lambda term: term[0].depth)), plus(self.constant, other.constant))

    def scaled(self, by: Extent) -> Affine:
        if by == 0:
            return fixed(0)
        return Affine(
            tuple((axis, times(coefficient, by)) for axis, coefficient in self.terms), times(self.constant, by)
        )

    def minus(self, other: Affine) -> Affine:
        return self.plus(other.scaled(-1))


def fixed(extent: Extent) -> Affine:
    """An integer that depends on no index."""
    return Affine((), extent)


@dataclass(eq=False, slots=True)
class Axis:
    """An index bound by a sum: it runs from `low` to `high`, and its axis from `start` over `length` values."""

    symbol: Any
    depth: int
    low: Affine
    high: Affine
    start: Extent = 0
    length: Extent = 0
    besides: tuple[Affine, ...] = ()
    """What else is not negative between the bounds, where these are a Max or Min of several."""

    @property
    def ragged(self) -> bool:
        """Whether the axis holds values that are not between the bounds."""
        return bool(self.low.terms or self.high.terms or self.besides)

    def inside(self) -> tuple[Affine, ...]:
        """What is not negative where the index is between bounds that depend on outer ones."""
        here = Affine(((self, 1),), 0)
        below = (here.minus(self.low),) if self.low.terms else ()
        above = (self.high.minus(here),) if self.high.terms else ()
        return below + above + self.besides


def index_of(axis: Axis) -> Affine:
    return Affine(((axis, 1),), 0)


@dataclass(frozen=True, eq=False, slots=True)
class Inequalities:
    """What holds in a scope: none of these is negative."""

    of: tuple[Affine, ...]


@dataclass(frozen=True, eq=False, slots=True)
class Condition:
    """What holds in an arm of a Piecewise: a condition, met in the given scope, is true, or is false."""

    expr: Any
    scope: Scope
    truth: bool


Guard = Inequalities | Condition


@dataclass(eq=False, slots=True)
class Scope:
    """Which indices are bound, to an axis or to another expression, and what is known to hold."""

    bound: dict[Any, Affine] = field(default_factory=dict)
    guards: tuple[Guard, ...] = ()
    depth: int = 0
    mask: int = 0
    """The bits of the bound symbols (see `survey`)."""
    _keys: dict[int, tuple[Any, ...]] = field(default_factory=dict)

    def key(self, mask: int, guarded: bool) -> tuple[Any, ...]:
        """What an expression that uses the symbols of these bits depends on in this scope."""
        code = mask * 2 + guarded
        known = self._keys.get(code)
        if known is None:
            own = tuple(bound for bit, bound in self._bits() if bit & mask)
            known = self._keys[code] = (*own, *self.guards) if guarded else own
        return known

    def _bits(self) -> Iterable[tuple[int, Affine]]:
        return [(self.bit[symbol], bound) for symbol, bound in self.bound.items()]

    bit: dict[Any, int] = field(default_factory=dict)

    def binding(self, symbol: Any, bit: int, to: Affine) -> Scope:
        """This scope with one more symbol bound; an outer one of the same name is hidden."""
        bound = {other: meant for other, meant in self.bound.items() if other != symbol}
        bits = {**self.bit, symbol: bit}
        return Scope({**bound, symbol: to}, self.guards, self.depth + 1, self.mask | bit, bit=bits)

    def under(self, *guards: Guard) -> Scope:
        """This scope, where more is known to hold."""
        return Scope(self.bound, (*self.guards, *guards), self.depth, self.mask, bit=self.bit)


ROOT = Scope()

Limits = Mapping[Axis, tuple[Affine, Affine]]


def sign(extent: Extent) -> int | None:
    """1 where an extent is not negative whatever its dimensions are, -1 where it is not positive, None if unknown.

    >>> sign("N"), sign(plus("N", -1)), sign(times("N", -2))
    (1, None, -1)
    """
    counts = terms_of(extent).values()
    if all(count >= 0 for count in counts):
        return 1
    return -1 if all(count <= 0 for count in counts) else None


def nonnegative(extent: Extent) -> bool:
    """Whether an extent is not negative whatever its dimensions are.

    >>> from symbackprop.ops.extents import floored
    >>> nonnegative(minus("N", floored("N", 2))), nonnegative(minus("N", 1))
    (True, False)
    """
    return sign(extent) == 1 or sign(without_quotients(extent)) == 1


def without_quotients(extent: Extent) -> Extent:
    """A positive multiple of something that is at most `extent`: (e - d + 1)/d <= e//d <= e/d."""
    terms = terms_of(extent)
    for monomial, count in terms.items():
        if len(monomial) == 1 and not isinstance(monomial[0], str):
            of, by = monomial[0]
            least = of if count < 0 else minus(of, by - 1)
            rest = extent_from({other: n for other, n in terms.items() if other != monomial})
            return without_quotients(plus(times(rest, by), times(least, count)))
    return extent


def extreme(affine: Affine, upper: bool, limits: Limits | None = None) -> Extent | None:
    """The largest value (the smallest) over all indices; None where it cannot be told.

    The innermost index goes first, since its bounds may depend on outer ones. Without `limits` every axis is taken
    over its whole rectangle; with them, an axis that they do not name is taken between its own bounds.
    """
    while affine.terms:
        axis, coefficient = affine.terms[-1]
        direction = sign(coefficient)
        if direction is None:
            return None
        if limits is None:
            low, high = fixed(axis.start), fixed(minus(plus(axis.start, axis.length), 1))
        else:
            low, high = limits.get(axis, (axis.low, axis.high))
        bound = high if upper == (direction > 0) else low
        affine = Affine(affine.terms[:-1], affine.constant).plus(bound.scaled(coefficient))
    return affine.constant


def refined(inequalities: Iterable[Affine], unequal: Iterable[Affine] = ()) -> dict[Axis, tuple[Affine, Affine]]:
    """Tighter bounds of single indices, from expressions that are not negative, and some that are not zero."""
    limits: dict[Axis, tuple[Affine, Affine]] = {}
    for affine in inequalities:
        if len(affine.terms) == 1 and affine.terms[0][1] in (1, -1):
            _tighten(limits, *affine.terms[0], affine.constant)
    for affine in unequal:
        if len(affine.terms) == 1 and affine.terms[0][1] in (1, -1):
            axis, coefficient = affine.terms[0]
            low, high = limits.get(axis, (axis.low, axis.high))
            value = fixed(times(affine.constant, -1 if coefficient == 1 else 1))
            if value == low:
                limits[axis] = low.plus(fixed(1)), high
            elif value == high:
                limits[axis] = low, high.minus(fixed(1))
    return limits


def _tighten(limits: dict[Axis, tuple[Affine, Affine]], axis: Axis, coefficient: Extent, constant: Extent) -> None:
    low, high = limits.get(axis, (axis.low, axis.high))
    if coefficient == 1:
        new = times(constant, -1)
        if not low.terms and nonnegative(minus(new, low.constant)):
            low = fixed(new)
    elif not high.terms and nonnegative(minus(high.constant, constant)):
        high = fixed(constant)
    limits[axis] = low, high
