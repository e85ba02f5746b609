"""Every row against mpmath at 80 digits: its value, its partials, and the partials of these.

The oracle differentiates the row's own mpmath reference numerically, by central differences of a step that leaves more
than 20 correct digits; it knows nothing of the row's partials. What is tried is the partials' graph, evaluated by
`ir.interpret` in NumPy.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass

import mpmath as mp
import numpy as np
import pytest

from symbackprop.ad import jvp, vjp
from symbackprop.errors import MissingDerivative
from symbackprop.ir import Functions, Graph, GraphBuilder, interpret, verify
from symbackprop.ops import REGISTRY, Op, poles

SAMPLES = 120
EPSILON = 2.0**-52
# The stencil's error is step**2*f'''/6 from truncation and 10**-DIGITS/step**2 from rounding; the step shrinks with the
# operands down to 1e-21, so that both stay below 1e-23 of the terms.
DIGITS, STEP = 80, mp.mpf(10) ** -12
NOISE = mp.mpf(10) ** -30

# Rows over whole arrays have tests of their own, in test_array_rows.
STRUCTURAL = [row for row in REGISTRY if not row.elementwise]
LEAVES_AND_NARY = {"const", "input", "length", "sum_of", "product_of"}
# A polynomial has its coefficients as attributes: see tests/passes/test_removable.
WITH_ATTRIBUTES = {"polynomial"}
# Operands that belong together: see tests/passes/test_quotients and test_hard_points.
TIED = {"quotient_near", "root_near", *(row.name for row in poles.ROWS)}
INTEGERS = [row for row in REGISTRY if row.elementwise and "int" in (row.result, row.operands)]
CONDITIONS = [row for row in REGISTRY if row.result == "bool"]
APART = LEAVES_AND_NARY | WITH_ATTRIBUTES | TIED
REAL = [row for row in REGISTRY if row.elementwise and row.result == "real" and row.name not in APART]
REAL = [row for row in REAL if row not in INTEGERS]


@dataclass(frozen=True)
class Tolerance:
    """Units in the last place of value, gradient and Hessian, as measured, with a factor of two for other libms.

    An order's error is measured against its largest entry at the point, and against `floor` where a function crosses
    zero: near its zeros no library is accurate relative to the value itself.
    """

    value: float = 2.0
    first: float = 6.0
    second: float = 16.0
    floor: float = 0.0


DEFAULT = Tolerance()
TOLERANCES = {
    # A rounded product that may cancel against the third operand; the terms are up to 9.
    "fma": Tolerance(floor=9.0),
    # SciPy's functions themselves: 2 ulp for erf, 7 for erfc and erfcx. The latter's derivative is a difference of two
    # numbers of about 1.1, and serves the derivatives of erfinv from the third on alone.
    "erf": Tolerance(value=3.0),
    "erfc": Tolerance(value=8.0),
    "erfcx": Tolerance(value=8.0, second=40.0, floor=1.2),
    "erfinv_slope": Tolerance(value=8.0, first=16.0, second=32.0),
    "erfcinv_slope": Tolerance(value=8.0, first=16.0, second=32.0),
    # SciPy's, 4.5 around 0.2.
    "erfcinv": Tolerance(value=5.0),
    # f'' crosses zero inside the domain, and its terms there are of this size.
    "sinc": Tolerance(floor=0.2),
    # Its slope vanishes at 0.217, between terms of this size.
    "x_digamma": Tolerance(floor=0.3),
    "asech": Tolerance(floor=2.0),
    "sech": Tolerance(floor=0.2),
    "sinc_slope": Tolerance(floor=0.3),
    "sech_slope": Tolerance(floor=1.0),
    "sech_curvature": Tolerance(value=4.0, floor=1.0),
    # SciPy's, 3 ulp, kve 8 around 2. Where growth is divided off, slopes are differences of terms of this size.
    "besseli_scaled": Tolerance(value=6.0, first=12.0, floor=0.3),
    "besselk_scaled": Tolerance(value=6.0, first=32.0, second=64.0, floor=0.3),
    "besselk_powered": Tolerance(value=8.0, first=16.0, second=32.0),
    "besseli_scaled_beyond": Tolerance(value=6.0, first=12.0, second=40.0, floor=0.3),
    # The second derivative crosses zero.
    "besseli_quotient": Tolerance(value=6.0, first=24.0, floor=0.01),
    "log_besseli": Tolerance(value=6.0, first=12.0, floor=0.5),
    "log_besselk": Tolerance(value=6.0, first=32.0, second=64.0, floor=0.5),
    # Its exponential in two halves, each with its rounding.
    "exp_over_expm1": Tolerance(value=6.0),
    "angle_curvature": Tolerance(value=4.0, floor=0.1),
    "bell": Tolerance(floor=0.5),
    "logistic_difference": Tolerance(floor=0.1),
    "logistic_slope": Tolerance(floor=0.02),
    # coth(x) and 1/x cancel from 5/4 on, and more so in the derivatives.
    "langevin": Tolerance(value=6, first=12, second=40),
    # s = 1/(2*x + 1) has been rounded, of which there are powers: 2.5 ulp.
    "binet": Tolerance(value=4, first=6, second=8),
    # The second derivative crosses zero at 1.54.
    "logistic_entropy": Tolerance(floor=0.02),
    # Zero along a curve, where the larger operand cancels; second derivatives in t too.
    "smooth_maximum": Tolerance(floor=1.0),
    "sharp_maximum": Tolerance(floor=1.0),
    # SciPy: absolute accuracy of an ulp or two of 1 around digamma's zero at 1.46.
    "digamma": Tolerance(value=4.0, floor=0.5),
    "digamma_right": Tolerance(value=4.0, floor=0.5),
    "gamma": Tolerance(value=4.0),
    "polygamma": Tolerance(value=6.0),
    "zeta": Tolerance(value=6.0, first=10.0),
    # Three gamma functions; SciPy's own is an exponential of a sum of logarithms beyond some size, 9 ulp measured.
    "beta": Tolerance(value=6.0),
    "beta1p": Tolerance(value=7.0),
    "beta_regular": Tolerance(value=9.0),
    "rising": Tolerance(value=8.0, first=8.0, second=12.0),
    # Below 10 the logarithm of a product of ten is taken off, each of 10 and less.
    "log_rising": Tolerance(value=14.0, floor=1.0),
    "log_of_rising": Tolerance(value=14.0, floor=1.0),
    "log_beta": Tolerance(value=14.0, floor=1.0),
    "log_binomial": Tolerance(value=14.0, floor=1.0),
    # Ten logarithms of the recurrence; zeros at d = 0 and 1, those of digamma and its slope around 1/2.
    "log_rising_scaled": Tolerance(value=6.0, floor=0.3),
    "log_rising_scaled_slope": Tolerance(value=4.0, first=8.0, second=64.0, floor=0.3),
    "log_rising_scaled_curvature": Tolerance(value=8.0, first=32.0, second=200.0, floor=0.3),
    "digamma_scaled": Tolerance(value=5.0, first=8.0, second=64.0, floor=0.3),
    "digamma_scaled_slope": Tolerance(value=4.0, first=16.0, second=64.0, floor=0.3),
    # Of a root of the sum of two squares.
    "bound_slope": Tolerance(value=4.0),
    "bound_share": Tolerance(value=4.0),
    "free_slope": Tolerance(value=4.0),
    "free_fraction": Tolerance(value=4.0),
    "beta_beyond": Tolerance(value=18.0, first=30.0, second=64.0),
    # SciPy's AMOS and Cephes routines: a few ulp of the function's amplitude, which is below 1 for J and grows like
    # x**-n to the left for Y; the latter is steeper than its zero crossings are near.
    "besselj": Tolerance(value=8.0, first=8.0, floor=0.3),
    "bessely": Tolerance(value=8.0, first=12.0, floor=0.3),
    "bessely_powered": Tolerance(value=8.0, first=12.0, floor=0.3),
    # Differences of SciPy's, up to 24 of I and 4 of K: there 8 ulp around 2, ten times as many of the slope.
    "besseli_decaying": Tolerance(value=8.0, first=24.0, second=96.0, floor=0.1),
    "besseli_ratio": Tolerance(first=14.0, second=200.0),
    "besselk_ratio": Tolerance(value=16.0, first=120.0, second=1000.0),
    "besselj_beyond": Tolerance(value=8.0, first=8.0, floor=0.3),
    "besseli": Tolerance(value=16.0, first=16.0),
    "besseli_beyond": Tolerance(value=16.0, first=16.0),
    "besselk": Tolerance(value=16.0, first=16.0),
    "erfinv": Tolerance(value=3.0),
    # f'' crosses zero at log(2), between terms of 1/2; f'' of growth between terms of 0.2.
    "sqrt_expm1": Tolerance(floor=0.5),
    "power_share_growth": Tolerance(value=4.0, floor=0.2),
    # exp amplifies the half ulp of its operand, which is up to exp(3) = 20: 10 ulp.
    "double_exponential": Tolerance(value=12.0, first=12.0),
    "double_exponential_slope": Tolerance(value=12.0, first=12.0, second=20.0, floor=0.05),
    "cloglog_inverse": Tolerance(first=12.0),
    "log_cloglog_inverse": Tolerance(value=12.0, first=12.0, second=20.0),
    # Beside that f'' crosses zero at 0.62, between terms of up to 0.3.
    "log_cloglog_slope": Tolerance(value=12.0, first=12.0, second=20.0, floor=0.3),
    # Logarithms of sums and products that are near 1, and rounded.
    "log_exp_sum": Tolerance(floor=0.5),
    # Two roots, two quotients, an exponential and a square: 2.7 measured.
    "exp_share": Tolerance(value=4.0),
    "log_product": Tolerance(floor=1.0),
    # SciPy's and the C library's erfc: 2 ulp, of which there are two.
    "scaled_integral": Tolerance(value=4.0),
    "log_half_erfc": Tolerance(value=4.0),
    # Its Hessian is the fourth derivative of log(erfc(x)): ratios of integrals that cancel once more.
    "erfc_hazard_slope": Tolerance(value=8.0, first=32.0, second=128.0, floor=0.5),
}


def by_name(row: Op) -> str:
    return row.name


def held(row: Op) -> list[int]:
    """Operands without a derivative, which are tried as the constants that they mostly are."""
    return [i for i, partial in enumerate(row.partials) if partial is None and row.missing]


def active(row: Op) -> list[int]:
    return [i for i, partial in enumerate(row.partials) if partial is not None]


def primal(row: Op, constants: dict[int, float]) -> Graph:
    """A graph of the row alone, over inputs x0, x1, ...; a condition is x > 0."""
    f = Functions(GraphBuilder())
    operands = []
    for position in range(row.arity or 0):
        if position in constants:
            operands.append(f.const(constants[position]))
        elif row.operand_dtype(position) == "bool":
            operands.append(f.gt(f.input(f"x{position}"), 0))
        else:
            operands.append(f.input(f"x{position}"))
    return f.builder.graph([f.apply(row, *operands).index])


def gradient(graph: Graph, output: int, names: list[str], builder: GraphBuilder, mode: str) -> list[int]:
    inputs = graph.inputs()
    one = builder.const(1)
    wrt = [inputs[name] for name in names]
    if mode == "reverse":
        return vjp(graph, {output: one}, wrt, builder)
    return [jvp(graph, {node: one}, [output], builder)[0] for node in wrt]


def derivatives(row: Op, constants: dict[int, float], mode: str) -> Graph:
    """Value, gradient and Hessian of a row, row by row."""
    names = [f"x{position}" for position in active(row)]
    graph = primal(row, constants)
    builder = GraphBuilder(graph)
    first = verify(builder.graph([graph.outputs[0], *gradient(graph, graph.outputs[0], names, builder, mode)]))
    builder = GraphBuilder(first)
    second = [entry for output in first.outputs[1:] for entry in gradient(first, output, names, builder, mode)]
    return verify(builder.graph([*first.outputs, *second]))


def computed(row: Op, points: list[tuple[float, ...]], mode: str = "reverse") -> np.ndarray:
    """Value, gradient and Hessian at each point, as columns, in NumPy."""
    result = np.full((len(points), 1 + len(active(row)) + len(active(row)) ** 2), np.nan)
    orders = [tuple(point[i] for i in held(row)) for point in points]
    for order in sorted(set(orders)):
        constants = dict(zip(held(row), order, strict=True))
        mine = [k for k, other in enumerate(orders) if other == order]
        inputs = {f"x{i}": np.array([points[k][i] for k in mine]) for i in range(row.arity or 0)}
        for column, value in enumerate(interpret(derivatives(row, constants, mode), inputs)):
            result[mine, column] = value
    return result


def exact(row: Op, point: tuple[float, ...]) -> list[mp.mpf]:
    """The same by central differences of the mpmath reference, all from one stencil of 3**n points."""
    which = active(row)
    step_size = STEP * min([1.0, *[abs(value) for value in point if value]])

    def reference(*steps: int) -> mp.mpf:
        operands = [mp.mpf(value) for value in point]
        for position, step in zip(which, steps, strict=True):
            operands[position] += step * step_size
        typed = [v > 0 if row.operand_dtype(i) == "bool" else v for i, v in enumerate(operands)]
        assert row.mpmath is not None
        return mp.mpf(row.mpmath(*typed))

    stencil = {steps: reference(*steps) for steps in itertools.product((-1, 0, 1), repeat=len(which))}

    def at(*steps: tuple[int, int]) -> mp.mpf:
        shift = [0] * len(which)
        for position, step in steps:
            shift[position] = step
        return stencil[tuple(shift)]

    span = range(len(which))
    centre = at()
    first = [(at((i, 1)) - at((i, -1))) / (2 * step_size) for i in span]
    second = [
        (at((i, 1)) - 2 * centre + at((i, -1))) / step_size**2
        if i == j
        else (at((i, 1), (j, 1)) - at((i, 1), (j, -1)) - at((i, -1), (j, 1)) + at((i, -1), (j, -1)))
        / (4 * step_size**2)
        for i in span
        for j in span
    ]
    return [centre, *[entry if abs(entry) > NOISE else mp.mpf(0) for entry in [*first, *second]]]


def in_ulp(got: float, want: mp.mpf, scale: float) -> float:
    """The error in units of the last place of `scale`; infinite where it is not finite, 0 where both are the same."""
    if not math.isfinite(got):
        return math.inf
    error = abs(mp.mpf(got) - want)
    if error <= NOISE:
        return 0.0
    return float(error / (EPSILON * scale)) if scale else math.inf


@pytest.mark.parametrize("row", REAL, ids=by_name)
def test_value_and_partials_of_both_orders(row: Op, points_of) -> None:
    tolerance = TOLERANCES.get(row.name, DEFAULT)
    points = points_of(row, SAMPLES)
    count = len(active(row))
    orders = (
        ("value", 0, 1, tolerance.value),
        ("gradient", 1, 1 + count, tolerance.first),
        ("Hessian", 1 + count, 1 + count + count**2, tolerance.second),
    )
    table = computed(row, points)
    with mp.workdps(DIGITS):
        for point, got in zip(points, table, strict=True):
            want = exact(row, point)
            for what, start, stop, allowed in orders:
                scale = max([tolerance.floor, *[abs(float(entry)) for entry in want[start:stop]]])
                for entry in range(start, stop):
                    error = in_ulp(float(got[entry]), want[entry], scale)
                    assert error <= allowed, (
                        f"{row.name}{point}: entry {entry} ({what}) is {float(got[entry])!r} and not "
                        f"{float(want[entry])!r}: {error:.3g} ulp"
                    )


def straddles_zero(row: Op) -> list[int]:
    return [i for i in active(row) if row.domain[i][0] < 0 < row.domain[i][1]]


# Where n vanishes both shares are 1/2; d/dx d/dy is n**2 times their difference, which is of the order of n. The third
# derivatives, of growth, have that difference beside terms of 1/10.
NEAR_ZERO_TERMS: dict[str, Callable[..., float]] = {
    "power_share": lambda x, y, n: n * n,
    "power_share_growth": lambda x, y, n: 0.1,
}
NEAR_ZERO = [1e-9, -1e-9, 3e-8, -2e-6, 1.5e-4, -1e-3]


@pytest.mark.parametrize("row", [row for row in REAL if straddles_zero(row)], ids=by_name)
def test_derivatives_keep_their_digits_near_zero(row: Op, points_of) -> None:
    """Entry by entry, relative to the entry itself, where an operand is small: cancellation shows here.

    The tolerance is 1000 ulp: whoever subtracts two numbers of order 1 for a result of order x is off by 1/x ulp.
    """
    points = [
        (*point[:position], small, *point[position + 1 :])
        for position in straddles_zero(row)
        for point, small in zip(points_of(row, len(NEAR_ZERO)), NEAR_ZERO, strict=True)
    ]
    table = computed(row, points)
    terms = NEAR_ZERO_TERMS.get(row.name, lambda *point: 1e-300)
    with mp.workdps(DIGITS):
        for point, got in zip(points, table, strict=True):
            for entry, want in enumerate(exact(row, point)):
                error = in_ulp(float(got[entry]), want, max(abs(float(want)), terms(*point)))
                assert error <= 1000, (
                    f"{row.name}{point}: entry {entry} is {float(got[entry])!r} and not {float(want)!r}: "
                    f"{error:.3g} ulp"
                )


@pytest.mark.parametrize("row", REAL, ids=by_name)
def test_forward_and_reverse_agree(row: Op, points_of) -> None:
    points = points_of(row, SAMPLES)
    # One partial serves both modes, so that at first order they differ by nothing, and at second order only in the
    # order in which a handful of terms is added: 16 ulp of the largest entry, as against the oracle.
    forward, reverse = computed(row, points, "forward"), computed(row, points, "reverse")
    first = 1 + len(active(row))
    np.testing.assert_array_equal(forward[:, :first], reverse[:, :first])
    if first > 1:
        floor = TOLERANCES.get(row.name, DEFAULT).floor
        scale = np.maximum(np.max(np.abs(reverse[:, first:]), axis=1, keepdims=True), floor)
        assert np.all(np.abs(forward[:, first:] - reverse[:, first:]) <= 64 * EPSILON * scale)


def test_every_row_is_of_one_kind() -> None:
    groups = (STRUCTURAL, CONDITIONS, REAL, INTEGERS)
    kinds = [LEAVES_AND_NARY, WITH_ATTRIBUTES, TIED, *[{row.name for row in group} for group in groups]]
    assert sum(map(len, kinds)) == len(REGISTRY)
    assert set().union(*kinds) == {row.name for row in REGISTRY}
    assert set(TOLERANCES) <= {row.name for row in REAL}


@pytest.mark.parametrize("row", REAL, ids=by_name)
def test_row_is_complete(row: Op) -> None:
    assert row.arity is not None
    assert len(row.partials) == row.arity
    assert len(row.domain) == row.arity
    assert all(low <= high for low, high in row.domain)
    assert row.mpmath is not None
    assert row.doc
    assert row.cost > 0
    for target in ("python", "numpy", "numba"):
        spelled = getattr(row, target) is not None or row.define is not None
        assert spelled or target == "python", f"{row.name} can neither be spelled nor defined for {target}"
    for position, partial in enumerate(row.partials):
        nothing_by_nature = row.operand_dtype(position) == "bool"
        assert partial is not None or row.missing or nothing_by_nature, (
            f"operand {position} has no partial, and no reason"
        )


@pytest.mark.parametrize("row", [row for row in REAL if row.missing], ids=by_name)
def test_a_missing_partial_is_named(row: Op) -> None:
    graph = primal(row, {})
    for position in held(row):
        with pytest.raises(MissingDerivative, match=r"derivative|differentiated") as raised:
            seed = {graph.outputs[0]: GraphBuilder(graph).const(1)}
            vjp(graph, seed, [graph.inputs()[f"x{position}"]], GraphBuilder(graph))
        assert row.name in str(raised.value)
