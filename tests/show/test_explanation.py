"""Explanations: what stands in the tables is the mathematics, whatever the format."""

from __future__ import annotations

import gc
import pickle
import re
import types
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop import (
    CallError,
    CompiledFunction,
    Explanation,
    SymbackpropError,
    compile_grad,
    compile_hessian,
    compile_jacobian,
    explain,
    recurrence,
)

a, b, c, d, e = sp.symbols("a b c d e")
SEED = ([(c, a + b), (d, b + 1), (e, c * d)], [e])
AT = {"a": 2, "b": 1}
TAGS = {"div", "table", "caption", "thead", "tbody", "tr", "th", "td", "code", "p"}


def markdown_tables(text: str) -> list[list[list[str]]]:
    """The cells of every table, without the fences of code."""
    tables: list[list[list[str]]] = []
    for line in text.splitlines():
        if not line.startswith("|"):
            tables += [[]] if not tables or tables[-1] else []
            continue
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not all(cell == "---" for cell in cells):
            tables[-1].append([cell.strip("`").strip() for cell in cells])
    return [table for table in tables if table]


def test_the_markdown_tables_hold_the_seed_of_the_subject() -> None:
    forward, backward, paths, modes, tangents, result = markdown_tables(explain(SEED, [a, b], at=AT).markdown())
    assert forward[0] == ["step", "expression", "value"]
    assert {row[0]: (row[1], row[2]) for row in forward[1:]} == {
        "a": ("given", "2"),
        "b": ("given", "1"),
        "c": ("a + b", "3"),
        "d": ("b + 1", "2"),
        "e": ("c*d", "6"),
    }
    assert {row[0]: tuple(row[1:]) for row in backward[1:]} == {
        "e_bar": ("1", "", "1"),
        "c_bar": ("e_bar*d", "1*2", "2"),
        "d_bar": ("e_bar*c", "1*3", "3"),
        "a_bar": ("c_bar*1", "2*1", "2"),
        "b_bar": ("c_bar*1 + d_bar*1", "2*1 + 3*1", "5"),
    }
    assert paths[1:] == [["a", "a -> c -> e", "1*2", "2"], ["b", "b -> c -> e; b -> d -> e", "1*2 + 1*3", "5"]]
    assert [row[:3] for row in modes[1:]] == [["reverse", "1", "3"], ["forward", "2", "4"]]
    assert {row[0]: row[1:] for row in tangents[1:]}["e_dot"] == ["c_dot*d + d_dot*c", "2", "5"]
    assert {row[0]: row[1] for row in result[1:]}["de/db"] == "5"


def test_every_format_holds_the_same_rows() -> None:
    explanation = explain(SEED, [a, b], at=AT)
    page = ET.fromstring(f"<div>{explanation.html()}</div>")
    of_html = [["".join(cell.itertext()) for cell in row] for row in page.iter("tr")]
    of_markdown = [row for table in markdown_tables(explanation.markdown()) for row in table]
    assert of_html == of_markdown
    for row in of_markdown:
        assert any(all(cell in line for cell in row) for line in str(explanation).splitlines())
    tex = explanation.latex()
    assert r"\bar{b} & \bar{c}\,\frac{\partial c}{\partial b} + \bar{d}\,\frac{\partial d}{\partial b}" in tex
    assert tex.count(r"\begin{array}") == tex.count(r"\end{array}") == len(explanation.tables)


def test_hostile_names_stay_text(hostile: str) -> None:
    x, y = sp.Symbol(hostile), sp.Symbol("y")
    explanation = explain(x * y + sp.sin(x), [x, y], at={x: 1, y: 2})
    html, markdown, tex = explanation.html(), explanation.markdown(), explanation.latex()
    page = ET.fromstring(f"<div>{html}</div>")
    assert {element.tag for element in page.iter()} <= TAGS
    lengths = [{len(row) for row in table} for table in markdown_tables(markdown)]
    assert all(len(widths) == 1 for widths in lengths)
    assert "<script>" not in re.sub(r"`+.*?`+", "", markdown)
    for text in (html, markdown, tex, str(explanation)):
        assert "\u202e" not in text and "two\nlines" not in text
    assert "<s" not in tex and "<s" not in html
    assert r"\end{array}}" not in tex and tex.count("{") - tex.count("\\{") == tex.count("}") - tex.count("\\}")


