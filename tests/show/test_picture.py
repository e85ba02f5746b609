"""Pictures: what is drawn is the mathematics, names are text, large graphs fit on a screen."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
import xml.etree.ElementTree as ET
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop import OptionError, compile_function, compile_grad, compile_jacobian, recurrence
from symbackprop.frontend import read_model
from symbackprop.show import layout as layouts
from symbackprop.show.collapse import collapse
from symbackprop.show.derivation import Derivation
from symbackprop.show.escapes import visible
from symbackprop.show.picture import BACKWARD, FORWARD, Picture

a, b, c, d, e, x, y, r = sp.symbols("a b c d e x y r")
SEED = ([(c, a + b), (d, b + 1), (e, c * d)], [e])
AT = {"a": 2, "b": 1}
SVG = "{http://www.w3.org/2000/svg}"
GOLDEN = """\
flowchart TD
    n0(["a<br/>= 2<br/><font color='#b3261e'>a#95;bar = 2</font>"]):::variable
    n1(["b<br/>= 1<br/><font color='#b3261e'>b#95;bar = 5</font>"]):::variable
    n2["c = a + b<br/>= 3<br/><font color='#b3261e'>c#95;bar = 2</font>"]:::step
    n3["d = b + 1<br/>= 2<br/><font color='#b3261e'>d#95;bar = 3</font>"]:::step
    n4[["e = c#42;d<br/>= 6<br/><font color='#b3261e'>e#95;bar = 1</font>"]]:::value
    n0 -->|"1"| n2
    n1 -->|"1"| n2
    n1 -->|"1"| n3
    n2 -->|"2"| n4
    n3 -->|"3"| n4
    linkStyle 0,1,2,3,4 color:#b3261e
    classDef variable fill:#fff2cc,stroke:#222222,color:#222222
    classDef step fill:#ffffff,stroke:#222222,color:#222222
    classDef value fill:#d9ead3,stroke:#222222,color:#222222
