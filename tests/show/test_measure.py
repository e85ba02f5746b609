"""Measured cost: times that were taken, beside counts at the point; nothing that a busy machine could fail."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop import CallError, compile_function, compile_grad, compile_hvp
from symbackprop.cli import main
from symbackprop.show import measure

x, y, w, u = sp.symbols("x y w u")
N, i = sp.symbols("N i", integer=True)
xs = sp.IndexedBase("xs", shape=(N,))
PARTS = {"computing", "memory", measure.CALLS}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_SECONDS", 1e-4)
    monkeypatch.setattr(measure, "_ROUNDS", 2)


@pytest.mark.parametrize("backend", ["python", "numpy", "numba"])
def test_a_call_is_measured_beside_what_its_counts_let_one_expect(backend: str) -> None:
    g = compile_grad(sp.Sum(sp.exp(w * xs[i]), (i, 0, N - 1)), w, backend=backend)
    few, many = (g.measure(w=0.5, xs=np.ones(count)) for count in (10, 10_000))
    for found in (few, many):
        assert found.value > 0 and found.both > 0 and found.limit in PARTS and found.cores >= 1
        parts = found.computing, found.moving, found.calling
        assert found.estimated == max(parts[:2]) and found.both <= sum(parts) + 1e-12
        assert json.loads(json.dumps(found.as_dict()))["limit"] == found.limit
        assert "load" in found.caveat and found.caveat in str(found) and "<table>" in found._repr_html_()
        assert "limited by" in found.markdown()
    # exp, two products and a sum a term, at least; and the entries are read.
    assert 900 < many.operations / few.operations <= 1000 and many.operations >= 10_000 * 22
    assert many.bytes_moved >= 80_000 and many.both > few.both


def test_lengths_of_a_batch_and_of_arrays_for_numbers_count() -> None:
    batched = compile_grad((sp.tanh(w * u) - y) ** 2, w, batch=[u, y], reduce="mean", backend="numpy")
    one, many = (batched.measure(w=0.5, u=np.ones(n), y=np.ones(n)) for n in (1, 1000))
    assert 500 < many.operations / one.operations <= 1000 and many.bytes_moved >= 16_000
    g = compile_grad(x * y, [x, y], backend="numpy")
    alone, spread = g.measure(1.0, 2.0), g.measure(np.ones((10, 1)), np.ones(50))
    assert spread.operations == 500 * alone.operations and spread.bytes_moved > 500 * 8
    assert alone.limit == measure.CALLS
    numbers = sp.symbols("n:70")
    several = compile_grad(sum(number**2 for number in numbers), list(numbers), backend="numpy")
    assert several.measure(*[1.0] * 69, np.ones(9)).operations == 9 * several.measure(*[1.0] * 70).operations


def test_functions_and_products_are_measured_too() -> None:
    assert compile_function(x * y, backend="numpy").measure(1.0, 2.0).both > 0
    assert compile_hvp(sp.exp(x * y), [x, y], backend="numpy").measure(1.0, 2.0, [1.0, 0.0]).both > 0
    with pytest.raises(CallError, match="unpickled"):
        pickle.loads(pickle.dumps(compile_function(x * y, backend="numpy"))).measure(1.0, 2.0)
    with pytest.raises(CallError, match="misses"):
        compile_function(x * y, backend="numpy").measure(1.0)


def test_bytes_moved_are_counted_and_stated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stats = compile_grad(sp.Sum(sp.exp(w * xs[i]), (i, 0, N - 1)), [w, xs], backend="numba").stats
    assert "N" in stats["formulas"]["bytes_moved"] and stats["bytes_moved"] >= 8 * 1000 * 3
    model = tmp_path / "model.py"
    model.write_text("import sympy as sp\nx, y = sp.symbols('x y')\nloss = x*y\nAT = {'x': 2, 'y': 3}\n")

    def shown(*options: str) -> Any:
        assert main(["show", f"{model}:loss", "--what", "stats", *options]) == 0
        return capsys.readouterr().out

    assert "bytes moved" in shown() and "measured" not in shown()
    assert "value and derivative, measured" in shown("--at") and "load" in shown("--at")
    assert json.loads(shown("--at", "--json"))["stats"]["measured"]["limit"] in PARTS
