"""Derivatives that a user can check by hand: central differences in doubles, and the complex step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import mpmath as mp
import numpy as np

from symbackprop.check.engines import NO_VALUE
from symbackprop.check.oracle import Entry
from symbackprop.ir import Graph, interpret
from symbackprop.ops import REGISTRY, leaves

_DIGITS = 60
_STEP = mp.mpf(10) ** -20
# Steps 2**-3, 2**-5, ... 2**-23: smaller ones lose more than 2**-53/2**-23 = 1e-9 of the value to rounding.
_STEPS = [2.0**-k for k in range(3, 25, 2)]
# Rows on arrays that are what they are for complex numbers too.
_LINEAR = frozenset(row for row in REGISTRY if not row.elementwise and row.linear) | set(leaves.ROWS)


def central(value: Callable[..., Any], point: Mapping[str, Any], entry: Entry, step: float | None = None) -> float:
    """The central difference of a function of doubles; nan where it has no value beside the point.

    `step` is relative to max(1, |x|). Without one, each of eleven steps is extrapolated with the next (Richardson), and
    the one taken that differs least from its neighbour, the rounding of the value over the step counted in: right to
    2e-12 for sin(x*y) at (0.5, 2), where the best single step is right to 2e-11.
    """
    name, place = entry
    x = float(np.asarray(point[name])[place])

    def slope(h: float) -> tuple[float, float]:
        """The difference, and its rounding error."""
        above, below = x + h, x - h
        high, low = (float(value(**_replaced(point, entry, end))) for end in (above, below))
        return (high - low) / (above - below), max(abs(high), abs(low)) * 2.0**-52 / h

    if step is not None:
        return slope(step * max(1.0, abs(x)))[0]
    # Where the domain ends within 2**-23 of a small x, steps are relative to x itself.
    for size in (max(1.0, abs(x)), abs(x)):
        slopes = [slope(h * size) for h in _STEPS] if size else []
        extrapolated = [(16 * fine - rough) / 15 for (rough, _), (fine, _) in pairwise(slopes)]
        errors = [
            (abs(b - a) + rounding, b)
            for a, b, (_, rounding) in zip(extrapolated, extrapolated[1:], slopes[2:], strict=False)
            if math.isfinite(a) and math.isfinite(b)
        ]
        if errors:
            return min(errors)[1]
    return math.nan


def _replaced(point: Mapping[str, Any], entry: Entry, number: Any) -> dict[str, Any]:
    """The point with another number at one entry."""
    name, place = entry
    if not place:
        return {**point, name: number}
    array = np.array(point[name])
    array[place] = number
    return {**point, name: array}


def complex_step(graph: Graph, point: Mapping[str, Any], entry: Entry) -> float:
    """Im f(x + ih)/h with h = 1e-20 (Squire and Trapp, SIAM Rev. 40, 1998), in 60 digits.

    nan where the graph holds an operation that is not analytic, or that sees whole arrays at once.
    """
    if not all(node.op.analytic and (node.op.elementwise or node.op in _LINEAR) for node in graph.nodes):
        return math.nan
    name, place = entry
    with mp.workdps(_DIGITS):
        inputs = {**point, name: np.array(point[name], object)}
        inputs[name][place] = mp.mpc(float(np.asarray(point[name])[place]), _STEP)
        try:
            value = interpret(graph, {**inputs, name: inputs[name][()]}, "mpmath")[0]
        except NO_VALUE:
            return math.nan
        value = value.item() if isinstance(value, np.ndarray) else value
        return float(value.imag / _STEP) if isinstance(value, mp.mpc) else 0.0
