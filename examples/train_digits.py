"""A network 64-32-10 on handwritten digits, by Adam on minibatches of 32.

ReLU, softmax and cross-entropy; 1,437 of the 1,797 images that scikit-learn ships are for training. Each of 30 epochs
goes through them in another order, which the seed decides: 45 minibatches, the last of 29 images.

    pip install 'symbackprop[examples]'
    symbackprop fit examples/train_digits.py

Emit its loop:

    symbackprop emit examples/train_digits.py
"""

import numpy as np
import sympy as sp

from symbackprop import Adam, Run, affine, compile_function, compile_training, cross_entropy, he_normal, relu

N = sp.Symbol("N", integer=True, positive=True)
X, T = sp.MatrixSymbol("X", N, 64), sp.MatrixSymbol("T", N, 10)
W1, b1 = sp.MatrixSymbol("W1", 64, 32), sp.MatrixSymbol("b1", 1, 32)
W2, b2 = sp.MatrixSymbol("W2", 32, 10), sp.MatrixSymbol("b2", 1, 10)
A1, Z2 = sp.MatrixSymbol("A1", N, 32), sp.MatrixSymbol("Z2", N, 10)

layers = [(A1, relu(affine(X, W1, b1))), (Z2, affine(A1, W2, b2))]
loss = (layers, [cross_entropy(Z2, T)])
TRAINING = 1437


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images as rows of 64 numbers from 0 to 1, and the digits that they show, in an order without pattern."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        return np.zeros((0, 64)), np.zeros(0, int)
    images, shown = load_digits(return_X_y=True)
    order = np.random.default_rng(1).permutation(len(images))
    return images[order] / 16.0, shown[order]


_images, _shown = digits()
batch = N
params = {W1: he_normal((64, 32), 1), b1: np.zeros((1, 32)), W2: he_normal((32, 10), 2), b2: np.zeros((1, 10))}
# Without the images a file of others may be named: symbackprop fit --data FILE.npz.
data = {X: _images[:TRAINING], T: np.eye(10)[_shown[:TRAINING]]} if len(_images) else [X, T]
optimizer = Adam(lr=0.003)
fit = {"epochs": 30, "batch_size": 32, "seed": 0}


def trained() -> Run:
    if not len(_images):
        raise SystemExit("the images come with scikit-learn, which is not installed; run: pip install scikit-learn")
    training = compile_training(loss, list(params), list(data), batch=batch, optimizer=optimizer)
    start = {symbol.name: value for symbol, value in params.items()}
    return training.fit(start, {symbol.name: value for symbol, value in data.items()}, **fit)


def read(found: dict[str, np.ndarray], images: np.ndarray) -> np.ndarray:
    """The digits that the trained network sees in images."""
    return compile_function((layers, [Z2]))(X=images, **found).argmax(axis=1)


def main() -> None:
    run = trained()
    right = read(run.params, _images[TRAINING:]) == _shown[TRAINING:]
    hits = float(np.mean(right))
    print(f"loss {run.history.loss[0]:.4f} -> {run.history.loss[-1]:.4f} in {run.state.steps} steps")
    print(f"{hits:.1%} of {len(right)} images that it has not seen are right")
    if hits < 0.97:
        raise SystemExit("the network did not learn the digits")


if __name__ == "__main__":
    main()
