"""loss: value and gradient, by reverse accumulation.

    Z1 = X @ W1 + b1
    A1 = Max(Z1, 0)
    P = A1 @ W2 + b2
    value = sum((P - Y)**2)/N

Arguments:
    W1  array of real numbers, shape (2, 3)
    W2  array of real numbers, shape (3, 1)
    X   array of real numbers, shape (N, 2)
    Y   array of real numbers, shape (N, 1)
    b1  array of real numbers, shape (1, 3)
    b2  array of real numbers, shape (1, 1)

Gradient: W1, b1, W2, b2, in this order.
Operations: value 34*N + 4, with the derivative 73*N + 4, 2.15 times as many where every length
    is 1000 (in additions).
Target numpy, float64. Kinks: zero.
Verified when written: value and gradient at 3 points, to 1e-6 beyond rounding, against
    differences of the value in arbitrary precision.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/two_layer_network.py:loss --wrt W1,b1,W2,b2 --target numpy
"""

import numpy as np


@np.errstate(all="ignore")
def _inputs(W1, W2, X, Y, b1, b2):
    """The arguments, cast and checked, and the lengths of their axes."""
    W1 = np.asarray(W1, np.float64)
    if np.ndim(W1) != 2:
        raise ValueError("W1 must have 2 axes")
    W2 = np.asarray(W2, np.float64)
    if np.ndim(W2) != 2:
        raise ValueError("W2 must have 2 axes")
    X = np.asarray(X, np.float64)
    if np.ndim(X) != 2:
        raise ValueError("X must have 2 axes")
    Y = np.asarray(Y, np.float64)
    if np.ndim(Y) != 2:
        raise ValueError("Y must have 2 axes")
    b1 = np.asarray(b1, np.float64)
    if np.ndim(b1) != 2:
        raise ValueError("b1 must have 2 axes")
    b2 = np.asarray(b2, np.float64)
    if np.ndim(b2) != 2:
        raise ValueError("b2 must have 2 axes")
    N = X.shape[0]
    if W1.shape != (2, 3):
        raise ValueError("W1 must have shape (2, 3)")
    if W2.shape != (3, 1):
        raise ValueError("W2 must have shape (3, 1)")
    if X.shape != (N, 2):
        raise ValueError("X must have shape (N, 2)")
    if Y.shape != (N, 1):
        raise ValueError("Y must have shape (N, 1)")
    if b1.shape != (1, 3):
        raise ValueError("b1 must have shape (1, 3)")
    if b2.shape != (1, 1):
        raise ValueError("b2 must have shape (1, 1)")
    return (W1, W2, X, Y, b1, b2, N)


@np.errstate(all="ignore")
def value(W1, W2, X, Y, b1, b2):
    """The value alone."""
    W1, W2, X, Y, b1, b2, N = _inputs(W1, W2, X, Y, b1, b2)
    Z1 = X @ W1 + b1
    A1 = np.maximum(Z1, 0.0)
    P = A1 @ W2 + b2
    v1 = P - Y
    result = np.sum(v1 * v1) / N
    return result


@np.errstate(all="ignore")
def value_and_grad(W1, W2, X, Y, b1, b2):
    """The value and the gradient, sharing their work."""
    W1, W2, X, Y, b1, b2, N = _inputs(W1, W2, X, Y, b1, b2)
    Z1 = X @ W1 + b1
    A1 = np.maximum(Z1, 0.0)
    P = A1 @ W2 + b2
    v1 = P - Y
    result = np.sum(v1 * v1) / N

    # Adjoints, from the result back to the inputs.
    P_bar = 2.0 * v1 / N
    A1_bar = P_bar @ W2.T
    W2_bar = A1.T @ P_bar
    Z1_bar = np.where(Z1 > 0.0, A1_bar, 0.0)
    W1_bar = X.T @ Z1_bar
    b1_bar = Z1_bar.sum(axis=0, keepdims=True)
    b2_bar = P_bar.sum(axis=0, keepdims=True)
    return result, (W1_bar, b1_bar, W2_bar, b2_bar)


def grad(W1, W2, X, Y, b1, b2):
    """The gradient alone."""
    return value_and_grad(W1, W2, X, Y, b1, b2)[1]
