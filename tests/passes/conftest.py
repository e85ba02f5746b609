"""Samples of two reals and a condition, and graphs made of a rule's example."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from symbackprop.ir import Functions, Graph, GraphBuilder

# Quotients of 3 and 5 by these stay exact or not at random; zeros and signed zeros stand for what is special.
SAMPLES = 200


def build(example: Callable[..., Any], outputs: int = 1) -> Graph:
    """The graph of ``example(f, x, y, c)`` over the inputs x, y and t, where the condition is t < 0."""
    f = Functions(GraphBuilder())
    x, y, c = f.input("x"), f.input("y"), f.lt(f.input("t"), 0)
    return f.builder.graph([example(f, x, y, c).index] * outputs)


@pytest.fixture(scope="session")
def graph_of() -> Callable[..., Graph]:
    return build


@pytest.fixture(scope="session")
def samples() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(20240229)
    x, y, t = rng.uniform(-4.0, 4.0, (3, SAMPLES))
    return {"x": x, "y": y, "t": t}
