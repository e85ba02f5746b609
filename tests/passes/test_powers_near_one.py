"""Powers of what rounds to 1: generalised exponential, Kumaraswamy's and exponentiated Weibull distributions."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import pytest
import sympy as sp
from sympy import erf, exp, log, tanh

from symbackprop import compile_function, compile_grad

_path = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _path)
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)

x, a, b = sp.symbols("x a b", real=True)
POWERS = {
    "distribution": (1 - exp(-x)) ** a,
    "survival": 1 - (1 - exp(-x)) ** a,
    "log survival": log(1 - (1 - exp(-x)) ** a),
    "density": a * exp(-x) * (1 - exp(-x)) ** (a - 1),
    "exponentiated Weibull": 1 - (1 - exp(-(x**b))) ** a,
    "Kumaraswamy": 1 - (1 - x**a) ** b,
    "Kumaraswamy's survival": (1 - x**a) ** b,
    "tanh": tanh(x) ** a,
    "1 - erf": 1 - erf(x) ** a,
}


@pytest.mark.parametrize("name", POWERS)
def test_from_0_to_far_out(name: str) -> None:
    """The survival was 0 from x = 37 on, its logarithm -inf, and slopes had no digits before that."""
    expr = POWERS[name]
    places = (1e-9, 0.3, 0.9, 1 - 1e-9) if "Kumaraswamy" in name else (1e-9, 0.3, 1.0, 3.0, 5.0, 22.0)
    places = places if "erf" in name or "Kumaraswamy" in name else (*places, 30.0, 60.0, 600.0)
    symbols = sorted(expr.free_symbols, key=str)
    points = [{x: at, a: shape, b: 0.75} for at in places for shape in (0.5, 3.0, 1e3)]
    if "Weibull" in name or "log" in name:
        # Beyond, the oracle has not bits enough.
        points = [point for point in points if point[x] < 600]
    accuracy.assert_right_at(expr, [{s: point[s] for s in symbols} for point in points], "numpy")


def test_the_tail_of_the_logarithm() -> None:
    """log(a) - x, whose slopes are 1/a and -1."""
    function = compile_grad(POWERS["log survival"], [a, x], args=[a, x], backend="numpy")
    value, slopes = function.value_and_grad(0.5, 600.0)
    assert [float(v) for v in (value, *slopes)] == pytest.approx([math.log(0.5) - 600, 2.0, -1.0], rel=1e-15)


@pytest.mark.parametrize("backend", ["numpy", "numba", "python"])
def test_where_the_base_is_negative(backend: str) -> None:
    """A power for whole exponents, nan for others; nan stays nan."""
    for expr, base in ((POWERS["distribution"], 1 - math.exp(0.5)), (POWERS["tanh"], math.tanh(-0.5))):
        function = compile_function(expr, args=[a, x], backend=backend)
        assert function(3.0, -0.5) == pytest.approx(base**3, rel=1e-14)
        assert math.isnan(function(0.5, -0.5)) and math.isnan(function(0.5, math.nan))
        assert math.isnan(function(math.nan, 0.5))


def test_samples_on_both_sides() -> None:
    """Neither arm sees what is the other's: sums over samples would multiply its zeros by infinite slopes."""
    batched = compile_grad(POWERS["log survival"], [a], args=[a, x], batch=[x], reduce="sum", backend="numpy")
    alone = compile_grad(POWERS["log survival"], [a], args=[a, x], backend="numpy")
    places = [1e-300, 1e-9, 0.5, 3.0, 60.0, 700.0]
    assert batched(0.5, places)[0] == pytest.approx(sum(alone(0.5, place)[0] for place in places), rel=1e-14)
