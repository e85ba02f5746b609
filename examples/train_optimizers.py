"""Four optimisers on one network 2-10-1: gradient descent, momentum, RMSprop and Adam, all layers trained.

Each takes 150 epochs over 400 points of two rings, in minibatches of 50, from the same parameters and in the same
orders. The update rules are SymPy expressions: one line each in `symbackprop/train/optimizers.py`.

    symbackprop fit examples/train_optimizers.py        # by Adam

Emit its loop:

    symbackprop emit examples/train_optimizers.py
"""

import numpy as np
import sympy as sp

from symbackprop import (
    SGD,
    Adam,
    Momentum,
    RMSprop,
    Run,
    affine,
    binary_cross_entropy,
    compile_training,
    tanh,
    xavier_uniform,
)

N = sp.Symbol("N", integer=True, positive=True)
X, Y = sp.MatrixSymbol("X", N, 2), sp.MatrixSymbol("Y", N, 1)
W1, b1 = sp.MatrixSymbol("W1", 2, 10), sp.MatrixSymbol("b1", 1, 10)
W2, b2 = sp.MatrixSymbol("W2", 10, 1), sp.MatrixSymbol("b2", 1, 1)
Z2 = affine(tanh(affine(X, W1, b1)), W2, b2)

loss = binary_cross_entropy(Z2, Y, from_logits=True)
batch = N

_rng = np.random.default_rng(0)
_angle, _ring = _rng.uniform(0.0, 2.0 * np.pi, 400), np.arange(400) % 2
_radius = 1.0 + _ring + _rng.normal(0.0, 0.15, 400)
params = {W1: xavier_uniform((2, 10), 1), b1: np.zeros((1, 10)), W2: xavier_uniform((10, 1), 2), b2: np.zeros((1, 1))}
data = {X: np.column_stack([_radius * np.cos(_angle), _radius * np.sin(_angle)]), Y: _ring[:, None].astype(float)}
optimizer = Adam(lr=0.03)
fit = {"epochs": 150, "batch_size": 50}
OPTIMIZERS = (SGD(lr=0.3), Momentum(lr=0.05), RMSprop(lr=0.01), optimizer)


def runs() -> dict[str, Run]:
    """The same training by each of the rules."""
    start = {symbol.name: value for symbol, value in params.items()}
    given = {symbol.name: value for symbol, value in data.items()}
    found = {}
    for rule in OPTIMIZERS:
        training = compile_training(loss, list(params), list(data), batch=batch, optimizer=rule)
        found[type(rule).__name__] = training.fit(start, given, **fit)
    return found


def main() -> None:
    found = runs()
    for name, run in found.items():
        print(f"{name:<9}" + "".join(f"{run.history.loss[epoch]:9.4f}" for epoch in (0, 9, 49, 149)))
    if max(run.history.loss[-1] for run in found.values()) > 0.2:
        raise SystemExit("one of them did not learn the rings")


if __name__ == "__main__":
    main()
