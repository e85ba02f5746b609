"""Pictures of a run, where matplotlib is installed and where it is not."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import sympy as sp

from symbackprop import (
    SGD,
    OptionError,
    ShapeMismatch,
    SymbackpropError,
    Training,
    compile_training,
    plot_decision_boundary,
)

w, b, x, y = sp.symbols("w b x y")
LINE = {"x": np.linspace(-1.0, 2.0, 12), "y": np.linspace(-1.0, 5.0, 12)}
START = {"w": 0.0, "b": 0.0}


@pytest.fixture(scope="module")
def line() -> Training:
    return compile_training((w * x + b - y) ** 2, [w, b], [x, y], optimizer=SGD(lr=0.05), backend="numpy")


def test_a_plot_needs_matplotlib_and_says_so(line: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.backends.backend_agg", None)
    with pytest.raises(OptionError, match="plots need matplotlib"):
        line.fit(START, LINE, epochs=3).plot()


def test_plots_are_drawn_or_refused(line: Training, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    run = line.fit(START, LINE, epochs=3, validation=LINE)
    with pytest.raises(ShapeMismatch, match=r"points must be of shape \(n, 2\)"):
        plot_decision_boundary(np.sum, [1.0, 2.0], [0, 1])
    for path, said in (("curves.none", "cannot draw"), ("none/curves.png", "there is no folder")):
        with pytest.raises(SymbackpropError, match=said):
            run.plot(tmp_path / path)
    line.fit(START, LINE, epochs=0).plot()
    run.plot(tmp_path / "curves.png")
    plot_decision_boundary(lambda p: p[:, 0], [[0.0, 1.0], [-1.0, 0.0]], [1, 0], tmp_path / "boundary.png")
    for name in ("curves.png", "boundary.png"):
        assert (tmp_path / name).read_bytes().startswith(b"\x89PNG")
