"""Sums over indexed arrays: values and derivatives beside JAX, and the sizes of graphs."""

# ruff: noqa: N803 - the arguments of the references are the arrays of the expressions

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop.frontend.extremes import MaxOver, MinOver
from symbackprop.frontend.scalar import Translator
from symbackprop.frontend.sharing import share
from symbackprop.ir import Graph, interpret, verify

jax = pytest.importorskip("jax")
jnp = jax.numpy
jax.config.update("jax_enable_x64", True)

i, j, k, at = sp.symbols("i j k at", integer=True)
n, m, K = sp.symbols("n m K", integer=True, positive=True)
a, s = sp.symbols("a s")
x, y, c, p, q, A, w = map(sp.IndexedBase, ("x", "y", "c", "p", "q", "A", "w"))
u = sp.IndexedBase("u", shape=(n,))
z = sp.IndexedBase("z", shape=(n,))
B = sp.IndexedBase("B", shape=(n, m))
C = sp.IndexedBase("C", shape=(n, n))
X = sp.MatrixSymbol("X", n, 3)
Reference = Callable[..., Any]


def raw_graph(expr: Any) -> tuple[Translator, Graph]:
    translator = Translator(lambda symbol: symbol.name)
    root = translator.translate(expr)
    translator.problems.raise_if_any()
    return translator, verify(share(translator.builder.graph([root])))


def value(expr: Any, **point: Any) -> Any:
    return interpret(raw_graph(expr)[1], point)[0]


def rows(graph: Graph) -> list[str]:
    return [node.op.name for node, needed in zip(graph.nodes, graph.reaching(), strict=True) if needed]


def sample(size: int = 5) -> dict[str, Any]:
    rng = np.random.default_rng(size)
    entries: dict[str, Any] = {name: rng.uniform(0.3, 1.4, size) for name in ("x", "y", "z", "u")}
    entries |= {"c": rng.normal(size=4), "p": rng.integers(0, size, size), "q": rng.integers(0, 2, size)}
    entries |= {"A": rng.normal(size=(size, size)), "B": rng.normal(size=(size, 2)), "C": rng.normal(size=(size, size))}
    return entries | {"X": rng.normal(size=(size, 3)), "a": 0.7, "s": 1.3, "w": rng.normal(size=3)}


def shifted(v: Any) -> Any:
    """v[i-1], and 0 at the start."""
    return jnp.concatenate([jnp.zeros(1), v[:-1]])


over_i, over_j = (i, 0, n - 1), (j, 0, n - 1)

