"""The figures of the training examples: each has one, shown on the page, and it is what the example draws today.

Bytes are not compared, which another version of matplotlib may write in another way; the words of a figure are.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FIGURES = EXAMPLES / "figures"
NAMES = sorted(path.stem.removeprefix("train_") for path in EXAMPLES.glob("train_*.py"))


def words(svg: str) -> set[str]:
    """What a figure says: titles, labels, names; not the numbers at its axes."""
    said = re.findall(r"<text[^>]*>\s*([^<]+?)\s*</text>", svg)
    return {text for text in said if re.search(r"[a-z]{2}", text)}


def test_every_training_has_a_figure_and_stands_on_the_page() -> None:
    page = (EXAMPLES / "training.md").read_text(encoding="utf-8")
    assert sorted(path.stem for path in FIGURES.glob("*.svg")) == NAMES
    assert sorted(re.findall(r"\]\(figures/(\w+)\.svg\)", page)) == NAMES
    assert sorted(re.findall(r"\]\(train_(\w+)\.py\)", page)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_small_and_has_no_date(name: str) -> None:
    text = (FIGURES / f"{name}.svg").read_text(encoding="utf-8")
    assert len(text) < 100_000
    assert "<dc:date>" not in text
    assert len(words(text)) > 2


@pytest.fixture(scope="module")
def drawing() -> Any:
    pytest.importorskip("matplotlib", reason="figures are drawn by matplotlib, which is not installed")
    spec = importlib.util.spec_from_file_location("draw", FIGURES / "draw.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_is_what_its_example_draws(name: str, drawing: Any) -> None:
    if name == "digits":
        pytest.importorskip("sklearn", reason="the images come with scikit-learn, which is not installed")
    drawn = drawing.svg(drawing.DRAWN[name]()).decode()
    assert words(drawn) == words((FIGURES / f"{name}.svg").read_text(encoding="utf-8"))
