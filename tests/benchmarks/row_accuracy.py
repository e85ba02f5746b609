"""How many ulps every row errs by, over the whole range of its operands, against balls.

Run `python tests/benchmarks/row_accuracy.py [row ...]` for the table of worst errors and where they are;
tests/ops/test_row_accuracy.py holds them to 4 ulp.
"""

from __future__ import annotations

import importlib.util
import math
import random
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from symbackprop.ad import vjp
from symbackprop.ir import Functions, Graph, GraphBuilder, interpret
from symbackprop.ops import (
    REGISTRY,
    Op,
    arithmetic,
    beta,
    compound,
    control,
    cylinder,
    differences,
    exponential,
    gamma,
    hyperbolic,
    lambert,
    nonsmooth,
    shares,
    special,
    tails,
    trigonometric,
)
from symbackprop.passes import guard

_spec = importlib.util.spec_from_file_location("jets", Path(__file__).parents[1] / "ops" / "jets.py")
assert _spec is not None and _spec.loader is not None
jets = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(jets)

POINTS, SERVING_POINTS = 10_000, 2_000
INFINITE = (-math.inf, math.inf)

# Where a row has a value at all, or, for special functions, what is claimed of them; elsewhere all doubles are tried.
POSITIVE = (0.0, math.inf)
DOMAINS: dict[str, tuple[tuple[float, float], ...]] = {
    **dict.fromkeys(("log", "log2", "log10", "sqrt", "norm_root", "sqrt_slope", "loggamma"), (POSITIVE,)),
    **dict.fromkeys(("asin", "acos", "asin_slope", "atanh", "atanh_slope", "erfinv", "erfinv_slope"), ((-1.0, 1.0),)),
    "log1p": ((-1.0, math.inf),),
    "over_softplus": ((-350.0, math.inf),),
    **dict.fromkeys(("erfcinv", "erfcinv_slope"), ((0.0, 2.0),)),
    **dict.fromkeys(("acosh", "acosh_slope"), ((1.0, math.inf),)),
    **dict.fromkeys(("asech", "asech_slope"), ((0.0, 1.0),)),
    **dict.fromkeys(("lambertw", "lambertw_slope", "lambertw_share"), ((-0.3, math.inf),)),
    **dict.fromkeys(("pow", "power_slope", "power_growth"), (POSITIVE, INFINITE)),
    "gamma": ((-20.0, 172.0),),
    "gamma1p": ((-20.0, 171.0),),
    "beta_regular": ((-0.4, 170.0), (-0.4, 170.0)),
    "digamma_right": (POSITIVE,),
    "erfcx": (POSITIVE,),
    **dict.fromkeys(("digamma", "x_digamma"), ((-20.0, math.inf),)),
    "polygamma": (INFINITE, (1e-60, 1e60)),
    **dict.fromkeys(("beta", "digamma_difference"), ((-160.0, 160.0), (-160.0, 1e6))),
    "beta1p": ((1e-300, 20.0), (1e-2, 20.0)),
    "beta_beyond": ((1e-2, 20.0), (1e-2, 20.0)),
    "polygamma_difference": (INFINITE, (1e-60, 1e60), (1e-60, 1e60)),
    **dict.fromkeys(("log_sinh", "log_expm1", "log1mexp", "sqrt_expm1", "log_of_gamma"), (POSITIVE,)),
    **dict.fromkeys(("exp_reciprocal", "exp_share"), (INFINITE, POSITIVE, POSITIVE)),
    "log_exp_sum": ((-800.0, 800.0), (1e-100, 1e100), (-800.0, 800.0), (1e-100, 1e100)),
    **dict.fromkeys(("log_power", "powm1"), (POSITIVE, INFINITE)),
    **dict.fromkeys(("pow1p", "pow1pm1"), ((-1.0, math.inf), INFINITE)),
    "power_exp": (POSITIVE, (-50.0, 50.0), (-700.0, 700.0)),
    # The rounding of x/y is amplified n times.
    **dict.fromkeys(
        ("power_share", "power_ratio", "power_share_growth"), ((1e-150, 1e150), (1e-150, 1e150), (-8.0, 8.0))
    ),
    "wright_omega": ((-700.0, 1e6),),
    "log_near_one": (POSITIVE, INFINITE),
    **dict.fromkeys(("scaled_erfc", "erfc_hazard", "erfc_hazard_slope"), ((-26.0, 1e6),)),
    "scaled_integral": (INFINITE, (-26.0, 1e6)),
    "zeta": ((1.1, 30.0), (0.05, 50.0)),
    **dict.fromkeys(("bessely", "bessely_powered", "besselk"), (INFINITE, (1e-2, 100.0))),
    **dict.fromkeys(("besselj", "besseli"), (INFINITE, (1e-70, 100.0))),
}
# Thresholds of overflow and underflow, zeros and poles: points crowd near these, at relative distances down to an ulp.
PLACES = (
    1.0,
    0.5,
    2.0,
    1e-8,
    18.7,
    26.6,
    36.7,
    354.9,
    372.6,
    709.78,
    745.13,
    1e154,
    2.0**-511,
    2.0**-1022,
    math.pi / 2,
)
MORE_PLACES: dict[str, tuple[float, ...]] = {
    **dict.fromkeys(
        ("sin", "cos", "tan", "sec", "csc", "cot", "sinc"), (math.pi, 4.493409457909064, 22.0, 355.0, 1e22)
    ),
    "sech": (0.881373587019543,),
    "asech": (math.sqrt(0.5),),
    "gamma": (1.4616321449683622, 171.6, 3.0, -0.5040830082644554, -1.0, -2.0, -3.0, -10.0),
    "digamma": (1.4616321449683622, -0.5040830082644554, -1.0, -2.0, -3.0, -10.0),
    "loggamma": (1.4616321449683622, 2.55e305),
    "lambertw": (-0.36787944117144233,),
    "exp2": (1023.9, 1074.0),
}
ORDERS = {
    "polygamma": (1.0, 2.0, 3.0),
    "polygamma_difference": (0.0, 1.0),
    "scaled_integral": (0.0, 1.0, 2.0, 3.0),
    **dict.fromkeys(("besselj", "bessely", "bessely_powered", "besseli", "besselk"), (0.0, 1.0, 2.0, 3.0)),
}


