"""Differences of one function at two points, near each other and far apart, where they exist and where they do not."""

from __future__ import annotations

import importlib.util
import itertools
import math
from pathlib import Path

import pytest
import sympy as sp

from symbackprop import compile_function, compile_grad, compile_hessian
from symbackprop.check.oracle import Oracle
from symbackprop.frontend import read_model

_path = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _path)
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)

x, y = sp.symbols("x y", real=True)
FUNCTIONS = {
    "sqrt": sp.sqrt,
    "log": sp.log,
    "reciprocal": lambda u: 1 / u,
    "square reciprocal": lambda u: 1 / u**2,
    "power": lambda u: u ** sp.Rational(5, 3),
    "sin": sp.sin,
    "cos": sp.cos,
    "exp": sp.exp,
}
PAIRS = {"x+1, x": (x + 1, x), "x, x+1": (x, x + 1), "x+y, x": (x + y, x), "x, x+y": (x, x + y), "x, y": (x, y)}
SIZES = (1e-17, 1e-7, 0.3, 1.0, 25.0, 600.0)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("pair", PAIRS)
def test_value_and_gradient_at_all_distances(name: str, pair: str) -> None:
    u, v = PAIRS[pair]
    expr = FUNCTIONS[name](u) - FUNCTIONS[name](v)
    for point in itertools.product(SIZES, SIZES if expr.has(y) else (0.0,)):
        if (pair != "x, y" or point[0] != point[1]) and (name != "exp" or sum(point) < 700):
            accuracy.assert_right(
                expr, {s: value for s, value in zip((x, y), point, strict=True) if expr.has(s)}, "python"
            )


@pytest.mark.parametrize("name", ["sqrt", "log", "power"])
@pytest.mark.parametrize("pair", PAIRS)
def test_nothing_is_made_up_outside_the_domain(name: str, pair: str) -> None:
    u, v = PAIRS[pair]
    function = compile_function(FUNCTIONS[name](u) - FUNCTIONS[name](v), args=[x, y], backend="numpy")
    for point in ((-5.0, 1.0), (-5.0, -2.0), (-0.5, 0.25), (3.0, -7.0)):
        ends = [float(end.subs({x: point[0], y: point[1]})) for end in (u, v)]
        assert math.isnan(function(*point)) == (min(ends) < 0), point


def test_at_the_edge_of_the_domain() -> None:
    root = compile_grad(sp.sqrt(x) - sp.sqrt(y), [x, y], args=[x, y], backend="numpy")
    assert root.value(0.0, 0.0) == 0.0
    assert root.value(math.inf, 1.0) == math.inf
    assert root.value_and_grad(4.0, 0.0) == (2.0, [0.25, -math.inf])
    assert compile_hessian(sp.sqrt(x) - sp.sqrt(y), [x, y], backend="numpy")(1.0, 4.0)[0, 1] == 0.0


def test_a_difference_of_exponentials_overflows_where_it_does() -> None:
    expr = sp.exp(x + 800) - sp.exp(x)
    oracle = Oracle(read_model(expr, [x], None, None, ()).graph)
    for at in (-1500.0, -800.0, -400.0, -91.0, -90.0):
        got = compile_function(expr, backend="python")(at)
        # The exponent is rounded to 1e-13 at 800.
        assert math.isclose(got, oracle.value({"x": at}), rel_tol=4e-13) or got == oracle.value({"x": at})


@pytest.mark.parametrize("step", [lambda e: 1 / (1 + e) - 1 / (1 - e), lambda e: (1 + e) / (1 - e) - 1])
def test_differences_inside_differences_stay_linear(step) -> None:
    """Each level may add a few operations, and not multiply them."""
    counts = []
    for depth in (4, 8, 12):
        expr = x
        for _ in range(depth):
            expr = step(expr)
        counts.append(compile_function(expr, backend="python").stats["operations"]["value"])
    assert counts[2] - counts[1] <= 2 * (counts[1] - counts[0]) + 40
