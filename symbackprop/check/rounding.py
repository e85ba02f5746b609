"""How far rounding may take a number from the truth: units in the last place, operations, conditions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from symbackprop.check.oracle import Entry, Oracle
from symbackprop.ir import Graph
from symbackprop.ops.extents import measured
from symbackprop.statistics import work

EPSILON = 2.0**-53
"""The relative error of one rounding to a double."""


def ulps(ours: float, exact: float) -> float:
    """The error in units in the last place of the exact number; in the range of denormals that unit is 5e-324.

    >>> ulps(1.0, 1.0 + 2**-52), ulps(0.0, 1.5e-323)
    (1.0, 3.0)
    """
    if ours == exact:
        return 0.0
    return abs(ours - exact) / math.ulp(exact) if math.isfinite(ours) and math.isfinite(exact) else math.inf


def operations(graph: Graph, lengths: Mapping[str, int]) -> int:
    """How many times a row is applied to numbers, where dimensions have these lengths."""
    return sum(
        measured(work(graph, index), lengths) // max(1, node.op.cost)
        for index, node in enumerate(graph.nodes)
        if node.operands
    )


def change(oracle: Oracle, point: Mapping[str, Any], entry: Entry | None) -> float:
    """How much a number changes when all inputs change by their own size, to first order: sum |x_j df/dx_j|.

    The number is the derivative in an entry, or the value; the sum is over all real entries x_j. Over the number's own
    size it is the relative condition. nan where the oracle cannot tell.
    """
    total = 0.0
    for name, value in point.items():
        array = np.asarray(value)
        if array.dtype.kind != "f":
            continue
        for place in np.ndindex(array.shape):
            x, other = float(array[place]), (name, place)
            # What is 0 is exact, and stays 0 under a relative change.
            if x:
                slope = oracle.derivative(point, other).middle if entry is None else oracle.second(point, entry, other)
                total += abs(x * slope)
    return total
