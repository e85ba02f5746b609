"""Softmax regression on handwritten digits: 1,797 images of 8 x 8 pixels, which scikit-learn ships.

The logits of an image x are Z = x*W + b, its probabilities softmax(Z), and the loss is the mean of -log(the
probability of the right digit). With the right digits as rows of zeros and a one, the adjoint of Z is the textbook's

    Z_bar = (softmax(Z) - T)/N        W_bar = X.T @ Z_bar        b_bar = the sum of the rows of Z_bar

The data are the only thing that needs scikit-learn; the model and its gradient do not:

    pip install 'symbackprop[examples]'

Emit its module:

    symbackprop emit examples/digits.py:loss --wrt W,b
"""

import numpy as np
import sympy as sp

from symbackprop import affine, compile_function, compile_grad, cross_entropy

N = sp.Symbol("N", integer=True, positive=True)
X, T = sp.MatrixSymbol("X", N, 64), sp.MatrixSymbol("T", N, 10)
W, b = sp.MatrixSymbol("W", 64, 10), sp.MatrixSymbol("b", 1, 10)
Z = sp.MatrixSymbol("Z", N, 10)

loss = ([(Z, affine(X, W, b))], [cross_entropy(Z, T)])

_rng = np.random.default_rng(0)
AT = {
    "X": _rng.uniform(0.0, 1.0, (3, 64)),
    "T": np.eye(10)[[7, 2, 2]],
    "W": _rng.normal(0.0, 0.1, (64, 10)),
    "b": _rng.normal(0.0, 0.1, (1, 10)),
}

TRAINING = 1400
RATE = 0.5
STEPS = 400


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Images as rows of 64 numbers from 0 to 1, and the digits that they show, in an order without pattern."""
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise SystemExit(
            "the images come with scikit-learn, which is not installed; run: pip install scikit-learn"
        ) from None
    images, shown = load_digits(return_X_y=True)
    order = np.random.default_rng(1).permutation(len(images))
    return images[order] / 16.0, shown[order]


def main() -> None:
    images, shown = digits()
    g = compile_grad(loss, {"W": W, "b": b}, backend="numpy")
    logits = compile_function([affine(X, W, b)], backend="numpy")
    points, targets = images[:TRAINING], np.eye(10)[shown[:TRAINING]]
    parameters = {"W": np.zeros((64, 10)), "b": np.zeros((1, 10))}
    for step in range(STEPS):
        value, gradient = g.value_and_grad(X=points, T=targets, **parameters)
        for name, entries in gradient.items():
            parameters[name] -= RATE * entries
        if step % 100 == 0:
            print(f"step {step:4}   loss {value:.4f}")
    (scores,) = logits(X=images[TRAINING:], **parameters)
    hits = float(np.mean(scores.argmax(axis=1) == shown[TRAINING:]))
    print(f"{hits:.1%} of {len(scores)} images that it has not seen are right")
    if hits < 0.93:
        raise SystemExit("the regression did not learn the digits")


if __name__ == "__main__":
    main()
