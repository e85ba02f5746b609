"""Matrix algebra: every class of SymPy's that is taken, its value and derivatives, and what is refused."""

# Matrices have upper-case names here, as in the models.
# ruff: noqa: N803

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp
from sympy.combinatorics import Permutation
from sympy.matrices.expressions.companion import CompanionMatrix
from sympy.matrices.expressions.hadamard import HadamardPower as Power
from sympy.matrices.expressions.hadamard import HadamardProduct as Times
from sympy.matrices.expressions.matexpr import MatrixElement as Entry
from sympy.matrices.expressions.permutation import PermutationMatrix
from sympy.matrices.expressions.special import OneMatrix

from symbackprop.errors import ShapeMismatch, UnsupportedExpression
from symbackprop.frontend.reductions import Total

jax = pytest.importorskip("jax")
jnp = jax.numpy
jax.config.update("jax_enable_x64", True)

N, d, k, n = sp.symbols("N d k n", integer=True, positive=True)
a, z = sp.symbols("a z")
p, q = sp.symbols("p q", integer=True)
X, Y, W, y, w = (sp.MatrixSymbol(*given) for given in (("X", N, d), ("Y", N, d), ("W", d, k), ("y", N, 1), ("w", d, 1)))
A, B, u, v = (sp.MatrixSymbol(*given) for given in (("A", n, n), ("B", n, n), ("u", n, 1), ("v", n, 1)))
b = sp.MatrixSymbol("b", 1, k)
C, D = sp.MatrixSymbol("C", 4, 4), sp.MatrixSymbol("D", 4, 3)

SIZES = [{"N": 5, "d": 3, "k": 2, "n": 4}, {"N": 1, "d": 1, "k": 1, "n": 1}, {"N": 2, "d": 4, "k": 1, "n": 2}]
SYMBOLS = (X, Y, W, y, w, A, B, u, v, b, C, D)
Function = Callable[..., Any]


def sample(names: Any, sizes: dict[str, int]) -> dict[str, Any]:
    """Well-conditioned square matrices of positive determinant, positive entries elsewhere."""
    rng = np.random.default_rng(11)
    point: dict[str, Any] = {}
    for symbol in SYMBOLS:
        shape = tuple(sizes.get(str(length)) if length.is_Symbol else int(length) for length in symbol.shape)
        values = rng.uniform(0.2, 1.2, shape)
        point[symbol.name] = values + 2 * np.eye(*shape) if symbol in (A, B, C) else values
    point["a"] = np.float64(0.7)
    return {name: point[name] for name in names}


def eye(x: Any) -> Any:
    return jnp.eye(x.shape[0])


def inv(x: Any) -> Any:
    return jnp.linalg.inv(x)


def blocks(A: Any, u: Any, v: Any) -> Any:
    return jnp.block([[A, u], [v.T, jnp.ones((1, 1))]])


def scaled(matrix: Any) -> Any:
    """A scalar that weighs all entries differently."""
    return Total(matrix.applyfunc(sp.sin))


