"""Batch normalisation: a network on data that nobody has standardised.

Two rings, as in train_optimizers.py, in other units: one coordinate is near 40, the other in thousands. `batch_norm`
takes each column's mean away and divides by its deviation, so that what is behind it sees numbers around 0, whatever
the units; gamma and beta, which are learnt, give it the scale that suits it. The gradient goes through mean and
deviation as well, which makes it the longest that one writes by hand.

In training, mean and deviation are those of the minibatch. In use an answer must not depend on which points are asked
for together: there they are the averages over minibatches that the training has kept beside the parameters.

    symbackprop fit examples/train_batch_norm.py

Emit its loop:

    symbackprop emit examples/train_batch_norm.py
"""

import numpy as np
import sympy as sp

from symbackprop import (
    SGD,
    Run,
    affine,
    batch_norm,
    batch_statistics,
    binary_cross_entropy,
    compile_function,
    compile_training,
    he_normal,
    relu,
)

N = sp.Symbol("N", integer=True, positive=True)
X, Y = sp.MatrixSymbol("X", N, 2), sp.MatrixSymbol("Y", N, 1)
W1, W2, W3 = sp.MatrixSymbol("W1", 2, 12), sp.MatrixSymbol("W2", 12, 8), sp.MatrixSymbol("W3", 8, 1)
beta1, beta2, b3 = sp.MatrixSymbol("beta1", 1, 12), sp.MatrixSymbol("beta2", 1, 8), sp.MatrixSymbol("b3", 1, 1)
gamma1, gamma2 = sp.MatrixSymbol("gamma1", 1, 12), sp.MatrixSymbol("gamma2", 1, 8)

# What is normalised: the points, and both layers before their ReLU, where beta is the bias: one before batch_norm would
# go with the mean. Mean and variance are symbols: `averages` says what they are in training.
means = [sp.MatrixSymbol(f"mean{k}", 1, columns) for k, columns in enumerate((2, 12, 8))]
variances = [sp.MatrixSymbol(f"variance{k}", 1, columns) for k, columns in enumerate((2, 12, 8))]
Z1 = batch_norm(X, 1, 0, means[0], variances[0]) * W1
Z2 = relu(batch_norm(Z1, gamma1, beta1, means[1], variances[1])) * W2
Z3 = affine(relu(batch_norm(Z2, gamma2, beta2, means[2], variances[2])), W3, b3)
averages = {}
for normalised, mean, variance in zip((X, Z1, Z2), means, variances, strict=True):
    averages |= batch_statistics(normalised, mean, variance)

loss = binary_cross_entropy(Z3, Y, from_logits=True)
without = affine(relu(affine(relu(affine(X, W1, beta1)), W2, beta2)), W3, b3)
plain = binary_cross_entropy(without, Y, from_logits=True)
batch = N


def rings(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Points on two rings, in units that do not suit each other, and the ring that each is on."""
    rng = np.random.default_rng(seed)
    angle, ring = rng.uniform(0.0, 2.0 * np.pi, samples), np.arange(samples) % 2
    radius = 1.0 + ring + rng.normal(0.0, 0.15, samples)
    points = np.column_stack([40.0 + 0.5 * radius * np.cos(angle), 2000.0 * radius * np.sin(angle)])
    return points, ring[:, None].astype(float)


_points, _rings = rings(400, seed=0)
biases = {beta1: np.zeros((1, 12)), beta2: np.zeros((1, 8)), b3: np.zeros((1, 1))}
first = {W: he_normal(W.shape, seed) for seed, W in enumerate((W1, W2, W3))} | biases
params = first | {gamma1: np.ones((1, 12)), gamma2: np.ones((1, 8))}
data = {X: _points, Y: _rings}
optimizer = SGD(lr=0.2)
fit = {"epochs": 60, "batch_size": 100}


def trained(model, start, points, **more) -> Run:
    training = compile_training(model, list(start), list(data), batch=batch, optimizer=optimizer, **more)
    return training.fit({symbol.name: value for symbol, value in start.items()}, {"X": points, "Y": _rings}, **fit)


def runs() -> dict[str, Run]:
    """The same network with batch normalisation, and without it: on standardised points, and on the points."""
    by_hand = (_points - _points.mean(axis=0)) / _points.std(axis=0)
    return {
        "batch norm": trained(loss, params, _points, averages=averages),
        "standardised": trained(plain, first, by_hand),
        "as they are": trained(plain, first, _points),
    }


def classifier(found: dict[str, np.ndarray]):
    """The function from points to logits, by parameters and averages of a run."""
    logits = compile_function(Z3)
    return lambda points: logits(X=points, **found)


def main() -> None:
    found = runs()
    for name, run in found.items():
        print(f"{name:<13} loss" + "".join(f"{run.history.loss[epoch]:9.2g}" for epoch in (0, 9, 19, 59)))
    logits = classifier(found["batch norm"].params)
    points, shown = rings(200, seed=1)
    together = logits(points)
    hits = float(np.mean((together > 0.0) == (shown == 1.0)))
    print(f"{hits:.1%} of {len(points)} points that it has not seen are right")
    alone = np.vstack([logits(point[None]) for point in points])
    if hits < 0.97 or not np.allclose(alone, together, rtol=1e-9):
        raise SystemExit("the network did not learn the rings, or an answer depends on the points beside it")


if __name__ == "__main__":
    main()
