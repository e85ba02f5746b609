"""The gallery as a notebook, run by Jupyter's own client in one kernel: what is displayed is the mathematics."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")
pytest.importorskip("grandalf")

SVG = "{http://www.w3.org/2000/svg}"
TAGS = {"div", "table", "caption", "thead", "tbody", "tr", "th", "td", "code", "p", "b", "br"}
NOTEBOOK = Path(__file__).parents[2] / "examples" / "gallery.ipynb"
HOSTILE = """
import base64, sympy as sp
name = '<script>alert(1)</script>"\\n`|$&\\u202e'
h = compile_grad(sp.Symbol(name)*sp.sin(sp.Symbol('y')), backend="numpy")
"""


def displayed(cell: Any) -> dict[str, str]:
    """What a cell shows, by kind."""
    shown: dict[str, str] = {}
    for output in cell["outputs"]:
        assert output["output_type"] != "error", output
        shown.update(output.get("data", {"text/plain": output.get("text", "")}))
    return shown


def texts(drawn: str) -> list[list[str]]:
    """The lines of each group of a picture: boxes and arrows."""
    groups = ET.fromstring(drawn).iter(f"{SVG}g")
    return [["".join(line.itertext()) for line in group.iter(f"{SVG}text")] for group in groups]


# The kernel's own packages warn of their futures.
@pytest.mark.filterwarnings("ignore")
def test_the_notebook_runs_and_shows_the_pictures_and_the_tables() -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    own = len(notebook.cells)
    notebook.cells += [nbformat.v4.new_code_cell(HOSTILE)]
    notebook.cells += [nbformat.v4.new_code_cell(f"h.{what}") for what in ("graph", "explain(1, 2)", "trace()")]
    notebook.cells += [nbformat.v4.new_code_cell("h"), nbformat.v4.new_code_cell("h.measure(1, 2)")]
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    cells = notebook.cells[:own]
    drawn = [displayed(cell)["image/svg+xml"] for cell in cells if cell.source.endswith("g.graph.at(at)")]
    assert len(drawn) == 4
    seed = texts(drawn[0])
    assert ["b", "= 1", "b_bar = 5"] in seed and ["d = b + 1", "= 2", "d_bar = 3"] in seed and ["3"] in seed
    assert "A1 = Max(Z1, 0)" in drawn[2] and "scan(" in drawn[3]
    tables = [displayed(cell) for cell in cells if cell.source == "g.explain(**at)"]
    assert len(tables) == 4 and "1*2 + 1*3" in tables[0]["text/html"] and "text/latex" in tables[0]
    traces = [displayed(cell)["text/html"] for cell in cells if cell.source == "g.trace()"]
    assert "b_bar = " in traces[0] and "reverse: the sum over its uses" in traces[0]
    assert "limited by" in displayed(cells[-1])["text/html"]
    for cell in notebook.cells[own + 1 :]:
        for kind, text in displayed(cell).items():
            assert "\u202e" not in text and (kind != "text/html" or "<script" not in text), (cell.source, kind)
        page = ET.fromstring(f"<div>{re.sub('<svg.*</svg>', '', displayed(cell)['text/html'], flags=re.S)}</div>")
        assert {element.tag for element in page.iter()} <= TAGS
