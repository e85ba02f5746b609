"""LambertW of exponentials, which grows like the exponent."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import pytest
import sympy as sp
from sympy import LambertW, exp

from symbackprop import compile_function

_path = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _path)
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)

x, a, b = sp.symbols("x a b", real=True)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_of_an_exponential(backend: str) -> None:
    """inf from 710 on, the slope nan."""
    points = [{x: at} for at in (-600.0, -30.0, -1.0, 0.0, 0.5, 30.0, 299.9, 300.1, 700.0, 720.0, 1e5)]
    accuracy.assert_right_at(LambertW(exp(x)), points, backend)
    accuracy.assert_right_at(LambertW(exp(x) / 3), points, backend)


def test_with_a_weight() -> None:
    points = [{a: one, b: 1.3, x: at} for one in (0.5, 3.0) for at in (-30.0, 0.1, 30.0, 500.0, 800.0)]
    points += [{a: -0.1, b: 1.3, x: at} for at in (-3.0, 0.0, 0.5)]
    accuracy.assert_right_at(LambertW(a * exp(b * x)), points, "numpy")


def test_at_the_ends() -> None:
    function = compile_function(LambertW(exp(x)), args=[x], backend="numpy")
    assert math.isnan(function(math.nan)) and function(math.inf) == math.inf and function(-math.inf) == 0
    weighted = compile_function(LambertW(a * exp(x)), args=[a, x], backend="numpy")
    assert weighted(0.0, 1.0) == 0 and math.isnan(weighted(-1.0, 1.0)) and math.isnan(weighted(math.nan, 1.0))
