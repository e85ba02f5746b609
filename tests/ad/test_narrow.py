"""Axes of length 1 left out of the model of one sample: the same values, and over a batch those of each sample."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb
from symbackprop.ad.narrow import narrow
from symbackprop.frontend import read_model
from symbackprop.ir.interpret import evaluate
from symbackprop.ops.extents import Shape

ROW, COLUMN, ONE = sp.MatrixSymbol("row", 1, 3), sp.MatrixSymbol("column", 3, 1), sp.MatrixSymbol("one", 1, 1)
SQUARE, W, B = sp.MatrixSymbol("S", 3, 3), sp.MatrixSymbol("W", 3, 2), sp.MatrixSymbol("B", 1, 2)
I3 = sp.Identity(3)
HIDDEN = sb.tanh(sb.affine(ROW, W, B))
MODELS: dict[str, Any] = {
    "a layer": sb.mse(HIDDEN, B),
    "softmax": sb.cross_entropy(sb.affine(ROW, W, B), B),
    "a row times a column": (ROW * COLUMN)[0, 0] + sp.Trace(COLUMN * ROW),
    "an outer product": sp.Trace((COLUMN * ROW).applyfunc(sp.tanh) * SQUARE),
    "a quadratic form": ROW * SQUARE * ROW.T + ONE**2,
    "transposes": sp.Trace((ROW.T + COLUMN).T * SQUARE * (ROW + COLUMN.T).T),
    "one entry": sp.Trace(ONE.applyfunc(sp.exp) * ROW * COLUMN) * ONE[0, 0],
    "entries": ROW[0, 1] * COLUMN[2, 0] + sp.sin(ROW[0, 0] * B[0, 1]),
    "repeated": sp.Trace((sp.OneMatrix(3, 1) * ROW + COLUMN * sp.OneMatrix(1, 3)) * SQUARE),
    "a system": ROW * (SQUARE + 9 * I3).I * COLUMN,
    "a system of one": sp.Trace((SQUARE[:1, :1] * SQUARE[:1, :1].T + sp.Identity(1)).I * ONE.T * ONE),
    "a determinant": sp.log(sp.Determinant(COLUMN * ROW + 9 * I3)),
    "blocks": sp.Trace(
        sp.BlockMatrix([[SQUARE, COLUMN], [ROW, ONE]]) * sp.BlockMatrix([[SQUARE.T, ROW.T], [ROW, ONE]])
    ),
    "a Kronecker product": sb.Total(sp.KroneckerProduct(ROW, COLUMN).applyfunc(sp.sin)),
    "explicit": sb.mse(sp.Matrix([[ROW[0, 0] * B[0, 0], sp.exp(B[0, 1])]]), B),
    "batch statistics": sb.Total(sb.batch_norm(SQUARE, ROW, COLUMN.T)),
    "the largest": sb.Total(ROW.applyfunc(lambda e: sp.Max(e, 0))) + sp.Trace(sb.relu(COLUMN) * ROW),
}
SHAPES: dict[str, Shape] = {"row": (1, 3), "column": (3, 1), "one": (1, 1), "S": (3, 3), "W": (3, 2), "B": (1, 2)}


def point(seed: int, *before: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(0.2, 1.5, size=(*before, *shape)) for name, shape in SHAPES.items()}


@pytest.mark.parametrize("model", MODELS)
def test_values_are_the_same(model: str) -> None:
    graph = read_model(MODELS[model]).graph
    narrowed = narrow(graph)
    given = {name: value for name, value in point(1).items() if name in graph.inputs()}
    (before,), (after,) = ([evaluate(g, given)[output] for output in g.outputs] for g in (graph, narrowed))
    np.testing.assert_allclose(after, before, rtol=1e-13)
    assert [narrowed.nodes[o].type for o in narrowed.outputs] == [graph.nodes[o].type for o in graph.outputs]


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("model", MODELS)
def test_a_batch_has_the_gradients_of_its_samples(model: str, backend: str) -> None:
    """With parameters that all samples share, and once with all in the batch."""
    expr = MODELS[model]
    symbols = sorted(expr.free_symbols & {ROW, COLUMN, ONE, SQUARE, W, B}, key=str)
    shared = [symbol for symbol in symbols if symbol in (W, B, SQUARE)] or symbols[:1]
    alone = sb.compile_grad(expr, symbols, backend="numpy")
    some = [symbol for symbol in symbols if symbol not in shared]
    for batch in (symbols, some) if backend == "numpy" else (some or symbols,):
        if not batch:
            continue
        own = {symbol.name for symbol in batch}
        many, one = point(2, 4), point(3)
        given = {symbol.name: (many if symbol.name in own else one)[symbol.name] for symbol in symbols}
        g = sb.compile_grad(expr, symbols, batch=batch, reduce="sum", backend=backend)
        value, gradient = g.value_and_grad(**given)
        singles = [
            alone.value_and_grad(**{name: entry[k] if name in own else entry for name, entry in given.items()})
            for k in range(4)
        ]
        np.testing.assert_allclose(value, sum(float(v) for v, _ in singles), rtol=1e-12)
        for place, symbol in enumerate(symbols):
            parts = [np.asarray(entries[place]) for _, entries in singles]
            expected = np.stack(parts) if symbol.name in own else sum(parts)
            assert gradient[place].shape == expected.shape
            np.testing.assert_allclose(gradient[place], expected, rtol=1e-10, atol=1e-12)


def test_rows_of_samples_are_a_matrix() -> None:
    """A layer of a row is one product for all samples, and so are its adjoints: no slices, no transposes."""
    source = sb.compile_grad(sb.mse(HIDDEN, B), [W, B], batch=[ROW], reduce="mean", backend="numpy").source
    assert "row[:, 0] @ W" in source
    assert "np.transpose" not in source
