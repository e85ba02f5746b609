"""Differences over a difference that they have inside, at the point where both vanish, beside it and away from it.

(x**3 - y**3)/(x - y) at x = y + 1e-9 had the slope 12 and not 6, (cos(x) - cos(y))/(x - y) at 1e-12 the slope 1e8;
where the two are equal all were nan. So were annuities at no interest and geometric sums at the ratio 1.
"""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from sympy import acos, asin, asinh, atan, atanh, cos, cosh, erf, exp, log, sin, sinh, tan, tanh

from symbackprop import compile_grad, compile_hessian

_path = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _path)
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)

a, b, n, p, r, t, x, y = sp.symbols("a b n p r t x y", positive=True)
u, v, z = sp.symbols("u v z", real=True)
STEPS = (1e-9, -1e-3, 0.3)

FUNCTIONS = {
    "cube": lambda w: w**3,
    "fourth power": lambda w: w**4,
    "ninth power": lambda w: w**9,
    "power 2.5": lambda w: w**2.5,
    "power n": lambda w: w**n,
    "reciprocal": lambda w: 1 / w,
    "reciprocal square": lambda w: w**-2,
    "polynomial": lambda w: w**3 - 2 * w,
    "root": sp.sqrt,
    "exp": exp,
    "bell": lambda w: exp(-(w**2)),
    "log": log,
    "log1p": lambda w: log(1 + w),
    "entropy": lambda w: w * log(w),
    "ligand": lambda w: w / (w + 3),
    "gamma kernel": lambda w: w * exp(-w),
    "logistic": lambda w: 1 / (1 + exp(-w)),
    "softplus": lambda w: log(1 + exp(w)),
    "sin": sin,
    "cos": cos,
    "tan": tan,
    "sinh": sinh,
    "cosh": cosh,
    "tanh": tanh,
    "asin": lambda w: asin(w / 4),
    "acos": lambda w: acos(w / 4),
    "atan": atan,
    "asinh": asinh,
    "acosh": sp.acosh,
    "atanh": lambda w: atanh(w / 4),
    "erf": erf,
    "erfc": sp.erfc,
}


def right(expr: sp.Expr, symbol: sp.Symbol, point: float, others: dict[sp.Symbol, float]) -> None:
    """Beside the point, and at it what it is close by."""
    gradient = accuracy.assert_right_at(expr, [{symbol: point + step, **others} for step in STEPS], "numpy")
    at, beside = (
        [float(number) for number in np.hstack(gradient.value_and_grad(**given))]
        for given in (
            {symbol.name: place, **{s.name: x for s, x in others.items()}} for place in (point, point + 1e-10)
        )
    )
    assert all(math.isclose(got, want, rel_tol=1e-6, abs_tol=1e-9) for got, want in zip(at, beside, strict=True))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_of_functions(name: str) -> None:
    function = FUNCTIONS[name]
    expr = (function(x) - function(y)) / (x - y)
    right(expr, x, 1.5, {y: 1.5, **({n: 2.7} if expr.has(n) else {})})


