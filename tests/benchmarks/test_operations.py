"""The cost contract, counted: value and gradient cost at most four times the value, on every case.

Run with ``-s`` to see the table. Counts are in additions: see `symbackprop.ops.row` for what an operation weighs.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest
import sympy as sp

import symbackprop as sb

_spec = importlib.util.spec_from_file_location("corpus", Path(__file__).with_name("corpus.py"))
assert _spec is not None and _spec.loader is not None
corpus = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(corpus)

CASES = {**corpus.rows(), **corpus.algebra(), **corpus.models()}


def gradient(expr: Any) -> sb.CompiledFunction:
    # Not expr.free_symbols, which walks every path of an expression and never ends on a recurrence.
    return sb.compile_grad(expr, backend="numpy")


@pytest.mark.parametrize("name", CASES)
def test_the_gradient_costs_at_most_four_times_the_value(name: str) -> None:
    stats = gradient(CASES[name]).stats
    operations = stats["operations"]
    print(
        f"\n{name:32} value {stats['value']:>7}  value and gradient {stats['value_and_grad']:>7}"
        f"  ratio {stats['ratio']:4.2f}  ({operations['value']} and {operations['value_and_grad']} operations)",
        end="",
    )
    assert stats["value"] > 0
    assert stats["ratio"] <= 4.0


@pytest.mark.parametrize("family", ["product", "logistic_map"])
def test_cost_grows_linearly(family: str) -> None:
    sizes = (10, 30, 100, 300, 1000)
    build = getattr(corpus, family)
    found = [gradient(build(n)).stats["operations"] for n in sizes]
    for n, counts in zip(sizes, found, strict=True):
        print(
            f"\n{family} of {n:5}: value {counts['value']:6}, value and gradient {counts['value_and_grad']:6}", end=""
        )
    for key in ("value", "value_and_grad"):
        # Affine in n, exactly: the second differences vanish.
        slopes = {
            sp.Rational(b[key] - a[key], n - m)
            for (m, a), (n, b) in zip(
                zip(sizes, found, strict=True), list(zip(sizes, found, strict=True))[1:], strict=False
            )
        }
        assert len(slopes) == 1, (family, key, slopes)
        assert slopes.pop() <= 9
