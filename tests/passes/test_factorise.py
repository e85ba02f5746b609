"""Factorisations that are shared give what each row gives by itself, at singular and empty matrices too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symbackprop.ad import modes
from symbackprop.ir import Functions, Graph, GraphBuilder, Type, interpret, verify
from symbackprop.ops import factors
from symbackprop.passes import factorise

MATRICES = {
    "regular": np.random.default_rng(0).normal(size=(5, 5)) + 3 * np.eye(5),
    "permuted": np.eye(4)[[2, 0, 3, 1]] * [[1.0], [-2.0], [3.0], [0.5]],
    "one": np.array([[-2.0]]),
    "empty": np.empty((0, 0)),
    "singular": np.array([[1.0, 2.0], [2.0, 4.0]]),
}


def asked_of_one_matrix() -> Graph:
    """All that may be asked of a matrix, and of its transpose."""
    f = Functions(GraphBuilder())
    a = f.wrap(f.builder.input("a", Type("real", ("n", "n"))))
    b = f.wrap(f.builder.input("b", Type("real", ("n", 2))))
    flipped = f.mt(a)
    outputs = [f.solve(a, b), f.solve(flipped, b), f.inv(a), f.inv(flipped), f.log_abs_det(a), f.det_sign(a)]
    return f.builder.graph([value.index for value in outputs])


@pytest.mark.parametrize("name", MATRICES)
def test_shared_factors_answer_as_the_rows_do(name: str) -> None:
    a = MATRICES[name]
    b = np.random.default_rng(1).normal(size=(len(a), 2))
    graph = asked_of_one_matrix()
    shared = verify(factorise(graph, "numpy"))
    assert sum(node.op is factors.FACTORISE for node in shared.nodes) == 1
    assert {node.op.name for node in shared.nodes} >= {row.name for row in factors.ROWS}
    given: dict[str, Any] = {"a": a, "b": b}
    for got, wanted in zip(interpret(shared, given), interpret(graph, given), strict=True):
        # The same LAPACK routines, at condition numbers below 10.
        np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=1e-14)


def test_one_use_stays_as_it_is() -> None:
    f = Functions(GraphBuilder())
    a = f.wrap(f.builder.input("a", Type("real", (3, 3))))
    graph = f.builder.graph([f.inv(a).index])
    assert factorise(graph, "numpy") is graph


@pytest.mark.parametrize("target", ["numba", "python"])
def test_targets_without_factorisations_keep_the_rows(target: str) -> None:
    graph = asked_of_one_matrix()
    assert factorise(graph, target) is graph


def test_value_and_gradient_of_a_gaussian_factorise_once() -> None:
    f = Functions(GraphBuilder())
    k = f.wrap(f.builder.input("k", Type("real", ("n", "n"))))
    y = f.wrap(f.builder.input("y", Type("real", ("n", 1))))
    loss = f.inner(y, f.solve(k, y)) + f.log_abs_det(k)
    graph = modes.gradient(f.builder.graph([loss.index]), [k.index, y.index], "zero")
    shared = verify(factorise(graph, "numpy"))
    assert [node.op.name for node in shared.nodes].count("factorise") == 1
    assert not {"solve", "inv", "log_abs_det"} & {node.op.name for node in shared.nodes}
