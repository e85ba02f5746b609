"""What single rows over whole arrays keep of their own: singular matrices, ties, zeros, huge logits and lengths."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from symbackprop.ad import jvp, vjp
from symbackprop.ir import Functions, GraphBuilder, Type, interpret, verify
from symbackprop.ops.extents import plus, times

Array = Any


def value_and_gradient(build: Callable[..., Any], x: Array, order: int = 1) -> list[Array]:
    """Value, gradient, and the gradient's tangents along each unit matrix, of a scalar function of a matrix."""
    f = Functions(GraphBuilder())
    node = f.builder.input("x", Type("real", np.shape(x)))
    graph = f.builder.graph([build(f, f.wrap(node)).index])
    builder = GraphBuilder(graph)
    first = builder.graph([*graph.outputs, *vjp(graph, {graph.outputs[0]: builder.const(1)}, [node], builder)])
    found = interpret(verify(first), {"x": x})
    if order == 2:
        builder = GraphBuilder(first)
        dot = builder.input("dot", Type("real", np.shape(x)))
        second = verify(builder.graph(jvp(first, {node: dot}, first.outputs[1:], builder)))
        units = np.eye(np.size(x)).reshape(-1, *np.shape(x))
        found.append(np.array([interpret(second, {"x": x, "dot": unit})[0] for unit in units]))
    return found


def exact_determinant(x: Array) -> list[Array]:
    """Determinant, cofactors and second minors by expansion over permutations, in exact integers."""
    n = len(x)
    value, first, second = 0, np.zeros((n, n)), np.zeros((n * n, n, n))
    for places in itertools.permutations(range(n)):
        sign = np.linalg.det(np.eye(n)[list(places)])
        entries = [x[i][places[i]] for i in range(n)]
        value += sign * np.prod(entries)
        for i in range(n):
            first[i, places[i]] += sign * np.prod(np.delete(entries, i))
            for j in range(n):
                if i != j:
                    second[i * n + places[i], j, places[j]] += sign * np.prod(np.delete(entries, [i, j]))
    return [value, first, second]


SINGULAR = {
    "regular": [[2, 1, 0, 1], [1, 3, 1, 0], [0, 1, 4, 2], [1, 0, 2, 5]],
    "negative determinant": [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 3, 1], [0, 0, 1, 2]],
    "rank n - 1": [[1, 2, 3, 4], [2, 1, 0, 1], [1, 1, 1, 1], [3, 3, 3, 5]],
    "rank n - 2": [[1, 2, 3, 4], [2, 4, 6, 8], [1, 0, 1, 0], [2, 2, 4, 4]],
    "rank n - 3": [[1, 2, 3, 4], [2, 4, 6, 8], [3, 6, 9, 12], [-1, -2, -3, -4]],
    "zero": [[0] * 4] * 4,
    "identity": np.eye(4, dtype=int).tolist(),
    "equal singular values": [[1, 1, 0, 0], [1, -1, 0, 0], [0, 0, 1, 1], [0, 0, 1, -1]],
}


@pytest.mark.parametrize("name", SINGULAR)
def test_determinants_are_right_at_singular_matrices(name: str) -> None:
    x = np.array(SINGULAR[name], float)
    for got, want in zip(value_and_gradient(lambda f, x: f.det(x), x, 2), exact_determinant(x), strict=True):
        # Products of up to three singular values, each right to a few ulp of the largest.
        rtol = 64 * 2.0**-52 * max(1.0, np.linalg.norm(x, 2) ** 3)
        np.testing.assert_allclose(got, want, rtol=0, atol=rtol * max(1e-3, np.max(np.abs(want))))


def test_ties_of_an_extreme_split_evenly() -> None:
    x = np.array([[1.0, 3.0, 3.0], [2.0, 2.0, 2.0]])
    for reduce, sign in (("reduce_max", 1.0), ("reduce_min", -1.0)):
        _, gradient = value_and_gradient(lambda f, x, r=reduce: f.reduce_sum(getattr(f, r)(x, (1,))), sign * x)
        np.testing.assert_array_equal(gradient, [[0, 0.5, 0.5], [1 / 3, 1 / 3, 1 / 3]])


@pytest.mark.parametrize("zeros", [0, 1, 2, 3])
def test_gradient_of_a_product_is_exact_with_zeros(zeros: int) -> None:
    x = np.array([2.0, 3.0, 5.0, 7.0])
    x[:zeros] = 0.0
    value, gradient, hessian = value_and_gradient(lambda f, x: f.reduce_prod(x, (0,)), x, 2)
    assert value == np.prod(x)
    assert gradient.tolist() == [np.prod(np.delete(x, k)) for k in range(4)]
    pairs = [[0.0 if i == j else np.prod(np.delete(x, [i, j])) for j in range(4)] for i in range(4)]
    assert hessian.tolist() == pairs