CASES: dict[str, tuple[Any, tuple[str, ...], Reference]] = {
    "sum of squares": (sp.Sum(x[i] ** 2, over_i), ("x",), lambda x: jnp.sum(x**2)),
    "mean": (sp.Sum(sp.exp(x[i]), over_i) / n, ("x",), lambda x: jnp.mean(jnp.exp(x))),
    "polynomial regression": (
        sp.Sum((y[i] - sp.Sum(c[k] * x[i] ** k, (k, 0, 3))) ** 2, over_i),
        ("c", "x", "y"),
        lambda c, x, y: jnp.sum((y - sum(c[k] * x**k for k in range(4))) ** 2),
    ),
    "bilinear form": (
        sp.Sum(x[i] * C[i, j] * y[j], over_i, over_j),
        ("x", "C", "y"),
        lambda x, C, y: x @ C @ y,
    ),
    "transposed access": (sp.Sum(C[i, j] * C[j, i], over_i, over_j), ("C",), lambda C: jnp.sum(C * C.T)),
    "diagonal": (sp.Sum(C[i, i] * x[i], over_i), ("C", "x"), lambda C, x: jnp.sum(jnp.diag(C) * x)),
    "fixed row": (sp.Sum(A[3, i] * A[i, 0], over_i), ("A",), lambda A: jnp.sum(A[3] * A[:, 0])),
    "entries of a matrix": (
        sp.Sum(sp.sin(X[i, 1]) * X[i, j], over_i, (j, 0, 2)),
        ("X",),
        lambda X: jnp.sum(jnp.sin(X[:, 1:2]) * X),
    ),
    "entry of a product": (
        sp.Sum((X * X.T)[i, i] * x[i], over_i),
        ("X", "x"),
        lambda X, x: jnp.sum(jnp.diag(X @ X.T) * x),
    ),
    "differences": (sp.Sum((x[i + 1] - x[i]) ** 2, (i, 0, n - 2)), ("x",), lambda x: jnp.sum(jnp.diff(x) ** 2)),
    "heat equation": (
        sp.Sum((u[i] + a * (x[i + 1] - 2 * x[i] + x[i - 1]) - z[i]) ** 2, (i, 1, n - 2)),
        ("x", "a", "u"),
        lambda x, u, a, z: jnp.sum((u[1:-1] + a * (x[2:] - 2 * x[1:-1] + x[:-2]) - z[1:-1]) ** 2),
    ),
    "reversed": (sp.Sum(x[n - 1 - i] * y[i] ** 2, over_i), ("x", "y"), lambda x, y: jnp.sum(x[::-1] * y**2)),
    "scattered": (sp.Sum(sp.sin(x[p[i]]) * y[i], over_i), ("x", "y"), lambda x, y, p: jnp.sum(jnp.sin(x[p]) * y)),
    "two index arrays": (
        sp.Sum(A[p[i], q[i]] ** 2, over_i),
        ("A",),
        lambda A, p, q: jnp.sum(A[p, q] ** 2),
    ),
    "rows picked": (
        sp.Sum((B[p[i], j] - x[i]) ** 2, over_i, (j, 0, m - 1)),
        ("B", "x"),
        lambda B, p, x: jnp.sum((B[p] - x[:, None]) ** 2),
    ),
    "index arithmetic": (
        sp.Sum(x[i // 2] * x[sp.Mod(i, 3)] * i, (i, 0, 7)),
        ("x",),
        lambda x: sum(x[i // 2] * x[i % 3] * i for i in range(8)),
    ),
    "clamped": (
        sp.Sum((x[i] - x[sp.Max(i - 1, 0)]) ** 2, over_i),
        ("x",),
        lambda x: jnp.sum((x[1:] - x[:-1]) ** 2),
    ),
    "triangle": (
        sp.Sum(x[i] * y[j] * C[i, j], (j, 0, i), over_i),
        ("x", "y", "C"),
        lambda x, y, C: jnp.sum(jnp.tril(jnp.outer(x, y) * C)),
    ),
    "pairs": (
        sp.Sum((x[i] - x[j]) ** 2 * sp.exp(-y[i] * y[j]), (j, i + 1, n - 1), over_i),
        ("x", "y"),
        lambda x, y: jnp.sum(jnp.triu((x[:, None] - x) ** 2 * jnp.exp(-jnp.outer(y, y)), 1)),
    ),
    "convolution": (
        sp.Sum(x[i - j] * y[j] * u[i], (j, 0, i), over_i),
        ("x", "y", "u"),
        lambda x, y, u: jnp.sum(jnp.convolve(x, y)[: len(x)] * u),
    ),
    "guarded access": (
        sp.Sum(sp.Piecewise((x[i] - x[i - 1], i > 0), (x[0], True)) ** 2, over_i),
        ("x",),
        lambda x: jnp.sum((x - shifted(x)) ** 2),
    ),
    "guarded by an equation": (
        sp.Sum(sp.Piecewise((0, sp.Eq(i, 0)), (z[i - 1] * y[i], True)), over_i),
        ("z", "y"),
        lambda z, y: jnp.sum(z[:-1] * y[1:]),
    ),
    "guarded on both sides": (
        sp.Sum(sp.Piecewise((x[i - 1] * x[i + 1], (i >= 1) & (i < n - 1)), (x[i], True)), over_i),
        ("x",),
        lambda x: jnp.sum(x[:-2] * x[2:]) + x[0] + x[-1],
    ),
    "delta": (
        sp.Sum(sp.KroneckerDelta(i, j) * x[i] * y[j] ** 2, over_i, over_j),
        ("x", "y"),
        lambda x, y: jnp.sum(x * y**2),
    ),
    "delta off the diagonal": (
        sp.Sum((1 - sp.KroneckerDelta(i, j)) * x[i] * x[j], over_i, over_j),
        ("x",),
        lambda x: jnp.sum(x) ** 2 - jnp.sum(x**2),
    ),
    "delta with a shift": (
        sp.Sum(sp.KroneckerDelta(i + 1, j) * z[i] * y[j], over_i, over_j),
        ("z", "y"),
        lambda z, y: jnp.sum(z[:-1] * y[1:]),
    ),
    "band": (
        sp.Sum(x[i] * x[j] * C[i, j], (j, sp.Max(i - 1, 0), sp.Min(i + 1, n - 1)), over_i),
        ("x", "C"),
        lambda x, C: jnp.sum(jnp.triu(jnp.tril(jnp.outer(x, x) * C, 1), -1)),
    ),
    "half": (
        sp.Sum(x[i], (i, 0, n // 2 - 1)) * sp.Sum(x[i] ** 2, over_i),
        ("x",),
        lambda x: jnp.sum(x[: len(x) // 2]) * jnp.sum(x**2),
    ),
    "product": (sp.Product(1 + x[i] * y[i], over_i), ("x", "y"), lambda x, y: jnp.prod(1 + x * y)),
    "sum of products": (
        sp.Sum(sp.Product(B[i, j] + x[i], (j, 0, m - 1)), over_i),
        ("B", "x"),
        lambda B, x: jnp.sum(jnp.prod(B + x[:, None], axis=1)),
    ),
    "largest": (
        sp.Sum(MaxOver(C[i, j] * x[j], over_j), over_i) + MinOver(x[i], over_i),
        ("C", "x"),
        lambda C, x: jnp.sum(jnp.max(C * x, axis=1)) + jnp.min(x),
    ),
    "largest of a triangle": (
        sp.Sum(MaxOver(C[i, j], (j, 0, i)), over_i),
        ("C",),
        lambda C: sum(jnp.max(C[i, : i + 1]) for i in range(len(C))),
    ),
    "logistic regression": (
        sp.Sum(sp.log(1 + sp.exp(sp.Sum(X[i, j] * w[j], (j, 0, 2)))) - y[i] * sp.Sum(X[i, j] * w[j], (j, 0, 2)), over_i)
        / n
        + a * sp.Sum(w[j] ** 2, (j, 0, 2)),
        ("w", "a"),
        lambda w, X, y, a: jnp.mean(jnp.logaddexp(0, X @ w) - y * (X @ w)) + a * jnp.sum(w**2),
    ),
    "gaussian mixture": (
        sp.Sum(sp.log(sp.Sum(c[k] ** 2 * sp.exp(-((x[i] - w[k]) ** 2) / (2 * s**2)) / s, (k, 0, 2))), over_i),
        ("c", "w", "s", "x"),
        lambda c, w, s, x: jnp.sum(
            jnp.log(jnp.sum(c[:3] ** 2 * jnp.exp(-((x[:, None] - w) ** 2) / (2 * s**2)) / s, axis=1))
        ),
    ),
    "body free of the index": (
        sp.Sum(a**2, over_i) + sp.Product(s, over_i) + sp.Sum(x[i] * a, over_i, (j, 1, n)),
        ("a", "s", "x"),
        lambda a, s, x: len(x) * a**2 + s ** len(x) + len(x) * a * jnp.sum(x),
    ),
    "one index in several sums": (
        sp.Sum(x[i], over_i) * sp.Sum(x[i] ** 2, (i, 1, n - 2)) + sp.Sum(x[i] * sp.Sum(y[i], over_i), over_i),
        ("x", "y"),
        lambda x, y: jnp.sum(x) * jnp.sum(x[1:-1] ** 2) + jnp.sum(x) * jnp.sum(y),
    ),
}
"""Expression, what is differentiated, and the same in JAX. Where c is summed over three entries its shape is 3."""

SHAPES = {"gaussian mixture": {"c": 3}}


def point_of(name: str, size: int = 5) -> dict[str, Any]:
    point = sample(size)
    for array, length in SHAPES.get(name, {}).items():
        point[array] = point[array][:length]
    return point


def needed(expr: Any, point: dict[str, Any]) -> dict[str, Any]:
    inputs = raw_graph(expr)[1].inputs()
    return {name: given for name, given in point.items() if name in inputs}


@pytest.mark.parametrize("name", CASES)
def test_value_and_derivatives_are_those_of_jax(name: str, array_model: Any, against_jax: Any) -> None:
    expr, wrt, reference = CASES[name]
    against_jax(array_model(expr, wrt), reference, needed(expr, point_of(name)))


SIZE_FREE = sorted(set(CASES) - {"fixed row", "index arithmetic", "heat equation"})


@pytest.mark.parametrize("name", SIZE_FREE)
@pytest.mark.parametrize("size", [2, 9])
def test_one_graph_serves_all_sizes(name: str, size: int) -> None:
    expr, _, reference = CASES[name]
    point = needed(expr, point_of(name, size))
    # A sum of at most 81 terms of order one, in another order.
    np.testing.assert_allclose(value(expr, **point), reference(**point), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_nothing_is_unrolled(name: str) -> None:
    """The graph of a range of 1000 has the nodes of that of the symbolic range."""
    expr = CASES[name][0]
    symbolic = len(raw_graph(expr)[1])
    assert len(raw_graph(expr.xreplace({n: sp.Integer(1000)}))[1]) <= symbolic + 1
    assert len(raw_graph(expr.xreplace({n: sp.Integer(50)}))[1]) <= symbolic + 1


def test_an_index_that_occurs_everywhere_is_the_array_itself() -> None:
    _, graph = raw_graph(sp.Sum(B[i, j], over_i, (j, 0, m - 1)))
    assert rows(graph) == ["input", "reduce_sum"]


@pytest.mark.parametrize(
    "expr, row",
    [
        (sp.Sum(x[2 * i + 1], over_i), "slice"),
        (sp.Sum(x[n - 1 - i] * y[i], over_i), "slice"),
        (sp.Sum(C[i, i], over_i), "diagonal"),
        (sp.Sum(x[p[i]], over_i), "gather"),
    ],
)
def test_accesses_use_the_row_that_is_meant_for_them(expr: Any, row: str) -> None:
    places = {"slice", "diagonal", "gather"} & set(rows(raw_graph(expr)[1]))
    assert places == {row}


def test_a_delta_that_is_summed_over_leaves_no_axis() -> None:
    _, graph = raw_graph(sp.Sum(sp.KroneckerDelta(i, j) * x[i] * y[j], over_i, over_j))
    assert max(len(node.type.shape) for node in graph.nodes) == 1


def test_what_is_free_of_an_index_has_no_axis_for_it() -> None:
    _, graph = raw_graph(sp.Sum(x[i] * sp.Sum(sp.exp(y[j]), over_j), over_i))
    assert [len(node.type.shape) for node in graph.nodes if node.op.name == "exp"] == [1]
    assert max(len(node.type.shape) for node in graph.nodes) == 1


def test_products_with_zeros(array_model: Any) -> None:
    model = array_model(sp.Product(x[i], over_i), ["x"])
    np.testing.assert_array_equal(model.gradient({"x": np.array([0.0, 2.0, 3.0])})[0], [6, 0, 0])
    np.testing.assert_array_equal(model.gradient({"x": np.array([0.0, 2.0, 0.0])})[0], [0, 0, 0])


def test_the_power_of_zero_to_zero_is_one(array_model: Any) -> None:
    model = array_model(sp.Sum(c[k] * a**k, (k, 0, 3)), ["a", "c"])
    point = {"a": 0.0, "c": np.array([5.0, 7.0, 1.0, 1.0])}
    assert model.value(point) == 5.0
    by_a, by_c = model.gradient(point)
    assert by_a == 7.0
    np.testing.assert_array_equal(by_c, [1, 0, 0, 0])


@pytest.mark.parametrize(
    "expr, expected",
    [
        (sp.Sum(x[i], (i, 3, 2)), 0.0),
        (sp.Product(x[i], (i, 3, 2)), 1.0),
        (MaxOver(x[i], (i, 3, 2)), -np.inf),
        (sp.Sum(a, (i, 0, -1)), 0.0),
        (sp.Sum(sp.IndexedBase("x", shape=(3,))[j], (j, 0, i - 1), (i, 0, 0)), 0.0),
    ],
)
def test_empty_ranges(expr: Any, expected: float) -> None:
    assert value(expr, x=np.ones(3), a=2.0) == expected


def test_empty_arrays() -> None:
    assert value(sp.Sum(x[i] ** 2, over_i), x=np.zeros(0)) == 0.0
    assert value(sp.Product(x[i], over_i), x=np.zeros(0)) == 1.0
    assert value(sp.Sum(x[i] * y[j], (j, 0, i), over_i), x=np.zeros(0), y=np.zeros(0)) == 0.0


def test_a_shadowed_index_is_another_one() -> None:
    inner = sp.Sum(y[i] ** 2, over_i)
    given = np.array([1.0, 2.0, 4.0])
    assert value(sp.Sum(x[i] * inner + y[i], over_i), x=given, y=given) == 7 * 21 + 7
    # The same object inside and outside of the sum that binds its symbol.
    entry = i * a
    assert value(entry + sp.Sum(entry, (i, 1, 3)), i=10.0, a=2.0) == 20 + 12


def test_a_range_that_starts_elsewhere() -> None:
    assert value(sp.Sum(k * x[k], (k, 2, 4)), x=np.arange(5.0)) == 4 + 9 + 16
    assert value(sp.Sum(x[k - 1] / k, (k, 1, n)), x=np.ones(4)) == pytest.approx(25 / 12, rel=1e-15)
    assert value(sp.Sum(sp.sin(k * a), (k, 1, K)), a=0.5, K=3) == pytest.approx(
        np.sin(0.5) + np.sin(1.0) + np.sin(1.5), rel=1e-15
    )


def test_indices_with_ranges_of_their_own() -> None:
    index = sp.Idx("r", n)
    assert value(sp.Sum(x[index] * index, index), x=np.array([3.0, 4.0, 5.0])) == 14.0


def test_the_length_of_a_range_as_a_value() -> None:
    """Whatever is met first, the symbol is the length."""
    for expr in (sp.Sum(x[i], over_i) / n, sp.log(n) + sp.Sum(x[i], over_i), sp.Sum(x[i] / n, over_i) + n**2):
        translator, graph = raw_graph(expr)
        assert n not in translator.symbols
        assert set(graph.inputs()) == {"x"}
    assert value(sp.log(n) + sp.Sum(x[i], over_i), x=np.ones(3)) == pytest.approx(np.log(3) + 3, rel=1e-15)


def test_an_integer_input_as_an_index() -> None:
    translator, graph = raw_graph(x[at] ** 2 + at)
    assert translator.symbols[at].dtype == "int"
    assert interpret(graph, {"x": np.array([1.0, 3.0]), "at": 1}) == [10.0]
    with pytest.raises(IndexError, match="out of range"):
        interpret(graph, {"x": np.array([1.0, 3.0]), "at": 2})
    with pytest.raises(IndexError, match="out of range"):
        interpret(graph, {"x": np.array([1.0, 3.0]), "at": -1})


def test_an_integer_input_as_an_index_of_a_matrix() -> None:
    translator, graph = raw_graph(X[at, 1] * (X.T * X)[at, 0])
    given = np.arange(12.0).reshape(4, 3)
    assert translator.symbols[at].dtype == "int"
    assert interpret(graph, {"X": given, "at": 2}) == [7.0 * (given.T @ given)[2, 0]]
    with pytest.raises(IndexError, match="out of range"):
        interpret(graph, {"X": given, "at": 3})


def test_a_sum_in_a_function_that_is_applied_to_a_matrix() -> None:
    """The argument keeps its own axes beside those of the indices, though their lengths are alike."""
    v = sp.MatrixSymbol("v", n, n)
    expr = sp.Trace(v.applyfunc(sp.Lambda(a, sp.Sum(sp.sin(a * x[i]) * y[j], over_i, over_j))))
    given = np.array([0.3, 0.5, 0.9])
    square = np.arange(9.0).reshape(3, 3)
    expected = np.sum(np.sin(np.diag(square)[:, None] * given)) * np.sum(given)
    assert value(expr, x=given, y=given, v=square) == pytest.approx(expected, rel=1e-14)


def test_an_index_array_as_a_value() -> None:
    translator, graph = raw_graph(sp.Sum(x[p[i]] * p[i], over_i))
    assert translator.symbols[p].dtype == "int"
    assert interpret(graph, {"x": np.array([1.0, 3.0]), "p": np.array([1, 1, 0])}) == [6.0]


def test_only_conditions_that_hold_reach_for_an_entry() -> None:
    picked = sp.Sum(sp.Piecewise((x[p[i]], p[i] >= 0), (0, True)), over_i)
    assert value(picked, x=np.array([1.0, 3.0]), p=np.array([1, -1, 0])) == 4.0
    with pytest.raises(IndexError, match="out of range"):
        value(picked, x=np.array([1.0, 3.0]), p=np.array([1, -1, 2]))
