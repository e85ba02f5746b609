"""Roots beside what they are close to: sqrt(x**2 + y) - x and with a plus, the quadratic formula, half angles.

The difference keeps no digit of a small y; over a small coefficient its slope is what two large numbers differ by.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import sympy as sp
from sympy import exp, log, sqrt

from symbackprop import compile_grad
from symbackprop.frontend import read_model
from symbackprop.passes import dead, simplify, stabilise

_path = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _path)
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)
assert_right = accuracy.assert_right

x, y, z = sp.symbols("x y z", real=True)
norm = sqrt(x**2 + y**2)
FORMS: dict[str, sp.Expr] = {
    "norm less a part": norm - x,
    "norm and a part": norm + x,
    "half of it": norm / 2 - x / 2,
    "norm less a size": norm - sp.Abs(x),
    "of three": sqrt(x**2 + y**2 + z**2) - x,
    "difference of squares": sqrt(x**2 - y**2) - x,
    "line charge": log(x + norm),
    "field of a line": 1 / (x + norm),
    "weighted": exp(y) * (x + norm),
    "real part of a root": sqrt((norm + x) / 2),
    "imaginary part of a root": sqrt((norm - x) / 2),
    "root and a number": sqrt(x**2 + 1) + x,
    "negated": -x - sqrt(x**2 + y**2),
    "quadratic formula": (-x + sqrt(x**2 - 4 * y * z)) / (2 * y),
    "the other root": (-x - sqrt(x**2 - 4 * y * z)) / (2 * y),
    "from below": 2 * z / (x + sqrt(x**2 - 4 * y * z)),
    "from below, with the coefficient": 2 * y / (x + sqrt(x**2 + y)),
}
POINTS = (
    {x: 47.0, y: 0.0012, z: 0.5},
    {x: -47.0, y: 0.01, z: 0.5},
    {x: -0.5, y: -1e-4, z: 1e-3},
    {x: -5.0, y: 1e-5, z: -2.0},
    {x: 30.0, y: 1e-6, z: -1.0},
    {x: 1e-3, y: 5.0, z: -0.3},
    {x: -4.0, y: 3.0, z: 0.2},
)


@pytest.mark.parametrize("name", FORMS)
def test_a_root_beside_what_it_is_close_to(name: str) -> None:
    expr = FORMS[name]
    for point in POINTS:
        if name == "difference of squares" and abs(point[x]) < abs(point[y]):
            continue
        if name == "from below, with the coefficient" and point[x] ** 2 + point[y] <= 0:
            continue
        assert_right(expr, {symbol: value for symbol, value in point.items() if expr.has(symbol)}, "numpy")


def test_at_zero_the_part_has_its_slope() -> None:
    """Neither form is chosen away there: sqrt(x**2 + 4) - x has the slope -1 at 0."""
    for sign in (1, -1):
        compiled = compile_grad(sqrt(x**2 + 4) + sign * x, x, backend="numpy")
        assert compiled.value_and_grad(0.0) == (2.0, sign)


def test_a_second_sweep_finds_nothing_more() -> None:
    for expr in FORMS.values():
        once = dead(stabilise(simplify(read_model(expr, sorted(expr.free_symbols, key=str), None, None, ()).graph)))
        assert len(dead(stabilise(once)).nodes) == len(once.nodes)