def active(row: Op) -> tuple[int, ...]:
    return tuple(i for i, partial in enumerate(row.partials) if partial is not None)


def reference(row: Op) -> Callable[..., Any]:
    """The row over jets; what has no `ball` of its own by its definition."""
    if row.ball is not None:
        return row.ball

    class Rows:
        def __getattr__(self, name: str) -> Callable[..., Any]:
            return reference(REGISTRY[name])

    assert row.define is not None
    return lambda *operands: row.define(Rows(), *operands)  # type: ignore[misc]


def _number(rng: random.Random, row: Op, position: int) -> float:
    """One operand, from a source drawn by lot."""
    low, high = row.domain[position]
    source = rng.randrange(7)
    sign = rng.choice((-1.0, 1.0))
    if source == 0:
        return sign * math.ldexp(rng.uniform(1, 2), rng.randint(-1074, 1023))
    if source == 1:
        return sign * 10.0 ** rng.uniform(-6, 6)
    if source == 2:
        return rng.uniform(-800, 800)
    if source == 3:
        return rng.uniform(-8, 8)
    if source == 4:
        places = (*PLACES, *MORE_PLACES.get(row.name, ()) * 4)
        return sign * rng.choice(places) * (1 + rng.choice((-1.0, 1.0)) * 2.0 ** -rng.uniform(1, 53))
    if source == 5:
        return sign * rng.random() ** rng.choice((1, 4))
    return rng.uniform(low, high)


def points_of(row: Op) -> Iterator[tuple[float, ...]]:
    """Points of the row's domain without end, the same in every run."""
    rng = random.Random(f"range of {row.name}")
    domain = DOMAINS.get(row.name, (INFINITE,) * (row.arity or 0))
    while True:
        point = []
        for position, (low, high) in enumerate(domain):
            if row.operand_dtype(position) == "bool":
                number = rng.choice((-1.0, 1.0))
            elif row.domain[position] == (1, 1):
                number = rng.choice(ORDERS[row.name])
            else:
                number = _number(rng, row, position)
                if position and rng.random() < 0.3:
                    number = (
                        point[0] * rng.choice((-1.0, 1.0)) * (1 + rng.choice((-1, 1)) * 2.0 ** -rng.uniform(-40, 53))
                    )
                if (
                    row.name in ("pow", "power_slope", "power_growth")
                    and position
                    and rng.random() < 0.6
                    and point[0] not in (0.0, 1.0)
                ):
                    number = rng.uniform(-760, 720) / math.log(point[0])
            if row.name == "log_near_one" and position:
                number = point[0] - 1
            # A tie is a kink.
            if not low < number < high or (row.name in ("maximum", "minimum") and number in point):
                break
            point.append(number)
        else:
            yield tuple(point)


def derivatives(row: Op, constants: dict[int, float]) -> Graph:
    """Value, gradient and the upper triangle of the Hessian of a row alone, as reverse mode and `guard` make them."""
    f = Functions(GraphBuilder())
    operands = []
    for position in range(row.arity or 0):
        if position in constants:
            operands.append(f.const(constants[position]))
        elif row.operand_dtype(position) == "bool":
            operands.append(f.gt(f.input(f"x{position}"), 0))
        else:
            operands.append(f.input(f"x{position}"))
    graph = f.builder.graph([f.apply(row, *operands).index])
    names = [f"x{position}" for position in active(row)]
    first = _with_gradients(graph, [(graph.outputs[0], names)])
    return guard(_with_gradients(first, [(output, names[i:]) for i, output in enumerate(first.outputs[1:])]), 1)


