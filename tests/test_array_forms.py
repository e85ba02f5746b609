"""What users write with arrays, and what they get: the table of the semantics row by row, on every backend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp
from sympy.matrices.expressions.hadamard import HadamardPower, HadamardProduct
from sympy.matrices.expressions.special import OneMatrix

import symbackprop as sb

N, d, k, n = sp.symbols("N d k n", integer=True, positive=True)
i, j = sp.symbols("i j", integer=True)
a, t = sp.symbols("a t")
X, Y, y, w, W = (sp.MatrixSymbol(*g) for g in (("X", N, d), ("Y", N, d), ("y", N, 1), ("w", d, 1), ("W", d, k)))
A, B, u = sp.MatrixSymbol("A", n, n), sp.MatrixSymbol("B", n, n), sp.MatrixSymbol("u", n, 1)
C, c = sp.MatrixSymbol("C", 3, 3), sp.MatrixSymbol("c", 3, 1)
x, p, q = (sp.IndexedBase(name) for name in ("x", "p", "q"))
over = (i, 0, n - 1)

RNG = np.random.default_rng(6)
POINT: dict[str, Any] = {
    "X": RNG.normal(size=(4, 3)),
    "Y": RNG.normal(size=(4, 3)),
    "y": RNG.normal(size=(4, 1)),
    "w": RNG.normal(size=(3, 1)),
    "W": RNG.normal(size=(3, 2)),
    "A": RNG.uniform(0, 1, (3, 3)) + 2 * np.eye(3),
    "B": RNG.uniform(0, 1, (3, 3)) + 2 * np.eye(3),
    "C": RNG.uniform(0, 1, (3, 3)) + 2 * np.eye(3),
    "u": RNG.normal(size=(3, 1)),
    "c": RNG.normal(size=(3, 1)),
    "x": np.array([0.5, -1.5, 2.0]),
    "q": np.array([1.0, 2.0, 0.5]),
    "p": np.array([2, 0, 2]),
    "a": 0.7,
}
M = {name: POINT[name] for name in "XYywWABCu"}
inv, ones = np.linalg.inv, np.ones

# Written, in what the gradient is taken, and value and gradient by hand.
WRITTEN: dict[str, tuple[Any, Any, Callable[[], Any], Callable[[], Any]]] = {
    "a 1x1 product": (w.T * w, w, lambda: (M["w"].T @ M["w"])[0, 0], lambda: 2 * M["w"]),
    "a 1x1 product over N": (
        (X * w - y).T * (X * w - y) / N,
        w,
        lambda: np.mean((M["X"] @ M["w"] - M["y"]) ** 2),
        lambda: M["X"].T @ (M["X"] @ M["w"] - M["y"]) / 2,
    ),
    "a 1x1 product in a Trace": (sp.Trace(w.T * w), w, lambda: np.sum(M["w"] ** 2), lambda: 2 * M["w"]),
    "an entry that SymPy unrolls": ((w.T * w)[0, 0], w, lambda: np.sum(M["w"] ** 2), lambda: 2 * M["w"]),
    "applyfunc of a Lambda": (
        sb.Total((X * w).applyfunc(sp.Lambda(t, t**3 + a))),
        w,
        lambda: np.sum((M["X"] @ M["w"]) ** 3 + 0.7),
        lambda: 3 * M["X"].T @ (M["X"] @ M["w"]) ** 2,
    ),
    "Hadamard": (
        sb.Total(HadamardProduct(X, HadamardPower(Y, 2))),
        Y,
        lambda: np.sum(M["X"] * M["Y"] ** 2),
        lambda: 2 * M["X"] * M["Y"],
    ),
    "Kronecker": (
        sb.Total(sp.KroneckerProduct(A, u)),
        A,
        lambda: np.sum(M["A"]) * np.sum(M["u"]),
        lambda: np.full((3, 3), np.sum(M["u"])),
    ),
    "blocks": (
        sp.Trace(sp.BlockMatrix([[A, u], [u.T, sp.Identity(1)]]) ** 2),
        A,
        lambda: np.sum(M["A"] * M["A"].T) + 2 * np.sum(M["u"] ** 2) + 1,
        lambda: 2 * M["A"].T,
    ),
    "slices and an entry beside the whole": (
        sb.Total(C[1:, :2]) * C[0, 2] + sp.Trace(C),
        C,
        lambda: np.sum(M["C"][1:, :2]) * M["C"][0, 2] + np.trace(M["C"]),
        lambda: (
            np.eye(3) + np.array([[0, 0, np.sum(M["C"][1:, :2])], [M["C"][0, 2]] * 2 + [0], [M["C"][0, 2]] * 2 + [0]])
        ),
    ),
    "DiagMatrix": (
        sp.Trace(sp.DiagMatrix(u) * A),
        u,
        lambda: np.sum(M["u"][:, 0] * np.diag(M["A"])),
        lambda: np.diag(M["A"])[:, None],
    ),
    "an inverse times something": (
        u.T * A**-1 * u,
        u,
        lambda: (M["u"].T @ inv(M["A"]) @ M["u"])[0, 0],
        lambda: (inv(M["A"]) + inv(M["A"]).T) @ M["u"],
    ),
    "a determinant": (
        sp.Determinant(A),
        A,
        lambda: np.linalg.det(M["A"]),
        lambda: np.linalg.det(M["A"]) * inv(M["A"]).T,
    ),
    "an integer power": (
        sp.Trace(A**4),
        A,
        lambda: np.trace(np.linalg.matrix_power(M["A"], 4)),
        lambda: 4 * np.linalg.matrix_power(M["A"], 3).T,
    ),
    "ones that repeat": (
        sb.Total((OneMatrix(N, 1) * w.T + X).applyfunc(sp.sin)),
        w,
        lambda: np.sum(np.sin(M["X"] + M["w"].T)),
        lambda: np.sum(np.cos(M["X"] + M["w"].T), axis=0)[:, None],
    ),
    "an indexed sum with a shift": (
        sp.Sum((x[i + 1] - x[i]) ** 2, (i, 0, n - 2)),
        x,
        lambda: 2.0**2 + 3.5**2,
        lambda: [4.0, -4.0 - 7.0, 7.0],
    ),
    "an index array": (
        sp.Sum(x[p[i]] ** 2 * q[i], over),
        x,
        lambda: 4.0 * 1.0 + 0.25 * 2.0 + 4.0 * 0.5,
        lambda: [2.0 * 0.5 * 2.0, 0.0, 2.0 * 2.0 * 1.5],
    ),
    "a product": (
        sp.Product(x[i], over),
        x,
        lambda: -1.5,
        lambda: [-3.0, 1.0, -0.75],
    ),
    # SymPy's own derivative by a matrix is silently 0 for the next three.
    "the exponential of a trace": (
        sp.exp(sp.Trace(A) / 9),
        A,
        lambda: np.exp(np.trace(M["A"]) / 9),
        lambda: np.exp(np.trace(M["A"]) / 9) * np.eye(3) / 9,
    ),
    "the logarithm of a determinant": (
        sp.log(sp.Determinant(A)),
        A,
        lambda: np.linalg.slogdet(M["A"])[1],
        lambda: inv(M["A"]).T,
    ),
    "a sum of squared entries": (
        sp.Sum(w[i, 0] ** 2, (i, 0, d - 1)),
        w,
        lambda: np.sum(M["w"] ** 2),
        lambda: 2 * M["w"],
    ),
}
IN_NUMBA = ("a 1x1 product over N", "slices and an entry beside the whole", "an index array", "a product")


FORMS = [(name, backend) for name in WRITTEN for backend in ("numpy", "python")]


@pytest.mark.parametrize(("name", "backend"), [*FORMS, *[(name, "numba") for name in IN_NUMBA]])
def test_what_is_written_is_what_is_computed(name: str, backend: str) -> None:
    expr, wrt, value, gradient = WRITTEN[name]
    function = sb.compile_grad(expr, wrt, backend=backend)
    got, entries = function.value_and_grad(**{argument: POINT[argument] for argument in function.args})
    # A dozen roundings, and a condition number of 10.
    np.testing.assert_allclose(got, value(), rtol=1e-13)
    np.testing.assert_allclose(entries, gradient(), rtol=1e-12, atol=1e-14)
    assert np.shape(entries) == np.shape(gradient())


# How it is computed.


def text(expr: Any, wrt: Any) -> str:
    """The function of an emitted module that computes both, without what checks the arguments."""
    return sb.compile_grad(expr, wrt, backend="numpy").source.split("def value_and_grad(")[1].split("\ndef ")[0]


def test_no_inverse_where_a_solve_will_do() -> None:
    for expr, wrt in ((u.T * A**-1 * u, [A, u]), (sb.Total(A**-1 * B * u), [A, B, u])):
        source = text(expr, wrt)
        assert "solve" in source
        assert "inv(" not in source


def test_the_logarithm_of_a_determinant_does_not_overflow() -> None:
    function = sb.compile_grad(sp.log(sp.Determinant(A)), A, backend="numpy")
    huge = np.diag([1e200, 1e300])
    assert function.value(huge) == pytest.approx(500 * np.log(10), rel=1e-15)
    np.testing.assert_allclose(function(huge), np.diag([1e-200, 1e-300]), rtol=1e-15)


def test_the_trace_of_a_product_is_a_sum() -> None:
    source = text(sp.Trace(A * B), [A, B])
    assert "@" not in source and "einsum" not in source
    assert "np.sum(A * B.T)" in source


def test_ones_and_identities_are_not_built() -> None:
    source = text(sb.Total(OneMatrix(N, 1) * w.T + X) + sp.Trace(sp.Identity(n) * A), [w])
    assert "np.eye" not in source
    assert "np.ones" not in source and "@" not in source
    assert sb.compile_grad(OneMatrix(1, N) * X * OneMatrix(d, 1), X, backend="numpy").value(np.eye(3)) == 3.0


def test_backpropagation_reads_as_in_a_textbook() -> None:
    bias = sp.MatrixSymbol("b", 1, k)
    source = text(sb.mse(sb.affine(X, W, bias), sp.MatrixSymbol("T", N, k)), [W, bias])
    assert source.count("= X @ W") == 1
    assert "W_bar = X.T @ Z1_bar" in source
    assert "b_bar = Z1_bar.sum(axis=0" in source


# What is refused, and how.


@pytest.mark.parametrize(
    ("build", "error", "words"),
    [
        (lambda: sp.tanh(X * w), sb.UnsupportedExpression, r"scalar is due.*\(X\*w\)\.applyfunc\(tanh\)"),
        (lambda: sp.exp(A) + a, sb.UnsupportedExpression, r"shape \(n, n\).*where a scalar is due"),
        (lambda: sp.Trace(A**k), sb.UnsupportedExpression, "constant integer power, not k.*HadamardPower"),
        (lambda: X * W, sb.ShapeMismatch, r"one real number, not an array of shape \(N, k\).*Trace, a Sum, a 1x1"),
        (lambda: sp.Matrix([a, t]), sb.ShapeMismatch, r"not an array of shape \(2, 1\)"),
        (lambda: sp.Sum(x[i], (i, 5, 2)), sb.UnsupportedExpression, "from 5 to 2, is reversed"),
        (lambda: sp.Sum(x[i - 1], over), sb.ShapeMismatch, "reaches index -1; indices start at 0"),
        (lambda: sp.Sum(C[i, j], (i, 0, 3), (j, 0, 2)), sb.ShapeMismatch, "index 3 of an axis of length 3"),
        (lambda: sp.Trace(A) * sp.Symbol("z", complex=True), sb.UnsupportedExpression, "'z' is declared complex"),
        (lambda: sp.Sum(sp.I * x[i], over), sb.UnsupportedExpression, "I is not a real number"),
        (lambda: sp.Derivative(sp.Trace(A * a), a), sb.UnsupportedExpression, "derivatives of matrix expressions"),
        (lambda: [sp.Trace(A)], sb.OptionError, "not a list; for several see compile_jacobian"),
    ],
)
def test_refused_in_words(build: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        sb.compile_grad(build(), backend="numpy")


def test_everything_that_is_refused_comes_at_once() -> None:
    with pytest.raises(sb.UnsupportedExpression, match="2 things cannot be compiled") as caught:
        sb.compile_grad(sp.tanh(X * w) + sp.Trace(A**k), backend="numpy")
    assert "applyfunc" in str(caught.value) and "HadamardPower" in str(caught.value)


def test_two_arrays_of_one_name_are_told_apart() -> None:
    declared = sp.IndexedBase("x", shape=(n,))
    with pytest.raises(sb.NameClash, match="two different symbols are called 'x'"):
        sb.compile_grad(sp.Sum(x[i] * declared[i], over), backend="numpy")
    with pytest.raises(sb.NameClash, match="two different symbols are called 'x'"):
        sb.compile_grad(sp.Sum(x[i] ** 2, over), declared, backend="numpy")
    with pytest.raises(sb.NameClash, match="two different symbols are called 'N'"):
        sb.compile_grad(sp.Trace(sp.MatrixSymbol("N", N, N)), backend="numpy")


def test_let_bound_arrays_are_shared() -> None:
    shared = sp.Trace(A * A)
    let, reduced = sp.cse(sp.exp(shared / 9) + shared)
    function = sb.compile_grad((let, reduced), A, backend="numpy")
    trace = np.sum(M["A"] * M["A"].T)
    value, gradient = function.value_and_grad(M["A"])
    assert value == pytest.approx(np.exp(trace / 9) + trace, rel=1e-14)
    np.testing.assert_allclose(gradient, (np.exp(trace / 9) / 9 + 1) * 2 * M["A"].T, rtol=1e-13)
