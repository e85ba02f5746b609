"""Derivatives that cancel although the value does not: exp(x) - x has exp(x) - 1, whatever stands around it.

The passes for accuracy run over gradients as well, before these are differentiated again or emitted.
"""

from __future__ import annotations

import math

import pytest
import sympy as sp
from sympy import acos, atan, cos, cosh, exp, log, sin, sinh, sqrt

from symbackprop import compile_function, compile_grad, compile_hessian
from symbackprop.check.oracle import Oracle
from symbackprop.check.rounding import ulps
from symbackprop.compiler import Request, compile_request
from symbackprop.frontend import read_model
from symbackprop.ir import Graph
from symbackprop.passes import simplify

x, y = sp.symbols("x y", real=True)

# Each vanishes at x = 0 with its gradient, or a part of it.
ALONE: dict[str, sp.Expr] = {
    "exp": exp(x) - x,
    "exp of a product": exp(x * y) - x * y,
    "exp of a sum": exp(sin(x)) - x,
    "acos": x + acos(x),
    "atan": x - atan(x),
    "sin": sin(x) - x,
    "cosh": cosh(x) - x**2 / 2,
    "cosines": cos(x * y) + (x * y) ** 2 / 2,
    "log": log(1 + x) - x,
    "log(cosh)": x * y - log(cosh(x)) * y,
    "root": sqrt(1 + x) - x / 2,
    "reciprocal": 1 / (1 + x) + x,
    "softplus": log(1 + exp(x)) - x / 2,
    "sinh": sinh(x * y) - x * y,
}
# The same with a cotangent: a factor of a variable, and one that depends on x.
AROUND = {
    "alone": lambda u: u,
    "times y": lambda u: y * u,
    "squared": lambda u: y * (u + 2) ** 2,
    "sine": lambda u: sin(u + y),
}
POINTS = [1e-9, -1e-7, 3e-5, -1e-3, 0.02, 0.3]
# A dozen roundings, each amplified by a condition number of up to 3 (a sine whose cosine is -0.3).
ULPS = 40


def oracle_of(expr: sp.Expr, symbols: list[sp.Symbol]) -> Oracle:
    return Oracle(read_model(expr, symbols, None, None, ()).graph)


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("name", ALONE)
def test_gradient_and_hessian(name: str, around: str) -> None:
    expr = AROUND[around](ALONE[name])
    symbols = [s for s in (x, y) if expr.has(s)]
    oracle, names = oracle_of(expr, symbols), [s.name for s in symbols]
    backend = "python" if around == "alone" else "numpy"
    gradient = compile_grad(expr, symbols, args=symbols, backend=backend)
    hessian = compile_hessian(expr, symbols, args=symbols, backend=backend)
    for at in POINTS:
        point = {"x": at, "y": 1.3} if y in symbols else {"x": at}
        slopes, second = gradient(*point.values()), hessian(*point.values())
        pairs = [(float(slopes[k]), oracle.derivative(point, (one, ())).middle) for k, one in enumerate(names)]
        pairs += [
            (float(second[j][k]), oracle.second(point, (one, ()), (other, ())))
            for j, one in enumerate(names)
            for k, other in enumerate(names)
        ]
        for got, want in pairs:
            assert not math.isfinite(want) or ulps(got, want) <= ULPS, f"{got!r} and not {want!r} at {point}"


def stages(expr: sp.Expr, mode: str) -> dict[str, Graph]:
    seen: dict[str, Graph] = {}
    compile_request(
        Request(expr, mode=mode), lambda step, graph: seen.update({step: Graph(list(graph.nodes), graph.outputs)})
    )
    return seen


@pytest.mark.parametrize("name", ALONE)
def test_values_stay_what_they_are(name: str) -> None:
    """What a value is made of has been through the rules; beside its gradient it is computed alike."""
    expr = ALONE[name]
    symbols = [s for s in (x, y) if expr.has(s)]
    alone = compile_function(expr, args=symbols, backend="python")
    beside = compile_grad(expr, symbols, args=symbols, backend="python")
    for at in (0.7, 1e-5):
        point = (at, 1.3)[: len(symbols)]
        assert beside.value_and_grad(*point)[0] == alone(*point)


def test_derivatives_of_direct_arms_get_no_series() -> None:
    """Where a series serves, its derivative does; of 1 - cos(x) over x**2 the quotient rule has four such terms."""
    for expr in ((1 - cos(x)) / x**2, (sin(x) - x) / x**3, x - sp.tanh(x), y * (exp(x) - 1 - x) / x**2):
        for mode, most in (("grad", 2), ("hessian", 3)):
            graph = stages(expr, mode)["removable adjoints"]
            needed = graph.reaching()
            found = {
                node.attributes for k, node in enumerate(graph.nodes) if needed[k] and node.op.name == "polynomial"
            }
            assert len(found) <= most, f"{expr}, {mode}: {len(found)} series"


def test_what_does_not_cancel_costs_no_more() -> None:
    """A residual, a network and a potential: the rules find nothing in their gradients."""
    w, b, t = sp.symbols("w b t")
    for expr in ((w * x + b - t) ** 2, (sp.tanh(w * x + b) - t) ** 2, (w * exp(-b * t) + x) ** 2, sin(w * x) * cos(b)):
        seen = stages(expr, "grad")
        # Without choices the guard leaves it all to the rules, which simplify as well.
        used = [
            sorted(graph.nodes[k].op.name for k, needed in enumerate(graph.reaching()) if needed)
            for graph in (simplify(seen["guard"]), seen["removable adjoints"])
        ]
        assert used[0] == used[1]
