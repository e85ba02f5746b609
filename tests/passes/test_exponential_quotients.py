"""Sums of exponentials over sums of exponentials: magnetisations, mean energies, profiles, chances of fixation.

As written, both overflow from 710 on; as shares term by term, their slopes cancel where one term is all there is.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import sympy as sp
from sympy import cos, cosh, exp, sinh, tanh

_path = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _path)
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)

x, y, z = sp.symbols("x y z", real=True)
WIDE = (-1e9, -720.0, -40.0, -1e-6, 1e-200, 0.4, 7.0, 372.0)
PAIRS = ((-900.0, 990.0), (-3.0, 0.2), (1e-8, 700.0), (0.3, 1e-9), (5.0, 4.9), (720.0, 711.0), (720.0, -30.0))

ONE = [
    # Spins of 1, as written and as SymPy differentiates log(1 + 2*cosh(x)).
    (exp(x) - exp(-x)) / (exp(x) + 1 + exp(-x)),
    2 * sinh(x) / (1 + 2 * cosh(x)),
    sp.factor(sp.together(sp.diff(2 * sinh(x) / (1 + 2 * cosh(x)), x).rewrite(exp))),
    (exp(x) + 4 + exp(-x)) / (exp(x) + 1 + exp(-x)) ** 2,
    sinh(x) / (cosh(x) + 2),
    (exp(2 * x) - 1) / (exp(2 * x) + 3 * exp(x) + 1),
    (1 - exp(-x)) / (1 + exp(-x) + exp(-2 * x)),
    exp(x) * sinh(x) / (cosh(2 * x) + 1),
    exp(x) / cosh(x),
    exp(x) / sinh(x),
    # Mean energies of a few levels.
    (exp(-x) + 4 * exp(-2 * x)) / (1 + 2 * exp(-x) + exp(-2 * x)),
    (3 * exp(-2 * x) + 5 * exp(-6 * x)) / (1 + 3 * exp(-2 * x) + 5 * exp(-6 * x)),
    (2 * exp(-x) + 5 * x * exp(-3 * x)) / (1 + 3 * exp(-x) + 5 * exp(-3 * x)),
    (exp(x) + 3) / (exp(x) + 2),
    sinh(x) / (x * (exp(x) - exp(-x))),
    sinh(x) / sinh(2 * x),
    cosh(x) / cosh(3 * x),
    (exp(x) - 1) / (exp(3 * x) - 1),
]
RATIOS = [
    cosh(x) / cosh(y),
    y * sinh(x) / sinh(y),
    sinh(x) / cosh(y),
    cosh(x) / sinh(y),
    (exp(x) - 1) / (exp(y) - 1),
    (1 - exp(2 * x)) / (1 - exp(2 * y)),
]
TWO = [
    (exp(x) - exp(y)) / (exp(x) + exp(y) + 1),
    (exp(x) + exp(y)) / (exp(x) + exp(y) + 2),
    sinh(x) / (cosh(x) + cos(y)),
    (exp(x) - exp(-x)) / (exp(x) + y**2 + exp(-x)),
    (x * exp(x) + y * exp(y)) / (exp(x) + exp(y)),
    y * (exp(x) + 4) / (exp(x) + 2),
]


@pytest.mark.parametrize("expr", ONE, ids=str)
def test_quotients_in_one_variable(expr: sp.Expr) -> None:
    for at in WIDE:
        # A pole, or a removable one that has no digits below the square root of the smallest number.
        if not (abs(at) < 1e-100 and expr.has(1 / sinh(x), 1 / x)):
            accuracy.assert_right(expr, {x: at}, "numpy")


@pytest.mark.parametrize("expr", RATIOS + TWO, ids=str)
def test_quotients_in_two_variables(expr: sp.Expr) -> None:
    # The last is not representable.
    for first, second in PAIRS[:-1] if expr in RATIOS else PAIRS:
        accuracy.assert_right(expr, {x: first, y: second}, "numpy")


# Currents through a membrane (Goldman, Hodgkin and Katz), whichever sign the exponential has.
CURRENTS = [
    x * (140 - y * exp(-x)) / (1 - exp(-x)),
    x * (y - 5 * exp(x)) / (1 - exp(x)),
    x * z**2 * (140 - y * exp(-x * z)) / (1 - exp(-x * z)),
    (y * exp(x) - 5) / (exp(x) - 1),
]


@pytest.mark.parametrize("expr", CURRENTS, ids=str)
def test_over_differences(expr: sp.Expr) -> None:
    """Over 1 - exp(x) the weighted sum above it was left alone: nan from 710 on."""
    for at in (-1000.0, -710.0, -3.0, -1e-9, 1e-300, 0.2, 30.0, 800.0):
        given = {x: at, y: 5.5, z: 1.0}
        accuracy.assert_right(expr, {symbol: given[symbol] for symbol in sorted(expr.free_symbols, key=str)}, "numpy")


@pytest.mark.parametrize("backend", ["python", "numba"])
@pytest.mark.parametrize("expr", [ONE[0], ONE[5], RATIOS[2], TWO[2]], ids=str)
def test_other_targets(expr: sp.Expr, backend: str) -> None:
    for at in (-1000.0, 1e-9, 800.0):
        given = {x: at, y: 0.3}
        accuracy.assert_right(expr, {symbol: given[symbol] for symbol in sorted(expr.free_symbols, key=str)}, backend)


def test_once_is_enough() -> None:
    """What has become a row is not taken apart again, and equal sums are a number."""
    assert accuracy.rows(sinh(x) / (1 + 2 * cosh(x))) >= {"tanh", "logistic"}
    assert accuracy.rows(cosh(x) / sinh(y)) == {"input", "cosh_over_sinh"}
    assert accuracy.rows((exp(x) - 1) / (exp(y) - 1)) == {"input", "expm1_ratio"}
    assert "sinh" not in accuracy.rows(z * sinh(x) / (exp(x) - exp(-x)))
    assert accuracy.rows(sinh(x) / cosh(x)) == accuracy.rows(tanh(x))


@pytest.mark.parametrize(
    "expr",
    [
        x / sp.sech(y),
        x**2 / (3 * sp.csch(y)),
        sp.log(exp(x) + 1) / ((sp.log(exp(x) + 1) + 1 / sp.sech(y)) * sp.sech(y)),
    ],
    ids=str,
)
def test_over_what_vanishes(expr: sp.Expr) -> None:
    """The slope of x/sech(y) was infinite from 355 on; the last, a harmonic mean, lost 2e-7 of its own at -13.7."""
    for first, second in ((0.3, 400.0), (-3.0, -13.7), (2.0, 1e-9), (5.0, 3.0)):
        accuracy.assert_right(expr, {x: first, y: second}, "numpy")
