"""Directions and inputs keep apart whatever the user's symbols are called; repeated inputs move together."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb

x, y, v, m = sp.symbols("x y v m")
BACKENDS = ("python", "numpy")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_symbol_called_like_a_direction(backend: str) -> None:
    assert sb.compile_hvp(v**3, v, backend=backend)(2.0, 1.0) == 12.0
    product = sb.compile_hvp(m**2 * v**2, m, backend=backend)
    assert product.args == ("m", "v", "v_2")
    assert product(2.0, 3.0, 1.0) == 18.0
    assert product(m=2.0, v=3.0, v_2=1.0) == 18.0
    odd = sp.Symbol("x_dot")
    assert sb.compile_jvp(x**2 * odd, [x], backend=backend)(3.0, 5.0, 7.0) == 210.0
    bar = sp.Symbol("result_bar")
    assert sb.compile_vjp(x * bar, [x, bar], backend=backend)(x=3.0, result_bar=5.0, result_bar_2=2.0) == [10.0, 6.0]


def test_an_invented_identifier_is_never_a_users() -> None:
    real, odd = sp.Symbol("x", real=True), sp.Symbol("x (2)")
    for order in ([x, real, odd], [odd, x, real]):
        g = sb.compile_grad(x + 10 * real + 100 * odd, [x, real, odd], args=order, backend="python")
        values = {x: 1.0, real: 2.0, odd: 3.0}
        assert g.value_and_grad(*[values[symbol] for symbol in order]) == (321.0, [1.0, 10.0, 100.0])


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_repeated_wrt_moves_along_the_sum_of_its_directions(backend: str) -> None:
    assert sb.compile_jvp(x**2, [x, x], backend=backend)(2.0, 1.0, 10.0) == 44.0
    assert sb.compile_hvp(x**2 * y, [x, x], backend=backend)(2.0, 3.0, [1.0, 10.0]) == [66.0, 66.0]
    assert sb.compile_grad(x**2, [x, x], backend=backend)(3.0) == [6.0, 6.0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_products_of_roots_stay_nan_where_the_roots_are(backend: str) -> None:
    root = sp.sqrt(x)
    g = sb.compile_grad(sp.Mul(root, root, evaluate=False), x, backend=backend)
    assert np.isnan(g.value(-1.0)) and g.value(4.0) == 4.0
    assert g(4.0) == 1.0


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_value_is_what_the_user_wrote(backend: str) -> None:
    step = sp.Piecewise((1, x > 0), (0, True))
    g = sb.compile_grad(step * sp.log(x), x, backend=backend)
    assert np.isnan(g.value(-1.0))
    assert g.value_and_grad(2.0) == pytest.approx((np.log(2.0), 0.5), rel=1e-15)
    big = sp.Integer(10) ** 200
    let = ([(v, x / big)], [v / big])
    assert sb.compile_grad(let, x, backend=backend).value(1e300) == pytest.approx(1e-100, rel=1e-15)


def test_a_symbol_called_self_can_be_passed_by_name() -> None:
    g = sb.compile_grad(sp.Symbol("self") ** 2, backend="python")
    assert g(self=3.0) == (6.0,) and g.value(self=3.0) == 9.0 and g.value_and_grad(self=3.0)[0] == 9.0


@pytest.mark.parametrize("kinks", ["zero", "left", "right"])
def test_a_tie_of_two_active_arguments_splits_evenly_under_every_policy(kinks: str) -> None:
    g = sb.compile_grad(sp.Max(x, x**2), x, backend="python", kinks=kinks)
    assert g(1.0) == 1.5
    assert sb.check_grad(sp.Max(x, x**2), at={"x": 1.0}, kinks=kinks)
