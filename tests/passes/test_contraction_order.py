"""The order of a contraction: the best of all trees where all are tried, and a good one where not."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from symbackprop.passes.contraction_order import EXHAUSTIVE, best_order, nominal
from symbackprop.passes.product_groups import MOST_FACTORS


@pytest.mark.parametrize("seed", range(30))
def test_the_exhaustive_order_is_the_best_of_all_trees(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths: dict[int, Any] = {label: int(rng.integers(1, 9)) for label in range(5)}
    factors = [frozenset(int(x) for x in rng.choice(5, rng.integers(1, 4), replace=False)) for _ in range(4)]
    present = frozenset().union(*factors)
    out = frozenset(label for label in present if rng.random() < 0.4)
    tree, cost = best_order(factors, out, lengths)
    assert cost.operations == tree_cost(tree, factors, out, lengths)
    assert cost.operations == min(tree_cost(other, factors, out, lengths) for other in all_trees(tuple(range(4))))


def all_trees(members: tuple[int, ...]) -> Any:
    if len(members) == 1:
        yield members[0]
    for count in range(1, len(members)):
        for left in itertools.combinations(members, count):
            right = tuple(m for m in members if m not in left)
            yield from itertools.product(all_trees(left), all_trees(right))


def tree_cost(tree: Any, factors: list[frozenset[int]], out: frozenset[int], lengths: dict[int, int]) -> int:
    def members(part: Any) -> set[int]:
        return members(part[0]) | members(part[1]) if isinstance(part, tuple) else {part}

    def size(labels: Any) -> int:
        return int(np.prod([lengths[label] for label in labels], dtype=int))

    def walk(part: Any) -> tuple[int, frozenset[int]]:
        others = frozenset().union(*[factors[k] for k in range(len(factors)) if k not in members(part)])
        if not isinstance(part, tuple):
            kept = factors[part] & (out | others)
            return (0 if kept == factors[part] else size(factors[part])), kept
        (a, left), (b, right) = walk(part[0]), walk(part[1])
        kept = (left | right) & (out | others)
        return a + b + size(left | right) * (1 if kept == left | right else 2), kept

    return walk(tree)[0]


def test_the_greedy_order_finds_a_vector_in_a_chain() -> None:
    count = EXHAUSTIVE + 3
    factors = [frozenset([k, k + 1]) for k in range(count)] + [frozenset([count])]
    tree, cost = best_order(factors, frozenset([0]), dict.fromkeys(range(count + 1), 10))
    assert cost.operations == 2 * 100 * count
    assert isinstance(tree, tuple)


def test_dimensions_count_as_long() -> None:
    assert nominal("N") == 1000
    assert nominal(7) == 7
    assert MOST_FACTORS > EXHAUSTIVE
