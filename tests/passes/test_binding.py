"""Tight binding as biochemists write it: what is bound and what stays free, with any declarations of their symbols."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from sympy import Symbol, sqrt

from symbackprop import compile_grad, compile_hessian

_path = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _path)
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)
assert_right_at, rows = accuracy.assert_right_at, accuracy.rows

p, q, k = (Symbol(name, real=True) for name in "pqk")
n = Symbol("n", positive=True)
TOTALS = [
    (1.0, 1.0, 1.0), (1e-9, 1.0, 1.0), (1.0, 1e-9, 1.0), (1.0, 1.0, 1e-9), (1e3, 1.0, 1e-9), (1.0, 1e3, 1e-12),
    (1e-9, 1e3, 1e3), (1e160, 1e160, 1e160), (1e-160, 1e-162, 2e-160), (1.0, 1.0, 1e-20), (0.3, 7.0, 0.02),
]  # fmt: skip


def bound(p: sp.Expr, q: sp.Expr, k: sp.Expr) -> sp.Expr:
    return ((p + q + k) - sqrt((p + q + k) ** 2 - 4 * p * q)) / 2


positive = {s: Symbol(s.name, positive=True) for s in (p, q, k)}
FORMS: dict[str, tuple[sp.Expr, str]] = {
    "bound": (bound(p, q, k), "bound"),
    "of positive ones": (bound(p, q, k).subs(positive), "bound"),
    "several sites": (bound(n * p, q, k), "bound"),
    "signal": (3 + 2 * (p + q + k - sqrt((p + q + k) ** 2 - 4 * p * q)), "bound"),
    "share": ((p + q + k - sqrt((p + q + k) ** 2 - 4 * p * q)) / (2 * p), "bound_fraction"),
    "what is left": (1 - (p + q + k - sqrt((p + q + k) ** 2 - 4 * p * q)) / (2 * p), "free_fraction"),
    "free": ((p - q - k + sqrt((p - q - k) ** 2 + 4 * k * p)) / 2, "free"),
}


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("name", FORMS)
def test_tight_binding(name: str, backend: str) -> None:
    """At p = 1e-9 value and slopes had lost 7e8 ulp, at p = q = 1 and k = 1e-20 the root was 0."""
    expr, row = FORMS[name]
    assert row in rows(expr)
    points = [{"p": a, "q": b, "k": c, "n": 2.0} for a, b, c in TOTALS]
    if name == "signal":
        points = points[:7]
    assert_right_at(expr, [{s: point[s.name] for s in expr.free_symbols} for point in points], backend)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_second_derivatives(backend: str) -> None:
    """Those of the root are products over its cube: 4*k*q, -2*k*(p + q + k) and 2*q*(q - p + k)."""
    hessian = compile_hessian(bound(p, q, k), [p, q, k], args=[p, q, k], backend=backend)
    for a, b, c in ((1e-9, 3.0, 1.0), (2.0, 2.0, 1e-12), (1e3, 1.0, 1e-9), (5.0, 0.1, 2.0)):
        root = math.hypot(a - b, math.sqrt(c) * math.sqrt(2 * (a + b) + c))
        mixed, third, fourth = c * (a + b + c), -b * (b - a + c), -a * (a - b + c)
        want = np.array([[-2 * c * b, mixed, third], [mixed, -2 * c * a, fourth], [third, fourth, 2 * a * b]]) / root**3
        np.testing.assert_allclose(np.asarray(hessian(a, b, c), float), want, rtol=4e-15)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_elsewhere(backend: str) -> None:
    """The formula has values for other signs, at k = 0 and where a total is 0; below its root's zero it has none."""
    points = ((-1.0, -9.0, 1.0), (-1.0, 2.0, 3.0), (0.0, 1.0, 2.0), (0.0, 0.0, 1.0), (1.0, 0.5, 0.0), (2.0, 0.0, 3.0))
    assert_right_at(bound(p, q, k), [dict(zip((p, q, k), point, strict=True)) for point in points], backend)
    compiled = compile_grad(bound(p, q, k), [p, q, k], args=[p, q, k], backend=backend)
    for point in ((1.0, 1.0, -1.0), (math.nan, 1.0, 1.0), (1.0, math.nan, 1.0), (1.0, 1.0, math.nan)):
        assert math.isnan(compiled.value_and_grad(*point)[0])
    share = compile_grad(bound(p, q, k) / p, [p, q, k], args=[p, q, k], backend=backend)
    assert share.value_and_grad(2.0, 1.0, 0.0)[0] == 0.5
