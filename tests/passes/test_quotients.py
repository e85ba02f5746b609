"""Norms and shares of numbers whose squares or powers are none, or where one of two terms is far below the other."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from sympy import Rational, Symbol, atan, log, sqrt

from symbackprop import compile_grad, compile_hessian
from symbackprop.check.oracle import Oracle
from symbackprop.frontend import read_model

_path = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _path)
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)
assert_right, rows = accuracy.assert_right, accuracy.rows

x, y, z = (Symbol(name, real=True) for name in "xyz")
p, q = (Symbol(name, positive=True) for name in "pq")
NORMS: dict[str, tuple[sp.Expr, str]] = {
    "norm": (sqrt(x**2 + y**2), "hypot"),
    "scaled norm": (sqrt(x**2 + 3 * y**2), "hypot"),
    "reciprocal": (1 / sqrt(x**2 + y**2), "hypot"),
    "cosine": (x / sqrt(x**2 + y**2), "direction_cosine"),
    "log": (log(x**2 + y**2), "hypot"),
    "x*y over": (x * y / (x**2 + y**2), "direction_cosine"),
    "x over": (x / (x**2 + y**2), "direction_cosine"),
    "x**2 over": (x**2 / (x**2 + y**2), "direction_cosine"),
    "contrast": ((x**2 - y**2) / (x**2 + y**2), "square_contrast"),
    "field": (x / (x**2 + y**2) ** Rational(3, 2), "direction_cosine"),
    "angle": (atan(y / x), "atan_ratio"),
}
SIZES = ((3.0, -4.0), (1e-9, 1.0), (2e160, 1e160), (-1e-170, 2e-170), (1e100, -1e20), (1e-60, 3e60))
SHARES: dict[str, tuple[sp.Expr, str]] = {
    "share": (p / (p + q), "proportion"),
    "Michaelis": (3 * p / (2 + p), "proportion"),
    "product": (p * q / (1 + q), "proportion"),
    "reduced mass": (p * q / (p + q), "harmonic"),
    "parallel": (1 / (1 / p + 1 / q), "harmonic"),
    "relative": ((p - q) / (p + q), "contrast"),
    "Hill": (p**q / (1 + p**q), "power_share"),
    "Hill with K": (p**4 / (q**4 + p**4), "power_share"),
    "falling Hill": (1 / (1 + p**3), "power_share"),
    "higher power over powers": (p**5 / (q**3 + p**3), "power_share"),
    "higher power over squares": (3 * p**3 / (p**2 + q**2), "direction_cosine"),
    "Student": (-(p + 1) / 2 * log(1 + q**2 / p**2), "log1p_square"),
    "product of three": (log(p * q * 1e-200 * (1 + p)), "log_product"),
}
THREE: dict[str, sp.Expr] = {
    "norm": sqrt(x**2 + y**2 + z**2),
    "of differences": sqrt((x - y) ** 2 + (y - z) ** 2 + (z - x) ** 2),
    "scaled norm": sqrt(x**2 + 3 * y**2 + 2 * z**2),
    "reciprocal": 1 / sqrt(x**2 + y**2 + z**2),
    "unit vector": x / sqrt(x**2 + y**2 + z**2),
    "log": log(x**2 + y**2 + z**2),
    "gravity": 1 / sqrt(x**2 + y**2 + z**2) ** 3,
    "beside one": sqrt(1 + x**2 + y**2 + z**2),
}
AMOUNTS = ((2.0, 0.5), (1e-12, 3.0), (5.0, 1e-30), (300.0, 200.0), (1e-100, 1e-100))
ONE = {"x/sqrt(1+x**2)": x / sqrt(1 + x**2), "1/(1+x**2)": 1 / (1 + x**2), "log(1+x**2)": log(1 + x**2)}


@pytest.mark.parametrize("name", NORMS)
def test_norms(name: str) -> None:
    expr, row = NORMS[name]
    assert row in rows(expr)
    for a, b in SIZES:
        # What falls with the distance has no derivative among the doubles there.
        if name not in ("field", "x over", "reciprocal") or 1e-70 < abs(a) < 1e150:
            assert_right(expr, {x: a, y: b}, "numpy")


@pytest.mark.parametrize("name", THREE)
def test_norms_of_three(name: str) -> None:
    """They overflowed from 1e154 on and vanished below 1e-162; a partial a component, and none through the squares."""
    assert "norm" in rows(THREE[name])
    for size in (1.0, 1e-170, 1e154, 1e170) if name != "gravity" else (1.0, 1e-70, 1e70, 1e100):
        for backend in ("numpy", "python"):
            assert_right(THREE[name], {x: 3 * size, y: -4 * size, z: 1.7 * size}, backend)


def test_norms_of_three_in_machine_code() -> None:
    """Alone and in lanes the same, to second order, and 0 with no slope at the origin."""
    symbols = (x, y, z)
    first = compile_grad(THREE["norm"], symbols, args=symbols, backend="numba")
    second = compile_hessian(THREE["norm"], symbols, args=symbols, backend="numba")
    sizes, unit = np.array([1.0, 1e-170, 1e154, 1e170, 1e-30]), np.array([3, -4, 12]) / 13
    values, slopes = first.value_and_grad(3 * sizes, -4 * sizes, 12 * sizes)
    for k, size in enumerate(sizes):
        at = 3 * size, -4 * size, 12 * size
        alone, gradient = first.value_and_grad(*at)
        assert alone == values[k] and list(gradient) == [slope[k] for slope in slopes]
        np.testing.assert_allclose([alone, *gradient], [13 * size, *unit], rtol=4e-16)
        np.testing.assert_allclose(second(*at), (np.eye(3) - np.outer(unit, unit)) / (13 * size), rtol=1e-14)
    assert first.value_and_grad(0.0, 0.0, 0.0) == (0.0, (0.0, 0.0, 0.0))


def test_three_in_parallel() -> None:
    """A product of three resistances over that of pairs was 0 below 1e-107, and nan from 1e103 on."""
    resistance = p * q * z / (p * q + q * z + z * p)
    assert "harmonic" in rows(resistance)
    for size in (1e-250, 1e-105, 1.0, 1e103, 1e250):
        assert_right(resistance, {p: 2 * size, q: 3 * size, z: 5 * size}, "numpy")


@pytest.mark.parametrize("name", SHARES)
def test_shares(name: str) -> None:
    expr, row = SHARES[name]
    assert row in rows(expr)
    for a, b in AMOUNTS:
        assert_right(expr, {s: v for s, v in ((p, a), (q, b)) if expr.has(s)}, "numpy")


@pytest.mark.parametrize("name", ONE)
def test_beside_one(name: str) -> None:
    for at in (-1e160, -4e80, -3.0, 1e-9, 1e-200, 7.0, 1e90):
        assert_right(ONE[name], {x: at}, "numpy")


PLACES = (
    (0.0, 0.0, 0.0),
    (0.0, 1.5, 0.0),
    (-2.0, 0.0, 0.0),
    (0.0, 0.0, 0.7),
    (3.0, 1.0, 0.0),
    (1.0, -2.0, 3.0),
)
SMOOTH = {
    "1/(1+..)": lambda s: 1 / (1 + s),
    "x/(1+..)": lambda s: (x * y + z) / (1 + s),
    "x**2/(1+..)": lambda s: x**2 / (1 + s),
    "x/sqrt(1+..)": lambda s: x / sqrt(1 + s),
    "sqrt(1+..)": lambda s: sqrt(1 + s),
    "log(1+..)": lambda s: log(1 + s),
    "x/(..)": lambda s: x / (2 * x**2 + s),
    "x/sqrt(..)": lambda s: x / sqrt(s),
    "log(..)": lambda s: log(s),
    "sqrt(..)": lambda s: sqrt(s),
}


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("squares", [(x,), (x, y), (x, z), (x, y, z)], ids=str)
def test_second_derivatives_where_some_components_are_zero(name: str, squares: tuple[Symbol, ...]) -> None:
    """A norm of a few components inside one of all has a kink of its own there, the model has none."""
    expr = SMOOTH[name](sum(s**2 for s in squares))
    symbols = sorted(expr.free_symbols, key=str)
    oracle = Oracle(read_model(expr, symbols, None, None, ()).graph)
    hessian = compile_hessian(expr, symbols, args=symbols, backend="numpy")
    for place in PLACES:
        point = {s.name: place["xyz".index(s.name)] for s in symbols}
        # At a kink or a pole of the model itself there is nothing to be right about.
        if "1+" not in name and not any(point[s.name] for s in squares):
            continue
        got = hessian(*point.values())
        for row, one in enumerate(point):
            for column, other in enumerate(point):
                want = oracle.second(point, (one, ()), (other, ()))
                assert math.isclose(got[row, column], want, rel_tol=1e-13, abs_tol=1e-15), (place, one, other)


def test_arrays_keep_their_root() -> None:
    """Norms over arrays are one root of a sum, whose loop hypot would slow three times."""
    n = Symbol("n", integer=True)
    v = sp.MatrixSymbol("v", n, 1)
    compiled = compile_grad(sqrt(sp.Trace(v.T * v)), v, backend="numpy")
    assert "hypot" not in compiled.source
    np.testing.assert_allclose(compiled(np.array([[3.0], [4.0]])), [[0.6], [0.8]], rtol=4 * 2.0**-52)


@pytest.mark.parametrize("backend", ["python", "numba"])
def test_backends_agree(backend: str) -> None:
    for expr in (SHARES["Hill"][0], NORMS["contrast"][0]):
        symbols = sorted(expr.free_symbols, key=str)
        for pair in ((2.0, 0.5), (1e-12, 3.0)):
            assert_right(expr, dict(zip(symbols, pair, strict=True)), backend)


@pytest.mark.parametrize("expr", [(x - y - 2) / (-y - 2), (x - y) / x, (x + 1) / (x + y + 1)], ids=str)
def test_quotients_near_one(expr: sp.Expr) -> None:
    """The value as it is written, its derivative through what numerator and denominator differ in."""
    assert "quotient_near" in rows(expr)
    for a, b in ((1e-9, -2.3), (-3.0, 1e-12), (0.4, 1.7), (1e9, 3.0), (1.5, 1.5 + 1e-9)):
        assert_right(expr, {x: a, y: b}, "numpy")


# What is nearly equal, among other factors; what a norm is near; what comes near 1 or -1 far out.
NEAR = [
    z * (x + y) / y,
    y * (x**2 + y) / x**2,
    y * (x + y) / (2 * x),
    (x + 1) * sp.exp(-y) / x,
    log((x + y) / y),
    log((x + 1) / x),
    sqrt(x**2 + y**2) / x,
    y * sqrt(x**4 + 1) / x**2,
    x * sqrt(1 + 1 / x**2),
    x * sqrt(y**2 + 1 / x**2),
    sqrt(1 + 1 / x**4),
    (x - sp.sin(x)) / (x + sp.sin(x)),
    (sp.sin(x) - sp.tan(x)) / (sp.sin(x) + sp.tan(x)),
    sp.acos(sp.exp(-x) - 1),
    sp.asin(sp.exp(-x) - 1),
    sp.atanh(sp.exp(-x) - 1),
    sp.acoth(1 + sp.exp(-x)),
    sp.acoth(sp.cosh(x)),
]


@pytest.mark.parametrize("expr", NEAR, ids=str)
def test_what_is_nearly_equal(expr: sp.Expr) -> None:
    """The slope of z*(x + y)/y in y lost all digits for a small x, log((x + 1)/x) was 0 from 1e16 on."""
    points = ((1e-30, 2.0), (1e-9, 7.0), (0.03, 0.4), (0.7, 1e-5), (30.0, 1e-9), (1e3, 2e3), (1e20, 3.0))
    for first, second in points if not expr.has(sp.sin, sp.acoth) else points[1:4]:
        given = {x: first, y: second, z: 0.7}
        if not (first > 700 and expr.has(sp.exp)):
            assert_right(expr, {symbol: given[symbol] for symbol in expr.free_symbols}, "numpy")


def test_shares_of_halves() -> None:
    """(y/2)/(y/2 + z) comes from SymPy as y over 2*(y/2 + z): the slope in y had seven digits for a small z."""
    y, z = sp.symbols("y z", real=True)
    slopes = compile_grad((y / 2) / (y / 2 + z), [y, z], args=[y, z], backend="numpy")
    for size in (1.0, 1e-3, -1e-9, 1e-15):
        assert math.isclose(slopes(2.7, size)[0], 2 * size / (2.7 + 2 * size) ** 2, rel_tol=1e-15)
