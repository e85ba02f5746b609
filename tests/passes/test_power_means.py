"""Norms and means of a power: p-norms, generalised means, the CES function, and powers of Euclidean norms."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from sympy import Abs, Rational, Symbol

from symbackprop import compile_grad, compile_hessian

_path = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _path)
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)
assert_right_at, rows = accuracy.assert_right_at, accuracy.rows

x, y, z, p, d, a = (Symbol(name, positive=True) for name in "xyzpda")
u, v, q = (Symbol(name, real=True) for name in "uvq")
Point = dict[Symbol, float]

PAIRS = ((1.0, 2.0), (3.0, 3.0), (1e-3, 4.0))
ORDERS = (-40.0, -1.0, -1e-3, -1e-9, 1e-9, 1e-3, 0.3, 2.0, 40.0, 1e3)
SHARES = ((0.3, 20.0), (0.9, 1e-3))
FORMS: dict[str, tuple[sp.Expr, list[Point]]] = {
    "p-norm": (
        (x**p + y**p) ** (1 / p),
        [{p: at, x: s, y: t} for at in (0.5, 2.0, 30.0, 700.0, 1e5) for s, t in (*PAIRS, (1e100, 2e100))],
    ),
    "the 200th": (
        (x**200 + y**200) ** Rational(1, 200),
        [{x: s, y: t} for s, t in (*PAIRS, (1e100, 2e100), (1e-150, 2e-150))],
    ),
    "of three": ((x**40 + y**40 + z**40) ** Rational(1, 40), [{x: 1.0, y: 4.0, z: 5e20}, {x: 2.0, y: 3.0, z: 1e-9}]),
    "beside 1": ((1 + x**p) ** (1 / p), [{x: s, p: at} for s in (1e-9, 0.5, 1.0, 30.0) for at in (0.5, 3.0, 900.0)]),
    "weighted": ((a * x**p + d * y**p) ** (1 / p), [{a: 0.3, d: 3.0, p: at, x: 1.0, y: 2.0} for at in (2.0, 400.0)]),
    "one over it": ((x**-q + y**-q) ** (-1 / q), [{q: at, x: s, y: t} for at in (0.5, 900.0) for s, t in PAIRS]),
    "mean": (((x**q + y**q) / 2) ** (1 / q), [{q: at, x: s, y: t} for at in ORDERS for s, t in PAIRS]),
    "mean of three": (
        ((x**q + y**q + z**q) / 3) ** (1 / q),
        [{q: at, x: 1.0, y: 2.0, z: 3.0} for at in (-3.0, 1e-9, 0.1, 500.0)],
    ),
    "CES": (
        a * (d * x ** (-q) + (1 - d) * y ** (-q)) ** (-1 / q),
        [
            {a: 2.0, d: share, q: at, x: 3.0, y: t}
            for at in (-0.5, -1e-9, 1e-3, 300.0)
            for share, t in ((0.3, 20.0), (0.9, 1e-3))
        ],
    ),
    "CES by its elasticity": (
        (d * x ** ((p - 1) / p) + (1 - d) * y ** ((p - 1) / p)) ** (p / (p - 1)),
        [{d: 0.3, p: at, x: 2.0, y: 3.0} for at in (0.5, 1 + 1e-9, 1.3)],
    ),
}


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("name", FORMS)
def test_norms_and_means(name: str, backend: str) -> None:
    """Powers overflowed from p = 646 on at 3; the CES function's slope in q had lost 1e18 ulp at q = 1e-9."""
    assert_right_at(*FORMS[name], backend)