def _with_gradients(graph: Graph, wanted: list[tuple[int, list[str]]]) -> Graph:
    builder, inputs = GraphBuilder(graph), graph.inputs()
    one = builder.const(1)
    more = [
        entry for output, names in wanted for entry in vjp(graph, {output: one}, [inputs[n] for n in names], builder)
    ]
    return builder.graph([*graph.outputs, *more])


def computed(row: Op, points: list[tuple[float, ...]]) -> np.ndarray:
    """What `derivatives` comes to in NumPy, a row a point."""
    held = [i for i, partial in enumerate(row.partials) if partial is None and row.missing]
    orders = [tuple(point[i] for i in held) for point in points]
    count = len(active(row))
    table = np.full((len(points), 1 + count + count * (count + 1) // 2), np.nan)
    for order in sorted(set(orders)) if set(held) and row.domain[held[0]] == (1, 1) else [None]:
        mine = [k for k, other in enumerate(orders) if order is None or other == order]
        constants = {} if order is None else dict(zip(held, order, strict=True))
        columns = {f"x{i}": np.array([points[k][i] for k in mine]) for i in range(row.arity or 0)}
        for column, value in enumerate(interpret(derivatives(row, constants), columns)):
            table[mine, column] = value
    return table


class Measured(NamedTuple):
    """Points and, a column an entry (value, gradient, upper triangle of the Hessian), the errors there in ulps; nan
    where the truth is no number."""

    points: list[tuple[float, ...]]
    nearest: np.ndarray
    got: np.ndarray
    ulps: np.ndarray


def measure(row: Op, count: int = POINTS, table: Callable[[Op, list[Any]], np.ndarray] = computed) -> Measured:
    """Errors of a row at so many points at which its value is a number."""
    points, truths = [], []
    which, ball = active(row), reference(row)
    for tried, point in enumerate(points_of(row)):
        typed = tuple(v > 0 if row.operand_dtype(i) == "bool" else v for i, v in enumerate(point))
        truth = jets.exact(ball, typed, which)
        if truth[0] is not jets.UNKNOWN:
            points.append(point)
            truths.append(truth)
        if len(points) == count or tried > 5 * count:
            break
    pairs = np.array(truths, dtype=float)
    nearest, left = pairs[..., 0], pairs[..., 1]
    got = table(row, points)
    return Measured(points, nearest, got, in_ulps(got, nearest, left))


def in_ulps(got: np.ndarray, nearest: np.ndarray, left: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        # An infinity stands for the first number beyond the largest, and is right for all that lies further out.
        unit = np.spacing(np.abs(nearest))
        bounded = np.clip(got, -jets.LARGEST, jets.LARGEST)
        steps = (bounded - nearest) / unit + np.where(np.isinf(got), np.sign(got), 0.0)
        ulps = np.abs(steps - np.where(np.isinf(left), np.sign(left), left))
        ulps = np.where(np.isnan(got), np.inf, ulps)
        return np.where(np.isnan(nearest), np.nan, ulps)


def names_of(row: Op) -> list[str]:
    which = active(row)
    pairs = [f"d{i}{j}" for k, i in enumerate(which) for j in which[k:]]
    return ["value", *[f"d{i}" for i in which], *pairs]


FAMILIES = (
    arithmetic,
    exponential,
    trigonometric,
    hyperbolic,
    special,
    cylinder,
    lambert,
    gamma,
    beta,
    differences,
    compound,
    shares,
    tails,
    nonsmooth,
    control,
)
ROWS = [
    row
    for family in FAMILIES
    for row in family.ROWS
    if row.elementwise and row.result == "real" and row.arity and "int" not in (row.operands, *row.operands)
    # x = y + d: see tests/passes/test_quotients; and what is never asked for small arguments.
    if row.name not in ("quotient_near", "root_near", "besselj_beyond", "besseli_beyond")
]
# Rows that a user can write; the others serve their partials.
WRITTEN = {"add", "sub", "mul", "div", "neg", "pow", "select", "maximum", "minimum"}


def is_written(row: Op) -> bool:
    return bool(row.sympy) or row.name in WRITTEN


def entries_held(row: Op) -> int:
    """How many entries of `names_of` a user meets as value, first and second partials: of a row that serves the
    partials of others, value and gradient."""
    return len(names_of(row)) if is_written(row) else 1 + len(active(row))


def main(chosen: list[str], count: int = POINTS) -> None:
    for row in ROWS:
        if chosen and row.name not in chosen:
            continue
        found = measure(row, count)
        for name, ulps, got, nearest in zip(names_of(row), found.ulps.T, found.got.T, found.nearest.T, strict=True):
            known = ~np.isnan(ulps)
            if known.any():
                worst = int(np.nanargmax(ulps))
                print(
                    f"{row.name:20} {name:6} {known.sum():6} points {ulps[worst]:9.3g} ulp, {np.sum(ulps > 4):5}"
                    f" above 4; at {found.points[worst]}: {got[worst]!r} for {nearest[worst]!r}",
                    flush=True,
                )


if __name__ == "__main__":
    main(sys.argv[1:])
