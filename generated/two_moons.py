"""loss: value and gradient, by reverse accumulation.

    A1 = tanh(X @ W1 + b1)
    A2 = tanh(A1 @ W2 + b2)
    Z3 = A2 @ W3 + b3
    value = sum(softplus(Z3) - Y*Z3)/N

Arguments:
    W1  array of real numbers, shape (2, 10)
    W2  array of real numbers, shape (10, 8)
    W3  array of real numbers, shape (8, 1)
    X   array of real numbers, shape (N, 2)
    Y   array of real numbers, shape (N, 1)
    b1  array of real numbers, shape (1, 10)
    b2  array of real numbers, shape (1, 8)
    b3  array of real numbers, shape (1, 1)

Gradient: W1, b1, W2, b2, W3, b3, in this order.
Operations: value 644*N + 4, with the derivative 1629*N + 4, 2.53 times as many where every
    length is 1000 (in additions).
Target numpy, float64. Kinks: zero.
Verified when written: value and gradient at 3 points, to 1e-6 beyond rounding, against
    differences of the value in arbitrary precision.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/two_moons.py:loss --wrt W1,b1,W2,b2,W3,b3 --target numpy
"""

import numpy as np


@np.errstate(all="ignore")
def _inputs(W1, W2, W3, X, Y, b1, b2, b3):
    """The arguments, cast and checked, and the lengths of their axes."""
    W1 = np.asarray(W1, np.float64)
    if np.ndim(W1) != 2:
        raise ValueError("W1 must have 2 axes")
    W2 = np.asarray(W2, np.float64)
    if np.ndim(W2) != 2:
        raise ValueError("W2 must have 2 axes")
    W3 = np.asarray(W3, np.float64)
    if np.ndim(W3) != 2:
        raise ValueError("W3 must have 2 axes")
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
    b3 = np.asarray(b3, np.float64)
    if np.ndim(b3) != 2:
        raise ValueError("b3 must have 2 axes")
    N = X.shape[0]
    if W1.shape != (2, 10):
        raise ValueError("W1 must have shape (2, 10)")
    if W2.shape != (10, 8):
        raise ValueError("W2 must have shape (10, 8)")
    if W3.shape != (8, 1):
        raise ValueError("W3 must have shape (8, 1)")
    if X.shape != (N, 2):
        raise ValueError("X must have shape (N, 2)")
    if Y.shape != (N, 1):
        raise ValueError("Y must have shape (N, 1)")
    if b1.shape != (1, 10):
        raise ValueError("b1 must have shape (1, 10)")
    if b2.shape != (1, 8):
        raise ValueError("b2 must have shape (1, 8)")
    if b3.shape != (1, 1):
        raise ValueError("b3 must have shape (1, 1)")
    return (W1, W2, W3, X, Y, b1, b2, b3, N)


@np.errstate(all="ignore")
def value(W1, W2, W3, X, Y, b1, b2, b3):
    """The value alone."""
    W1, W2, W3, X, Y, b1, b2, b3, N = _inputs(W1, W2, W3, X, Y, b1, b2, b3)
    A1 = np.tanh(X @ W1 + b1)
    A2 = np.tanh(A1 @ W2 + b2)
    Z3 = A2 @ W3 + b3
    v1 = np.maximum(Z3, 0.0) + np.log1p(np.exp(-np.abs(Z3)))
    result = np.sum(v1 - Y * Z3) / N
    return result


@np.errstate(all="ignore")
def value_and_grad(W1, W2, W3, X, Y, b1, b2, b3):
    """The value and the gradient, sharing their work."""
    W1, W2, W3, X, Y, b1, b2, b3, N = _inputs(W1, W2, W3, X, Y, b1, b2, b3)
    v1 = X @ W1 + b1
    A1 = np.tanh(v1)
    v2 = A1 @ W2 + b2
    A2 = np.tanh(v2)
    Z3 = A2 @ W3 + b3
    v3 = np.exp(-np.abs(Z3))
    v4 = np.maximum(Z3, 0.0) + np.log1p(v3) - Y * Z3
    result = np.sum(v4) / N

    # Adjoints, from the result back to the inputs.
    v5 = np.where(Z3 < 0.0, v3, 1.0) / (v3 + 1.0) / N
    Z3_bar = v5 - Y / N
    A2_bar = Z3_bar @ W3.T
    W3_bar = A2.T @ Z3_bar
    v6 = np.exp(-np.abs(2.0 * v2))
    v7 = v6 + 1.0
    v2_bar = A2_bar * (4.0 * (v6 / (v7 * v7)))  # adjoint of A1 @ W2 + b2
    A1_bar = v2_bar @ W2.T
    W2_bar = A1.T @ v2_bar
    v8 = np.exp(-np.abs(2.0 * v1))
    v9 = v8 + 1.0
    v1_bar = A1_bar * (4.0 * (v8 / (v9 * v9)))  # adjoint of X @ W1 + b1
    W1_bar = X.T @ v1_bar
    b1_bar = v1_bar.sum(axis=0, keepdims=True)
    b2_bar = v2_bar.sum(axis=0, keepdims=True)
    b3_bar = Z3_bar.sum(axis=0, keepdims=True)
    return result, (W1_bar, b1_bar, W2_bar, b2_bar, W3_bar, b3_bar)


def grad(W1, W2, W3, X, Y, b1, b2, b3):
    """The gradient alone."""
    return value_and_grad(W1, W2, W3, X, Y, b1, b2, b3)[1]
