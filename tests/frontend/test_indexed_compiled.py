"""Sums over indexed arrays once compiled: shapes given beside them, empty sums, lengths, and results of their own."""

from __future__ import annotations

import numpy as np
import pytest
import sympy as sp

from symbackprop import OptionError, ShapeMismatch, Total, compile_grad


def test_shapes_are_given_beside_the_expression() -> None:
    n, i = sp.symbols("n i", integer=True)
    x, p = sp.IndexedBase("x"), sp.IndexedBase("p")
    loss = sp.Sum(x[i] ** 2, (i, 0, 2)) * x[p[0]]
    g = compile_grad(loss, x, shapes={x: (n,), p: 1}, backend="numpy")
    at = np.arange(1.0, 6.0)
    expected = np.where(np.arange(5) < 3, 2 * at * at[4], 0.0) + np.eye(5)[4] * 14.0
    np.testing.assert_array_equal(g(x=at, p=[4]), expected)
    with pytest.raises(ShapeMismatch, match="'p'"):
        g(x=at, p=[4, 4])
    with pytest.raises(OptionError, match="declared without one"):
        compile_grad(loss, x, shapes={sp.Symbol("x"): (n,)})
    with pytest.raises(OptionError, match="must be a dict"):
        compile_grad(loss, x, shapes=[(n,)])


@pytest.mark.parametrize("backend", ["numpy", "python", "numba"])
def test_a_sum_over_nothing_is_zero_whatever_its_terms(backend: str) -> None:
    a, i = sp.Symbol("a"), sp.Symbol("i", integer=True)
    n = sp.Symbol("n", integer=True)
    g = compile_grad(sp.Sum(sp.log(a), (i, 1, n)), a, args=[a, n], backend=backend)
    assert g.value_and_grad(0.0, 0) == (0.0, 0.0)
    assert g.value_and_grad(1.0, 3) == (0.0, 3.0)


@pytest.mark.parametrize("backend", ["numpy", "python"])
def test_a_gradient_that_is_a_step_of_the_value(backend: str) -> None:
    n = sp.Symbol("n", integer=True)
    a, b = sp.MatrixSymbol("A", n, n), sp.MatrixSymbol("B", n, n)
    g = compile_grad(sp.Trace(sp.HadamardPower(a, 2) * b), [b], backend=backend)
    at = np.arange(4.0).reshape(2, 2)
    np.testing.assert_array_equal(g(A=at, B=np.eye(2))[0], (at**2).T)


def test_factorials_and_binomials_in_a_sum() -> None:
    x, i = sp.Symbol("x"), sp.Symbol("i", integer=True)
    series = sp.Sum(x**i / sp.factorial(i), (i, 0, 18)) + sp.Sum(sp.binomial(5, i) * x**i, (i, 0, 5))
    value, gradient = compile_grad(series, x, backend="numpy").value_and_grad(0.5)
    # The series of exp is cut after 0.5**18/18!, 6e-22.
    assert value == pytest.approx(np.exp(0.5) + 1.5**5, rel=1e-14)
    assert gradient == pytest.approx(np.exp(0.5) + 5 * 1.5**4, rel=1e-14)


def test_equal_results_are_different_arrays() -> None:
    n = sp.Symbol("n", integer=True)
    x, z = sp.MatrixSymbol("X", n, n), sp.MatrixSymbol("Z", n, n)
    g = compile_grad(Total((x + z).applyfunc(sp.sin)), [x, z], backend="numpy")
    first, second = g(X=np.ones((2, 2)), Z=np.ones((2, 2)))
    assert not np.shares_memory(first, second)


def test_a_length_is_no_variable() -> None:
    n, i = sp.symbols("n i", integer=True)
    x = sp.IndexedBase("x", shape=(n,))
    with pytest.raises(OptionError, match="which is a length"):
        compile_grad(n * sp.Sum(x[i] ** 2, (i, 0, n - 1)), [n])


def test_a_let_bound_length_in_a_subscript_and_in_its_guard() -> None:
    n, i = sp.symbols("n i", integer=True)
    x = sp.IndexedBase("x", shape=(n,))
    loss = sp.Sum(sp.Piecewise((x[sp.Min(n - 1, i + 1)] ** 2, i < n - 1), (0, True)), (i, 0, n - 1))
    let, (reduced,) = sp.cse(loss)
    assert let
    at = np.array([1.0, 2.0, 3.0])
    for expr in (loss, (let, [reduced])):
        np.testing.assert_array_equal(compile_grad(expr, x, backend="numpy")(x=at), [0.0, 4.0, 6.0])
