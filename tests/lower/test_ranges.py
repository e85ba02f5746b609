"""Loops bounded by the conditions under which they do something: triangles, bands, and what must keep all its turns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop import compile_grad
from symbackprop.lower.program import Accumulate, Apply, Assign, Expr, For, Item, Literal, Ref, Statement
from symbackprop.lower.ranges import bounded
from symbackprop.ops import REGISTRY

n, a, b, c = sp.symbols("n a b c", integer=True)
L, x = sp.IndexedBase("L", shape=(n, n)), sp.IndexedBase("x", shape=(n,))

# The range of b within that of a, and what the loop over it counts.
BOUNDS: dict[str, tuple[Any, Any, Any, str]] = {
    "strictly below": (0, a - 1, (a, 0, n - 1), "range(i)"),
    "below": (0, a, (a, 0, n - 1), "range(i + 1)"),
    "strictly above": (a + 1, n - 1, (a, 0, n - 1), "range(i, n - 1)"),
    "above": (a, n - 1, (a, 0, n - 1), "range(i, n)"),
    "a band": (a - 1, a + 1, (a, 1, n - 2), "range(i, i + 3)"),
    "back from the end": (0, n - 1 - a, (a, 0, n - 1), "range(n - i)"),
    "a band that is cut off": (a, a + 1, (a, 0, n - 2), "range(i, i + 2)"),
}


def point(size: int, inside: np.ndarray) -> list[np.ndarray]:
    """A matrix that is nan where nobody looks, and a vector."""
    rng = np.random.default_rng(size)
    return [np.where(inside, rng.normal(size=(size, size)), np.nan), rng.normal(size=size)]


@pytest.mark.parametrize("name", BOUNDS)
def test_loops_run_over_what_counts(name: str) -> None:
    low, high, outer, text = BOUNDS[name]
    loss = sp.Sum(sp.Sum(L[a, b] * x[b], (b, low, high)) ** 2, outer)
    numba, njit, python = (
        compile_grad(loss, [L, x], **options)
        for options in ({}, {"route": "njit"}, {"backend": "python"})  # type: ignore[arg-type]
    )
    value_alone, _, both = numba.source.partition("def value_and_grad")
    assert text in value_alone and text in both and " else 0.0" not in value_alone
    for size in (3, 4, 9, 17):
        rows = range(int(outer[1]), int(outer[2].subs(n, size)) + 1)
        inside = np.zeros((size, size), bool)
        for row in rows:
            first, last = (int(sp.sympify(limit).subs({a: row, n: size})) for limit in (low, high))
            inside[row, first : last + 1] = True
        matrix, vector = point(size, inside)
        sums = np.where(inside, matrix, 0.0) @ vector
        expected = np.where(inside, 2 * np.outer(sums, vector), 0.0), 2 * sums @ np.where(inside, matrix, 0.0)
        for function in (numba, njit, python):
            value, slopes = function.value_and_grad(matrix, vector)
            # The same terms in other orders.
            np.testing.assert_allclose(value, sums @ sums, rtol=1e-13)
            for mine, theirs in zip(slopes, expected, strict=True):
                np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-13)


def test_sums_inside_sums_have_bounds_at_every_depth() -> None:
    loss = sp.Sum(sp.exp(sp.Sum(x[b] * sp.Sum(x[c] ** 2, (c, 0, b - 1)), (b, 0, a - 1))), (a, 0, n - 1))
    functions = [compile_grad(loss, [x], backend=backend) for backend in ("numba", "numpy", "python")]
    for size in (2, 3, 5, 11):
        vector = np.random.default_rng(size).normal(size=size) / 3
        direct, *others = (function.value_and_grad(vector) for function in functions)
        for value, (slope,) in others:
            np.testing.assert_allclose(direct[0], value, rtol=1e-13)
            np.testing.assert_allclose(direct[1][0], slope, rtol=1e-12, atol=1e-13)


# Programs.

i, j, m = Ref("i"), Ref("j"), Ref("m")
SUB, GE, TO_REAL, SELECT = (REGISTRY[name] for name in ("int_sub", "ge", "to_real", "select"))
ZERO = Literal(0)


def under(left: Expr, right: Expr, value: Expr, otherwise: Any = 0) -> Expr:
    """A value where left - right >= 0."""
    condition = Apply(GE, (Apply(TO_REAL, (Apply(SUB, (left, right)),)), Literal(0)))
    return Apply(SELECT, (condition, value, Literal(otherwise)))


VALUE = Item("x", (i, j))
BELOW = under(i, j, VALUE)


def inner(*body: Statement, extent: Expr = m, outer: Expr = m, zeros: set[str] | None = None) -> For:
    (found,) = bounded([For("i", outer, (For("j", extent, body),))], zeros or set())
    assert isinstance(found, For) and isinstance(found.body[0], For)
    return found.body[0]


def test_a_condition_becomes_a_bound() -> None:
    loop = inner(Accumulate(Ref("s"), BELOW))
    assert loop.body == (Accumulate(Ref("s"), VALUE),)
    assert loop.extent == Apply(REGISTRY["int_add"], (i, Literal(1))) and loop.start == ZERO
    assert inner(Accumulate(Ref("s"), under(j, i, VALUE))).start == i


@pytest.mark.parametrize(
    "loop",
    [
        # What does not stand under the condition, or is not 0 without it, or not added.
        inner(Accumulate(Ref("s"), BELOW), Accumulate(Ref("t"), VALUE)),
        inner(Accumulate(Ref("s"), under(i, j, VALUE, otherwise=1))),
        inner(Accumulate(Ref("s"), BELOW, symbol="*")),
        inner(Accumulate(Ref("s"), BELOW, symbol="max")),
        # Entries that start from something else than zeros.
        inner(Assign(Item("y", (i, j)), BELOW)),
        # A bound that may lie beyond the array.
        inner(Accumulate(Ref("s"), BELOW), extent=Literal(3)),
        inner(Accumulate(Ref("s"), under(Ref("k"), j, VALUE))),
    ],
)
def test_other_loops_keep_all_turns(loop: For) -> None:
    assert loop.start == ZERO and loop.extent in (m, Literal(3))


def test_entries_of_an_array_of_zeros_are_set_under_the_condition_alone() -> None:
    loop = inner(Assign(Ref("t"), BELOW), Assign(Item("y", (i, j)), Ref("t")), zeros={"y"})
    assert loop.body == (Assign(Ref("t"), VALUE), Assign(Item("y", (i, j)), Ref("t")))
