"""What SymPy's flattening hid is found again: partial sums and products, prefix chains, powers."""

from __future__ import annotations

import itertools
import random
from typing import Any

import mpmath as mp
import pytest
import sympy as sp

from symbackprop.frontend import read_model
from symbackprop.ir import Graph, interpret, verify
from symbackprop.passes import dead, simplify, strength

a, b, c, d, e, x, y, z = sp.symbols("a b c d e x y z")


def primal(expr: Any) -> Graph:
    return verify(dead(strength(simplify(verify(read_model(expr).graph)))))


def operations(expr: Any) -> int:
    return sum(bool(node.operands) for node in primal(expr).nodes)


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        # Each line: the operations of the best shared form, counted by hand.
        ([a + b, a + b + c], 2),
        ([x * y, x * y * z], 2),
        ([a + b + c, b + c + d], 3),
        ([a * b * c, b * c * d], 3),
        ([a + b + c + d, a + b, c + d], 3),
        ([a - b, a - b + c], 2),
        ([x * y / z, x * y], 2),
        ([x**2 * y, x * y], 2),
        ([a / (b * c), d / (b * c)], 3),
        ([sp.sin(a + b) + sp.cos(a + b)], 4),
        ([x**2 + x**3 + x**4], 5),
        ([-x, 1 - x], 2),
        ([x / 3], 1),
        ([x / 2], 1),
        ([2 * x / 3], 1),
        ([3 / x, -x / y], 3),
        ([sp.sqrt(x), 1 / sp.sqrt(x)], 2),
    ],
)
def test_operation_counts_of_shared_forms(expr: Any, expected: int) -> None:
    assert operations(expr) == expected


@pytest.mark.parametrize("n", [10, 30, 100])
def test_logistic_map_costs_three_operations_a_step(n: int) -> None:
    r, value = sp.Symbol("r"), x
    for _ in range(n):
        value = r * value * (1 - value)
    assert operations(value) == 3 * n


@pytest.mark.parametrize("n", [10, 100])
def test_prefix_sums_and_products_cost_one_operation_each(n: int) -> None:
    symbols = sp.symbols(f"s:{n}")
    assert operations([sp.Add(*symbols[: k + 1]) for k in range(1, n)]) == n - 1
    assert operations([sp.Mul(*symbols[: k + 1]) for k in range(1, n)]) == n - 1


def test_pairs_are_shared_across_many_groups() -> None:
    others = sp.symbols("o:20")
    assert operations([a * b * other for other in others]) == 21
    assert operations([a + b + other for other in others]) == 21


def _expressions(seed: int) -> list[Any]:
    rng = random.Random(seed)
    symbols = (a, b, c, d, e)
    pool: list[Any] = list(symbols)
    for _ in range(12):
        parts = rng.choices([part for part in pool if part.is_number is False], k=rng.randint(2, 5))
        if rng.random() < 0.5:
            pool.append(sp.Add(*[rng.choice((1, -1, 2, sp.Rational(1, 3))) * part for part in parts]))
        else:
            pool.append(
                sp.Mul(*[part ** rng.choice((1, 1, 2, -1, sp.Rational(1, 2), -sp.Rational(3, 2))) for part in parts])
            )
    return pool[-6:]


@pytest.mark.parametrize("seed", range(60))
def test_sharing_keeps_the_value(seed: int) -> None:
    exprs = _expressions(seed)
    graph = primal(exprs)
    rng = random.Random(seed)
    with mp.workdps(40):
        # Positive symbols; where a root of a negative sum makes the value complex, ours is nan.
        point = {name: mp.mpf(rng.uniform(0.5, 2)) for name in "abcde"}
        values = interpret(graph, point, "mpmath")
        for expr, value in zip(exprs, values, strict=True):
            direct = sp.lambdify((a, b, c, d, e), expr, "mpmath")(*point.values())
            if isinstance(direct, mp.mpc):
                assert mp.isnan(value)
                continue
            # 40 digits, and conditions of these small expressions stay below 1e10.
            assert abs(value - direct) <= mp.mpf(10) ** -28 * max(1, abs(direct))


def test_order_of_operands_does_not_change_the_result() -> None:
    counts = {operations([sp.Mul(*p, evaluate=False), a * b]) for p in itertools.permutations((a, b, c))}
    assert counts == {2}