CASES: list[tuple[Any, str, Function]] = [
    # Sums and products.
    (u.T * A * v, "Auv", lambda A, u, v: (u.T @ A @ v)[0, 0]),
    (sp.Trace(A * B), "AB", lambda A, B: jnp.trace(A @ B)),
    (sp.Trace(A), "A", lambda A: jnp.trace(A)),
    (sp.Trace(X.T * X) / N, "X", lambda X: jnp.sum(X**2) / X.shape[0]),
    (sp.sqrt(sp.Trace(X.T * X)), "X", lambda X: jnp.sqrt(jnp.sum(X**2))),
    (scaled(2 * X - a * Y / 3), "XYa", lambda X, Y, a: jnp.sum(jnp.sin(2 * X - a * Y / 3))),
    (scaled(X * W), "XW", lambda X, W: jnp.sum(jnp.sin(X @ W))),
    (w.T * X.T * X * w / N, "Xw", lambda X, w: jnp.sum((X @ w) ** 2) / X.shape[0]),
    (scaled(A * A.T * B - B), "AB", lambda A, B: jnp.sum(jnp.sin(A @ A.T @ B - B))),
    (sp.Trace(sp.Adjoint(X) * Y), "XY", lambda X, Y: jnp.sum(X * Y)),
    (scaled(A + 2 * sp.Identity(n)), "A", lambda A: jnp.sum(jnp.sin(A + 2 * eye(A)))),
    (scaled(X * W + OneMatrix(N, 1) * b), "XWb", lambda X, W, b: jnp.sum(jnp.sin(X @ W + b))),
    (OneMatrix(1, N) * X.applyfunc(sp.cos) * w, "Xw", lambda X, w: jnp.sum(jnp.cos(X) @ w)),
    (scaled(X + sp.ZeroMatrix(N, d)), "X", lambda X: jnp.sum(jnp.sin(X))),
    # Powers and inverses.
    (scaled(A**0 * a + A**3), "Aa", lambda A, a: jnp.sum(jnp.sin(eye(A) * a + A @ A @ A))),
    (scaled(A**5 / 1000), "A", lambda A: jnp.sum(jnp.sin(A @ A @ A @ A @ A / 1000))),
    (scaled(A**-1), "A", lambda A: jnp.sum(jnp.sin(inv(A)))),
    (scaled(A**-3), "A", lambda A: jnp.sum(jnp.sin(inv(A) @ inv(A) @ inv(A)))),
    (scaled(A**-1 * u), "Au", lambda A, u: jnp.sum(jnp.sin(inv(A) @ u))),
    (scaled(u.T * A**-1), "Au", lambda A, u: jnp.sum(jnp.sin(u.T @ inv(A)))),
    (u.T * A**-1 * v, "Auv", lambda A, u, v: (u.T @ inv(A) @ v)[0, 0]),
    (u.T * (A**-1).T * v, "Auv", lambda A, u, v: (v.T @ inv(A) @ u)[0, 0]),
    (u.T * sp.Transpose(A**-2) * v, "Auv", lambda A, u, v: (v.T @ inv(A) @ inv(A) @ u)[0, 0]),
    (scaled(A**-1 * B**-1 * v), "ABv", lambda A, B, v: jnp.sum(jnp.sin(inv(A) @ inv(B) @ v))),
    (scaled(v.T * A**-1 * B**-2), "ABv", lambda A, B, v: jnp.sum(jnp.sin(v.T @ inv(A) @ inv(B) @ inv(B)))),
    (scaled(A**-1 * B * A**-1), "AB", lambda A, B: jnp.sum(jnp.sin(inv(A) @ B @ inv(A)))),
    (scaled(A**-1 * B**-1), "AB", lambda A, B: jnp.sum(jnp.sin(inv(A) @ inv(B)))),
    (scaled(A**-6 * v), "Av", lambda A, v: jnp.sum(jnp.sin(jnp.linalg.matrix_power(inv(A), 6) @ v))),
    # Determinants.
    (sp.Determinant(A), "A", lambda A: jnp.linalg.det(A)),
    (sp.log(sp.Determinant(A)), "A", lambda A: jnp.linalg.slogdet(A)[1]),
    (sp.log(sp.Abs(sp.Determinant(-A))), "A", lambda A: jnp.linalg.slogdet(A)[1]),
    (
        sp.log(2 * sp.pi * a * sp.Determinant(A) * sp.Determinant(B)),
        "ABa",
        lambda A, B, a: jnp.linalg.slogdet(A)[1] + jnp.linalg.slogdet(B)[1] + jnp.log(2 * jnp.pi * a),
    ),
    (sp.log(sp.sqrt(sp.Determinant(A))), "A", lambda A: jnp.linalg.slogdet(A)[1] / 2),
    (sp.log(sp.Determinant(-A) ** 2), "A", lambda A: jnp.linalg.slogdet(A)[1] * 2),
    # Entry by entry.
    (Total(X.applyfunc(sp.tanh)), "X", lambda X: jnp.sum(jnp.tanh(X))),
    (Total(X.applyfunc(sp.Lambda(z, z**2 + a * z))), "Xa", lambda X, a: jnp.sum(X**2 + a * X)),
    (Total(X.applyfunc(sp.Lambda(z, a))) + X[0, 0], "Xa", lambda X, a: a * X.size + X[0, 0]),
    (Total(X.applyfunc(sp.sin).applyfunc(sp.exp)), "X", lambda X: jnp.sum(jnp.exp(jnp.sin(X)))),
    (
        Total((X - Y).applyfunc(sp.Lambda(z, sp.Piecewise((z**2, z > 0), (sp.Max(z, -a), True))))),
        "XYa",
        lambda X, Y, a: jnp.sum(jnp.where(X > Y, (X - Y) ** 2, jnp.maximum(X - Y, -a))),
    ),
    (scaled(Times(X, Y, X)), "XY", lambda X, Y: jnp.sum(jnp.sin(X * Y * X))),
    (scaled(Power(X, 3) + Power(Y, -1)), "XY", lambda X, Y: jnp.sum(jnp.sin(X**3 + 1 / Y))),
    (scaled(Power(X, sp.Rational(1, 2))), "X", lambda X: jnp.sum(jnp.sin(jnp.sqrt(X)))),
    (scaled(Power(X, a)), "Xa", lambda X, a: jnp.sum(jnp.sin(X**a))),
    (scaled(Power(a, X)), "Xa", lambda X, a: jnp.sum(jnp.sin(a**X))),
    (scaled(Power(X, Y)), "XY", lambda X, Y: jnp.sum(jnp.sin(X**Y))),
    # Parts and wholes.
    (scaled(sp.KroneckerProduct(X, W)), "XW", lambda X, W: jnp.sum(jnp.sin(jnp.kron(X, W)))),
    (scaled(sp.KroneckerProduct(w, A, y)), "wAy", lambda w, A, y: jnp.sum(jnp.sin(jnp.kron(jnp.kron(w, A), y)))),
    (scaled(sp.DiagMatrix(v) * A), "Av", lambda A, v: jnp.sum(jnp.sin(v * A))),
    (scaled(sp.diagonalize_vector(v)), "v", lambda v: jnp.sum(jnp.sin(v))),
    (scaled(sp.DiagonalMatrix(A)), "A", lambda A: jnp.sum(jnp.sin(jnp.diag(A)))),
    (scaled(sp.DiagonalOf(A).T * B), "AB", lambda A, B: jnp.sum(jnp.sin(jnp.diag(A) @ B))),
    (
        scaled(sp.BlockMatrix([[A, u], [v.T, sp.Identity(1)]]) ** 2 / 9),
        "Auv",
        lambda A, u, v: jnp.sum(jnp.sin(blocks(A, u, v) @ blocks(A, u, v) / 9)),
    ),
    (
        Total(sp.BlockDiagMatrix(A, B).applyfunc(sp.cos)),
        "AB",
        lambda A, B: jnp.sum(jnp.cos(A)) + jnp.sum(jnp.cos(B)) + 2 * A.size,
    ),
    (scaled(X[:, d - 1] - X[:, 0]), "X", lambda X: jnp.sum(jnp.sin(X[:, -1:] - X[:, :1]))),
    (scaled(A[1:, :] * u), "Au", lambda A, u: jnp.sum(jnp.sin(A[1:, :] @ u))),
    (scaled(C[0:4:2, 1:] * D[:3, :]), "CD", lambda C, D: jnp.sum(jnp.sin(C[0:4:2, 1:] @ D[:3, :]))),
    (C[0, 1] * a + D[3, 2] ** 2 + sp.Trace(C), "CDa", lambda C, D, a: C[0, 1] * a + D[3, 2] ** 2 + jnp.trace(C)),
    ((C * D)[1, 2] + Entry(C**-1, 0, 1), "CD", lambda C, D: (C @ D)[1, 2] + inv(C)[0, 1]),
    (X[N - 1, 0] * X[0, d - 1], "X", lambda X: X[-1, 0] * X[0, -1]),
    (
        scaled(Times(A, sp.FunctionMatrix(n, n, sp.Lambda((z, a), z - 2 * a)))),
        "A",
        lambda A: jnp.sum(jnp.sin(A * (jnp.arange(len(A))[:, None] - 2 * jnp.arange(len(A))))),
    ),
    (
        sp.DiagonalOf(D).T * sp.Matrix([1, a, 3]) + D[:1, :1],
        "Da",
        lambda D, a: jnp.diag(D[:3]) @ jnp.array([1, 0, 3]) + a * D[1, 1] + D[0, 0],
    ),
    (scaled(sp.DiagonalMatrix(D)), "D", lambda D: jnp.sum(jnp.sin(jnp.diag(D[:3])))),
    (
        scaled(C * sp.Matrix(4, 2, lambda i, j: a * i + j)),
        "Ca",
        lambda C, a: jnp.sum(jnp.sin(C @ (a * jnp.arange(4.0)[:, None] + jnp.arange(2.0)))),
    ),
    (scaled(C + sp.eye(4) * a), "Ca", lambda C, a: jnp.sum(jnp.sin(C + a * jnp.eye(4)))),
    # One entry is a scalar.
    (sp.exp(u.T * v / 9) + 1, "uv", lambda u, v: jnp.exp(jnp.sum(u * v) / 9) + 1),
    (sp.exp(sp.Trace(A) / 9), "A", lambda A: jnp.exp(jnp.trace(A) / 9)),
    ((u.T * A * u) ** sp.Rational(1, 2), "Au", lambda A, u: jnp.sqrt(u.T @ A @ u)[0, 0]),
    (sp.Inverse(u.T * A * v) * u.T * v, "uAv", lambda u, A, v: jnp.sum(u * v) / (u.T @ A @ v)[0, 0]),
    (sp.Trace(y.T * X * w) / N, "Xyw", lambda X, y, w: (y.T @ X @ w)[0, 0] / X.shape[0]),
    (sp.Determinant(u.T * v) * a, "uva", lambda u, v, a: jnp.sum(u * v) * a),
    (sp.Matrix([u[0, 0] * a, v[0, 0] ** 2]).norm(), "uva", lambda u, v, a: jnp.hypot(u[0, 0] * a, v[0, 0] ** 2)),
]