"""


@pytest.fixture(params=layouts.LAYOUTS)
def layout(request: pytest.FixtureRequest) -> str:
    if request.param == "grandalf":
        pytest.importorskip("grandalf")
    elif layouts.shutil.which("dot") is None:
        pytest.skip("Graphviz is not installed")
    return str(request.param)


def picture_of(expr: Any, wrt: Any, let: Any = ()) -> Picture:
    """A picture without the rest of the compiler."""
    model = read_model(expr, wrt, None, None, let)
    return Picture(Derivation(model.graph, model.wrt), lambda at: {str(k): v for k, v in at.items()})


def read_svg(text: str) -> tuple[dict[str, list[str]], list[tuple[str, str, str]]]:
    """Of each box its lines by the name before `=`, and the arrows with their partials."""
    boxes, names = {}, []
    root = ET.fromstring(text)
    for group in root.iter(f"{SVG}g"):
        lines = {line.get("class", ""): "".join(line.itertext()) for line in group.iter(f"{SVG}text")}
        if str(group.get("class")).startswith("box"):
            names.append(lines["title"].split(" = ")[0])
            boxes[names[-1]] = list(lines.values())
    arrows = [
        (names[int(g.get("data-from", ""))], names[int(g.get("data-to", ""))], "".join(g.itertext()))
        for g in root.iter(f"{SVG}g")
        if g.get("class") == "arrow"
    ]
    return boxes, arrows


def test_the_svg_holds_the_seed_of_the_subject(layout: str) -> None:
    boxes, arrows = read_svg(compile_grad(SEED, [a, b]).graph.svg(at=AT, layout=layout))
    assert boxes == {
        "a": ["a", "= 2", "a_bar = 2"],
        "b": ["b", "= 1", "b_bar = 5"],
        "c": ["c = a + b", "= 3", "c_bar = 2"],
        "d": ["d = b + 1", "= 2", "d_bar = 3"],
        "e": ["e = c*d", "= 6", "e_bar = 1"],
    }
    assert sorted(arrows) == [("a", "c", "1"), ("b", "c", "1"), ("b", "d", "1"), ("c", "e", "2"), ("d", "e", "3")]


def test_boxes_do_not_overlap_and_arrows_end_at_them(layout: str) -> None:
    root = ET.fromstring(compile_grad(SEED, [a, b]).graph.svg(layout=layout))
    rectangles = []
    for group in root.iter(f"{SVG}g"):
        if str(group.get("class")).startswith("box"):
            rectangle = group.find(f"{SVG}rect")
            assert rectangle is not None
            rectangles.append(tuple(float(rectangle.get(key, "")) for key in ("x", "y", "width", "height")))
    for first, (x0, y0, w0, h0) in enumerate(rectangles):
        for x1, y1, w1, h1 in rectangles[:first]:
            assert x0 >= x1 + w1 or x1 >= x0 + w0 or y0 >= y1 + h1 or y1 >= y0 + h0
    for group in root.iter(f"{SVG}g"):
        if group.get("class") == "arrow":
            path = group.find(f"{SVG}path")
            assert path is not None
            points = [float(n) for n in re.findall(r"-?[0-9.]+", path.get("d", ""))]
            for end, (px, py) in (("from", points[:2]), ("to", points[-2:])):
                left, top, width, height = rectangles[int(group.get(f"data-{end}", ""))]
                assert left - 4 <= px <= left + width + 4 and top - 4 <= py <= top + height + 4


def test_mermaid_is_what_it_was() -> None:
    graph = compile_grad(SEED, [a, b]).graph
    assert graph.mermaid(at=AT) == GOLDEN
    assert GOLDEN in (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8"), "the README's picture"
    assert 'n2 -->|"d"| n4' in graph.mermaid() and "b#95;bar = c#95;bar#42;1 + d#95;bar#42;1" in graph.mermaid()


def test_an_operand_that_comes_twice_has_both_its_partials_on_one_arrow() -> None:
    assert '-->|"0.25 + (-0.25)"|' in picture_of(sp.atan2(x, x, evaluate=False), x).mermaid(at={x: 2})


def test_hostile_names_stay_text(hostile: str, layout: str) -> None:
    symbol, step = sp.Symbol(hostile), sp.Symbol(hostile + "'")
    graph = compile_grad(([(step, symbol * y)], [step + symbol]), symbol).graph
    text = graph.svg(layout=layout)
    titles, _ = read_svg(text)
    shown = hostile.encode("unicode_escape").decode() if "\n" in hostile or "\u202e" in hostile else hostile
    assert shown in titles
    tags = {element.tag.removeprefix(SVG) for element in ET.fromstring(text).iter()}
    assert tags == {"svg", "style", "defs", "marker", "path", "rect", "g", "text"}
    for drawn in (graph.mermaid(), graph.dot(), text, repr(compile_grad(symbol * y))):
        assert "\u202e" not in drawn and "two\nlines" not in drawn
    for line in re.sub("</?font( color='#b3261e')?>", "", graph.mermaid()).splitlines():
        assert re.fullmatch(
            r'flowchart TD|    n\d+(\(\["|\["|\[\[")[\w =+/(),.#;<>-]*("\]\)|"\]|"\]\]):::\w+'
            r'|    n\d+ (-->|-->\|"[\w =+/(),.#;-]*"\|) n\d+|    (classDef|linkStyle) [\w #:,]+',
            line,
        ), line
        assert "<" not in line.replace("<br/>", "")
    for label in re.findall("label=(<.*?>) fillcolor|label=(<.*>)]", graph.dot()):
        page = ET.fromstring(f"<div>{''.join(label)[1:-1]}</div>")
        assert {element.tag for element in page.iter()} <= {"div", "FONT", "BR"}
    assert "\\" not in graph.dot(), "an escape of Graphviz's"


def test_shapes_stand_on_the_arrows_of_arrays(layout: str) -> None:
    n = sp.Symbol("n", integer=True, positive=True)
    data, w = sp.MatrixSymbol("X", n, 3), sp.MatrixSymbol("w", 3, 1)
    graph = compile_grad((w.T * data.T * data * w)[0, 0], w).graph
    assert "n×3" in graph.svg(layout=layout)
    point = {"X": np.ones((2, 3)), "w": [[1.0], [2.0], [3.0]]}
    assert "w_bar = [[24], [24], [24]]" in graph.svg(at=point, layout=layout)


def network(sizes: list[int]) -> tuple[Any, list[Any], list[Any]]:
    """A network on scalars, with its parameters and its inputs."""
    inputs = list(sp.symbols(f"x1:{sizes[0] + 1}"))
    layer, parameters = inputs, []
    for k, (before, after) in enumerate(pairwise(sizes), 1):
        weights = [[sp.Symbol(f"w{k}_{i}_{j}") for j in range(before)] for i in range(after)]
        biases = [sp.Symbol(f"b{k}_{i}") for i in range(after)]
        parameters += [entry for row in weights for entry in row] + biases
        sums = [
            sp.Add(bias, *[w * h for w, h in zip(row, layer, strict=True)])
            for row, bias in zip(weights, biases, strict=True)
        ]
        layer = [sp.tanh(entry) for entry in sums] if k < len(sizes) - 1 else sums
    return (layer[0] - y) ** 2, parameters, inputs


def test_a_network_shows_its_layers(layout: str) -> None:
    loss, parameters, inputs = network([2, 10, 8, 1])
    picture = picture_of(loss, parameters)
    boxes, arrows = read_svg(picture.svg(layout=layout))
    titles = [lines[0] for lines in boxes.values()]
    assert len(boxes) <= 10 and len(arrows) <= 12
    assert sorted(int(t.split()[0]) for t in titles if " like " in t) == [8, 10]
    point = {symbol: 0.01 * k for k, symbol in enumerate([*parameters, *inputs, y])}
    gradient = compile_grad(loss, parameters, backend="numpy")(**{str(k): v for k, v in point.items()})
    shown = re.search(r"\(30 inputs\).*?adjoints (\S+) to ([^<]+)", picture.svg(at=point, layout=layout))
    first = [bar for symbol, bar in zip(parameters, gradient, strict=True) if str(symbol)[1] == "1"]
    assert shown and [float(n) for n in shown.groups()] == pytest.approx([min(first), max(first)], rel=1e-2)


def logistic_map(steps: int) -> Picture:
    let, state = [], x
    for k in range(steps):
        let.append((sp.Symbol(f"s{k}"), r * state * (1 - state)))
        state = let[-1][0]
    return picture_of(state, [x, r], let)


def test_10_000_nodes_are_drawn_on_one_screen_in_seconds(layout: str) -> None:
    picture = logistic_map(3400)
    start = time.perf_counter()
    text = picture.svg(at={x: 0.3, r: 3.5}, layout=layout)
    assert time.perf_counter() - start < 5 * 4, "far more than the 1.1 s that it takes"
    assert "10200 steps" in repr(picture)
    boxes, _ = read_svg(text)
    assert 10 <= len(boxes) <= 62


@pytest.mark.parametrize("limit", [1, 5, 20, None])
def test_groups_hold_every_step_once_and_form_no_cycle(limit: int | None) -> None:
    loss, parameters, _ = network([3, 6, 5, 1])
    model = read_model(loss + sp.sin(x) * sp.exp(parameters[0] * loss), [*parameters, x])
    derivation = Derivation(model.graph, model.wrt)
    groups, group_of = collapse(derivation, limit)
    assert set(group_of) == {*derivation.inputs, *derivation.steps}
    assert sum(group.size for group in groups) == len(group_of)
    after = {(group_of[e.source], group_of[e.step]) for e in derivation.edges if group_of[e.source] != group_of[e.step]}
    while after:
        sources, targets = ({pair[side] for pair in after} for side in (0, 1))
        last = targets - sources
        assert last, "a cycle"
        after = {pair for pair in after if pair[1] not in last}


def test_a_notebook_shows_graph_and_function() -> None:
    pytest.importorskip("grandalf")
    g = compile_grad(SEED, [a, b])
    style = str(ET.fromstring(g.graph.svg()).findtext(f"{SVG}style"))
    assert all(rule.startswith(".symbackprop ") for rule in style.split("}")[:-1]), "other pictures on the page"
    assert set(g.graph._repr_mimebundle_()) == {"text/plain", "text/html", "image/svg+xml"}
    for page in (g._repr_html_(), g.graph._repr_html_(), g._repr_mimebundle_()["text/html"]):
        assert "<svg" in page and ET.fromstring(f"<div>{page}</div>") is not None
    ET.fromstring(f"<div>{compile_grad(sp.Symbol('<b>') * 2)._repr_html_()}</div>")


def test_without_a_layout_there_is_still_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts, "_by_dot", lambda *_: None)
    monkeypatch.setattr(layouts, "_by_grandalf", lambda *_: None)
    graph = compile_grad(SEED, [a, b]).graph
    with pytest.raises(OptionError, match=r"symbackprop\[show\]"):
        graph.svg()
    assert graph._repr_svg_() is None and graph._repr_html_().startswith("<pre>flowchart TD")
    with pytest.raises(OptionError, match="is not one of"):
        graph.svg(layout="neato")


def test_what_graphviz_writes_is_read_whatever_is_installed() -> None:
    plain = (
        "graph 1 2 3\nnode 0 1 2.5 1 0.5 0 solid box black lightgrey\nnode 1 1 0.5 1 0.5 1 solid box black lightgrey\n"
        "edge 0 1 4 1 2.25 1 2 1 1 1 \\\n0.75 m 1.1 1.5 solid black\nstop\n"
    )
    read = layouts._read_plain(plain, 2, [(0, 1)])
    assert (read.width, read.height) == (144, 216)
    assert read.boxes == [(72, 36), (72, 180)] and read.routes == [[(72, 54), (72, 72), (72, 144), (72, 162)]]


@pytest.mark.parametrize("limit", [3, None])
def test_several_values_and_loops_are_drawn_too(limit: int | None) -> None:
    assert "value 2 = a#42;b" in compile_function([a + b, a * b]).graph.mermaid(limit=None)
    s = sp.Symbol("s")
    graph = compile_grad(recurrence(sp.sin(s) * x, s, x, (sp.Symbol("k"), 1, 5)), x).graph
    assert graph.mermaid(limit=limit).startswith("flowchart")
    assert "bar" in graph.mermaid(at={"x": 0.5}, limit=limit) or limit == 3


def test_a_batch_is_drawn_by_one_sample_and_names_what_counts_them(hostile: str) -> None:
    data = sp.Symbol(hostile)
    for reduce, told in (("mean", "mean of value over the samples"), (None, "value, one a sample")):
        graph = compile_grad((data * y - x) ** 2, y, batch=[data, x], reduce=reduce, backend="numpy").graph
        boxes, arrows = read_svg(graph.svg(at={data: [2.0, 3.0], x: [1.0, 1.0], y: 1.0}))
        assert boxes["x, one a sample"] == ["x, one a sample", "= 1"] and boxes["y"] == ["y", "= 1", "y_bar = 4"]
        assert ("value", told, "samples") in arrows
        assert "samples" in graph.mermaid() and "samples" in graph.dot()


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_reads_what_is_written_for_it_and_shows_names_as_they_are(hostile: str) -> None:
    name = f"{hostile}\\N\\G&amp;"
    text = compile_grad(sp.Symbol(name) * y, [y], backend="numpy").graph.dot(at={name: 3, "y": 2})
    drawn = subprocess.run(["dot", "-Tsvg"], input=text, capture_output=True, text=True, check=True)
    assert not drawn.stderr
    lines = ["".join(line.itertext()) for line in ET.fromstring(drawn.stdout).iter(f"{SVG}text")]
    assert visible(name) in lines
    colours = {line.get("fill") for line in ET.fromstring(drawn.stdout).iter(f"{SVG}text")}
    assert {BACKWARD, FORWARD} <= colours


def test_of_several_values_one_is_drawn_with_its_adjoints(layout: str) -> None:
    graph = compile_jacobian([a * b, sp.sin(a) + b], [a, b], backend="numpy").graph.at({a: 2.0, b: 3.0})
    assert "bar" not in graph.svg(layout=layout)
    boxes, arrows = read_svg(graph.value(1).svg(layout=layout))
    assert boxes["a"] == ["a", "= 2", "a_bar = 3"] and ("b", "value 1", "2") in arrows
    boxes, _ = read_svg(graph.value(2).svg(layout=layout))
    assert boxes["b"] == ["b", "= 3", "b_bar = 1"] and boxes["v1"][0] == "v1 = sin(a)" and "value 1" not in boxes
    for number in (0, 3):
        with pytest.raises(OptionError, match="values 1 to 2"):
            graph.value(number)
