"""Modules are verified when they are emitted: what is wrong is refused, what is right never is."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb
from symbackprop.check import verify as verification
from symbackprop.check.execute import executed
from symbackprop.compiler import Request, compile_request
from symbackprop.options import Options

x, y, w, t = sp.symbols("x y w t")
n = sp.Symbol("n", integer=True, positive=True)
wrong_cube = sp.Function("wrong_cube")
sb.register(wrong_cube, lambda t: t**3, partials=lambda t: 4 * t**2)
TARGETS = ["python", "numpy", "numba"]


def said(source: str) -> str:
    """What the header says of its verification."""
    docstring = source.split('"""')[1]
    return " ".join(docstring[docstring.index("erified when written") - 1 :].split("Written by")[0].split())


@pytest.mark.parametrize("target", TARGETS)
def test_a_wrong_partial_is_refused_and_nothing_is_written(target: str, tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text("before")
    with pytest.raises(sb.EmitError, match=r"d/dx at x = 0\.6233.* is .* where differences of the value give"):
        sb.emit_module(wrong_cube(x) * y, [x, y], path, target)
    assert path.read_text() == "before" and [p.name for p in tmp_path.iterdir()] == ["module.py"]
    assert "verified" not in sb.emit_module(wrong_cube(x) * y, [x, y], target=target, verify="none").lower()


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("reduce", ["sum", "mean", None])
def test_batches(target: str, reduce: str | None) -> None:
    loss = (sp.tanh(x * w) - t) ** 2
    keywords: dict[str, Any] = {"batch": [x, t], "reduce": reduce, "target": target}
    assert said(sb.emit_module(loss, [w, x], **keywords)).startswith(
        "Verified when written: value and gradient at 3 samples, to 1e-6 beyond rounding"
    )
    with pytest.raises(sb.EmitError, match="d/dw"):
        sb.emit_module(loss + wrong_cube(w), [w, x], **keywords)
    with pytest.raises(sb.EmitError, match="d/dx"):
        sb.emit_module(loss + wrong_cube(x), [w, x], **keywords)


@pytest.mark.parametrize("target", TARGETS)
def test_arrays(target: str) -> None:
    a, v = sp.MatrixSymbol("a", 4, n), sp.MatrixSymbol("v", n, 1)
    z = a * v
    assert "at 3 points" in said(sb.emit_module(sp.Trace(z.T * z), [v, a], target=target))
    d = sp.Symbol("d")
    applied = z.applyfunc(sp.Lambda(d, wrong_cube(d)))
    with pytest.raises(sb.EmitError, match=r"d/d[va]\[\d, \d\]"):
        sb.emit_module(sp.Trace(z.T * applied), [v, a], target=target)


def test_one_wrong_entry_among_many_is_found() -> None:
    many = sp.symbols("a0:40")
    expr = sum(sp.sin(a * b) for a, b in pairwise(many)) + wrong_cube(many[17])
    with pytest.raises(sb.EmitError, match="d/da17 "):
        sb.emit_module(expr, list(many))


def test_a_wrong_emission_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    # The formula is right, the text is not: what excuses a lost digit does not excuse this.
    def changed(source: str, target: str) -> dict[str, Any]:
        scope = executed(source, target)
        return {**scope, "value_and_grad": lambda *a: (scope["value"](*a), 1.00001 * scope["grad"](*a))}

    monkeypatch.setattr(verification, "executed", changed)
    with pytest.raises(sb.EmitError, match="d/dx"):
        sb.emit_module(sp.exp(x) * sp.sin(x), x)


@pytest.mark.parametrize(
    "expr",
    [
        # A value that is lost in the rounding of 2, an ill-conditioned one, nan beside a domain, kinks and steps.
        2 - sp.erfc(x**2 - 9),
        sp.tan(1000 * x) ** 3 - 10**6 * y,
        sp.sinc(sp.atanh(x * y)),
        sp.cos(2 * sp.acos(x)),
        sp.Max(x, y, sp.Abs(x - y)) + sp.floor(3 * x) * sp.sign(y),
        sp.exp(700 * x) - sp.exp(699 * x),
        # Of a negative number to a power that is no integer Python makes a complex one.
        sp.Piecewise((sp.atan2(x**x, y) + x, x > 0), (x * y, True)),
    ],
    ids=str,
)
@pytest.mark.parametrize("target", TARGETS)
def test_no_false_alarms(expr: Any, target: str) -> None:
    assert "erified when written" in said(sb.emit_module(expr, target=target))


def test_float32() -> None:
    source = sb.emit_module(sp.tanh(x) * sp.exp(-(y**2)), target="numba", dtype="float32")
    assert "at 3 points, to 1e-3" in said(source)
    with pytest.raises(sb.EmitError, match="d/dx"):
        sb.emit_module(wrong_cube(x), target="numpy", dtype="float32")


@pytest.mark.parametrize(
    ("expr", "wrt", "words"),
    [
        (
            sp.log(-1 - x**2),
            [x],
            "no point with a real value of moderate size was found, or a function has no mpmath= reference.",
        ),
        (
            sp.exp(10**6 * (2 + sp.sin(x))),
            [x],
            "no point with a real value of moderate size was found, or a function has no mpmath= reference.",
        ),
        (3 * x, [], "value at 3 points, to 1e-6 beyond rounding, against the value in arbitrary precision."),
        (sp.Sum(sp.sin(sp.Symbol("i") * x), (sp.Symbol("i"), 1, 10**6)), [x], "more than 20000 operations"),
    ],
    ids=str,
)
def test_what_the_header_says(expr: Any, wrt: list[Any], words: str) -> None:
    assert words in said(sb.emit_module(expr, wrt))


def test_levels() -> None:
    assert "at 10 points" in said(sb.emit_module(sp.sin(x) * y, verify="full"))
    with pytest.raises(sb.OptionError, match="verify='much' is not one of 'quick', 'full', 'none'"):
        sb.emit_module(x, verify="much")
    # Functions that are not written are not verified.
    assert "verified" not in sb.compile_grad(wrong_cube(x)).source.lower()


def test_the_text_is_the_same_without_python_flint() -> None:
    code = (
        "import sys; {}\n"
        "import sympy as sp, symbackprop as sb\n"
        "x, y = sp.symbols('x y')\n"
        "print(sb.emit_module(sp.gamma(x)*sp.tanh(y) + sp.Piecewise((sp.sqrt(x), x > 0), (y, True)), target='numba'))"
    )
    texts = {
        subprocess.run([sys.executable, "-c", code.format(first)], capture_output=True, text=True, check=True).stdout
        for first in ("pass", "sys.modules['flint'] = None")
    }
    assert len(texts) == 1 and "Verified when written" in texts.pop()


def test_numba_text_runs_as_python() -> None:
    compiled = compile_request(Request(sp.besselj(0, x) * sp.sin(x), x, options=Options("numba")))
    scope = executed(compiled.source, "numba")
    assert not hasattr(scope["value"], "py_func")
    assert scope["value"](0.5) == pytest.approx(0.9384698072408130 * np.sin(0.5), rel=1e-15)
