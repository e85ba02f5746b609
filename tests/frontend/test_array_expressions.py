"""SymPy's array expressions: einsums of every kind, against JAX."""

# Matrices have upper-case names here, as in the models.
# ruff: noqa: N803, N806

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp
from sympy.tensor.array import expressions as ae
from sympy.tensor.array.expressions import ArrayContraction as Contraction
from sympy.tensor.array.expressions import ArrayDiagonal as Diagonal
from sympy.tensor.array.expressions import ArrayTensorProduct as Tensor
from sympy.tensor.array.expressions import PermuteDims

from symbackprop.errors import UnsupportedExpression
from symbackprop.frontend.reductions import Total

jax = pytest.importorskip("jax")
jnp = jax.numpy
jax.config.update("jax_enable_x64", True)

n, m = sp.symbols("n m", integer=True, positive=True)
a, z = sp.symbols("a z")
A, B, S = ae.ArraySymbol("A", (n, m, 3)), ae.ArraySymbol("B", (3, m)), ae.ArraySymbol("S", (n, n))
V = ae.ArraySymbol("V", (n,))
M = sp.MatrixSymbol("M", n, m)
SHAPES = {"A": ("n", "m", 3), "B": (3, "m"), "S": ("n", "n"), "V": ("n",), "M": ("n", "m")}
SIZES = [{"n": 4, "m": 2}, {"n": 1, "m": 5}, {"n": 2, "m": 1}]
Function = Callable[..., Any]


def sample(names: str, sizes: dict[str, int]) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    shapes = {**SHAPES, "a": ()}
    return {name: rng.uniform(0.2, 1.2, [sizes.get(length, length) for length in shapes[name]]) for name in names}


def each(function: Any, array: Any) -> Any:
    return ae.ArrayElementwiseApplyFunc(sp.Lambda(z, function(z)), array)


def total(array: Any) -> Any:
    """The sum over all axes, each contracted alone."""
    return Contraction(array, *[(axis,) for axis in range(len(array.shape))])


CASES: list[tuple[Any, str, Function]] = [
    (Contraction(Tensor(A, A), (0, 3), (1, 4), (2, 5)), "A", lambda A: jnp.sum(A**2)),
    (Contraction(Tensor(A, B, V), (0, 5), (1, 4), (2, 3)), "ABV", lambda A, B, V: jnp.einsum("ijk,kj,i->", A, B, V)),
    # An axis shared by three operands.
    (
        Contraction(Tensor(A, B, M, V), (1, 4, 6), (2, 3), (0, 5, 7)),
        "ABMV",
        lambda A, B, M, V: jnp.einsum("ijk,kj,ij,i->", A, B, M, V),
    ),
    (
        total(each(sp.sin, Contraction(Tensor(A, B), (2, 3)))),
        "AB",
        lambda A, B: jnp.sum(jnp.sin(jnp.einsum("ijk,kl->ijl", A, B))),
    ),
    (total(each(sp.sin, Tensor(V, B))), "VB", lambda V, B: jnp.sum(jnp.sin(jnp.einsum("i,jk->ijk", V, B)))),
    (
        total(each(sp.sin, Diagonal(Tensor(A, B), (2, 3)))),
        "AB",
        lambda A, B: jnp.sum(jnp.sin(jnp.einsum("ijk,kl->ijlk", A, B))),
    ),
    (total(each(sp.cos, Diagonal(S, (0, 1)))), "S", lambda S: jnp.sum(jnp.cos(jnp.diag(S)))),
    (Contraction(S, (0, 1)), "S", lambda S: jnp.trace(S)),
    (Contraction(Tensor(S, S, S), (1, 2), (3, 4), (5, 0)), "S", lambda S: jnp.trace(S @ S @ S)),
    (Contraction(Tensor(PermuteDims(A, [2, 0, 1]), A), (0, 5), (1, 3), (2, 4)), "A", lambda A: jnp.sum(A**2)),
    (Contraction(PermuteDims(Tensor(S, S), [1, 2, 0, 3]), (0, 1), (2, 3)), "S", lambda S: jnp.trace(S @ S)),
    (
        total(each(sp.exp, ae.ArrayAdd(A, PermuteDims(PermuteDims(A, [2, 0, 1]), [1, 2, 0])))),
        "A",
        lambda A: jnp.sum(jnp.exp(2 * A)),
    ),
    (total(each(sp.sin, Tensor(a, A))), "Aa", lambda A, a: jnp.sum(jnp.sin(a * A))),
    (
        a * Total(ae.ArrayAdd(ae.Reshape(A, (3, n, m)), ae.Reshape(PermuteDims(A, [2, 0, 1]), (3, n, m)))),
        "Aa",
        lambda A, a: 2 * a * jnp.sum(A),
    ),
    (Total(ae.Reshape(each(sp.sin, A), (3 * n, m))), "A", lambda A: jnp.sum(jnp.sin(A))),
    # An axis that is not square under a reshape: the entries stay row by row.
    (
        ae.ArrayElement(ae.Reshape(PermuteDims(A, [1, 0, 2]), (3 * n * m,)), (3 * n * m - 3,)) ** 2,
        "A",
        lambda A: A[-1, -1, 0] ** 2,
    ),
    (A[0, 0, 2] * a + B[1, 0] + Total(A), "ABa", lambda A, B, a: A[0, 0, 2] * a + B[1, 0] + jnp.sum(A)),
    (Contraction(Tensor(M, S), (0, 2), (1,), (3,)), "MS", lambda M, S: jnp.sum(S.T @ M)),
    (total(ae.ArrayAdd(A, ae.OneArray(n, m, 3), ae.ZeroArray(n, m, 3))), "A", lambda A: jnp.sum(A + 1)),
    (
        Contraction(Tensor(B, sp.Array([[1, a, 3], [4, 5, a]])), (0, 3), (1,), (2,)),
        "Ba",
        lambda B, a: jnp.einsum(
            "kj,lk->", B, jnp.array([[1, 0, 3], [4, 5, 0]]) + a * jnp.array([[0, 1, 0], [0, 0, 1]])
        ),
    ),
    (
        Total(each(sp.sin, A)) ** 2 / (1 + Total(V)),
        "AV",
        lambda A, V: jnp.sum(jnp.sin(A)) ** 2 / (1 + jnp.sum(V)),
    ),
]