# In a and b, or in a parameter alone, that is near the point where the quotient is 0/0.
CONFLUENT = {
    "decay by times": ((exp(-t / a) - exp(-t / b)) / (a - b), a, 2.0, {b: 2.0, t: 0.7}),
    "two compartments": ((a * exp(-b * t) - b * exp(-a * t)) / (a - b), a, 2.0, {b: 2.0, t: 0.7}),
    "1 - two compartments": (1 + (a * exp(-b * t) - b * exp(-a * t)) / (b - a), a, 2.0, {b: 2.0, t: 0.7}),
    "by clearance": (
        p * a / (b * (a - x / b)) * (exp(-x / b * t) - exp(-a * t)),
        a,
        0.5,
        {x: 1.0, b: 2.0, t: 0.7, p: 3.0},
    ),
    "two clearances": ((exp(-x / b * t) - exp(-y / r * t)) / (x / b - y / r), x, 1.0, {b: 2.0, y: 2.0, r: 4.0, t: 0.7}),
    "beats": (t * (sin(a * t) - sin(b * t)) / (a - b), a, 2.0, {b: 2.0, t: 0.7}),
    "radiation": (p * (a**4 - b**4) / (a - b), a, 300.0, {b: 300.0, p: 0.7}),
    "growing annuity": (p * (1 - ((1 + a) / (1 + r)) ** n) / (r - a), r, 0.05, {a: 0.05, n: 10.0, p: 2.0}),
    "annuity": (p * r / (1 - (1 + r) ** (-n)), r, 0.0, {n: 12.0, p: 3.0}),
    "annuity, multiplied": (p * r * (1 + r) ** n / ((1 + r) ** n - 1), r, 0.0, {n: 12.0, p: 3.0}),
    "annuity, months": (p * (r / 12) / (1 - (1 + r / 12) ** (-12 * n)), r, 0.0, {n: 30.0, p: 2.0}),
    "annuity, 360 times": (r / (1 - (1 + r) ** (-360)), r, 0.0, {}),
    "present value": (p * (1 - (1 + r) ** (-n)) / r, r, 0.0, {n: 12.0, p: 3.0}),
    "savings": (((1 + r) ** n - 1) / r, r, 0.0, {n: 12.0}),
    "savings, in advance": (p * (1 + r) * ((1 + r) ** n - 1) / r, r, 0.0, {n: 12.0, p: 3.0}),
    "geometric sum": (a * (1 - x**n) / (1 - x), x, 1.0, {n: 5.5, a: 2.0}),
    "Box and Cox": ((x**z - 1) / z, z, 0.0, {x: 3.0}),
    "risk aversion": ((x ** (1 - a) - 1) / (1 - a), a, 1.0, {x: 3.0}),
    "certainty equivalent": (log((exp(z * u) + exp(z * v)) / 2) / z, z, 0.0, {u: 0.3, v: -0.2}),
    "certainty equivalent, p": (log(p * exp(z * u) + (1 - p) * exp(z * v)) / z, z, 0.0, {u: 0.3, v: -0.2, p: 0.7}),
    "coalescent": (log(1 + b * t * exp(-b * x)) / b, b, 0.0, {t: 2.0, x: 0.3}),
}


@pytest.mark.parametrize("name", CONFLUENT)
def test_of_parameters(name: str) -> None:
    right(*CONFLUENT[name])


def test_second_derivatives() -> None:
    """Of exp(-x)*x the mixed one had no digits either."""
    hessian = compile_hessian((x * exp(-x) - y * exp(-y)) / (x - y), [x, y], args=[x, y], backend="numpy")
    # The third derivative, (3 - x)*exp(-x), over 3 and 6.
    third = 1.5 * math.exp(-1.5)
    for row, wants in zip(hessian(1.5, 1.5), ((third / 3, third / 6), (third / 6, third / 3)), strict=True):
        assert all(math.isclose(got, want, rel_tol=1e-14) for got, want in zip(row, wants, strict=True))


@pytest.mark.parametrize("backend", ["python", "numba"])
def test_on_other_backends(backend: str) -> None:
    gradient = compile_grad((erf(x) - erf(y)) / (x - y), [x, y], args=[x, y], backend=backend)
    value, slopes = gradient.value_and_grad(0.5, 0.5)
    bell = 2 / math.sqrt(math.pi) * math.exp(-0.25)
    for got, want in zip((value, *slopes), (bell, -bell / 2, -bell / 2), strict=True):
        assert math.isclose(got, want, rel_tol=1e-15)


def test_no_value_stays_none() -> None:
    """Neither number has a logarithm, though their quotient has one."""
    gradient = compile_grad((log(u) - log(v)) / (u - v), [u, v], args=[u, v], backend="python")
    assert math.isnan(gradient.value_and_grad(-2.0, -2.000001)[0])
