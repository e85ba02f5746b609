"""Where the true value and gradient exist and are representable, ours are finite and right: also at 1e-300 and 1e300.

The oracle works with 1300 digits, so that a difference quotient over 1e300 still shows what 1e-300 contributes.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from symbackprop.ad import vjp
from symbackprop.ir import Functions, GraphBuilder, interpret
from symbackprop.ops import REGISTRY, Op, poles
from symbackprop.ops.row import SPECIAL

DIGITS, STEP = 1300, mp.mpf(10) ** -18
# Steps have nothing to differentiate, and at 1e300 no fraction. Special functions are SciPy's, as far as they go.
STEPS = {"sign", "floor", "ceiling", "frac", "mod", "heaviside"}
# Where such a derivative vanishes, and its terms are huge, the difference quotient is what it errs by, STEP**2 of them.
DIFFERENCES = {"angle_slope", "angle_curvature", "kl_div"}
# exp(exp(1e20)) has more digits than memory has bytes; their tails are in tests/passes/test_exponentials.
NESTED = {
    "double_exponential",
    "double_exponential_slope",
    "cloglog_inverse",
    "log_cloglog_inverse",
    "log_cloglog_slope",
}
# exp(x) - exp(y) with the exponents 1e20 apart has more digits than the oracle; it is in tests/ops/test_row_accuracy.
BEYOND_THE_ORACLE = {"exp_difference"}
# The second operand is the first less 1: tests/passes/test_logarithms tries both together.
TOGETHER = {"log_near_one", "root_near", *(row.name for row in poles.ROWS)}
# The coefficients are attributes: see tests/passes/test_removable.
WITH_ATTRIBUTES = {"polynomial"}
# Their slopes are multiples of themselves, and may be numbers where they are none.
MULTIPLES = {"sinh_over_cosh", "cosh_over_cosh", "expm1_ratio", "exp_over_expm1"}
EXCLUDED = STEPS | DIFFERENCES | NESTED | BEYOND_THE_ORACLE | TOGETHER | WITH_ATTRIBUTES
ROWS = [
    row
    for row in REGISTRY
    if row.elementwise and row.result == "real" and row.operands != "int" and row.arity in (1, 2)
    if row.cost < SPECIAL and row.name not in EXCLUDED
]
SIZES = (1e-300, 1e-160, 1e-20, 1.5, 40.0, 740.0, 1e20, 1e160, 1e300)
FEWER = (1e-300, -1e-160, 1e-20, -1.5, 1.5, 740.0, -740.0, 1e20, 1e160, -1e300)
DENORMAL = (5e-324, -5e-324, 1e-308, -1e-308)
LARGEST, SMALLEST_NORMAL = float(np.finfo(float).max), float(np.finfo(float).tiny)

# Half the digits of nothing are lost here: a formula either holds over the whole range, to the 16 ulp of tests/ops, or
# overflows, vanishes or cancels. The C library's own functions are within 1e-14 at the largest arguments.
RTOL = 1e-14


def computed(row: Op, points: list[tuple[float, ...]]) -> np.ndarray:
    f = Functions(GraphBuilder())
    names = [f"x{position}" for position in range(row.arity or 0)]
    graph = f.builder.graph([f.apply(row, *[f.input(name) for name in names]).index])
    builder = GraphBuilder(graph)
    inputs = graph.inputs()
    bars = vjp(graph, {graph.outputs[0]: builder.const(1)}, [inputs[name] for name in names], builder)
    columns = {name: np.array([point[i] for point in points]) for i, name in enumerate(names)}
    found = interpret(builder.graph([*graph.outputs, *bars]), columns)
    return np.array([np.broadcast_to(value, len(points)) for value in found]).T


def exact(row: Op, point: tuple[float, ...]) -> list[Any]:
    """Value and gradient, or nothing where the row is not defined or not real."""
    assert row.mpmath is not None
    operands = [mp.mpf(value) for value in point]
    try:
        found = [row.mpmath(*operands)]
        for position, value in enumerate(operands):
            step = min(mp.mpf(1), abs(value)) * STEP
            right, left = list(operands), list(operands)
            right[position] += step
            left[position] -= step
            found.append((row.mpmath(*right) - row.mpmath(*left)) / (2 * step))
    except (ValueError, ZeroDivisionError, OverflowError):
        # mpmath itself gives up on erfc(1e160).
        return []
    real = all(not isinstance(entry, mp.mpc) and mp.isfinite(entry) for entry in found)
    return found if real else []


def check(row: Op, points: list[tuple[float, ...]]) -> int:
    """Compare where the truth is a double; how many entries that were."""
    compared = 0
    wrong = []
    with mp.workdps(DIGITS):
        for point, got in zip(points, computed(row, points), strict=True):
            truths = exact(row, point)
            if row.name in MULTIPLES and truths and abs(truths[0]) > LARGEST:
                continue
            for entry, (ours, truth) in enumerate(zip(got, truths, strict=False)):
                if abs(truth) > LARGEST * (1 - RTOL):
                    continue
                compared += 1
                # Below the normal numbers a result may lose its digits, and be 0.
                allowed = RTOL * abs(truth) + SMALLEST_NORMAL
                if not math.isfinite(ours) or abs(mp.mpf(float(ours)) - truth) > allowed:
                    wrong.append(f"entry {entry} at {point} is {float(ours)!r} and not {float(truth)!r}")
    assert not wrong, f"{row.name}: {len(wrong)} of {compared} wrong: " + "; ".join(wrong[:8])
    return compared


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_huge_and_tiny_operands(row: Op) -> None:
    if row.arity == 1:
        points: list[tuple[float, ...]] = [(sign * size,) for size in SIZES for sign in (1.0, -1.0)]
    else:
        points = list(itertools.product(FEWER, FEWER))
    assert check(row, points) > 0


# A norm of denormal numbers is itself rounded to a handful of bits, which no quotient by it can restore.
ROUNDED_NORM = {"hypot", "atan2"}

# 1/x**2 is beyond the largest double for all denormal x.
DOUBLE_POLES = {"csc_slope", "cot_slope", "csch_slope", "coth_slope"}


@pytest.mark.parametrize("row", [row for row in ROWS if row.name not in ROUNDED_NORM], ids=lambda row: row.name)
def test_denormal_operands(row: Op) -> None:
    if row.arity == 1:
        points: list[tuple[float, ...]] = [(value,) for value in DENORMAL]
    else:
        points = [*itertools.product(DENORMAL, (1.5, -0.25)), *itertools.product((1.5, 20.0), DENORMAL)]
    defined = check(row, points)
    assert defined > 0 or row.domain[0][0] >= 1 or row.name in DOUBLE_POLES, "only what starts at 1 is undefined here"


def test_minus_zero_is_zero() -> None:
    """The derivative of a root at 0 is the one-sided limit +inf, whatever the sign of the zero."""
    assert computed(REGISTRY["sqrt"], [(0.0,), (-0.0,)])[:, 1].tolist() == [math.inf, math.inf]
