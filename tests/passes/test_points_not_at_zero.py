"""What is 0/0 at 1 without a difference from 1 in it, at several points, or under a logarithm.

The slope of (sqrt(r) - 1)/log(r) was 55 and not 0.125 at 1 + 1e-9, that of log(2*(exp(-x) - 1 + x)/x**2) 4e8 and not
-1/3 at 1e-6; at 1e-9 the logarithm was -inf.
"""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import pytest
import sympy as sp
from sympy import cos, exp, log, pi, sin, sinh, sqrt

from symbackprop import compile_grad

_path = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _path)
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)

r, t = sp.symbols("r t", positive=True)
z = sp.Symbol("z", real=True)
AROUND_ONE = (1 + 1e-9, 1 - 1e-6, 0.999, 1.2, 0.3, 7.0)
NEAR_ZERO = (1e-9, 1e-5, 1e-3, 0.4, 1.9, 7.0)
BOTH_SIDES = (1e-9, -1e-5, 1e-3, -0.4, 1.9, -7.0)
FORMS = {
    "reciprocal over log": ((1 - 1 / r) / log(r), r, AROUND_ONE),
    "root over log": ((sqrt(r) - 1) / log(r), r, AROUND_ONE),
    "square over log, times": (t * (1 / r - r) / log(r), r, AROUND_ONE),
    "log over square": (log(r) / (1 - r**2), r, AROUND_ONE),
    "raised cosine": (cos(pi * z / 2) / (1 - z**2), z, (1 + 1e-9, -1 + 1e-6, -1 - 1e-3, 0.999, 0.0, 1e-9, 2.6)),
    "of three factors": ((1 - exp(-z)) * cos(pi * z / 2) / (1 - z**2), z, (1 + 1e-9, -1 + 1e-6, 1e-9, -1e-4, 0.2)),
    "and one more at 0": ((exp(z**2) - 1 - z**2) * cos(pi * z / 2) / (1 - z**2), z, (1 + 1e-9, 1e-9, -1e-4, 0.2)),
    "Debye": (log(2 * (exp(-z) - 1 + z) / z**2), z, BOTH_SIDES),
    "sphere": (log(3 * (sin(r) - r * cos(r)) / r**3), r, NEAR_ZERO[:-1]),
    "Langevin": (log(sinh(r) / r), r, (*NEAR_ZERO, 800.0)),
    "exprel": (log((exp(r) - 1) / r), r, (*NEAR_ZERO, 800.0)),
    "1 - exp": (log((1 - exp(-z)) / z), z, BOTH_SIDES),
    "Fisher": (-log(z / sinh(z)), z, BOTH_SIDES),
    "square of sinc": (log(sin(z) ** 2 / z**2), z, BOTH_SIDES),
    "difference": (log(r) - log(sin(r)), r, NEAR_ZERO[:-1]),
}


@pytest.mark.parametrize("name", FORMS)
def test_beside_the_point(name: str) -> None:
    expr, symbol, points = FORMS[name]
    others = {t: 0.7} if expr.has(t) else {}
    accuracy.assert_right_at(expr, [{symbol: point, **others} for point in points], "numpy")


@pytest.mark.parametrize("backend", ["python", "numba"])
def test_at_the_point(backend: str) -> None:
    raised = compile_grad(FORMS["raised cosine"][0], z, backend=backend)
    for at in (1.0, -1.0):
        value, slope = raised.value_and_grad(at)
        assert math.isclose(value, math.pi / 4, rel_tol=1e-15)
        assert math.isclose(slope, -at * math.pi / 8, rel_tol=1e-15)
    value, slope = compile_grad(FORMS["Debye"][0], z, backend=backend).value_and_grad(0.0)
    assert value == 0
    assert math.isclose(slope, -1 / 3, rel_tol=1e-15)


def test_no_value_stays_none() -> None:
    """log(r) - log(sin(r)) has a series at 0, and no value left of it."""
    given = log(z) - log(sin(z))
    assert math.isnan(compile_grad(given, z, backend="python").value_and_grad(-0.1)[0])