x, y, z = sp.symbols("x y z", positive=True)
M, v = sp.MatrixSymbol("M", 2, 3), sp.MatrixSymbol("v", 3, 1)
MODELS: list[tuple[Any, Any, dict[str, Any]]] = [
    (x**3 * sp.sin(y) / z, [x, y, z], {"x": 1.5, "y": 0.25, "z": 3}),
    (sp.Max(x, y) + sp.Abs(z - x), [x, y, z], {"x": 2, "y": 1, "z": 2}),
    (sp.Piecewise((x * y, x < z), (y**2, True)), [x, y], {"x": 1, "y": 3, "z": 2}),
    (sp.Piecewise((1, sp.Eq(a, 0)), (sp.sin(a) / a, True)) * y, [a, y], {"a": 0, "y": 3}),
    (sp.Trace(M * v * v.T * M.T), [M, v], {"M": [[1, 2, 3], [4, 5, 6]], "v": [[1], [-1], [0.5]]}),
    (sp.log(1 + sp.exp(x)), x, {"x": 1000}),
    (x, x, {"x": 4}),
    (sp.Integer(3) + 0 * x, y, {"y": 4}),
]


@pytest.mark.filterwarnings("ignore::symbackprop.SymbackpropWarning")
@pytest.mark.parametrize(("expr", "wrt", "at"), MODELS, ids=lambda thing: str(thing)[:40])
def test_the_gradient_explained_is_the_gradient_compiled(expr: Any, wrt: Any, at: dict[str, Any]) -> None:
    g = compile_grad(expr, wrt, backend="numpy")
    explanation = g.explain(**at)
    value, gradient = g.value_and_grad(**at)
    found = list(explanation.gradient.values())
    np.testing.assert_allclose(explanation.value, value, rtol=1e-13)
    for ours, theirs in zip(found, gradient if isinstance(wrt, list) else [gradient], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-13, atol=1e-300)


def numbers_of(text: str) -> float:
    return float(
        sum(float(sp.prod(map(float, term.replace("(", "").replace(")", "").split("*")))) for term in text.split(" + "))
    )


def test_every_sum_in_the_tables_is_its_value() -> None:
    expr = sp.tanh(x * y + z) * sp.exp(x - y) / (1 + z**2)
    explanation = explain(expr, [x, y, z], at={"x": 0.5, "y": -1.25, "z": 2})
    checked = 0
    for table, column in ((explanation.backward, 2), (explanation.paths, 2)):
        for row in table.rows:
            if row[column].text:
                assert numbers_of(row[column].text) == pytest.approx(float(row[-1].text), rel=1e-4)
                checked += 1
    assert checked > 8


def test_what_overflows_in_floats_is_right_in_the_tables() -> None:
    table = explain(sp.log(1 + sp.exp(x)), x, at={"x": 1000}).backward
    assert [row[3].text for row in table.rows] == ["1", "5.07596e-435", "5.07596e-435", "1"]


def test_where_the_formula_has_no_value_the_compiled_one_stands_beside_it() -> None:
    rows = {row[0].text: row[1].text for row in explain(sp.sin(x) / x, x, at={"x": 0}).result.rows}
    assert rows == {"value": "nan", "dvalue/dx": "nan", "compiled value": "1", "compiled, in x": "0"}


def test_large_graphs_count_their_paths() -> None:
    explanation = explain(([(sp.Symbol("s"), x * y)], [sp.Symbol("s") * x]), [x, y], at={"x": 2, "y": 3})
    assert explanation.gradient == {"x": 12.0, "y": 4.0}
    inputs = sp.symbols("q1:41")
    wide = explain(sp.prod([q + 1 for q in inputs]) * sum(inputs), list(inputs), at={q.name: 0 for q in inputs})
    assert "paths" in wide.paths.rows[0][1].text and "along q1" not in str(wide)
    assert wide.gradient["q7"] == 1.0


