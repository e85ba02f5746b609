"""Functions of the matrices of a batch: one matrix at a time, in no lanes, which have their entries apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb

A, C = sp.MatrixSymbol("A", 3, 3), sp.MatrixSymbol("C", 3, 1)
SHIFTED = A + 9 * sp.Identity(3)
MODELS: dict[str, Any] = {
    "system": C.T * SHIFTED.I * C,
    "log det": sp.log(sp.Determinant(SHIFTED)) * C[1, 0],
    "both": sp.log(sp.Determinant(SHIFTED)) + (C.T * SHIFTED.I * C)[0, 0],
}


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("model", MODELS)
def test_a_batch_of_matrices_is_one_after_the_other(model: str, backend: str) -> None:
    """They were nan, or a KeyError, in machine code."""
    expr = MODELS[model]
    alone = sb.compile_grad(expr, [A, C], backend="numpy")
    forms = [sb.compile_grad(expr, [A, C], batch=[A, C], reduce=reduce, backend=backend) for reduce in ("mean", None)]
    for samples in (1, 70):
        rng = np.random.default_rng(samples)
        given = {"A": rng.normal(size=(samples, 3, 3)), "C": rng.normal(size=(samples, 3, 1))}
        singles = [alone.value_and_grad(**{name: array[k] for name, array in given.items()}) for k in range(samples)]
        values = np.array([float(value) for value, _ in singles])
        slopes = [np.stack([gradient[place] for _, gradient in singles]) for place in (0, 1)]
        for g, expected, count in zip(forms, (np.mean(values), values), (samples, 1), strict=True):
            value, gradient = g.value_and_grad(**given)
            np.testing.assert_allclose(value, expected, rtol=1e-11)
            np.testing.assert_allclose(g.value(**given), expected, rtol=1e-11)
            for found, slope in zip(gradient, slopes, strict=True):
                np.testing.assert_allclose(found, slope / count, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_they_may_be_trained_with(backend: str) -> None:
    t = sb.compile_training(MODELS["system"], [C], [A], optimizer=sb.SGD(lr=0.1), backend=backend)
    stack = np.random.default_rng(3).normal(size=(20, 3, 3))
    run = t.fit({"C": np.ones((3, 1))}, {"A": stack}, epochs=4, batch_size=8, shuffle=False)
    c = np.ones((3, 1))
    for _ in range(4):
        for start in range(0, 20, 8):
            inverses = np.linalg.inv(stack[start : start + 8] + 9 * np.eye(3))
            c = c - 0.1 * np.mean((inverses + np.swapaxes(inverses, 1, 2)) @ c, axis=0)
    np.testing.assert_allclose(run.params["C"], c, rtol=1e-12)