@pytest.mark.parametrize(
    ("expr", "names", "reference"), CASES, ids=[f"{number}-{case[1]}" for number, case in enumerate(CASES)]
)
def test_value_gradient_and_second_derivative(
    array_model: Any, against_jax: Function, expr: Any, names: str, reference: Function
) -> None:
    model = array_model(expr, names)
    # One graph for all sizes; matrices of fixed size have one.
    for sizes in SIZES if model.graph_has_dimensions() else SIZES[:1]:
        against_jax(model, reference, sample(names, sizes))


# What SymPy's own derivative by a matrix says is zero, and is not.


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (sp.exp(sp.Trace(A)), lambda A: np.exp(np.trace(A)) * np.eye(len(A))),
        (sp.log(sp.Determinant(A)), lambda A: np.linalg.inv(A).T),
    ],
)
def test_gradients_that_others_lose(array_model: Any, expr: Any, expected: Function) -> None:
    point = sample("A", SIZES[0])
    (gradient,) = array_model(expr, "A").gradient(point)
    np.testing.assert_allclose(gradient, expected(point["A"]), rtol=1e-12)


def test_the_logarithm_of_a_negative_determinant_is_nan_and_that_of_a_huge_one_is_not(array_model: Any) -> None:
    model = array_model(sp.log(sp.Determinant(A)), "A")
    assert np.isnan(model.value({"A": np.diag([-1.0, 2.0])}))
    # det = 1e600 overflows; two roundings of log(1e300) are left.
    assert model.value({"A": np.diag([1e300, 1e300])}) == pytest.approx(2 * np.log(1e300), rel=1e-15)


