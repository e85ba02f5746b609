"""Adjoints in which a divisor comes back as a factor."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import sympy as sp

from symbackprop.ir import Functions, GraphBuilder, interpret
from symbackprop.passes import dead, stabilise
from symbackprop.passes.cancelling import RULES
from symbackprop.passes.rewrite import Rewriter, sweep

_path = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _path)
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)

a, x, y = sp.symbols("a x y", positive=True)
# The density of a gamma distribution, its shape beyond what squares of the gamma function can hold, and its like.
DENSITIES = [
    x**2 * sp.exp(-x) / sp.gamma(a),
    a / sp.gamma(a),
    x * a / sp.gamma(a),
    x * sp.exp(-x / y) / sp.gamma(a + 1) / y,
    x * sp.gamma(a) / sp.gamma(2 * a / 3),
    x / (a * sp.exp(a**2 / 30)),
    x / sp.cosh(3 * a) ** 2,
]


@pytest.mark.parametrize("expr", DENSITIES, ids=str)
@pytest.mark.parametrize("shape", [0.7, 20.5, 99.5, 101.0, 112.5])
def test_slopes_of_what_is_divided_by_large_numbers(expr: sp.Expr, shape: float) -> None:
    given = {a: shape, x: 1.7, y: 0.6}
    accuracy.assert_right(expr, {symbol: given[symbol] for symbol in sorted(expr.free_symbols, key=str)}, "numpy")


@pytest.mark.parametrize("left", ["quotient", "times", "before"])
@pytest.mark.parametrize("right", ["divisor", "first", "last"])
@pytest.mark.parametrize("turned", [False, True])
def test_every_way_to_write_it(left: str, right: str, turned: bool) -> None:
    f = Functions(GraphBuilder())
    p, v, w, q = (f.input(name) for name in "pvwq")
    one = {"quotient": p / v, "times": (p / v) * q, "before": q * (p / v)}[left]
    other = {"divisor": v, "first": v * w, "last": w * v}[right]
    graph = f.builder.graph([(other * one if turned else one * other).index])
    after = dead(sweep(graph, Rewriter(RULES)))
    assert not any(node.op.name == "div" for node in after.nodes)
    point = {"p": 3.0, "v": 7.0, "w": 5.0, "q": 2.0}
    assert interpret(after, point)[0] == pytest.approx(float(interpret(graph, point)[0]), rel=1e-15)


def test_a_factor_of_the_divisor_is_enough() -> None:
    f = Functions(GraphBuilder())
    p, v, w, q = (f.input(name) for name in "pvwq")
    large = f.exp(q)
    for divisor in (v * large, large * v):
        after = dead(sweep(f.builder.graph([((p / divisor) * (v * w)).index]), Rewriter(RULES)))
        assert [node.op.name for node in after.nodes if node.operands] == ["exp", "div", "mul"]
        assert interpret(after, {"p": 3.0, "v": 7.0, "w": 5.0, "q": 0.0})[0] == 15.0


def test_values_stay_as_they_are_written() -> None:
    """x/y*y is nan at y = 0, as the user wrote it."""
    f = Functions(GraphBuilder())
    p, v = f.input("p"), f.input("v")
    graph = f.builder.graph([((p / v) * v).index])
    assert any(node.op.name == "div" for node in stabilise(graph).nodes)
    assert any(node.op.name == "div" for node in stabilise(graph, values=1).nodes)
