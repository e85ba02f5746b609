"""Initialisation: whether a signal comes through eight layers of ReLU, and whether they learn.

A layer multiplies the variance of what comes in by inputs*(variance of a weight)/2: the 2 is ReLU's half that is 0.
He's variance 2/inputs keeps it as it is. Xavier's 2/(inputs + outputs) halves it layer by layer here; a hundredth of
He's size leaves nothing to learn from, and zeros never move: every gradient but that of the last bias is 0. Twice
He's size doubles the signal in every layer, and the first step throws it away.

    symbackprop fit examples/train_initialisation.py    # from he_normal

Emit its loop:

    symbackprop emit examples/train_initialisation.py
"""

import numpy as np
import sympy as sp

from symbackprop import (
    SGD,
    Diverged,
    Run,
    affine,
    compile_function,
    compile_training,
    he_normal,
    mse,
    relu,
    xavier_normal,
    zeros,
)

DEPTH, WIDTH = 8, 20
N = sp.Symbol("N", integer=True, positive=True)
X, Y = sp.MatrixSymbol("X", N, WIDTH), sp.MatrixSymbol("Y", N, 1)
weights = [sp.MatrixSymbol(f"W{k}", WIDTH, WIDTH) for k in range(1, DEPTH + 1)] + [sp.MatrixSymbol("V", WIDTH, 1)]
biases = [sp.MatrixSymbol(f"b{k}", 1, WIDTH) for k in range(1, DEPTH + 1)] + [sp.MatrixSymbol("c", 1, 1)]
signals = [sp.MatrixSymbol(f"A{k}", N, WIDTH) for k in range(1, DEPTH + 1)]

into = [X, *signals[:-1]]
layers = [(A, relu(affine(Z, W, b))) for A, Z, W, b in zip(signals, into, weights[:-1], biases[:-1], strict=True)]
loss = (layers, [mse(affine(signals[-1], weights[-1], biases[-1]), Y)])
batch = N


def start(first, size: float = 1.0) -> dict[sp.MatrixSymbol, np.ndarray]:
    """First values: weights by an initialiser, each with a seed of its own, and biases of 0."""
    drawn = {W: size * first(W.shape, seed) for seed, W in enumerate(weights)}
    return drawn | {b: zeros(b.shape) for b in biases}


STARTS = {
    "He": start(he_normal),
    "Xavier": start(xavier_normal),
    "He/100": start(he_normal, 0.01),
    "zeros": start(zeros),
    "2 He": start(he_normal, 2.0),
}

_rng = np.random.default_rng(0)
_points = _rng.normal(0.0, 1.0, (300, WIDTH))
params = STARTS["He"]
data = {X: _points, Y: np.tanh(_points[:, :1] + _points[:, 1:2]) - 0.5 * _points[:, 2:3]}
optimizer = SGD(lr=0.02)
fit = {"epochs": 60, "batch_size": 30}


def sizes() -> dict[str, list[float]]:
    """The standard deviation of the signal behind each layer, before training."""
    through = compile_function((layers, signals), backend="numpy")
    found = {}
    for name, first in STARTS.items():
        given = {symbol.name: first[symbol] for symbol in (*weights[:-1], *biases[:-1])}
        found[name] = [float(np.std(A)) for A in through(X=_points, **given)]
    return found


def runs() -> dict[str, Run | Diverged]:
    """The same training from each start; or what it says where it comes to nothing."""
    training = compile_training(loss, list(params), list(data), batch=batch, optimizer=optimizer)
    given = {symbol.name: value for symbol, value in data.items()}
    found: dict[str, Run | Diverged] = {}
    for name, first in STARTS.items():
        try:
            found[name] = training.fit({symbol.name: value for symbol, value in first.items()}, given, **fit)
        except Diverged as error:
            found[name] = error
    return found


def main() -> None:
    spread, found = sizes(), runs()
    last = {}
    for name, run in found.items():
        print(f"{name:<7} signal {spread[name][0]:.1e} -> {spread[name][-1]:.1e}; ", end="")
        if isinstance(run, Diverged):
            print(str(run).split(";")[0])
        else:
            last[name] = run.history.loss[-1]
            print("loss" + "".join(f"{run.history.loss[epoch]:7.3f}" for epoch in (0, 9, 29, 59)))
    if not 5 * last["He"] < last["He/100"]:
        raise SystemExit("the first values made no difference")


if __name__ == "__main__":
    main()
