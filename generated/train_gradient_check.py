"""loss: value and gradient, by reverse accumulation.

    A1 = tanh(X @ W1 + b1)
    value = (1e-06)*sum(W1**2) + (1e-06)*sum(W2**2) - sum(T*(A1 @ W2 + b2 - logsumexp(A1 @ W2 +
        b2)[:, None]))/N

Arguments:
    T   array of real numbers, shape (N, 3)
    W1  array of real numbers, shape (2, 4)
    W2  array of real numbers, shape (4, 3)
    X   array of real numbers, shape (N, 2)
    b1  array of real numbers, shape (1, 4)
    b2  array of real numbers, shape (1, 3)

Gradient: W1, b1, W2, b2, in this order.
Operations: value 229*N + 48, with the derivative 457*N + 88, 2.00 times as many where every
    length is 1000 (in additions).
Target numpy, float64. Kinks: zero.
Verified when written: value and gradient at 3 points, to 1e-6 beyond rounding, against
    differences of the value in arbitrary precision.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/train_gradient_check.py:loss --wrt W1,b1,W2,b2 --target numpy
"""

import numpy as np


@np.errstate(all="ignore")
def _inputs(T, W1, W2, X, b1, b2):
    """The arguments, cast and checked, and the lengths of their axes."""
    T = np.asarray(T, np.float64)
    if np.ndim(T) != 2:
        raise ValueError("T must have 2 axes")
    W1 = np.asarray(W1, np.float64)
    if np.ndim(W1) != 2:
        raise ValueError("W1 must have 2 axes")
    W2 = np.asarray(W2, np.float64)
    if np.ndim(W2) != 2:
        raise ValueError("W2 must have 2 axes")
    X = np.asarray(X, np.float64)
    if np.ndim(X) != 2:
        raise ValueError("X must have 2 axes")
    b1 = np.asarray(b1, np.float64)
    if np.ndim(b1) != 2:
        raise ValueError("b1 must have 2 axes")
    b2 = np.asarray(b2, np.float64)
    if np.ndim(b2) != 2:
        raise ValueError("b2 must have 2 axes")
    N = T.shape[0]
    if T.shape != (N, 3):
        raise ValueError("T must have shape (N, 3)")
    if W1.shape != (2, 4):
        raise ValueError("W1 must have shape (2, 4)")
    if W2.shape != (4, 3):
        raise ValueError("W2 must have shape (4, 3)")
    if X.shape != (N, 2):
        raise ValueError("X must have shape (N, 2)")
    if b1.shape != (1, 4):
        raise ValueError("b1 must have shape (1, 4)")
    if b2.shape != (1, 3):
        raise ValueError("b2 must have shape (1, 3)")
    return (T, W1, W2, X, b1, b2, N)


@np.errstate(all="ignore")
def value(T, W1, W2, X, b1, b2):
    """The value alone."""
    T, W1, W2, X, b1, b2, N = _inputs(T, W1, W2, X, b1, b2)
    A1 = np.tanh(X @ W1 + b1)
    v1 = A1 @ W2 + b2
    v2 = v1.max(axis=1, initial=-np.inf)
    v3 = np.where(np.abs(v2) < np.inf, v2, 0.0)
    v4 = v1 - (v3 + np.log(np.exp(v1 - v3[:, None]).sum(axis=1)))[:, None]
    result = 1e-06 * np.sum(W1 * W1) + 1e-06 * np.sum(W2 * W2) - np.sum(T * v4) / N
    return result


@np.errstate(all="ignore")
def value_and_grad(T, W1, W2, X, b1, b2):
    """The value and the gradient, sharing their work."""
    T, W1, W2, X, b1, b2, N = _inputs(T, W1, W2, X, b1, b2)
    v1 = X @ W1 + b1
    A1 = np.tanh(v1)
    v2 = A1 @ W2 + b2
    v3 = v2.max(axis=1, initial=-np.inf)
    v4 = np.where(np.abs(v3) < np.inf, v3, 0.0)
    v5 = np.exp(v2 - v4[:, None])
    v6 = v5.sum(axis=1)
    result = 1e-06 * np.sum(W1 * W1) + 1e-06 * np.sum(W2 * W2) - np.sum(T * (v2 - (v4 + np.log(v6))[:, None])) / N

    # Adjoints, from the result back to the inputs.
    v7 = T / N
    v2_bar = v7.sum(axis=1)[:, None] * (v5 / v6[:, None]) - v7  # adjoint of A1 @ W2 + b2
    A1_bar = v2_bar @ W2.T
    W2_bar = A1.T @ v2_bar + 2e-06 * W2
    v8 = np.exp(-np.abs(2.0 * v1))
    v9 = v8 + 1.0
    v1_bar = A1_bar * (4.0 * (v8 / (v9 * v9)))  # adjoint of X @ W1 + b1
    W1_bar = 2e-06 * W1 + X.T @ v1_bar
    b1_bar = v1_bar.sum(axis=0, keepdims=True)
    b2_bar = v2_bar.sum(axis=0, keepdims=True)
    return result, (W1_bar, b1_bar, W2_bar, b2_bar)


def grad(T, W1, W2, X, b1, b2):
    """The gradient alone."""
    return value_and_grad(T, W1, W2, X, b1, b2)[1]
