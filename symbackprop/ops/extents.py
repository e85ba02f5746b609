"""Lengths of axes, known or symbolic: polynomials with integer coefficients in named dimensions.

A known length is an int, a dimension by itself is its name; only sums and products of these are `Polynomial`. So a
shape like ``(3, "N")`` reads as it is meant, and equal lengths are equal values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple


class Quotient(NamedTuple):
    """A length divided by an integer, rounded down."""

    of: Extent
    by: int


Atom = str | Quotient
Monomial = tuple[Atom, ...]


class Polynomial(NamedTuple):
    """A sum of integer multiples of products of dimensions; canonical, and no int or lone name."""

    terms: tuple[tuple[Monomial, int], ...]

    def __str__(self) -> str:
        return extent_text(self)


Extent = int | str | Polynomial
"""The length of an axis: known, the name of a dimension that is bound at the call, or made of such."""
Shape = tuple[Extent, ...]


def terms_of(extent: Extent) -> dict[Monomial, int]:
    """Coefficients by monomial."""
    if isinstance(extent, int):
        return {(): extent} if extent else {}
    return {(extent,): 1} if isinstance(extent, str) else dict(extent.terms)


def extent_from(terms: Mapping[Monomial, int]) -> Extent:
    """The canonical extent of a sum of monomials."""
    kept = {monomial: count for monomial, count in terms.items() if count}
    if not kept:
        return 0
    if len(kept) == 1:
        ((monomial, count),) = kept.items()
        if not monomial:
            return count
        if count == 1 and len(monomial) == 1 and isinstance(monomial[0], str):
            return monomial[0]
    # By degree downwards, then by name, the constant last: N*M + N - 1.
    return Polynomial(tuple(sorted(kept.items(), key=lambda item: (-len(item[0]), repr(item[0])))))


def plus(a: Extent, b: Extent) -> Extent:
    """The sum.

    >>> plus("N", -1), plus(plus("N", -1), 1)
    (Polynomial(terms=((('N',), 1), ((), -1))), 'N')
    """
    if isinstance(a, int) and isinstance(b, int):
        return a + b
    total = terms_of(a)
    for monomial, count in terms_of(b).items():
        total[monomial] = total.get(monomial, 0) + count
    return extent_from(total)


def times(a: Extent, b: Extent) -> Extent:
    """The product."""
    if isinstance(a, int) and isinstance(b, int):
        return a * b
    product: dict[Monomial, int] = {}
    for left, count in terms_of(a).items():
        for right, other in terms_of(b).items():
            monomial = tuple(sorted((*left, *right), key=repr))
            product[monomial] = product.get(monomial, 0) + count * other
    return extent_from(product)


def minus(a: Extent, b: Extent) -> Extent:
    return plus(a, times(b, -1))


def floored(a: Extent, by: int) -> Extent:
    """The quotient by a positive integer, rounded down.

    >>> floored(7, 2), str(floored("N", 2)), floored(times("N", 4), 2) == times("N", 2)
    (3, 'N//2', True)
    """
    if isinstance(a, int):
        return a // by
    terms = terms_of(a)
    whole = {monomial: count // by for monomial, count in terms.items() if count % by == 0}
    rest = {monomial: count for monomial, count in terms.items() if count % by}
    if rest:
        whole[(Quotient(extent_from(rest), by),)] = 1
    return extent_from(whole)


def is_nonnegative(extent: Extent) -> bool:
    """Whether an extent cannot be negative, whatever its dimensions.

    >>> is_nonnegative(plus("N", 1)), is_nonnegative(minus("N", 1))
    (True, False)
    >>> is_nonnegative(minus("N", times(4, floored("N", 4))))
    True
    """
    terms = terms_of(extent)
    if all(count >= 0 for count in terms.values()):
        return True
    for monomial, count in terms.items():
        if len(monomial) == 1 and isinstance(monomial[0], Quotient) and count == -monomial[0].by:
            # What a division leaves over is not negative.
            left_over = plus(monomial[0].of, extent_from({monomial: count}))
            return is_nonnegative(minus(extent, left_over))
    return False


def product(shape: Iterable[Extent]) -> Extent:
    """How many entries an array of this shape has."""
    size: Extent = 1
    for extent in shape:
        size = times(size, extent)
    return size


def dimensions(extent: Extent) -> set[str]:
    """The named dimensions that an extent is made of.

    >>> sorted(dimensions(plus(times("N", "M"), 1)))
    ['M', 'N']
    """
    found: set[str] = set()
    for monomial in terms_of(extent):
        for atom in monomial:
            found |= {atom} if isinstance(atom, str) else dimensions(atom.of)
    return found


def measured(extent: Extent, lengths: Mapping[str, int]) -> int:
    """The number that an extent is, once its dimensions are known. Raises KeyError for an unknown one."""
    if isinstance(extent, int):
        return extent
    total = 0
    for monomial, count in terms_of(extent).items():
        for atom in monomial:
            count *= lengths[atom] if isinstance(atom, str) else measured(atom.of, lengths) // atom.by
        total += count
    return total


def bound_by(extent: Extent, length: int, lengths: Mapping[str, int]) -> tuple[str, int] | None:
    """The one dimension of `extent` that is not in `lengths` yet, and its value, if `length` tells it.

    >>> bound_by(plus("N", -1), 9, {})
    ('N', 10)
    """
    unknown = sorted(dimensions(extent) - set(lengths))
    if len(unknown) != 1:
        return None
    name = unknown[0]
    at_zero, at_one, at_two = (measured(extent, {**lengths, name: value}) for value in (0, 1, 2))
    slope = at_one - at_zero
    if slope == 0 or at_two - at_one != slope or (length - at_zero) % slope:
        return None
    return name, (length - at_zero) // slope


def renamed(extent: Extent, names: Callable[[str], str]) -> Extent:
    """The extent with every dimension called otherwise."""
    result: Extent = 0
    for monomial, count in terms_of(extent).items():
        term: Extent = count
        for atom in monomial:
            term = times(term, names(atom) if isinstance(atom, str) else floored(renamed(atom.of, names), atom.by))
        result = plus(result, term)
    return result


def extent_text(extent: Extent, name: Callable[[str], str] = str) -> str:
    """An extent as Python writes it.

    >>> extent_text(plus(times(2, "N"), -1)), extent_text(times(plus("N", 1), "M"))
    ('2*N - 1', 'M*N + M')
    """
    if isinstance(extent, int):
        return str(extent)
    if isinstance(extent, str):
        return name(extent)
    text = ""
    for monomial, count in extent.terms:
        size = abs(count)
        factors = [_atom_text(atom, name, alone=size * len(monomial) == 1) for atom in monomial]
        body = "*".join(([str(size)] if size != 1 or not factors else []) + factors)
        if not text:
            text = f"-{body}" if count < 0 else body
        else:
            text += f" - {body}" if count < 0 else f" + {body}"
    return text


def _atom_text(atom: Atom, name: Callable[[str], str], alone: bool) -> str:
    if isinstance(atom, str):
        return name(atom)
    inner = extent_text(atom.of, name)
    text = f"{inner if inner.isidentifier() else f'({inner})'}//{atom.by}"
    return text if alone else f"({text})"


def shape_text(shape: Any) -> str:
    """A shape as Python writes a tuple.

    >>> shape_text(("N", 3)), shape_text((2,))
    ('(N, 3)', '(2,)')
    """
    return f"({', '.join(extent_text(extent) for extent in shape)}{',' * (len(shape) == 1)})"


def solved(extent: Extent, known: Iterable[str]) -> tuple[str, int, Extent] | None:
    """(name, factor, rest) with extent = factor*name + rest, if one dimension is unknown and stands so.

    >>> solved(plus(times(2, "N"), 1), [])
    ('N', 2, 1)
    """
    unknown = dimensions(extent) - set(known)
    if len(unknown) != 1:
        return None
    (name,) = unknown
    terms = terms_of(extent)
    factor = terms.pop((name,), 0)
    rest = extent_from(terms)
    return (name, factor, rest) if factor and name not in dimensions(rest) else None


def determined(shapes: Iterable[Shape]) -> set[str]:
    """The dimensions that arrays of these shapes tell."""
    extents = [extent for shape in shapes for extent in shape]
    known: set[str] = set()
    while True:
        found = {hit[0] for extent in extents if (hit := solved(extent, known)) is not None}
        if not found:
            return known
        known |= found