def test_geometric_at_the_limit() -> None:
    """A mean of order 0 has one value and one slope, an eighth of the squared logarithm of the ratio."""
    mean = ((x**q + y**q) / 2) ** (1 / q)
    value, slopes = compile_grad(mean, [q, x, y], args=[q, x, y], backend="numpy").value_and_grad(0.0, 1.0, 9.0)
    np.testing.assert_allclose([value, *slopes], [3, 3 * math.log(9) ** 2 / 8, 1.5, 1 / 6], rtol=4e-16)
    hessian = np.asarray(compile_hessian(mean, [q, x, y], args=[q, x, y], backend="numpy")(1e-12, 1.0, 9.0), float)
    np.testing.assert_allclose(hessian[1, 2], 1 / 12, rtol=1e-11)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_where_a_base_is_0_or_negative(backend: str) -> None:
    """Even powers are those of sizes; at 0 stands what was written, and not its limit in one direction."""
    even = compile_grad((u**200 + v**200) ** Rational(1, 200), [u, v], args=[u, v], backend=backend)
    for at, other in ((0.0, 2.0), (0.0, -3.0), (-1.0, 2.0), (-1e100, 3e100)):
        value, slopes = even.value_and_grad(at, other)
        np.testing.assert_allclose([value, *slopes], [abs(other), 0, math.copysign(1, other)], rtol=4e-15, atol=1e-50)
    odd = compile_grad((u**9 + v**9) ** Rational(1, 9), [u, v], args=[u, v], backend=backend)
    np.testing.assert_allclose(odd.value_and_grad(-1.0, 2.0)[0], 511 ** (1 / 9), rtol=1e-15)
    sizes = compile_grad((Abs(u) ** p + Abs(v) ** p) ** (1 / p), [u, v], args=[p, u, v], backend=backend)
    np.testing.assert_allclose(sizes(3.0, 0.0, -2.0), [0, -1], rtol=1e-15)
    for point in ((math.nan, 1.0, 2.0), (2.0, math.nan, 1.0), (2.0, 1.0, math.nan)):
        assert math.isnan(sizes.value_and_grad(*point)[0])


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_weights_of_both_signs(backend: str) -> None:
    """Beside the pole of a share the mean had lost its second digit, and the sum of two of three terms has no root."""
    two = (q * x**p + (1 - q) * y**p) ** (1 / p)
    points = [{q: share, p: 1.0, x: 2.0, y: t} for share in (2.603, -0.5, 50.0, 0.0, 1.0) for t in (1.9, 2.03)]
    assert_right_at(two, [*points, {q: 2.603, p: 1.0, x: 2.0, y: 3.2}], backend)
    three = (u * x**p + v * y**p + q * z**p) ** (1 / p)
    weights = ((-0.1, 0.09, 0.4), (-0.05, -0.05, 0.5), (0.25, -0.5, 1.25), (0.0, 0.0, 2.0), (1.0, 2.0, 3.0))
    at = [dict(zip((u, v, q, p, x, y, z), (*w, 1.5, 2.5, 1.5, 3.5), strict=True)) for w in weights]
    assert_right_at(three, at, backend)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_powers_of_a_norm(backend: str) -> None:
    """(u**2 + v**2)**(3/2) has a Hessian of 0 at the origin, where it was nan, and a value at 1e-108 and 1e102."""
    cube = (u**2 + v**2) ** Rational(3, 2)
    hessian = compile_hessian(cube, [u, v], args=[u, v], backend=backend)
    assert not np.any(np.asarray(hessian(0.0, 0.0), float))
    points = [{u: s, v: t} for s, t in ((3.0, 4.0), (1e-9, 0.0), (1e-100, 2e-100), (1e102, 1e102), (0.0, 2.0))]
    assert_right_at(cube, points, backend)
    by_symbol = [{p: at, u: s, v: t} for at, s, t in ((1.0, 1e-170, 1e-170), (2.5, 3.0, 4.0), (0.5, 1e160, 1e160))]
    assert_right_at((u**2 + v**2) ** (p / 2), by_symbol, backend)


def test_sums_of_other_powers_stay_as_they_are() -> None:
    assert "log_ratio" not in rows((x**p + y**q) ** (1 / p)) | rows((x**3 + y**3) ** Rational(1, 3))
    assert "log_ratio" in rows((x**p + y**p) ** (1 / p))
