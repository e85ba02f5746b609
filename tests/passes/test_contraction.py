"""Sums of products: what they cost, which shapes they pass through, and that their values stay.

Costs are counted from the shapes of the graph's nodes, at lengths of the test's choosing, not as the pass counts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from symbackprop.ad import modes
from symbackprop.ir import Functions, Graph, GraphBuilder, Type, interpret, to_text, verify
from symbackprop.ops.extents import measured
from symbackprop.passes import dead, guard, simplify
from symbackprop.passes.contraction import contract

BIG = {"N": 400, "M": 300, "K": 500}
SMALL = {"N": 4, "M": 3, "K": 5}
ONE = {"N": 1, "M": 1, "K": 1}
EMPTY = {"N": 0, "M": 3, "K": 2}
NM = ("N", "M")
SHAPES: dict[str, tuple[Any, ...]] = {
    "x": ("N", "M"),
    "y": ("M", "K"),
    "z": ("K", "N"),
    "t": ("N", "M"),
    "a": ("N", 1),
    "k": ("K", 1),
    "v": ("N",),
    "w": ("M",),
    "u": ("K",),
    "c": (),
}


def graph_of(build: Callable[..., Any]) -> Graph:
    f = Functions(GraphBuilder())
    inputs = {name: f.wrap(f.builder.input(name, Type("real", shape))) for name, shape in SHAPES.items()}
    built = build(f, **inputs)
    outputs = built if isinstance(built, list) else [built]
    return dead(verify(f.builder.graph([value.index for value in outputs])))


def values(lengths: dict[str, int]) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    found = {name: rng.uniform(0.5, 2.0, [lengths.get(n, n) for n in shape])[()] for name, shape in SHAPES.items()}
    return found | lengths


def multiply_adds(graph: Graph, lengths: dict[str, int] = BIG) -> int:
    """One for each product and each sum of two numbers, four for a quotient."""
    total = 0
    for node in dead(graph).nodes:
        name = node.op.name
        operands = [graph_shape(dead(graph), operand, lengths) for operand in node.operands]
        own = [measured(extent, lengths) for extent in node.type.shape]
        if name == "contract":
            left, right, out = node.attributes
            sizes = dict(zip((*left, *right), (*operands[0], *operands[1]), strict=True))
            total += int(np.prod(list(sizes.values()))) * (2 if set(sizes) - set(out) else 1)
        elif name == "reduce_sum":
            total += int(np.prod(operands[0]))
        elif name == "diagonalize" or node.op.elementwise:
            total += int(np.prod(own)) * (4 if name == "div" else 1) if node.operands else 0
    return total


def graph_shape(graph: Graph, index: int, lengths: dict[str, int]) -> list[int]:
    return [measured(extent, lengths) for extent in graph.nodes[index].type.shape]


def largest(graph: Graph, lengths: dict[str, int] = BIG) -> int:
    """The largest array that is stored: views and repetitions are not."""
    views = {"input", "broadcast", "transpose", "reshape"}
    graph = dead(graph)
    sizes = [int(np.prod(graph_shape(graph, k, lengths))) for k, n in enumerate(graph.nodes) if n.op.name not in views]
    return max(sizes, default=0)


def assert_same(after: Graph, before: Graph, rtol: float = 64 * 2.0**-52) -> None:
    for lengths in (SMALL, ONE, EMPTY):
        with np.errstate(all="ignore"):
            pairs = zip(interpret(after, values(lengths)), interpret(before, values(lengths)), strict=True)
        for got, want in pairs:
            assert np.shape(got) == np.shape(want)
            # By default, for sums of at most 60 products of positive numbers, in another order.
            np.testing.assert_allclose(got, want, rtol=rtol, atol=rtol * np.max(np.abs(want), initial=0.0))


def run(build: Callable[..., Any]) -> tuple[Graph, Graph]:
    before = graph_of(build)
    after = verify(contract(simplify(before)), "contract")
    assert_same(after, before)
    again = verify(contract(after))
    assert to_text(dead(again)) == to_text(dead(after)), "a second sweep changes the graph again"
    return dead(before), dead(after)


def names(graph: Graph) -> set[str]:
    return {node.op.name for node in graph.nodes}


def identity(f: Any, n: Any) -> Any:
    return f.diagonalize(f.fill(1, (n,)), (0, 0), (n, n))


def diag(f: Any, x: Any, n: Any) -> Any:
    return f.diagonalize(x, (0, 0), (n, n))


def rows(f: Any, x: Any) -> Any:
    return f.broadcast(x, NM, (0,))


def columns(f: Any, x: Any) -> Any:
    return f.broadcast(x, NM, (1,))


N, M, K = BIG["N"], BIG["M"], BIG["K"]

# What is written, the operations that are enough for it, and the largest array on the way.
CASES: dict[str, tuple[Callable[..., Any], int, int]] = {
    "a^T x y k from the left": (
        lambda f, a, x, y, k, **_: f.matmul(f.matmul(f.matmul(f.mt(a), x), y), k),
        2 * (N * M + M * K + K),
        M * K,
    ),
    "a^T (x (y k))": (
        lambda f, a, x, y, k, **_: f.matmul(f.mt(a), f.matmul(x, f.matmul(y, k))),
        2 * (M * K + N * M + N),
        K,
    ),
    "a^T (x y) k": (
        lambda f, a, x, y, k, **_: f.matmul(f.mt(a), f.matmul(f.matmul(x, y), k)),
        2 * (N * M + M * K + K),
        K,
    ),
    "Trace(x y z)": (
        lambda f, x, y, z, **_: f.reduce_sum(f.diagonal(f.matmul(f.matmul(x, y), z), (0, 0))),
        2 * N * M * K + 2 * N * K,
        N * K,
    ),
    "Trace(x t^T)": (
        lambda f, x, t, **_: f.reduce_sum(f.diagonal(f.matmul(x, f.mt(t)), (0, 0))),
        2 * N * M,
        N * M,
    ),
    "Trace(x t^T) by a diagonal matrix": (
        lambda f, x, t, **_: f.reduce_sum(f.matmul(x, f.mt(t)) * identity(f, "N")),
        2 * N * M,
        N * M,
    ),
    "diagonal of x t^T": (lambda f, x, t, **_: f.diagonal(f.matmul(x, f.mt(t)), (0, 0)), 2 * N * M, N * M),
    "sum of all of x y": (lambda f, x, y, **_: f.reduce_sum(f.matmul(x, y)), N * M + M * K + 2 * M, M),
    "rows of x y summed": (lambda f, x, y, **_: f.reduce_sum(f.matmul(x, y), (1,)), M * K + 2 * N * M, N),
    "sum of rows times": (lambda f, x, v, **_: f.reduce_sum(rows(f, v) * x, (0,)), 2 * N * M, M),
    "sum along what a factor lacks": (lambda f, x, v, **_: f.reduce_sum(rows(f, v) * x, (1,)), N * M + N, N),
    "bilinear form": (
        lambda f, x, v, w, **_: f.reduce_sum(rows(f, v) * x * columns(f, w)),
        2 * N * M + 2 * N,
        N,
    ),
    "bilinear form of an outer product": (
        lambda f, x, v, w, **_: f.reduce_sum((rows(f, v) * columns(f, w)) * x),
        2 * N * M + 2 * N,
        N,
    ),
    "outer product summed": (lambda f, v, w, **_: f.reduce_sum(rows(f, v) * columns(f, w)), N + M + 1, 1),
    "outer product summed twice": (
        lambda f, x, v, w, **_: [
            f.reduce_sum(rows(f, v) * columns(f, w), (0,)),
            f.reduce_sum(rows(f, v) * columns(f, w), (1,)),
        ],
        2 * (N + M),
        N,
    ),
    "scalars and signs": (
        lambda f, x, v, c, **_: f.reduce_sum(-(c * rows(f, v) * x), (0,)),
        2 * N * M + 2 * M,
        M,
    ),
    "divided by what lacks the axis": (
        lambda f, x, v, w, **_: f.reduce_sum(rows(f, v) * x / columns(f, w), (0,)),
        2 * N * M + 4 * M,
        M,
    ),
    "diagonal matrix times": (lambda f, x, v, **_: f.matmul(diag(f, v, "N"), x), N * M, N * M),
    "between diagonal matrices": (
        lambda f, x, v, w, **_: f.matmul(f.matmul(diag(f, v, "N"), x), diag(f, w, "M")),
        2 * N * M,
        N * M,
    ),
    "a diagonal matrix inside": (
        lambda f, x, t, w, **_: f.matmul(f.matmul(x, diag(f, w, "M")), f.mt(t)),
        N * M + 2 * N * N * M,
        N * N,
    ),
    "product of diagonal matrices": (
        lambda f, v, **_: f.matmul(diag(f, v, "N"), diag(f, v, "N")),
        N + N * N,
        N * N,
    ),
    "identity times": (lambda f, x, **_: f.matmul(identity(f, "N"), f.sin(x)), N * M, N * M),
    "trace of the identity": (
        lambda f, v, **_: f.reduce_sum(f.diagonal(identity(f, "N"), (0, 0))) + f.reduce_sum(v),
        N + 1,
        1,
    ),
    "quadratic form of a gram matrix": (
        lambda f, x, w, **_: f.reduce_sum(
            f.matmul(f.mt(x), x) * f.broadcast(w, ("M", "M"), (0,)) * f.broadcast(w, ("M", "M"), (1,))
        ),
        4 * N * M + 2 * M,
        N,
    ),
    "three elementwise factors": (lambda f, x, t, **_: f.reduce_sum(x * t * f.sin(t)), 4 * N * M, N * M),
}


@pytest.mark.parametrize("name", CASES)
def test_cost_and_sizes(name: str) -> None:
    build, operations, size = CASES[name]
    before, after = run(build)
    assert multiply_adds(after) <= operations
    assert multiply_adds(after) <= multiply_adds(before)
    assert largest(after) <= size


@pytest.mark.parametrize("name", CASES)
def test_gradients_stay(name: str) -> None:
    """The gradient of what is rewritten, rewritten itself, is that of what was written."""
    build = CASES[name][0]

    def total(f: Any, **inputs: Any) -> Any:
        built = build(f, **inputs)
        return sum((f.reduce_sum(f.sin(value)) for value in (built if isinstance(built, list) else [built])), 0)

    before = graph_of(total)
    wrt = [n for n in ("x", "v", "w", "a") if n in before.inputs()]
    want = modes.gradient(before, [before.inputs()[n] for n in wrt], "zero")
    after = contract(simplify(before))
    got = (
        verify(modes.gradient(after, [after.inputs().get(n, -1) for n in wrt], "zero"))
        if set(wrt) <= set(after.inputs())
        else None
    )
    if got is None:
        pytest.skip("an input is gone")
    final = verify(contract(guard(got, 1)))
    # The cosine of a sum that is of the order of 100, and so rounded to 100 ulp of 1.
    assert_same(final, want, 1e-12)
    assert multiply_adds(final) <= multiply_adds(guard(got, 1))


def test_what_others_need_is_not_computed_twice() -> None:
    before, after = run(lambda f, x, y, k, **_: [f.matmul(x, y), f.matmul(f.matmul(x, y), k)])
    assert multiply_adds(after) <= multiply_adds(before) == 2 * N * M * K + 2 * N * K
    before, after = run(lambda f, x, t, **_: [f.exp(x * t), f.reduce_sum(x * t)])
    assert to_text(after) == to_text(dead(simplify(before)))


def test_a_mean_over_nothing_is_a_sum_of_nothing() -> None:
    """x length that divides stays inside, where it divides nothing."""
    _, after = run(lambda f, x, v, **_: f.reduce_sum(rows(f, v) * x / f.length("N"), (0,)))
    assert interpret(after, values(EMPTY))[0].tolist() == [0.0, 0.0, 0.0]


def test_sums_are_not_distributed() -> None:
    """(x - t) w as two products would cancel where the difference does not."""
    _, after = run(lambda f, x, t, w, **_: f.reduce_sum((x + t) * columns(f, w), (1,)))
    assert multiply_adds(after) == N * M + 2 * N * M
    assert [node.op.name for node in after.nodes].count("contract") == 1


def test_products_of_equal_axes_stay_elementwise() -> None:
    before, after = run(lambda f, x, t, **_: f.reduce_sum(x * f.exp(t), (0,)))
    assert names(after) == {"input", "exp", "mul", "reduce_sum"}
    assert multiply_adds(before) == multiply_adds(after)


def test_backpropagation_through_a_network_stays_what_the_textbook_says() -> None:
    """Two layers and squared error: five products of matrices forwards and backwards, nothing larger than a batch."""

    def loss(f: Any, z: Any, x: Any, y: Any, **_: Any) -> Any:
        hidden = f.tanh(f.matmul(z, x))
        residual = f.matmul(hidden, y)
        return f.reduce_sum(residual * residual)

    before = graph_of(loss)
    primal = contract(simplify(before))
    inputs = primal.inputs()
    gradient = modes.gradient(primal, [inputs["x"], inputs["y"]], "zero")
    after = verify(dead(contract(guard(gradient, 1))))
    assert sum(node.op.name == "contract" for node in after.nodes) == 5
    products = 2 * (K * N * M + K * M * K + K * M * K + K * M * K + K * N * M)
    assert multiply_adds(after) <= products + 16 * K * K


def test_an_adjoint_chain_is_reordered_with_its_cotangent() -> None:
    """d(a^T x y k)/dA = a (y k)^T: an outer product of vectors."""
    primal = contract(
        simplify(graph_of(lambda f, a, x, y, k, **_: f.reduce_sum(f.matmul(f.matmul(f.matmul(f.mt(a), x), y), k))))
    )
    gradient = modes.gradient(primal, [primal.inputs()["x"]], "zero")
    after = verify(contract(guard(gradient, 1)))
    assert multiply_adds(after) <= 2 * (N * M + M * K + K) + 2 * M * K + 2 * N * M + N + M
    assert_same(after, gradient)


def test_a_long_chain_of_matrices() -> None:
    f = Functions(GraphBuilder())
    row = f.wrap(f.builder.input("row", Type("real", (1, "N"))))
    column = f.wrap(f.builder.input("column", Type("real", ("N", 1))))
    square = [f.wrap(f.builder.input(f"S{k}", Type("real", ("N", "N")))) for k in range(20)]
    product = square[0]
    for matrix in square[1:]:
        product = f.matmul(product, matrix)
    before = f.builder.graph([f.matmul(row, f.matmul(product, column)).index])
    after = verify(contract(simplify(before)))
    assert multiply_adds(after, {"N": 400}) <= 21 * 2 * 400**2
    rng = np.random.default_rng(3)
    inputs = {name: rng.uniform(0.0, 0.5, [4 if n == "N" else n for n in shape]) for name, shape in shapes_of(before)}
    np.testing.assert_allclose(interpret(after, inputs)[0], interpret(before, inputs)[0], rtol=1e-13)


def shapes_of(graph: Graph) -> list[tuple[str, tuple[Any, ...]]]:
    return [(node.attributes, node.type.shape) for node in graph.nodes if node.op.name == "input"]


def test_a_product_of_very_many_factors_is_cut() -> None:
    """100,000 factors in one sum, in time that grows with their number alone."""
    f = Functions(GraphBuilder())
    v = f.wrap(f.builder.input("v", Type("real", ("N",))))
    value = v
    for k in range(100_000):
        value = value * f.const((k + 1, k + 2)) if k % 2 else value * v
    graph = f.builder.graph([f.reduce_sum(value).index])
    after = verify(contract(graph))
    got, want = (interpret(g, {"v": np.array([1.0, 0.99999])})[0] for g in (after, graph))
    # 1e5 roundings of half an ulp, in another order.
    np.testing.assert_allclose(got, want, rtol=1e5 * 2.0**-53)


def test_names_are_kept() -> None:
    f = Functions(GraphBuilder())
    a, b = (f.wrap(f.builder.input(name, Type("real", ("N", "N")))) for name in "AB")
    trace = f.reduce_sum(f.diagonal(f.matmul(a, b), (0, 0)))
    f.builder.label(trace.index, "t")
    after = contract(f.builder.graph([trace.index]))
    assert after.labels == {after.outputs[0]: "t"}