def test_gradient_of_running_products_is_finite_with_zeros() -> None:
    x = np.array([2.0, 0.0, 3.0, 0.0, 5.0])
    _, gradient = value_and_gradient(lambda f, x: f.reduce_sum(f.cumulative_product(x, 0)), x)
    assert gradient.tolist() == [1.0, 2.0 * (1 + 3), 0.0, 0.0, 0.0]


def test_singular_matrices_have_their_documented_results() -> None:
    f = Functions(GraphBuilder())
    a = f.wrap(f.builder.input("a", Type("real", (2, 2))))
    b = f.wrap(f.builder.input("b", Type("real", (2, 1))))
    outputs = [f.solve(a, b), f.inv(a), f.log_abs_det(a), f.det(a), f.cholesky(-a)]
    graph = f.builder.graph([value.index for value in outputs])
    a, b = np.array([[1.0, 2.0], [2.0, 4.0]]), np.ones((2, 1))
    solved, inverse, logarithm, determinant, factor = interpret(graph, {"a": a, "b": b})
    assert np.all(np.isnan(solved)) and np.all(np.isnan(inverse)) and np.all(np.isnan(factor))
    assert logarithm == -np.inf and determinant == 0.0


HUGE = [[1e4, -1e4, 0.0], [1e4, 1e4 - 20.0, -1e4], [-1e4, -1e4, -1e4 - 3.0], [-np.inf, 0.0, 1.0]]


def test_softmax_family_keeps_its_digits_at_huge_logits() -> None:
    x = np.array(HUGE)
    f = Functions(GraphBuilder())
    u = f.wrap(f.builder.input("u", Type("real", ("n", 3))))
    graph = f.builder.graph([f.logsumexp(u, (1,)).index, f.softmax(u, (1,)).index, f.log_softmax(u, (1,)).index])
    with mp.workdps(60):
        exps = [[mp.exp(mp.mpf(float(entry))) for entry in row] for row in x]
        sums = [mp.fsum(row) for row in exps]
        want = [float(mp.log(total)) for total in sums]
        shares = [[float(e / s) for e in row] for row, s in zip(exps, sums, strict=True)]
        logs = [[float(mp.log(e / s)) if e else -np.inf for e in row] for row, s in zip(exps, sums, strict=True)]
    lse, softmax, log_softmax = interpret(graph, {"u": x})
    np.testing.assert_allclose(lse, want, rtol=4e-16)
    # Differences of logits are rounded to an ulp of at most 2e4, and exponentiated.
    np.testing.assert_allclose(softmax, shares, rtol=8e-16, atol=5e-324)
    np.testing.assert_allclose(log_softmax, logs, rtol=8e-16, atol=2e-16)


def test_weights_of_any_sign_and_zero_weights() -> None:
    f = Functions(GraphBuilder())
    w, u = (f.wrap(f.builder.input(name, Type("real", (4, 3)))) for name in "wu")
    graph = f.builder.graph([f.weighted_logsumexp(w, u, (1,)).index])
    weights = np.array([[1.0, 2.0, -0.5], [0.0, 1.0, 1.0], [-1.0, 0.5, 0.1], [0.0, 0.0, 0.0]])
    logits = np.array([[700.0, 701.0, 700.5], [1e4, 3.0, 3.0], [800.0, 0.0, 0.0], [1.0, 2.0, 3.0]])
    (got,) = interpret(graph, {"w": weights, "u": logits})
    first = 701.0 + np.log(2.0 + np.exp(-1.0) - 0.5 * np.exp(-0.5))
    # 16 ulp for the naive expectation, which is of order 1 before the shift.
    np.testing.assert_allclose(got[:2], [first, 3.0 + np.log(2.0)], rtol=16 * 2.0**-52)
    assert np.isnan(got[2]) and got[3] == -np.inf


@pytest.mark.parametrize("n", [0, 1, 5])
def test_lengths_count(n: int) -> None:
    f = Functions(GraphBuilder())
    x = f.wrap(f.builder.input("x", Type("real", ("n",))))
    outputs = [x, f.iota(plus("n", 1)), f.size(times("n", 2)), f.length(plus("n", -1))]
    graph = verify(f.builder.graph([value.index for value in outputs]))
    _, counted, doubled, less = interpret(graph, {"x": np.zeros(n)})
    assert counted.tolist() == list(range(n + 1))
    assert counted.dtype == np.int64
    assert doubled == 2 * n and less == n - 1
