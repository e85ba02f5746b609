"""Inverse functions of what rounds to 1: value and gradient where the argument has no digits of its distance left."""

from __future__ import annotations

import math

import pytest
import sympy as sp
from sympy import (
    acos,
    acosh,
    acsc,
    asec,
    asech,
    asin,
    atanh,
    cos,
    cosh,
    coth,
    erf,
    erfinv,
    exp,
    sec,
    sech,
    sin,
    sinc,
    tanh,
)

from symbackprop import compile_grad
from symbackprop.check.oracle import Oracle
from symbackprop.check.rounding import ulps
from symbackprop.frontend import read_model

x = sp.Symbol("x", real=True)
SMALL = [1e-9, 7.1e-9, -6e-7, 3e-4, -0.02, 0.4, 1.2, 2.5]
POSITIVE = [abs(at) for at in SMALL]
TAIL = [1e-9, -0.3, 1.2, -2.5, 3.4, -5.5, 5.8]
ONE_MINUS = {"cos": cos(x), "sech": sech(x), "cos**2": cos(x) ** 2, "sinc": sinc(x), "quotient": sin(x) / x}
FORMS: dict[str, tuple[sp.Expr, list[float]]] = {
    **{f"{f.__name__}({name})": (f(g), SMALL) for name, g in ONE_MINUS.items() for f in (acos, asin, atanh, erfinv)},
    **{f"{f.__name__}(-cos)": (f(-cos(x)), SMALL) for f in (acos, asin, atanh, erfinv)},
    **{f"{f.__name__}(exp)": (f(exp(-x)), POSITIVE) for f in (acos, asin, atanh, erfinv, asech)},
    **{f"{f.__name__}({g.func})": (f(g), TAIL) for f in (acos, asin, atanh, erfinv) for g in (tanh(x), erf(x))},
    **{f"{f.__name__}(cosh)": (f(cosh(x)), [*SMALL, 17.0]) for f in (asec, acsc)},
    **{f"{f.__name__}(sec)": (f(sec(x)), SMALL) for f in (asec, acsc)},
    "erfinv(|cos|)": (erfinv(sp.Abs(cos(x))), SMALL),
    "acsc(sec**2)": (acsc(sec(x) ** 2), SMALL),
    "acosh(sec)": (acosh(sec(x)), [at for at in SMALL if at < 1.5]),
    "acosh(coth)": (acosh(coth(x)), [0.3, 2.5, 6.0, 17.0, 40.0]),
    "asech(cos)": (asech(cos(x)), [at for at in SMALL if at < 1.5]),
    "atanh(1/(1 + exp(-x)))": (atanh(1 / (1 + exp(-x))), [-3.0, 1e-9, 6.0, 17.0, 300.0]),
}
# Half a dozen roundings; a condition of 1.2 at most where the function itself serves.
ULPS = 8


@pytest.mark.parametrize("name", FORMS)
def test_value_and_gradient(name: str) -> None:
    expr, points = FORMS[name]
    oracle = Oracle(read_model(expr, [x], None, None, ()).graph)
    compiled = compile_grad(expr, x, args=[x], backend="numpy")
    checked = 0
    for at in points:
        value, slope = compiled.value_and_grad(at)
        for got, want in ((value, oracle.value({"x": at})), (slope, oracle.derivative({"x": at}, ("x", ())).middle)):
            if math.isfinite(want):
                checked += 1
                assert ulps(float(got), want) <= ULPS, f"{got!r} and not {want!r} at {at}"
    assert checked >= len(points)


def test_kinks_of_the_choice_are_none() -> None:
    """The distance of tanh and erf from 1 is one of |x|, whose kink at 0 is none of atanh(tanh(x))."""
    for f in (atanh, asin, erfinv):
        for g in (tanh, erf):
            expr = f(g(x))
            slope = compile_grad(expr, x, args=[x], backend="numpy", kinks="raise")(0.0)
            oracle = Oracle(read_model(expr, [x], None, None, ()).graph)
            assert ulps(float(slope), oracle.derivative({"x": 0.0}, ("x", ())).middle) <= 4


@pytest.mark.parametrize("name", ["(sin(x) - x)/x", "(x - tanh(x))/x", "(exp(x) - 1 - x)/x"])
def test_a_quotient_that_vanishes_is_not_near_one(name: str) -> None:
    expr = {"s": (sin(x) - x) / x, "x": (x - tanh(x)) / x, "e": (exp(x) - 1 - x) / x}[name[1]]
    oracle, compiled = Oracle(read_model(expr, [x], None, None, ()).graph), compile_grad(expr, x, backend="numpy")
    for at in (1e-8, -1e-5, 0.1, 3.0):
        assert ulps(float(compiled(at)), oracle.derivative({"x": at}, ("x", ())).middle) <= 16
