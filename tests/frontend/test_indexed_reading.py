"""Models over indexed arrays as they are read: shapes, what is refused, let-bound parts, and deep nests."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop.errors import NameClash, ShapeMismatch, UnboundSymbol, UnsupportedExpression
from symbackprop.frontend.model import read_model
from symbackprop.frontend.scalar import Translator
from symbackprop.frontend.sharing import share
from symbackprop.ir import Graph, interpret, verify
from symbackprop.ops.extents import extent_text, shape_text

i, j = sp.symbols("i j", integer=True)
n, m = sp.symbols("n m", integer=True, positive=True)
a = sp.Symbol("a")
x, y, p, A = map(sp.IndexedBase, ("x", "y", "p", "A"))
z = sp.IndexedBase("z", shape=(n,))
X = sp.MatrixSymbol("X", n, 3)
over_i = (i, 0, n - 1)


def raw_graph(expr: Any) -> tuple[Translator, Graph]:
    translator = Translator(lambda symbol: symbol.name)
    root = translator.translate(expr)
    translator.problems.raise_if_any()
    return translator, verify(share(translator.builder.graph([root])))


def rows(graph: Graph) -> list[str]:
    return [node.op.name for node, needed in zip(graph.nodes, graph.reaching(), strict=True) if needed]


@pytest.mark.parametrize(
    "expr, base, shape",
    [
        (sp.Sum(x[i], over_i), x, "(n,)"),
        (sp.Sum(x[i + 1] - x[i], over_i), x, "(n + 1,)"),
        (sp.Sum(x[i + j], over_i, (j, 0, m - 1)), x, "(m + n - 1,)"),
        (sp.Sum(x[i] + x[2 * i], over_i), x, "(2*n - 1,)"),
        (sp.Sum(x[i], over_i) + x[4], x, "(n,)"),
        (sp.Sum(x[i], (i, 0, 9)) + x[12], x, "(13,)"),
        (sp.Sum(A[i, j], over_i, (j, 0, 2)), A, "(n, 3)"),
        (x[3] * x[1], x, "(len(x),)"),
        (sp.Sum(A[p[i], 2], over_i), A, "(len(A, 0), len(A, 1))"),
        (sp.Sum(sp.Piecewise((x[i + 1], i < n - 1), (0, True)), over_i), x, "(n,)"),
    ],
)
def test_shapes_are_read_off_the_accesses(expr: Any, base: Any, shape: str) -> None:
    assert shape_text(raw_graph(expr)[0].symbols[base].shape) == shape


def test_facts_about_lengths_are_collected() -> None:
    facts = raw_graph(x[3] * x[1])[0].at_least
    assert sorted((extent_text(extent), least) for extent, least, _ in facts) == [("len(x) - 1", 1), ("len(x) - 3", 1)]
    text = raw_graph(sp.Sum(z[i], (i, 0, m - 1)))[0].at_least[0][2]
    assert "z[i] reaches index m - 1" in text
    assert raw_graph(sp.Sum(z[i], over_i))[0].at_least == []


@pytest.mark.parametrize(
    "expr, error, words",
    [
        (sp.Sum(x[i], (i, 5, 2)), UnsupportedExpression, "reversed"),
        (sp.Sum(x[j], (j, 0, i - 2), over_i), UnsupportedExpression, "reversed"),
        (sp.Sum(x[i], (i, 0, sp.oo)), UnsupportedExpression, "from 0 to oo"),
        (sp.Sum(x[i], (i, 0, y[0])), UnsupportedExpression, "limits from data"),
        (sp.Sum(x[i - 1], over_i), ShapeMismatch, "index -1"),
        (sp.Sum(z[i + 1], over_i), ShapeMismatch, "index n of an axis of length n"),
        (sp.IndexedBase("v", shape=(4,))[5], ShapeMismatch, "index 5 of an axis of length 4"),
        (sp.Sum(X[i, j], over_i, (j, 0, 3)), ShapeMismatch, "index 3 of an axis of length 3"),
        (sp.Sum(x[i], over_i) + sp.Sum(x[i], (i, 0, m - 1)), UnsupportedExpression, "declare its shape"),
        (x[i] + x[i, j], UnsupportedExpression, "one rank"),
        (sp.Sum(x[i / 2], (i, 0, 4)), UnsupportedExpression, "no integer expression"),
        (x * 2, UnsupportedExpression, "whole array"),
        (sp.Idx("r") * 2, UnsupportedExpression, "bound by no sum"),
        (sp.Sum(i * X, (i, 0, 3)), UnsupportedExpression, "depends on a bound index"),
        (sp.Integral(a, (a, 0, 1)), UnsupportedExpression, "quadrature"),
    ],
)
def test_refused_in_words(expr: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        raw_graph(expr)


def test_let_bound_parts_of_a_body_are_translated_where_they_stand() -> None:
    body = sp.Sum(x[i] ** 2 + sp.sin(x[i] ** 2) * y[i], over_i)
    let, (reduced,) = sp.cse(body + sp.exp(body / n))
    assert any(meant.has(i) and not isinstance(meant, sp.Sum) for _, meant in let)
    model = read_model(reduced, let=let)
    given = np.array([0.5, 1.0, 1.5])
    total = np.sum(given**2 + np.sin(given**2) * given)
    expected = total + np.exp(total / 3)
    assert interpret(model.graph, {"x": given, "y": given})[0] == pytest.approx(expected, rel=1e-14)
    assert [argument.name for argument in model.arguments] == ["x", "y"]


def test_let_bound_symbols_are_bound_once_and_before_they_are_used() -> None:
    first, second = sp.symbols("x0 x1")
    expr = sp.Sum(first * x[i], over_i)
    with pytest.raises(NameClash, match="twice"):
        read_model(expr, let=[(first, 2 * i), (first, 3 * i)])
    with pytest.raises(UnboundSymbol, match="before it is bound"):
        read_model(expr, let=[(first, second * i), (second, first * i)])


def test_two_expressions_share_what_is_known_of_an_array() -> None:
    model = read_model([sp.Sum(x[i], (i, 0, n - 2)), sp.Sum(x[i + 1], (i, 0, n - 2))])
    assert model.arguments[0].shape == ("n",)


def test_long_chains_around_sums() -> None:
    """SymPy itself recurses over the body of a sum when it is made, so that bodies are no deeper than this."""
    chain: Any = x[i]
    for _ in range(100):
        chain = sp.sin(chain, evaluate=False)
    level: Any = sp.Sum(chain, over_i)
    for _ in range(20_000):
        level = sp.sin(level, evaluate=False)
    _, graph = raw_graph(level)
    assert rows(graph).count("sin") == 20_100


def test_sums_of_sums_of_sums_do_not_recurse() -> None:
    level: Any = x[0]
    for _ in range(60):
        level = sp.Sum(y[i] * sp.sin(level, evaluate=False), over_i)
    _, graph = raw_graph(level)
    assert rows(graph).count("sin") == 60
    # What is free of the index is outside of the sum: no node has a second axis.
    assert max(len(node.type.shape) for node in graph.nodes) == 1


def test_nested_sums_do_not_repeat_their_work() -> None:
    """Levels that are each used twice stay as many sums."""
    level: Any = x[i]
    symbols = sp.symbols("t:8", integer=True)
    for symbol in symbols:
        inner = sp.Sum(level * y[symbol], (symbol, 0, n - 1))
        level = sp.Add(inner, sp.sin(inner), evaluate=False)
    _, graph = raw_graph(sp.Sum(level, over_i))
    assert rows(graph).count("sin") == 8
