"""JAX in double precision, before any test makes an array of it."""

from __future__ import annotations

import importlib.util
import random
from collections.abc import Callable

import pytest

from symbackprop.ops import Op

if importlib.util.find_spec("jax") is not None:
    import jax

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_platforms", "cpu")


def sample(row: Op, count: int) -> list[tuple[float, ...]]:
    """Points of the row's domain, the same in every run; a condition is a number of either sign."""
    rng = random.Random(f"peers on {row.name}")
    points = []
    for number in range(count):
        point = [rng.uniform(low, high) for low, high in row.domain]
        if row.operand_dtype(0) == "bool":
            point[0] = (-1.0, 1.0)[number % 2]
        points.append(tuple(point))
    return points


@pytest.fixture(scope="session")
def points_of() -> Callable[[Op, int], list[tuple[float, ...]]]:
    return sample
