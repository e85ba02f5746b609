"""Whether a model is right at a point, and what rows it has become."""

from __future__ import annotations

import math

import sympy as sp
from sympy import Symbol

from symbackprop import CompiledFunction, compile_grad
from symbackprop.check.oracle import Oracle
from symbackprop.frontend import read_model
from symbackprop.passes import dead, simplify, stabilise


def assert_right(expr: sp.Expr, point: dict[Symbol, float], backend: str) -> None:
    """Value and gradient within 4 ulp, or 8 roundings an operation times the condition number, of the oracle."""
    assert_right_at(expr, [point], backend)


def assert_right_at(expr: sp.Expr, points: list[dict[Symbol, float]], backend: str) -> CompiledFunction:
    """The same at several points, of a function that is compiled once."""
    symbols = sorted(points[0], key=str)
    oracle = Oracle(read_model(expr, symbols, None, None, ()).graph)
    compiled = compile_grad(expr, symbols, args=symbols, backend=backend)
    count = compiled.stats["operations"]["value"]
    for point in points:
        given = {symbol.name: value for symbol, value in point.items()}
        value, gradient = compiled.value_and_grad(*[point[symbol] for symbol in symbols])
        slopes = [oracle.derivative(given, (symbol.name, ())).middle for symbol in symbols]
        wanted = [(float(value), oracle.value(given), slopes)]
        for symbol, got, slope in zip(symbols, gradient, slopes, strict=True):
            second = [oracle.second(given, (symbol.name, ()), (other.name, ())) for other in symbols]
            wanted.append((float(got), slope, second))
        for got, want, slopes_of in wanted:
            spread = sum(abs(given[symbol.name] * slope) for symbol, slope in zip(symbols, slopes_of, strict=True))
            bound = max(4 * math.ulp(want), 8 * count * 2.0**-53 * spread)
            assert got == want or abs(got - want) <= bound, f"{got!r} and not {want!r} at {given}, {backend}"
    return compiled


def rows(expr: sp.Expr) -> set[str]:
    graph = simplify(read_model(expr, sorted(expr.free_symbols, key=str), None, None, ()).graph)
    once = dead(stabilise(graph))
    again = dead(stabilise(once))
    assert [tuple(node) for node in again.nodes] == [tuple(node) for node in once.nodes]
    return {node.op.name for node in once.nodes}