@pytest.mark.parametrize(
    ("expr", "names", "reference"), CASES, ids=[f"{number}-{case[1]}" for number, case in enumerate(CASES)]
)
def test_value_gradient_and_second_derivative(
    array_model: Any, against_jax: Function, expr: Any, names: str, reference: Function
) -> None:
    model = array_model(expr, names)
    for sizes in SIZES:
        against_jax(model, reference, sample(names, sizes))


def test_matrix_expressions_as_sympy_converts_them(array_model: Any, against_jax: Function) -> None:
    u, W = sp.MatrixSymbol("u", n, 1), sp.MatrixSymbol("W", n, n)
    model = array_model(ae.convert_matrix_to_array(sp.Trace(u.T * W * W * u)), "uW")
    rng = np.random.default_rng(3)
    against_jax(
        model, lambda u, W: jnp.sum((W.T @ u) * (W @ u)), {"u": rng.normal(size=(3, 1)), "W": rng.normal(size=(3, 3))}
    )


def test_a_contracted_tensor_product_is_never_built(array_graph: Function) -> None:
    graph = array_graph(Contraction(Tensor(S, A, V, S), (1, 2), (3,), (4,), (0, 6), (5, 7)))
    assert max(len(node.type.shape) for node in graph.nodes) <= 3
    graph = array_graph(Contraction(Tensor(V, S, V), (0, 1), (2, 3)))
    assert max(len(node.type.shape) for node in graph.nodes) == 2


def test_nested_contractions_are_one_einsum(array_graph: Function) -> None:
    inner = Contraction(Tensor(S, S), (1, 2), evaluate=False)
    graph = array_graph(Contraction(Tensor(inner, V, evaluate=False), (1, 2), (0,)))
    assert max(len(node.type.shape) for node in graph.nodes) == 2


def test_refused_in_words(array_graph: Function) -> None:
    with pytest.raises(UnsupportedExpression, match=r"B is an array of shape \(3, m\).*ArrayElementwiseApplyFunc"):
        array_graph(sp.tanh(B) + 1)
    with pytest.raises(UnsupportedExpression, match=r"scalar is due.*ArrayTensorProduct"):
        array_graph(Tensor(A, B))