def test_kinks_are_what_the_policy_says() -> None:
    s = sp.Symbol("s", real=True)
    for policy, slope in (("zero", 0.0), ("left", -1.0), ("right", 1.0)):
        assert explain(sp.Abs(s) * y, s, at={s: 0, y: 1}, kinks=policy).gradient == {"s": slope}
    assert explain(sp.Abs(s) * y, s, at={s: 2, y: 1}, kinks="raise").gradient == {"s": 1.0}
    with pytest.raises(SymbackpropError, match="no derivative where"):
        explain(sp.Abs(s) * y, s, at={s: 0, y: 1}, kinks="raise")


def test_other_derivatives_explain_their_gradient_or_their_values() -> None:
    assert compile_hessian(x**2 * y, [x, y]).explain(1, 2).gradient == {"x": 4.0, "y": 1.0}
    state, k = sp.symbols("state k")
    loop = recurrence(sp.sin(state) * x, state, y, (k, 1, 5))
    g = compile_grad(loop, [x, y], backend="numpy")
    np.testing.assert_allclose(list(g.explain(0.5, 1.0).gradient.values()), g(0.5, 1.0), rtol=1e-12)
    assert g.explain(0.5, 1.0).value == pytest.approx(g.value(0.5, 1.0), rel=1e-12)


def test_a_point_is_given_by_symbols_or_by_names() -> None:
    dummy, base = sp.Dummy("u"), sp.IndexedBase("B", shape=(2,))
    expr = dummy * base[0] + base[1] * M[0, 0]
    at = {dummy: 2, base: [1, 3], M: np.ones((2, 3))}
    assert explain(expr, dummy, at=at).gradient == {"u": 1.0}
    assert explain(expr, dummy, at={str(k.name): value for k, value in at.items()}).value == 5.0
    assert "u#95;bar = 1" in compile_grad(expr, dummy, backend="numpy").graph.mermaid(at=at)


def test_of_several_values_each_has_its_table_and_all_have_a_jacobian() -> None:
    g = compile_jacobian([x * y, sp.sin(x) + y, x / z], [x, y, z], backend="numpy")
    explanation = g.explain(x=0.5, y=2.0, z=4.0)
    assert explanation.value == pytest.approx(list(g.value(0.5, 2.0, 4.0)))
    np.testing.assert_allclose(np.transpose(list(explanation.gradient.values())), g(0.5, 2.0, 4.0), rtol=1e-14)
    titles = [table.title for table in explanation.tables]
    assert [title for title in titles if title.startswith("Backward from")] == [
        f"Backward from value {k}: the adjoints, by the chain rule" for k in (1, 2, 3)
    ]
    assert [[cell.text for cell in row] for row in explanation.jacobian.rows] == [
        ["value 1", "2", "0.5", "0"],
        ["value 2", "0.877583", "1", "0"],
        ["value 3", "0.25", "0", "-0.03125"],
    ]
    reverse, forward = explanation.modes.rows
    assert (reverse[1].text, forward[1].text) == ("3", "3") and " + " in reverse[3].text
    many = compile_jacobian([q**2 for q in sp.symbols("q1:9")], backend="numpy").explain(*range(8))
    assert len(many.jacobian.rows) == 64 and many.gradient["q3"] == [0, 0, 4, 0, 0, 0, 0, 0]


def test_what_is_not_shown_says_so() -> None:
    g = compile_jacobian(M * v, v, backend="numpy")
    explanation = g.explain(np.ones((2, 3)), np.ones((3, 1)))
    assert explanation.gradient == {} and explanation.result.rows[-1][0].text == "not shown"
    assert "an array: explain one entry" in str(explanation)


@pytest.mark.parametrize("reduce", ["sum", "mean", None])
def test_a_batch_is_explained_by_its_first_sample_beside_the_others(reduce: Any) -> None:
    g: CompiledFunction = compile_grad((x * y - z) ** 2, y, batch=[x, z], reduce=reduce, backend="numpy")
    assert g.explain(x=2, y=1, z=1).gradient == {"y": 4.0}
    assert len(g.explain(x=2, y=1, z=1).tables) == len(g.explain(x=[2], y=1, z=[1]).tables) - 1
    xs, zs = np.arange(2.0, 5.0), np.ones(3)
    explanation = g.explain(x=xs, y=1, z=zs)
    assert explanation.gradient == {"y": 4.0}
    table = explanation.samples
    assert "axis 0 of x, z counts samples" in table.title and "batch of 3" in table.title
    rows = [[cell.text for cell in row] for row in table.rows]
    assert rows[:3] == [["0", "1", "4"], ["1", "4", "12"], ["2", "9", "24"]]
    last = {"sum": ["sum, compiled", "14", "40"], "mean": ["mean, compiled", "4.66667", "13.3333"]}
    assert rows[3:] == ([last[reduce]] if reduce else [])
    assert "... 4 more" in str(g.explain(x=np.arange(12.0), y=1, z=np.ones(12)))


