"""A small network, its data, and the ways to train it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop import affine, mse, tanh


@pytest.fixture(scope="session")
def network() -> Any:
    """2-3-1, tanh, squared error over a symbolic batch; 20 samples, of which minibatches of 8 leave 4."""
    N = sp.Symbol("N", integer=True, positive=True)
    X, Y = sp.MatrixSymbol("X", N, 2), sp.MatrixSymbol("Y", N, 1)
    W1, b1 = sp.MatrixSymbol("W1", 2, 3), sp.MatrixSymbol("b1", 1, 3)
    W2, b2 = sp.MatrixSymbol("W2", 3, 1), sp.Symbol("b2")
    rng = np.random.default_rng(1)
    points = rng.normal(size=(20, 2))
    return SimpleNamespace(
        N=N,
        loss=mse(affine(tanh(affine(X, W1, b1)), W2, b2), Y),
        params=[W1, b1, W2, b2],
        data=[X, Y],
        start={
            "W1": rng.normal(size=(2, 3)),
            "b1": np.zeros((1, 3)),
            "W2": rng.normal(size=(3, 1)),
            "b2": 0.1,
        },
        given={"X": points, "Y": np.sin(points[:, :1]) + points[:, 1:] ** 2},
    )
