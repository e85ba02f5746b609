"""The whole pipeline: every graph between two stages is well formed and keeps its value; nothing recurses."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb
from symbackprop.compiler import Request, compile_request
from symbackprop.ir import Graph, interpret, verify
from symbackprop.options import Options

_spec = importlib.util.spec_from_file_location("corpus", Path(__file__).parent / "benchmarks" / "corpus.py")
assert _spec is not None and _spec.loader is not None
corpus = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(corpus)

CASES = {**corpus.rows(), **corpus.algebra(), **corpus.models()}
x, y = sp.symbols("x y")


@pytest.mark.parametrize("target", ["numpy", "numba"])
@pytest.mark.parametrize("name", CASES)
def test_every_stage_is_well_formed_and_keeps_the_value(name: str, target: str) -> None:
    stages: list[tuple[str, Graph]] = []
    compile_request(
        Request(CASES[name], options=Options(target)),
        lambda stage, graph: stages.append((stage, Graph(list(graph.nodes), graph.outputs))),
    )
    assert [stage for stage, _ in stages] == [
        "frontend",
        "simplify",
        "stabilise",
        "removable",
        "contract",
        "grad",
        "guard",
        "stabilise adjoints",
        "removable adjoints",
        "contract adjoints",
        "expand",
        "strength",
        "dead",
        "factorise",
        "settle",
        "bounds",
    ]
    rng = np.random.default_rng(0)
    point = {identifier: rng.uniform(0.3, 0.7) for identifier in stages[0][1].inputs()}
    value = interpret(stages[0][1], point)[0]
    gradient: Any = None
    for stage, graph in stages:
        verify(graph, after=stage)
        found = interpret(graph, point)
        # A few hundred operations, regrouped: 1e-12 is 4,500 ulp, and a wrong rule is off by far more.
        np.testing.assert_allclose(found[0], value, rtol=1e-12, equal_nan=True, err_msg=stage)
        if len(found) > 1:
            gradient = found[1:] if gradient is None else gradient
            np.testing.assert_allclose(found[1:], gradient, rtol=1e-11, atol=1e-14, equal_nan=True, err_msg=stage)
    assert gradient is not None


@pytest.mark.parametrize("target", ["python", "numpy", "numba"])
def test_a_deep_chain_goes_through_every_stage_at_the_default_recursion_limit(target: str) -> None:
    depth = 30_000
    assert sys.getrecursionlimit() < depth
    expr: Any = x
    for _ in range(depth):
        expr = sp.sin(expr, evaluate=False)
    source = sb.emit_module(expr, x, target=target)
    assert source.count("sin(") >= 2 * depth and source.count("cos(") >= depth


def test_a_long_let_bound_chain_is_right() -> None:
    steps, value = [], x
    for k in range(5_000):
        symbol = sp.Symbol(f"s{k}")
        steps.append((symbol, sp.sin(value) + y))
        value = symbol
    found = sb.compile_grad((steps, [value]), [x, y], backend="python").value_and_grad(0.3, 0.5)
    state, by_x, by_y = 0.3, 1.0, 0.0
    for _ in range(5_000):
        slope = np.cos(state)
        state, by_x, by_y = np.sin(state) + 0.5, slope * by_x, slope * by_y + 1.0
    assert found[0] == pytest.approx(state, rel=1e-12)
    assert found[1] == pytest.approx([by_x, by_y], rel=1e-11, abs=1e-300)


@pytest.mark.parametrize(
    "build",
    [
        lambda n: sp.Add(*[x * y * s for s in sp.symbols(f"s:{n}")]),
        lambda n: sp.Piecewise(*[(sp.sin(x) * k, x < k) for k in range(1, n)], (y, True)),
        lambda n: sp.Max(*[x * s for s in sp.symbols(f"s:{n}")], evaluate=False),
        lambda n: sp.Add(*[sp.exp(x * s) * sp.sqrt(y) / (1 + s) for s in sp.symbols(f"s:{n}")]),
    ],
    ids=["pairs", "piecewise", "max", "terms"],
)
def test_wide_expressions_stay_linear(build: Any) -> None:
    small, large = (len(sb.emit_module(build(n), target="numpy")) for n in (100, 400))
    # Four times the expression gives four times the text, but for longer numbers in names.
    assert large < 4.6 * small
