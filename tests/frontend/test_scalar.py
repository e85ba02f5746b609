"""Every SymPy class that is taken, what it means, and every one that is refused, with its message."""

from __future__ import annotations

from typing import Any

import mpmath as mp
import pytest
import sympy as sp
from sympy.codegen import cfunctions

import symbackprop as sb
from symbackprop.frontend import read_model
from symbackprop.frontend.functions import rows_by_class
from symbackprop.ir import interpret
from symbackprop.ops import REGISTRY

x, y, z = sp.symbols("x y z")


def value(expr: Any, **point: float) -> float:
    return float(interpret(read_model(expr).graph, point)[0])


def test_every_row_that_names_a_sympy_class_is_reachable() -> None:
    claimed = [row for row in REGISTRY if row.sympy]
    assert len(claimed) >= 55
    assert set(rows_by_class().values()) == set(claimed)


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (sp.pi + 0 * x, mp.pi),
        (sp.E * x, 2 * mp.e),
        (sp.EulerGamma + x, mp.euler + 2),
        (sp.GoldenRatio + x, mp.phi + 2),
        (sp.Catalan + x, mp.catalan + 2),
        (sp.Integer(10) ** 400 * x / sp.Integer(10) ** 400, 2),
        (sp.Rational(1, 3) * x, mp.mpf(2) / 3),
        (sp.Float("0.1", 50) * x, mp.mpf("0.2")),
        (sp.exp(2) * x, 2 * mp.exp(2)),
        (sp.Piecewise((x, x < 1), (x**2, x < 3), (0, True)), 4),
        (sp.Piecewise((1, sp.And(x > 1, sp.Or(x > 5, x < 3))), (0, True)), 1),
        (sp.Piecewise((1, sp.Not(x > 1)), (5, True)), 5),
        (sp.Piecewise((1, sp.Xor(x > 1, x > 5)), (5, True)), 1),
        (sp.Piecewise((1, sp.ITE(x > 1, x > 5, x < 3)), (5, True)), 5),
        (sp.Piecewise((1, sp.Contains(x, sp.Interval(0, 3))), (5, True)), 1),
        (sp.Piecewise((1, sp.Ne(x, 2)), (5, True)), 5),
        (sp.Max(x, 1, 3), 3),
        (sp.Min(x, 1, 3), 1),
        (sp.Heaviside(x - 2), 0.5),
        (sp.Heaviside(x - 2, 0), 0),
        (sp.real_root(-4 * x, 3), -2),
        (cfunctions.Cbrt(-4 * x), -2),
        (sp.re(x) + sp.im(x) + sp.conjugate(x), 4),
        (sp.UnevaluatedExpr(x + 1) * 2, 6),
        (sp.Derivative(x**3, x), 12),
        (sp.Subs(sp.Derivative(y**3, y), y, x), 12),
        (sp.Matrix([[x**2]]), 4),
        (sp.log(x, 2), 1),
        (sp.zeta(x), mp.zeta(2)),
        (sp.beta(x, 3), mp.beta(2, 3)),
        (sp.polygamma(0, x), mp.digamma(2)),
        (sb.logistic(x), 1 / (1 + mp.exp(-2))),
        (sb.softplus(x), mp.log1p(mp.exp(2))),
    ],
    ids=str,
)
def test_value_at_two(expr: Any, expected: Any) -> None:
    # A handful of roundings each: 1e-14 is 45 ulp.
    assert value(expr, x=2.0) == pytest.approx(float(expected), rel=1e-14)


@pytest.mark.parametrize(
    ("expr", "words"),
    [
        (x * sp.I, "not a real number"),
        (x + sp.zoo, "not a real number"),
        (sp.Function("f")(x), "register"),
        (sp.Symbol("A", commutative=False) * x, "non-commutative"),
        (sp.Symbol("z", complex=True) + x, "declared complex"),
        (sp.Symbol("z", imaginary=True) + x, "declared complex"),
        (sp.Integral(sp.exp(-(x**2)), (x, 0, y)), "Integral"),
        (sp.LambertW(x, -1), "branch"),
        (sp.polygamma(y, x), "constant order"),
        (sp.Limit(sp.Function("f")(x), x, 0), "Limit"),
        (x > 1, "condition, not a number"),
        (sp.And(x > 1, y > 1), "condition, not a number"),
        ("x + 1", "strings are never evaluated"),
        (sp.Mul(x, sp.Function("g")(y)), "g"),
    ],
    ids=str,
)
def test_refused_in_words(expr: Any, words: str) -> None:
    with pytest.raises(sb.UnsupportedExpression, match=words):
        sb.compile_grad(expr, backend="python")


def test_a_gradient_of_several_numbers_is_refused() -> None:
    with pytest.raises(sb.ShapeMismatch, match=r"one real number, not an array of shape \(1, 2\).*compile_jacobian"):
        sb.compile_grad(sp.Matrix([[x, y]]), backend="python")


def test_everything_refused_comes_in_one_error_with_paths() -> None:
    f, g = sp.Function("f"), sp.Function("g")
    with pytest.raises(sb.UnsupportedExpression) as caught:
        sb.compile_grad(f(x) + y * g(y) + sp.I)
    message = str(caught.value)
    assert message.startswith("3 things cannot be compiled")
    assert all(words in message for words in ("function f", "function g", "not a real number", "expr.args["))
    assert isinstance(caught.value, NotImplementedError)


def test_a_condition_in_arithmetic_is_refused() -> None:
    with pytest.raises(sb.UnsupportedExpression, match="condition is used as a number in logistic"):
        sb.compile_grad(sb.logistic(x > 1) + y)


@pytest.mark.parametrize("row", [row for row in REGISTRY if row.missing and row.sympy], ids=lambda row: row.name)
def test_a_missing_derivative_is_named(row: Any) -> None:
    function = next(cls for cls, found in rows_by_class().items() if found is row)
    order = row.name == "polygamma"
    if order:
        return  # Its order must be constant, so that nobody can ask; see test_refused_in_words.
    with pytest.raises(sb.MissingDerivative, match=r"only"):
        sb.compile_grad(function(x, y), [x], backend="numpy")
    # In its other argument it is fine.
    assert sb.compile_grad(function(x, y), y, backend="numpy")(2.0, 1.5) == pytest.approx(
        float(mp.diff(lambda t: row.mpmath(2, t), 1.5)), rel=1e-9
    )


def test_deep_chains_need_no_recursion() -> None:
    expr = x
    for _ in range(20_000):
        expr = sp.sin(expr, evaluate=False)
    assert len(read_model(expr).graph) == 20_001


def test_distinct_objects_are_visited_once() -> None:
    # A tree of 2**200 paths over 400 objects.
    expr = x
    for _ in range(200):
        expr = sp.Mul(sp.sin(expr, evaluate=False), sp.cos(expr, evaluate=False), evaluate=False)
    assert len(read_model(expr).graph) == 1 + 3 * 200
