"""The gradient check tells right from wrong, and knows a kink when it sees one."""

from __future__ import annotations

import math
from typing import Any

import pytest
import sympy as sp

import symbackprop as sb

x, y = sp.symbols("x y")


@pytest.mark.parametrize(
    "expr", [sp.sin(x * y) + x**3, sp.gamma(x) * y, sp.Piecewise((x**2, x < 0.5), (y, True)), sp.Max(x, y)], ids=str
)
def test_right_gradients_pass(expr: Any) -> None:
    report = sb.check_grad(expr, samples=4)
    assert report and report.passed
    assert len(report.components) == 8
    assert "ok" in str(report) and "WRONG" not in str(report)


def test_the_oracles_agree_with_each_other() -> None:
    report = sb.check_grad(sp.exp(x) * sp.sin(y), at={"x": 0.3, "y": 0.7})
    for c in report.components:
        # The complex step is exact to rounding, the central difference to about eps**(2/3) = 4e-11.
        assert c.complex_step == pytest.approx(c.exact, rel=1e-15)
        assert c.central == pytest.approx(c.exact, rel=1e-9)
        assert c.ulps <= 4


def test_a_wrong_derivative_is_found() -> None:
    wrong = sp.Function("wrong")
    sb.register(wrong, lambda t: t**3, partials=lambda t: 4 * t**2)
    report = sb.check_grad(wrong(x) + y, at={"x": 0.5, "y": 1.0})
    assert not report
    assert report.worst.name == "x" and not report.worst.passed
    assert report.worst.error == pytest.approx(1 / 3, rel=1e-12)
    assert "WRONG" in str(report)


@pytest.mark.parametrize("kinks", ["zero", "left", "right"])
def test_at_a_kink_any_subgradient_passes(kinks: str) -> None:
    report = sb.check_grad(sp.Abs(x) + y, at={"x": 0.0, "y": 1.0}, kinks=kinks)
    component = report.components[0]
    assert component.kink and component.passed
    assert component.ours == {"zero": 0.0, "left": -1.0, "right": 1.0}[kinks]


def test_the_complex_step_stays_out_of_what_is_not_analytic() -> None:
    assert math.isnan(sb.check_grad(sp.Abs(x), at={"x": 0.5}).components[0].complex_step)


def test_points_are_found_inside_the_domain() -> None:
    report = sb.check_grad(sp.acosh(x) + sp.log(1 - y), samples=2)
    assert report and all(c.point["x"] > 1 > c.point["y"] for c in report.components)
    with pytest.raises(sb.DomainError, match="no point"):
        sb.check_grad(sp.log(-1 - x**2), samples=1)


def test_bad_points() -> None:
    with pytest.raises(sb.UnboundSymbol, match="'y'"):
        sb.check_grad(x * y, at={"x": 1.0})
    with pytest.raises(sb.OptionError, match="samples"):
        sb.check_grad(x, samples=0)


def test_let_bound_and_packed_input() -> None:
    h = sp.Symbol("h")
    assert sb.check_grad(([(h, x * y)], [sp.sin(h)]), [(x, y)], at={"x": 0.5, "y": 0.25})