def test_the_determinant_of_a_singular_matrix_has_its_cofactors_as_gradient(array_model: Any) -> None:
    model = array_model(sp.Determinant(A), "A")
    (gradient,) = model.gradient({"A": np.array([[1.0, 2.0], [2.0, 4.0]])})
    np.testing.assert_allclose(gradient, [[4.0, -2.0], [-2.0, 1.0]], rtol=1e-14)


def test_one_lambda_over_two_matrices(array_model: Any) -> None:
    function = sp.Lambda(z, z**2)
    model = array_model(Total(X.applyfunc(function)) + Total(W.applyfunc(function)), "XW")
    point = sample("XW", SIZES[0])
    for name, gradient in zip("XW", model.gradient(point), strict=True):
        np.testing.assert_array_equal(gradient, 2 * point[name])


def test_a_dimension_is_a_number_wherever_it_stands(array_model: Any) -> None:
    model = array_model(N * sp.Trace(X.T * X) + (1 + N) * X[0, 0], "X")
    point = {"X": np.ones((3, 2))}
    assert model.value(point) == 3 * 6 + 4


def test_no_entries(array_model: Any) -> None:
    model = array_model(Total(X * W) + sp.Trace(X.T * Y), "XWY")
    point = {"X": np.ones((0, 2)), "W": np.ones((2, 3)), "Y": np.ones((0, 2))}
    assert model.value(point) == 0
    assert [np.shape(part) for part in model.gradient(point)] == [(0, 2), (2, 3), (0, 2)]
    assert not any(np.any(part) for part in model.gradient(point))


# How it is computed.


