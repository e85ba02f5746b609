"""Pictures and tables in a browser: what a headless Chromium has on its page, Mermaid's own drawing included.

Skipped where no Chromium is installed; Mermaid's part needs its script, which the environment variable
SYMBACKPROP_MERMAID names (npm install mermaid; node_modules/mermaid/dist/mermaid.min.js).
"""

from __future__ import annotations

import html
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import sympy as sp

from symbackprop import compile_grad

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
MERMAID = os.environ.get("SYMBACKPROP_MERMAID", "")
GALLERY = Path(__file__).parents[2] / "examples" / "gallery.md"
NAMES = (
    "<script>alert(1)</script>",
    "q\"uo'te",
    "two\nlines",
    r"\nu",
    "style:x_y",
    "classDef a:b_c",
    "end",
    "x#95;y",
    "a|b",
)
QUIET = '<title>quiet</title><script>window.alert = () => document.title = "loud"</script>'
y = sp.Symbol("y")


def page_of(body: str, folder: Path) -> str:
    """What is on the page once its scripts have run; an alert would stand in its title."""
    assert CHROMIUM is not None
    page = folder / "page.html"
    page.write_text(f'<!doctype html><meta charset="utf-8">{QUIET}<body>{body}</body>', encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    command = [CHROMIUM, *options, "--virtual-time-budget=20000", "--dump-dom", page.as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "<title>quiet</title>" in shown
    return shown


def test_a_browser_shows_pictures_and_tables_and_runs_nothing(tmp_path: Path) -> None:
    pytest.importorskip("grandalf")
    parts = []
    for name in NAMES:
        g = compile_grad(sp.Symbol(name) * y, backend="numpy")
        parts += [g._repr_html_(), g.explain(1, 2).html(), g.trace().html(), g.graph._repr_html_()]
    asked = (
        "<script>const out = [];"
        "for (const e of document.querySelectorAll('text.title, text.adjoint, td code')) {"
        " const box = e.getBoundingClientRect();"
        " out.push([e.textContent, box.width > 0 && box.height > 0, getComputedStyle(e).fill]); }"
        "document.body.innerHTML = ''; document.body.textContent = JSON.stringify(out);</script>"
    )
    shown = page_of("\n".join(parts) + asked, tmp_path)
    found = json.loads(html.unescape(re.search(r"<body>(\[.*\])</body>", shown, re.S)[1]))  # type: ignore[index]
    texts = {text for text, _, _ in found}
    assert all(visible for _, visible, _ in found)
    for name in NAMES:
        assert name.replace("\n", "\\n") in texts, name
    assert "rgb(179, 38, 30)" in {colour for text, _, colour in found if "_bar" in text}


@pytest.mark.skipif(not Path(MERMAID).is_file(), reason="SYMBACKPROP_MERMAID names no script of Mermaid's")
def test_mermaid_draws_what_is_written_for_it(tmp_path: Path) -> None:
    blocks = re.findall(r"```mermaid\n(.*?)```", GALLERY.read_text(encoding="utf-8"), re.S)
    blocks += [compile_grad(sp.Symbol(name) * y + sp.sin(sp.Symbol(name))).graph.mermaid() for name in NAMES]
    given = json.dumps(blocks).replace("<", "\\u003c")
    body = (
        f"<div id=place></div><pre id=out></pre><script>{Path(MERMAID).read_text(encoding='utf-8')}</script><script>"
        f"mermaid.initialize({{startOnLoad: false}}); const blocks = {given};"
        "(async () => { const out = []; for (const [k, text] of blocks.entries()) { try {"
        " await mermaid.parse(text); const drawn = await mermaid.render('g' + k, text);"
        " document.getElementById('place').innerHTML = drawn.svg;"
        " out.push([...document.querySelectorAll('#place .nodeLabel')].map(e => [e.innerText,"
        " [...e.querySelectorAll('font')].map(f => getComputedStyle(f).color)]));"
        " } catch (error) { out.push(String(error)); } }"
        " document.getElementById('place').remove(); document.getElementById('out').textContent = JSON.stringify(out);"
        "})();</script>"
    )
    shown = page_of(body, tmp_path)
    found = json.loads(html.unescape(re.search(r'<pre id="out">(.*?)</pre>', shown, re.S)[1]))  # type: ignore[index]
    assert len(found) == len(blocks) and all(isinstance(labels, list) for labels in found), found
    seed = dict(found[0])
    assert seed["b\n= 1\nb_bar = 5"] == ["rgb(179, 38, 30)"]
    for name, labels in zip(NAMES, found[-len(NAMES) :], strict=True):
        own = name.replace("\n", "\\n").replace("\\n", "\N{SET MINUS}n")
        assert labels[0][0].split("\n")[0] == own, (name, labels)
