"""In which order to multiply several arrays of which some axes are summed over: einsum's path.

Factors are sets of labels. The cost is counted in additions and multiplications at the lengths of the axes, a dimension
by name being counted as long. Up to `EXHAUSTIVE` factors all binary trees are compared (dynamic programming over
subsets), beyond that the cheapest pair is taken first. An axis that one factor alone has is summed first of all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from symbackprop.ops.extents import Extent, measured

EXHAUSTIVE = 7
LONG = 1000
"""What a dimension by name counts for."""

Tree = int | tuple["Tree", "Tree"]
"""A factor by its number, or the product of two."""
Labels = frozenset[int]


class _Lengths(dict[str, int]):
    def __missing__(self, name: str) -> int:
        return LONG


_NOMINAL = _Lengths()


def nominal(extent: Extent) -> int:
    """The length that an axis is counted with.

    >>> nominal(3), nominal("N")
    (3, 1000)
    """
    return extent if isinstance(extent, int) else max(measured(extent, _NOMINAL), 1)


class Cost(NamedTuple):
    """Operations, and of equally many, how much is stored on the way."""

    operations: int
    stored: int

    def plus(self, operations: int, stored: int = 0) -> Cost:
        return Cost(self.operations + operations, self.stored + stored)


class _Problem:
    def __init__(self, factors: Sequence[Labels], out: Labels, lengths: Mapping[int, Extent]) -> None:
        self.factors = list(factors)
        self.out = out
        self.sizes = {label: nominal(extent) for label, extent in lengths.items()}

    def size(self, labels: Labels) -> int:
        total = 1
        for label in labels:
            total *= self.sizes[label]
        return total

    def product(self, left: Labels, right: Labels, kept: Labels) -> Cost:
        """The cost of one product of two, and of the sum that goes with it.

        Where both have the same axes, the products are stored before they are summed.
        """
        both = left | right
        if both == kept:
            return Cost(self.size(both), self.size(both))
        return Cost(2 * self.size(both), self.size(kept) + (self.size(both) if left == right else 0))

    def alone(self, labels: Labels, kept: Labels) -> Cost:
        """The cost of summing a factor over the axes that nobody else has."""
        return Cost(0, 0) if labels == kept else Cost(self.size(labels), self.size(kept))


def best_order(factors: Sequence[Labels], out: Labels, lengths: Mapping[int, Extent]) -> tuple[Tree, Cost]:
    """The tree of products, and what it costs. Of equals, the order as given.

    >>> a, b, c = frozenset([0]), frozenset([0, 1]), frozenset([1])
    >>> best_order([a, b, c], frozenset(), {0: 10, 1: 20})
    ((0, (1, 2)), Cost(operations=420, stored=21))
    """
    problem = _Problem(factors, out, lengths)
    return _exhaustive(problem) if len(factors) <= EXHAUSTIVE else _greedy(problem)


def _exhaustive(problem: _Problem) -> tuple[Tree, Cost]:
    count = len(problem.factors)
    union = [frozenset[int]()] * (1 << count)
    for mask in range(1, 1 << count):
        low = (mask & -mask).bit_length() - 1
        union[mask] = union[mask & (mask - 1)] | problem.factors[low]
    everything = (1 << count) - 1
    kept = [union[mask] & (problem.out | union[everything & ~mask]) for mask in range(1 << count)]
    best: dict[int, tuple[Cost, Tree]] = {}
    for mask in range(1, 1 << count):
        if mask & (mask - 1) == 0:
            best[mask] = problem.alone(union[mask], kept[mask]), mask.bit_length() - 1
            continue
        for right in _right_parts(mask):
            left = mask & ~right
            (a, left_tree), (b, right_tree) = best[left], best[right]
            cost = a.plus(*b).plus(*problem.product(kept[left], kept[right], kept[mask]))
            if mask not in best or cost < best[mask][0]:
                best[mask] = cost, (left_tree, right_tree)
    cost, tree = best[everything]
    return tree, cost


def _right_parts(mask: int) -> list[int]:
    """Proper subsets without the first member: single ones first, the last of them first."""
    rest = mask & (mask - 1)
    parts = []
    part = rest
    while part:
        parts.append(part)
        part = (part - 1) & rest
    return sorted(parts, key=lambda part: (part.bit_count(), -part))


def _greedy(problem: _Problem) -> tuple[Tree, Cost]:
    total = Cost(0, 0)
    terms: list[tuple[Labels, Tree]] = []
    for number, labels in enumerate(problem.factors):
        others = frozenset[int]().union(*problem.factors[:number], *problem.factors[number + 1 :])
        kept = labels & (problem.out | others)
        total = total.plus(*problem.alone(labels, kept))
        terms.append((kept, number))
    while len(terms) > 1:
        found: tuple[Cost, int, int, Labels] | None = None
        for j in range(1, len(terms)):
            for i in range(j):
                rest = [labels for k, (labels, _) in enumerate(terms) if k not in (i, j)]
                kept = (terms[i][0] | terms[j][0]) & (problem.out.union(*rest))
                cost = problem.product(terms[i][0], terms[j][0], kept)
                if found is None or cost < found[0]:
                    found = cost, i, j, kept
        assert found is not None
        cost, i, j, kept = found
        total = total.plus(*cost)
        terms[i] = kept, (terms[i][1], terms[j][1])
        del terms[j]
    return terms[0][1], total
