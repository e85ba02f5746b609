"""Backpropagation through a network 2-3-1, beside the derivation by hand.

N samples are the rows of X; the hidden layer is a ReLU, the loss the mean squared error. The steps are let-bound, as
`sympy.cse` returns an expression, so that their names stay in the emitted code:

    Z1 = X*W1 + b1        A1 = max(Z1, 0)        P = A1*W2 + b2        E = P - Y        L = |E|**2 / N

Every adjoint has the shape of what it belongs to, and comes from the one after it:

    E_bar  = 2*E/N                  P_bar = E_bar
    W2_bar = A1.T @ P_bar           b2_bar = the sum of the rows of P_bar
    A1_bar = P_bar @ W2.T           Z1_bar = A1_bar where Z1 > 0, and 0 elsewhere
    W1_bar = X.T @ Z1_bar           b1_bar = the sum of the rows of Z1_bar

Emit its module:

    symbackprop emit examples/two_layer_network.py:loss --wrt W1,b1,W2,b2
"""

# Matrices have upper-case names, as in the derivation.
# ruff: noqa: N803, N806

import numpy as np
import sympy as sp

from symbackprop import affine, compile_grad, mse, relu

N = sp.Symbol("N", integer=True, positive=True)
X, Y = sp.MatrixSymbol("X", N, 2), sp.MatrixSymbol("Y", N, 1)
W1, b1 = sp.MatrixSymbol("W1", 2, 3), sp.MatrixSymbol("b1", 1, 3)
W2, b2 = sp.MatrixSymbol("W2", 3, 1), sp.MatrixSymbol("b2", 1, 1)
Z1, A1, P = sp.MatrixSymbol("Z1", N, 3), sp.MatrixSymbol("A1", N, 3), sp.MatrixSymbol("P", N, 1)

loss = ([(Z1, affine(X, W1, b1)), (A1, relu(Z1)), (P, affine(A1, W2, b2))], [mse(P, Y)])

AT = {
    "X": [[0.5, -1.0], [1.5, 2.0], [-0.25, 0.75], [1.0, 1.0]],
    "Y": [[1.0], [-0.5], [0.25], [2.0]],
    "W1": [[0.45, -0.7, 1.1], [0.3, 0.9, -0.2]],
    "b1": [[0.1, -0.25, 0.3]],
    "W2": [[0.8], [-0.6], [0.5]],
    "b2": [[0.05]],
}


def by_hand(
    X: np.ndarray, Y: np.ndarray, W1: np.ndarray, b1: np.ndarray, W2: np.ndarray, b2: np.ndarray
) -> dict[str, np.ndarray]:
    """The gradient, derived with a pencil."""
    Z1 = X @ W1 + b1
    A1 = np.maximum(Z1, 0.0)
    P = A1 @ W2 + b2

    P_bar = 2.0 * (P - Y) / len(X)
    Z1_bar = (P_bar @ W2.T) * (Z1 > 0.0)
    return {
        "W1": X.T @ Z1_bar,
        "b1": Z1_bar.sum(axis=0, keepdims=True),
        "W2": A1.T @ P_bar,
        "b2": P_bar.sum(axis=0, keepdims=True),
    }


def main() -> None:
    g = compile_grad(loss, {"W1": W1, "b1": b1, "W2": W2, "b2": b2}, backend="numpy")
    rng = np.random.default_rng(0)
    point = {name: np.array(entries) for name, entries in AT.items()}
    # The same function for 4 samples and for 1,000: N is read off the arrays.
    many = {**point, "X": rng.normal(size=(1000, 2)), "Y": rng.normal(size=(1000, 1))}
    for given in (point, many):
        value, ours = g.value_and_grad(**given)
        theirs = by_hand(**given)
        print(f"{len(given['X'])} samples, loss {value:.6f}")
        for name, entries in theirs.items():
            print(f"  {name}_bar by hand        {np.array2string(entries.ravel(), precision=5, suppress_small=True)}")
            print(
                f"  {name}_bar by symbackprop {np.array2string(ours[name].ravel(), precision=5, suppress_small=True)}"
            )
            # The same products in the same order; only the division by N may stand elsewhere.
            if ours[name].shape != entries.shape or not np.allclose(ours[name], entries, rtol=1e-13, atol=1e-15):
                raise SystemExit(f"the gradients in {name} differ")
    print("The gradients agree.")


if __name__ == "__main__":
    main()
