"""Points at which rows are tried: drawn from the domain that each row states."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from symbackprop.ops import Op

# A domain of one point stands for an order; these are the orders that are tried. Integers, as SciPy's recurrences for
# the derivative are exact for any order but its polygamma is defined for integers alone.
ORDERS = {
    "polygamma": (1.0, 2.0, 3.0),
    "polygamma_difference": (0.0, 1.0),
    "scaled_integral": (0.0, 1.0, 2.0, 3.0),
    "besselj": (0.0, 1.0, 2.0, 3.0),
    "bessely": (0.0, 1.0, 2.0, 3.0),
    "besseli": (0.0, 1.0, 2.0, 3.0),
    "besselk": (0.0, 1.0, 2.0, 3.0),
}

Point = tuple[float, ...]


def sample(row: Op, count: int) -> list[Point]:
    """Points of the row's domain, the same in every run; a condition is a positive or a negative number."""
    rng = random.Random(f"domain of {row.name}")
    points = []
    for number in range(count):
        point = []
        for position, (low, high) in enumerate(row.domain):
            if row.operand_dtype(position) == "bool":
                point.append((-1.0, 1.0)[number % 2])
            elif low == high:
                orders = ORDERS.get(row.name, (float(low),))
                point.append(orders[number % len(orders)])
            else:
                point.append(rng.uniform(low, high))
        points.append(tuple(point))
    return points


@pytest.fixture(scope="session")
def points_of() -> Callable[[Op, int], list[Point]]:
    return sample
