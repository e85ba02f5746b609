"""The shapes of indexed bases: as declared, or what the accesses to them tell.

An axis that an index runs along up to `n - 1` has length n, which the array's shape then binds at the call. Where
several indices run along an axis the largest need counts; an axis that only constants or computed places reach gets a
length of its own, `len(x)`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.errors import UnsupportedExpression
from symbackprop.frontend.access import known_limits
from symbackprop.frontend.integers import affine, reach, symbols_in
from symbackprop.frontend.ranges import Scope, nonnegative, without_quotients
from symbackprop.ops.extents import Extent, Shape, extent_text, minus, plus, terms_of, times

if TYPE_CHECKING:
    from symbackprop.frontend.indexed import Indices


@dataclass(slots=True)
class Base:
    """An indexed base and all accesses to it."""

    symbol: Any
    uses: list[tuple[tuple[Any, ...], Scope]] = field(default_factory=list)
    shape: Shape | None = None
    own: dict[int, str] = field(default_factory=dict)
    """Lengths of its own, by axis."""


class Bases:
    """All indexed bases that were met."""

    def __init__(self) -> None:
        self.known: dict[Any, Base] = {}
        self.integers: set[Any] = set()
        """The bases and symbols that stand in subscripts, whose values are integers."""
        self.declared: dict[Any, Shape] = {}
        """Shapes that were given beside the expression."""

    def met(self, w: Indices, expr: Any, scope: Scope) -> None:
        """Take note of an access, and of what stands in its subscripts."""
        stack = [expr]
        while stack:
            access = stack.pop()
            subscripts = access.indices if isinstance(access, sp.Indexed) else access.args[1:]
            if isinstance(access, sp.Indexed):
                base = self.known.setdefault(access.base, Base(access.base))
                base.uses.append((tuple(subscripts), scope))
                base.shape = None
            for subscript in subscripts:
                for part in symbols_in(subscript):
                    self._in_subscript(w, part, scope, stack)

    def _in_subscript(self, w: Indices, part: Any, scope: Scope, stack: list[Any]) -> None:
        if isinstance(part, sp.Indexed):
            self.integers.add(part.base)
            stack.append(part)
        elif part in w.survey.definitions:
            self.integers.add(part)
            for inner in symbols_in(w.survey.definitions[part]):
                self._in_subscript(w, inner, scope, stack)
        elif part not in scope.bound and isinstance(part, sp.Symbol):
            self.integers.add(part)

    def shape(self, w: Indices, symbol: Any) -> Shape:
        """The shape of a base. Raises UnsupportedExpression where it must be declared."""
        base = self.known.setdefault(symbol, Base(symbol))
        if base.shape is None:
            if symbol in self.declared:
                base.shape = self.declared[symbol]
            elif symbol.shape is not None:
                base.shape = tuple(w.t.extent(extent) for extent in symbol.shape)
            else:
                base.shape = _inferred(w, base)
        return base.shape


def _inferred(w: Indices, base: Base) -> Shape:
    ranks = {len(subscripts) for subscripts, _ in base.uses}
    if len(ranks) != 1:
        raise UnsupportedExpression(
            f"{base.symbol} is used with {' and with '.join(map(str, sorted(ranks)))} subscripts; an array has one rank"
        )
    return tuple(_length(w, base, axis) for axis in range(ranks.pop()))


def _length(w: Indices, base: Base, axis: int) -> Extent:
    """What the accesses along one axis need; a length of its own where they do not tell."""
    running: list[Extent] = []
    vague: list[Any] = []
    constants = [0]
    computed = False
    for subscripts, scope in base.uses:
        subscript = subscripts[axis]
        form = affine(w, subscript, scope)
        limits, complete = known_limits(w, scope)
        top = reach(w, subscript, scope, True, limits)
        if top is None:
            computed = True
        elif form is None or (not form.terms and isinstance(top, int)):
            # A constant, or a computed place with a known bound, tells how long the axis is at least.
            constants.extend([top + 1] if isinstance(top, int) else [])
            computed = computed or form is None
        elif complete or form.constant == 0:
            running.append(plus(top, 1))
        else:
            vague.append(subscript)
    symbolic = [need for need in running if not isinstance(need, int)]
    if symbolic:
        return _largest(base, axis, symbolic)
    if vague:
        raise UnsupportedExpression(
            f"the length of axis {axis} of {base.symbol} cannot be told from {base.symbol}[..{vague[0]}..] under its"
            f" condition; declare it: IndexedBase({base.symbol.name!r}, shape=(...))"
        )
    if running and not computed:
        return max(*constants, *[need for need in running if isinstance(need, int)])
    return _own_length(w, base, axis)


def _largest(base: Base, axis: int, needs: Iterable[Extent]) -> Extent:
    largest: Extent | None = None
    for need in needs:
        if largest is None or _reaches(need, largest):
            largest = need
        elif not _reaches(largest, need):
            raise UnsupportedExpression(
                f"axis {axis} of {base.symbol} is used up to {extent_text(minus(largest, 1))} and up to"
                f" {extent_text(minus(need, 1))}, and neither is known to be the larger; declare its shape:"
                f" IndexedBase({base.symbol.name!r}, shape=(...))"
            )
    assert largest is not None
    return largest


def _reaches(a: Extent, b: Extent) -> bool:
    """Whether a >= b wherever all dimensions are at least 1, as they are where anything is accessed."""
    difference = without_quotients(minus(a, b))
    if nonnegative(difference):
        return True
    if any(not isinstance(atom, str) for monomial in terms_of(difference) for atom in monomial):
        return False
    # With n = 1 + n' for every dimension.
    shifted: Extent = 0
    for monomial, count in terms_of(difference).items():
        term: Extent = count
        for atom in monomial:
            term = times(term, plus(str(atom), 1))
        shifted = plus(shifted, term)
    return nonnegative(shifted)


def _own_length(w: Indices, base: Base, axis: int) -> Extent:
    known = base.own.get(axis)
    if known is None:
        rank = len(base.uses[0][0])
        name = f"len({base.symbol.name})" if rank == 1 else f"len({base.symbol.name}, {axis})"
        known = base.own[axis] = w.t.dimension(sp.Dummy(name, integer=True, nonnegative=True))
    return known