def test_a_batch_of_arrays_and_what_is_no_batch() -> None:
    row, weights = sp.MatrixSymbol("row", 1, 3), sp.MatrixSymbol("weights", 3, 1)
    g = compile_grad((row * weights)[0, 0] ** 2, weights, batch=[row], reduce="mean", backend="numpy")
    data, start = np.arange(6.0).reshape(2, 1, 3), np.ones((3, 1))
    np.testing.assert_array_equal(g.explain(data, start).gradient["weights"].ravel(), [0.0, 6.0, 12.0])
    loss = compile_grad((x * y - z) ** 2, y, batch=[x, z], reduce="sum", backend="numpy")
    for point, message in (
        ({"x": [1.0, 2.0], "y": 1, "z": 1}, "one sample and 'x' a batch"),
        ({"x": [1.0, 2.0], "y": 1, "z": [1.0]}, "samples|length"),
        ({"x": [], "y": 1, "z": []}, "no samples"),
        ({"x": 1, "y": [1.0], "z": 1}, "'y' must be a number"),
    ):
        with pytest.raises(SymbackpropError, match=message):
            loss.explain(**point)


def test_what_is_shown_is_what_was_compiled_whatever_became_of_the_lists() -> None:
    let, wrt = [(c, a + b), (d, c * b)], [a, b]
    matrix = sp.Matrix([[a * b]])
    g, other = compile_grad((let, [d**2]), wrt, backend="numpy"), compile_grad(matrix, [a], backend="numpy")
    source = g.source
    let[0] = (c, a - b)
    del wrt[0]
    matrix[0, 0] = a
    assert g.explain(1, 2).value == g.value(1, 2) == 36.0 and set(g.explain(1, 2).gradient) == {"a", "b"}
    assert g.trace("c").expressions == (a + b,) and g.source == source
    assert other.explain(3, 2).value == 6.0


def test_what_is_kept_of_a_model_is_its_request_and_its_graph() -> None:
    from symbackprop.compiler import Compiled
    from symbackprop.lower.program import Function

    g = compile_grad(sp.sin(a * b), [a], backend="numba")
    g(1.0, 2.0)
    kept: list[Any] = []
    seen: set[int] = set()
    stack: list[Any] = [g]
    while stack:
        thing = stack.pop()
        if id(thing) in seen or isinstance(thing, (type, types.ModuleType)):
            continue
        seen.add(id(thing))
        kept += [thing] if isinstance(thing, (Compiled, Function)) else []
        module = type(thing).__module__
        if module.startswith(("symbackprop", "builtins", "functools")):
            stack += [r for r in gc.get_referents(thing) if not isinstance(r, dict) or "__builtins__" not in r]
    assert [type(thing) for thing in kept] == [Compiled], "programs are not kept once they are machine code"


def test_what_cannot_be_explained_says_so() -> None:
    with pytest.raises(SymbackpropError, match="misses 'b'"):
        explain(a * b, at={"a": 1})
    with pytest.raises(SymbackpropError, match="must be a number"):
        explain(a * b, at={"a": [1, 2], "b": 1})
    with pytest.raises(CallError, match="unpickled"):
        pickle.loads(pickle.dumps(compile_grad(a * b, backend="numpy"))).explain(1, 2)
    assert isinstance(explain(a, at={"a": 1}), Explanation)


def test_a_table_shows_itself() -> None:
    """One of several, too, as the last line of a notebook's cell."""
    forward = compile_grad(a * b, [a, b]).explain(2, 3).forward
    assert repr(forward) == str(forward)
    assert "<table" in forward._repr_html_()
    assert "|" in forward.markdown()
