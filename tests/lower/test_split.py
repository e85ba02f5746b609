"""Big functions are cut into parts that compute the same."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb


@pytest.mark.parametrize("target", ["python", "numpy", "numba"])
@pytest.mark.parametrize("packed", [False, True])
def test_parts_compute_what_one_function_does(target: str, packed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    symbols = sp.symbols("s:6")
    expr = sp.Integer(0)
    for k in range(40):
        expr = sp.sin(expr + symbols[k % 6] * sp.cos(expr), evaluate=False)
    wrt = [tuple(symbols)] if packed else list(symbols)
    point = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    arguments = [point] if packed else point
    whole = sb.compile_grad(expr, wrt, args=wrt, backend="python")
    monkeypatch.setattr("symbackprop.lower.PART", {"numba": 7, "numpy": 7, "python": 7})
    parts = sb.compile_grad(expr, wrt, args=wrt, backend=target)
    assert "_value_and_grad_part_5(" in parts.source
    assert "work[" in parts.source
    value, gradient = whole.value_and_grad(*arguments)
    cut_value, cut_gradient = parts.value_and_grad(*arguments)
    # The same operations in the same order; libm and NumPy may differ by an ulp in each of 80 sines.
    assert cut_value == pytest.approx(value, rel=1e-13)
    for ours, theirs in zip(cut_gradient, gradient, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize("target", ["python", "numpy", "numba"])
@pytest.mark.parametrize("reduce", ["sum", "mean", None])
def test_long_batched_programs_are_cut_too(target: str, reduce: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y, z, unused = sp.symbols("x y z unused")
    steps, value = [], x
    for k in range(40):
        symbol = sp.Symbol(f"t{k}")
        steps.append((symbol, sp.sin(value) * sp.exp(y) + sp.cos(z) * value / (k + 1)))
        value = symbol
    options = {"batch": [x, z, unused], "reduce": reduce, "backend": target}
    arguments = (np.linspace(0.1, 0.9, 5), 0.3, np.linspace(1.0, 2.0, 5), np.zeros(5))
    names = ("x", "y", "z", "unused")
    whole = sb.compile_grad((steps, [value]), {"y": y, "z": z}, **options)
    # The text is written when it is first asked for.
    assert "_part_" not in whole.source
    monkeypatch.setattr("symbackprop.lower.PART", {"numba": 9, "numpy": 9, "python": 9})
    parts = sb.compile_grad((steps, [value]), {"y": y, "z": z}, **options)
    assert "_value_and_grad_part_4(" in parts.source
    named = dict(zip(names, arguments, strict=True))
    value, gradient = whole.value_and_grad(**named)
    cut_value, cut_gradient = parts.value_and_grad(**named)
    # The same operations in the same order.
    np.testing.assert_allclose(cut_value, value, rtol=1e-14)
    for name in ("y", "z"):
        np.testing.assert_allclose(cut_gradient[name], gradient[name], rtol=1e-13)
