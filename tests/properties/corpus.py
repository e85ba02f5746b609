"""Random expressions at random points, valid by construction, and how accurate their compiled gradients are.

An expression grows with its value at the point in hand: a row is applied only where its reference is real and finite
there. So no operand is bent into an interval, and tails, cancellations and large numbers occur as they do for users.
Values and truth are Arb's: mpmath takes minutes for a polygamma function of -1e5.

Run ``python tests/properties/corpus.py --count 200000 --seed 1 --jobs 2`` for the table.
"""

from __future__ import annotations

import argparse
import math
import random
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import sympy as sp
from flint import arb, ctx

from symbackprop import compile_grad
from symbackprop.check.oracle import Oracle
from symbackprop.errors import SymbackpropError
from symbackprop.frontend import read_model
from symbackprop.frontend.functions import resolve
from symbackprop.ops import REGISTRY, Op

SYMBOLS = sp.symbols("x y z", real=True)
BY_HAND: dict[str, Callable[..., Any]] = {
    "div": lambda x, y: x / y,
    "pow": lambda x, y: x**y,
    "maximum": sp.Max,
    "minimum": sp.Min,
    "select": lambda c, x, y: sp.Piecewise((x, c > sp.Rational(1, 2)), (y, True)),
}
# A row that steps is left to tests/ops: a rounding before the step is no error of the row.
STEPS = {"floor", "ceiling", "frac", "mod", "sign", "heaviside"}
ROWS = [
    row
    for row in REGISTRY
    if row.domain and row.result == "real" and row.ball and row.name not in STEPS and (row.name in BY_HAND or row.sympy)
]
# What is written more often than rows at random.
KINDS = ["row"] * 5 + ["sum", "difference", "product", "product", "quotient", "square", "scaled"]


