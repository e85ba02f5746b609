"""Accuracy checks: few ulps pass, lost digits fail, and ill-conditioned numbers are told from badly computed ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb
from symbackprop.check.differences import central
from symbackprop.check.rounding import operations, ulps
from symbackprop.ir import Functions, GraphBuilder, Type

x, y = sp.symbols("x y")


@pytest.mark.parametrize("expr", [x * sp.exp(-x), sp.tanh(x) * sp.atan(y), sp.erf(x) / (1 + y**2)], ids=str)
def test_accurate_gradients_pass_at_wide_points(expr: Any) -> None:
    report = sb.check_grad(expr, samples=8, accuracy=True)
    assert report, str(report)
    sizes = [abs(v) for c in report.values for v in c.point.values()]
    # Every other point has magnitudes from 1e-9 to 1e3.
    assert min(sizes) < 1e-2 and len(report.values) == 8


def test_lost_digits_fail_where_the_tolerance_lets_them_pass() -> None:
    lossy = sp.Function("lossy")
    # The sine, with a definition that cancels: 1e5 + sin(t) - 1e5 is right to 1e-11.
    sb.register(lossy, spelling={"numpy": "np.sin"}, partials=lambda t: sp.cos(t) * (1 + 10**-10), mpmath=_sine)
    at = {"x": 0.5}
    assert sb.check_grad(lossy(x), at=at, rtol=1e-9)
    report = sb.check_grad(lossy(x), at=at, accuracy=True)
    worst = report.worst_of("d/dx")
    assert not report and not worst.passed and worst.verdict == "INEXACT"
    # 1e-10 of 0.88, whose last place is 2**-53.
    assert worst.ulps == pytest.approx(1e-10 * math.cos(0.5) * 2**53, rel=1e-3)
    # cos is well-conditioned: |x tan x|.
    assert worst.condition == pytest.approx(0.5 * math.tan(0.5), rel=1e-12)
    assert "INEXACT" in str(report) and "condition" in str(report)


def _sine(t: Any) -> Any:
    import mpmath as mp

    return mp.sin(t)


def test_ill_conditioned_numbers_pass_with_their_condition() -> None:
    # tan near its pole, times 10: the condition of the value is |10 x (1 + tan**2)/tan|, of the order of 1e4.
    report = sb.check_grad(sp.tan(10 * x) * y, at={"x": 0.15707, "y": 0.3}, accuracy=True)
    assert report
    shaken = [c for c in (*report.values, *report.components) if c.ulps > 4]
    assert shaken and all(c.condition > 1e3 for c in shaken)


def test_report_by_output() -> None:
    report = sb.check_grad(x**2 * y, at=[{"x": 0.1, "y": 3.0}, {"x": 0.7, "y": 0.3}], accuracy=True)
    assert report.outputs == ("value", "d/dx", "d/dy")
    worst = report.worst_of("d/dx")
    assert worst.ulps == max(c.ulps for c in report.components if c.name == "x")
    assert len(report.values) == 2 and all(v.name == "value" for v in report.values)
    assert [line.split(":")[0].split()[-1] for line in report.as_lines()] == ["value", "d/dx", "d/dy"]
    assert worst.as_dict()["point"] == dict(worst.point)
    with pytest.raises(KeyError, match="d/dx"):
        report.worst_of("x")


def test_a_symbol_called_value_is_no_value() -> None:
    report = sb.check_grad(sp.Symbol("value") ** 2, at={"value": 0.5})
    assert report.outputs == ("value", "d/dvalue")


def test_ends_of_domains_and_removable_singularities() -> None:
    report = sb.check_grad(sp.sqrt(x), at={"x": 0.0}, accuracy=True)
    assert report and report.components[0].ours == math.inf
    # The limit is the value; doubles have nan there, unless the compiler knows the form.
    report = sb.check_grad(sp.sin(x) / x, at={"x": 0.0}, accuracy=True)
    assert report.values[0].exact == 1.0 and report.components[0].exact == 0.0


def test_ulps() -> None:
    assert ulps(1.0, 1.0) == 0.0 and ulps(0.0, -0.0) == 0.0
    assert ulps(1.0, 1.0 + 2**-52) == 1.0
    # Denormals have one unit, 5e-324; what underflowed is off by few of it.
    assert ulps(0.0, 1.5e-323) == 3.0 and ulps(5e-324, 0.0) == 1.0
    assert ulps(math.nan, 1.0) == ulps(1.0, math.inf) == math.inf


def test_operations_count_what_arrays_hold() -> None:
    f = Functions(GraphBuilder())
    w = f.wrap(f.builder.input("w", Type("real", ("n",))))
    graph = f.builder.graph([(f.reduce_sum(f.sin(w) * w, (0,)) + 1).index])
    # 7 sines, 7 products, a sum of 7, and 1 more.
    assert operations(graph, {"n": 7}) == 22


def test_steps_of_central_differences() -> None:
    g = sb.compile_function(sp.sin(x * y), backend="python")
    point, exact = {"x": 0.5, "y": 2.0}, 2 * math.cos(1.0)
    # h**2 f'''/6 with f''' = -8 cos 1: 4/3*h**2 relatively to f', to its own relative 1e-2.
    assert central(g.value, point, ("x", ()), 1e-3) / exact - 1 == pytest.approx(-(2.0**2) / 6 * 1e-6, rel=1e-2)
    # 2**-52 over a step that Richardson lets be 2**-5 and more, times 2 to 4 for the differences.
    assert central(g.value, point, ("x", ())) == pytest.approx(exact, rel=1e-12)
    # Beside the end of a domain steps are relative to x.
    log = sb.compile_function(sp.log(x), backend="numpy")
    assert central(log.value, {"x": 1e-12}, ("x", ())) == pytest.approx(1e12, rel=1e-9)
    report = sb.check_grad(sp.sin(x * y), at=point, step=1e-3)
    assert report.components[0].central == central(g.value, point, ("x", ()), 1e-3)
    with pytest.raises(sb.OptionError, match="step"):
        sb.check_grad(x, step=0.0)


def test_arrays() -> None:
    n = sp.Symbol("n", integer=True, positive=True)
    w, a = sp.MatrixSymbol("w", n, 1), sp.MatrixSymbol("a", 3, n)
    point = {"w": np.ones((2, 1)), "a": np.arange(6.0).reshape(3, 2)}
    report = sb.check_grad(sp.Trace((a * w).T * (a * w)), [w], at=point, accuracy=True)
    assert report and report.outputs == ("value", "d/dw") and len(report.components) == 2