def test_an_inverse_in_a_product_is_a_solve(array_model: Any) -> None:
    for expr in (u.T * A**-1 * v, Total(A**-1 * v), Total(v.T * A**-1), u.T * (A**-1).T * v):
        operations = array_model(expr, "A").operations()
        assert "inv" not in operations
        assert "solve" in operations


def test_the_narrow_side_is_solved_for(array_graph: Function) -> None:
    for expr in (u.T * A**-1 * B * A**-1 * v, Total(u.T * A**-1 * B), Total(B * A**-1 * u)):
        assert {node.type.shape for node in array_graph(expr).nodes if node.op.name == "solve"} == {("n", 1)}


def test_ones_and_identities_are_not_built(array_graph: Function) -> None:
    graph = array_graph(Total((X * W + OneMatrix(N, 1) * b).applyfunc(sp.sin)) + sp.Trace(A * sp.Identity(n) * B))
    names = [node.op.name for node in graph.nodes]
    assert "diagonalize" not in names
    # X*W and A*B, or the trace of the latter at once.
    assert names.count("contract") == 2


def test_a_high_power_takes_few_products(array_graph: Function) -> None:
    graph = array_graph(sp.Trace(A**1000 * B))
    assert sum(node.op.name == "contract" for node in graph.nodes) <= 2 * 10


# What is refused.


def test_matrices_where_a_scalar_is_due(array_graph: Function) -> None:
    with pytest.raises(UnsupportedExpression, match=r"shape \(N, 1\).*scalar is due.*\(X\*w\)\.applyfunc\(tanh\)"):
        array_graph(sp.tanh(X * w) + 1)
    with pytest.raises(UnsupportedExpression, match=r"shape \(N, d\).*scalar is due"):
        array_graph(X + Y)
    with pytest.raises(UnsupportedExpression, match=r"shape \(1, 2\).*scalar is due"):
        array_graph(sp.Matrix([[a, z]]))
    with pytest.raises(UnsupportedExpression, match="2 things cannot be compiled"):
        array_graph(sp.tanh(X * w) + sp.Trace(A**k * B) + Total(X * W))


@pytest.mark.parametrize(
    ("expr", "words"),
    [
        (sp.Trace(A**k), "integer power, not k.*HadamardPower"),
        (sp.Trace(A ** sp.Rational(1, 2)), "integer power, not 1/2"),
        (Total(D[0:3:2, :]), "SymPy and Python disagree"),
        (Total(X[::2, :]), "SymPy and Python disagree"),
        (Total(sp.DiagonalMatrix(X)), "not known which of N and d is smaller"),
        (sp.Trace(CompanionMatrix(sp.Poly([1, 2, 3], z))), "CompanionMatrix is not compiled"),
        (sp.Trace(PermutationMatrix(Permutation([1, 0])) * C[:2, :2]), "PermutationMatrix is not compiled"),
        (sp.Trace(sp.FunctionMatrix(n, n, sp.Lambda((p, q), A[p, q] * p))), "variable of a Lambda as a subscript"),
        (sp.Permanent(A), "Permanent is not compiled"),
        (sp.Derivative(sp.exp(sp.Trace(a * A)), a), "derivatives of matrix expressions are wrong"),
    ],
)
def test_refused_in_words(array_graph: Function, expr: Any, words: str) -> None:
    with pytest.raises(UnsupportedExpression, match=words):
        array_graph(expr)


@pytest.mark.parametrize(
    ("expr", "words"),
    [
        (Total(X + sp.MatrixSymbol("V", k, d)), r"X of shape \(N, d\) and V of shape \(k, d\)|V .* and X"),
        (Total(Times(X, sp.MatrixSymbol("V", N, k))), r"entry-wise product.*\(N, d\).*\(N, k\)"),
        (Total(X * A), r"X of shape \(N, d\) and A of shape \(n, n\): d columns meet n rows"),
        (sp.Trace(A * sp.MatrixSymbol("V", n, k)), r"Trace needs a square matrix.*\(n, k\)"),
        (sp.Determinant(sp.MatMul(X, W)), r"Determinant needs a square matrix.*\(N, k\)"),
        (Total(sp.DiagMatrix(X)), r"DiagMatrix needs a vector.*\(N, d\)"),
    ],
)
def test_shapes_that_do_not_fit_are_named(array_graph: Function, expr: Any, words: str) -> None:
    with pytest.raises(ShapeMismatch, match=words):
        array_graph(expr)
