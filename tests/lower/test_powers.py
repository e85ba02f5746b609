"""Powers by a counter as running products: how far they err, and that no special value differs from a power's."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb
from symbackprop.lower.powers import RUN, with_running_powers
from symbackprop.lower.program import Accumulate, Apply, Assign, Expr, For, Item, Literal, Ref
from symbackprop.ops import REGISTRY

i, j, n, m = sp.symbols("i j n m", integer=True)
c, x = sp.IndexedBase("c", shape=(m,)), sp.IndexedBase("x", shape=(n,))
SPECIAL = (0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 5e-324, 1e-200, -1e200, 1e300, 0.5, -3.0)
ROUTES: dict[str, dict[str, Any]] = {"direct": {}, "njit": {"route": "njit"}, "python": {"backend": "python"}}


@cache
def series(route: str, dtype: str = "float64") -> sb.CompiledFunction:
    """Its derivative in c[j] for one x is x**j; that in x is a sum of j*c[j]*x**(j - 1)."""
    loss = sp.Sum(c[j] * x[i] ** j, (i, 0, n - 1), (j, 0, m - 1))
    options = {"backend": "numpy"} if route == "numpy" else ROUTES[route]
    return sb.compile_grad(loss, [c, x], args=[c, x], dtype=dtype, **options)


@pytest.mark.parametrize("route", ROUTES)
def test_special_values_are_those_of_a_power(route: str) -> None:
    assert f" % {RUN}" in series(route).source
    length = 2 * RUN + 3
    for number in SPECIAL:
        with np.errstate(all="ignore"):
            powers = np.array([np.float64(number) ** float(k) for k in range(length)])
        _, (slopes, _) = series(route).value_and_grad(np.ones(length), np.array([number]))
        # Products of denormal numbers lose digits: the next ones are 0.
        np.testing.assert_allclose(slopes, powers, rtol=2e-15, atol=1e-322)
        for terms in (0, 1, 2, 3, RUN, RUN + 1, length):
            values = np.ones(terms), np.array([number])
            value, (_, slope) = series(route).value_and_grad(*values)
            expected, (_, theirs) = series("numpy").value_and_grad(*values)
            np.testing.assert_allclose(value, expected, rtol=1e-14)
            np.testing.assert_allclose(slope, theirs, rtol=1e-13)


@pytest.mark.parametrize("samples", [1, 7, 8, 17])
def test_powers_in_lanes_err_by_few_units(samples: int) -> None:
    drawn = np.random.default_rng(samples).uniform(-1.5, 1.5, samples)
    coefficients = np.random.default_rng(0).normal(size=5 * RUN)
    value, (powers, slopes) = series("direct").value_and_grad(coefficients, drawn)
    exact = drawn.astype(np.longdouble)[:, None] ** np.arange(5 * RUN)
    sizes = np.abs(exact).sum(0)
    # 8.5 units of each power at most, and those of sums of up to 17 and 1,360 terms.
    assert np.all(np.abs(powers - exact.sum(0)) <= (9 + samples) * 2.0**-53 * 2 * sizes)
    np.testing.assert_allclose(float(value), float((exact @ coefficients).sum()), rtol=1e-11)
    steps = np.arange(1, 5 * RUN)
    np.testing.assert_allclose(slopes, (exact[:, :-1] @ (steps * coefficients[1:])).astype(float), rtol=1e-11)


def test_powers_in_float32() -> None:
    drawn = np.random.default_rng(0).uniform(-1.5, 1.5, 33).astype("float32")
    _, (powers, _) = series("direct", "float32").value_and_grad(np.ones(40, "float32"), drawn)
    exact = (drawn.astype(float)[:, None] ** np.arange(40)).sum(0)
    np.testing.assert_allclose(powers, exact, rtol=1e-5, atol=1e-5)


def test_a_polynomial_is_one_loop_over_samples() -> None:
    y = sp.IndexedBase("y", shape=(n,))
    loss = sp.Sum((sp.Sum(c[j] * x[i] ** j, (j, 0, m - 1)) - y[i]) ** 2, (i, 0, n - 1))
    functions = [sb.compile_grad(loss, [c], args=[c, x, y], backend=backend) for backend in ("numba", "numpy")]
    text = functions[0].source.partition("def value_and_grad")[2]
    assert text.count("in range(n)") == 1 and "np.dot" not in text
    for samples, terms in ((1, 1), (3, 20), (9, 40), (21, 5), (9, 8000)):
        rng = np.random.default_rng(samples)
        given = rng.normal(size=terms), rng.uniform(-1, 1, samples), rng.normal(size=samples)
        (value, (slope,)), (expected, (theirs,)) = (function.value_and_grad(*given) for function in functions)
        np.testing.assert_allclose(value, expected, rtol=1e-12)
        np.testing.assert_allclose(slope, theirs, rtol=1e-12, atol=1e-13 * np.abs(theirs).max())


# Programs.

POW, TO_REAL, ADD, SELECT = (REGISTRY[name] for name in ("pow", "to_real", "int_add", "select"))
t, s, by = Ref("t"), Ref("s"), Apply(TO_REAL, (Ref("j"),))


def raised(base: Expr, exponent: Expr) -> Expr:
    return Apply(POW, (base, exponent))


@pytest.mark.parametrize(
    "loop",
    [
        # The base changes from turn to turn.
        For("j", Ref("m"), (Accumulate(s, raised(Item("x", (Ref("j"),)), by)),)),
        For("j", Ref("m"), (Assign(t, Item("x", (Ref("j"),))), Accumulate(s, raised(t, by)))),
        For("j", Ref("m"), (Accumulate(s, raised(s, by)),)),
        For("j", Ref("m"), (Assign(Item("a", (Ref("j"),)), raised(Item("a", (Literal(0),)), by)),)),
        For("j", Ref("m"), (For("k", Ref("m"), (Accumulate(t, by),)), Accumulate(s, raised(t, by)))),
        # What it is may be no entry of its array without the condition.
        For("j", Ref("m"), (Accumulate(s, Apply(SELECT, (Ref("b"), raised(t, by), Literal(0)))),)),
        # The exponent is not the counter, or the loop starts elsewhere.
        For("j", Ref("m"), (Accumulate(s, raised(t, t)),)),
        For("j", Ref("m"), (Accumulate(s, raised(t, Apply(TO_REAL, (Apply(ADD, (Ref("j"), Ref("j"))),)))),)),
        For("j", Ref("m"), (Accumulate(s, raised(t, by)),), start=Ref("i")),
    ],
)
def test_other_powers_stay(loop: For) -> None:
    assert with_running_powers([loop], lambda stem: stem) == [loop]


def test_one_product_serves_all_powers_that_are_the_same() -> None:
    loop = For("j", Ref("m"), (Accumulate(s, raised(t, by)), Accumulate(t, raised(Ref("u"), by)), Assign(s, by)))
    body = (Accumulate(s, raised(Ref("u"), by)), Accumulate(t, raised(Ref("u"), by)))
    first, made = with_running_powers([loop._replace(body=body)], lambda stem: "v")
    assert first == Assign(Ref("v"), Literal(1)) and isinstance(made, For) and len(made.body) == 3