@dataclass(frozen=True, slots=True)
class Case:
    """One expression at one point."""

    expr: Any
    point: dict[str, float]
    seed: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One component of one gradient, or a value: in units of the last place of the truth."""

    case: Case
    name: str
    got: float
    want: float
    ulps: float


def number(rng: random.Random) -> float:
    """A point as users have them: mostly of order 1, sometimes small or large, with all its bits."""
    kind = rng.random()
    if kind < 0.6:
        return rng.uniform(-3, 3)
    if kind < 0.8:
        return rng.choice([-1, 1]) * 10 ** rng.uniform(-9, 0)
    return rng.choice([-1, 1]) * 10 ** rng.uniform(0, 3)


def random_case(seed: int) -> Case:
    rng = random.Random(seed)
    used = SYMBOLS[: rng.choice([1, 2, 2, 3])]
    point = {symbol.name: number(rng) for symbol in used}
    ctx.prec = 200
    values = [(symbol, arb(point[symbol.name])) for symbol in used]
    for _ in range(rng.randint(1, 7)):
        grown = _grown(rng, values)
        if grown is not None:
            values.append(grown)
    return Case(values[-1][0], point, seed)


def _grown(rng: random.Random, values: list[tuple[Any, Any]]) -> tuple[Any, Any] | None:
    """One more expression over those before, later ones more often; None where the draw has no value."""
    picked = [values[max(rng.randrange(len(values)), rng.randrange(len(values)))] for _ in range(3)]
    (a, u), (b, v), _ = picked
    kind = rng.choice(KINDS)
    constant = sp.Rational(rng.randint(1, 9), rng.choice([1, 1, 2, 3, 10])) * rng.choice([1, 1, -1])
    c = arb(int(constant.p)) / int(constant.q)
    try:
        if kind == "row":
            row = rng.choice(ROWS)
            operands = [_operand(rng, row, position, *picked[position]) for position in range(len(row.domain))]
            build = BY_HAND.get(row.name) or resolve(row.sympy[0])
            conditions = [w > 0.5 if row.operand_dtype(k) == "bool" else w for k, (_, w) in enumerate(operands)]
            made, value = build(*[e for e, _ in operands]), row.ball(*conditions)
        else:
            made, value = {
                "sum": lambda: (a + constant, u + c) if rng.random() < 0.5 else (a + b, u + v),
                "difference": lambda: (constant - a, c - u) if rng.random() < 0.5 else (a - b, u - v),
                "product": lambda: (a * b, u * v),
                "quotient": lambda: (a / b, u / v),
                "square": lambda: (a**2, u**2),
                "scaled": lambda: (constant * a, c * u),
            }[kind]()
    except (ArithmeticError, ValueError, TypeError):
        return None
    # Ten digits of a value are enough to know where it is.
    if not value.is_finite() or value.rel_accuracy_bits() < 33 or made.has(sp.I, sp.zoo, sp.nan, sp.oo):
        return None
    return (made, value) if not made.is_number and 1e-280 < abs(float(value)) < 1e280 else None


def _operand(rng: random.Random, row: Op, position: int, expr: Any, value: Any) -> tuple[Any, Any]:
    """An operand; where the row has no derivative (an order), a small integer."""
    if row.partials and row.partials[position] is None and row.missing:
        low, high = row.domain[position]
        order = rng.randint(max(1, math.ceil(low)), max(2, min(4, math.floor(high))))
        return sp.Integer(order), arb(order)
    return expr, value


def ulps(got: float, want: float) -> float:
    if got == want:
        return 0.0
    if not math.isfinite(got) or not math.isfinite(want):
        return math.inf
    return abs(got - want) / math.ulp(want)


def oracle_of(expr: Any, symbols: list[Any]) -> Oracle:
    """The oracle, by balls alone."""
    oracle = Oracle(read_model(expr, symbols, None, None, ()).graph)
    oracle.engines = oracle.engines[:1]
    return oracle


def measure(case: Case, backend: str = "numpy") -> list[Measured]:
    """Value and gradient of a case against the oracle; nothing where the oracle cannot say."""
    symbols = sorted(case.expr.free_symbols, key=lambda s: s.name)
    names = [symbol.name for symbol in symbols]
    point = {name: case.point[name] for name in names}
    oracle = oracle_of(case.expr, symbols)
    inputs = dict(point)
    wanted = [oracle.value(inputs)]
    for name in names:
        slope = oracle.derivative(inputs, (name, ()))
        wanted.append(math.nan if slope.is_kink else slope.middle)
    function = compile_grad(case.expr, symbols, args=symbols, backend=backend)
    value, gradient = function.value_and_grad(*point.values())
    got = [float(value), *map(float, gradient)]
    return [
        Measured(case, name, g, w, ulps(g, w))
        for name, g, w in zip(["value", *names], got, wanted, strict=True)
        if math.isfinite(w)
    ]


def condition(case: Case, name: str) -> float:
    """The relative condition of one component: how much a relative change of all inputs changes it."""
    symbols = sorted(case.expr.free_symbols, key=lambda s: s.name)
    point = {symbol.name: case.point[symbol.name] for symbol in symbols}
    oracle = oracle_of(case.expr, symbols)
    if name == "value":
        whole = oracle.value(point)
        parts = [oracle.derivative(point, (other, ())).middle for other in point]
    else:
        whole = oracle.derivative(point, (name, ())).middle
        parts = [oracle.second(point, (name, ()), (other, ())) for other in point]
    changes = [abs(part * x) for part, x in zip(parts, point.values(), strict=True)]
    return sum(changes) / abs(whole) if whole else math.inf


def cases(count: int, seed: int) -> Iterator[Case]:
    for k in range(count):
        case = random_case(seed * 10_000_000 + k)
        if case.expr.free_symbols:
            yield case


def _measured(case: Case) -> list[Measured] | str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return measure(case)
        except SymbackpropError as error:
            return f"{type(error).__name__}: {error}"


def _by_seed(seed: int) -> list[Measured] | str:
    case = random_case(seed)
    return _measured(case) if case.expr.free_symbols else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--show", type=int, default=20, help="how many of the worst to print")
    arguments = parser.parse_args()
    seeds = range(arguments.seed * 10_000_000, arguments.seed * 10_000_000 + arguments.count)
    with ProcessPoolExecutor(arguments.jobs) as pool:
        results = list(pool.map(_by_seed, seeds, chunksize=50))
    report([m for result in results if not isinstance(result, str) for m in result], arguments.show)
    refused = Counter(result.split(";")[0][:100] for result in results if isinstance(result, str))
    print("refused:", dict(refused.most_common(10)))


def report(found: list[Measured], shown: int) -> None:
    """The shares within some ulp, and the worst in proportion to their condition."""
    for what, chosen in (
        ("values", [m for m in found if m.name == "value"]),
        ("gradient components", [m for m in found if m.name != "value"]),
    ):
        shares = [sum(m.ulps <= limit for m in chosen) / max(1, len(chosen)) for limit in (1, 4, 64, 2**20)]
        print(f"{len(chosen)} {what}: within 1, 4, 64, 2**20 ulp: " + " ".join(f"{share:.3%}" for share in shares))
    beyond = [(m, condition(m.case, m.name)) for m in found if m.ulps > 64]
    # What the oracle cannot tell a condition of comes last.
    known = [(m, max(1.0, kappa)) for m, kappa in beyond if math.isfinite(kappa)]
    lost = sum(m.ulps > 64 * kappa for m, kappa in known)
    far = sum(m.ulps > max(2**20, 64 * kappa) for m, kappa in known)
    print(f"{len(beyond)} are beyond 64 ulp, {lost} also beyond 64 times their condition, {far} beyond 2**20 as well")
    for m, kappa in sorted(known, key=lambda pair: -pair[0].ulps / pair[1])[:shown]:
        print(f"{m.ulps:.3g} ulp, kappa {kappa:.3g}: d/d{m.name} is {m.got!r} and not {m.want!r}")
        print(f"    {m.case.expr} at {m.case.point}, seed {m.case.seed}")


if __name__ == "__main__":
    main()
