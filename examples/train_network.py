"""A network 2-3-1 trained for 100 epochs, beside the loop that one would write by hand in NumPy.

Hidden layer of tanh, output of a number, mean squared error, gradient descent on all samples at once. The emitted loop
holds the lines that stand in `by_hand`, in the same order; the two agree to the last digits.

    symbackprop fit examples/train_network.py

Emit its loop:

    symbackprop emit examples/train_network.py
"""

import numpy as np
import sympy as sp

from symbackprop import SGD, Run, affine, compile_training, mse, tanh, xavier_normal

N = sp.Symbol("N", integer=True, positive=True)
X, Y = sp.MatrixSymbol("X", N, 2), sp.MatrixSymbol("Y", N, 1)
W1, b1 = sp.MatrixSymbol("W1", 2, 3), sp.MatrixSymbol("b1", 1, 3)
W2, b2 = sp.MatrixSymbol("W2", 3, 1), sp.MatrixSymbol("b2", 1, 1)
A1 = sp.MatrixSymbol("A1", N, 3)

loss = ([(A1, tanh(affine(X, W1, b1)))], [mse(affine(A1, W2, b2), Y)])
batch = N
_points = np.random.default_rng(0).uniform(-1.0, 1.0, (40, 2))
params = {W1: xavier_normal((2, 3), 1), b1: np.zeros((1, 3)), W2: xavier_normal((3, 1), 2), b2: np.zeros((1, 1))}
data = {X: _points, Y: np.sin(2.0 * _points[:, :1]) * _points[:, 1:]}
optimizer = SGD(lr=0.1)
fit = {"epochs": 100}


START = {symbol.name: value for symbol, value in params.items()}
GIVEN = {symbol.name: value for symbol, value in data.items()}


def trained() -> Run:
    training = compile_training(loss, list(params), list(data), batch=batch, optimizer=optimizer)
    return training.fit(START, GIVEN, **fit)


def by_hand(W1, b1, W2, b2, X, Y):
    for _ in range(fit["epochs"]):
        A1 = np.tanh(X @ W1 + b1)
        Z2_bar = 2.0 * (A1 @ W2 + b2 - Y) / len(X)
        Z1_bar = (Z2_bar @ W2.T) * (1.0 - A1**2)
        W2, b2 = W2 - 0.1 * A1.T @ Z2_bar, b2 - 0.1 * Z2_bar.sum(axis=0)
        W1, b1 = W1 - 0.1 * X.T @ Z1_bar, b1 - 0.1 * Z1_bar.sum(axis=0)
    return {"W1": W1, "b1": b1, "W2": W2, "b2": b2}


def main() -> None:
    run, hand = trained(), by_hand(**START, **GIVEN)
    distance = max(float(np.max(np.abs(run.params[name] - hand[name]))) for name in hand)
    print(
        f"loss {run.history.loss[0]:.4f} -> {run.history.loss[-1]:.4f}; by hand the parameters differ by {distance:.1e}"
    )
    if distance > 1e-13:
        raise SystemExit("the loop by hand comes out otherwise")


if __name__ == "__main__":
    main()
