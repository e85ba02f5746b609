"""loss: value and gradient, by reverse accumulation.

    Z = X @ W + b
    value = -sum(T*(Z - logsumexp(Z)[:, None]))/N

Arguments:
    T  array of real numbers, shape (N, 10)
    W  array of real numbers, shape (64, 10)
    X  array of real numbers, shape (N, 64)
    b  array of real numbers, shape (1, 10)

Gradient: W, b, in this order.
Operations: value 1574*N + 5, with the derivative 2974*N + 5, 1.89 times as many where every
    length is 1000 (in additions).
Target numpy, float64. Kinks: zero.
Verified when written: value and gradient at 3 points, to 1e-6 beyond rounding, against
    differences of the value in arbitrary precision.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/digits.py:loss --wrt W,b --target numpy
"""

import numpy as np


@np.errstate(all="ignore")
def _inputs(T, W, X, b):
    """The arguments, cast and checked, and the lengths of their axes."""
    T = np.asarray(T, np.float64)
    if np.ndim(T) != 2:
        raise ValueError("T must have 2 axes")
    W = np.asarray(W, np.float64)
    if np.ndim(W) != 2:
        raise ValueError("W must have 2 axes")
    X = np.asarray(X, np.float64)
    if np.ndim(X) != 2:
        raise ValueError("X must have 2 axes")
    b = np.asarray(b, np.float64)
    if np.ndim(b) != 2:
        raise ValueError("b must have 2 axes")
    N = T.shape[0]
    if T.shape != (N, 10):
        raise ValueError("T must have shape (N, 10)")
    if W.shape != (64, 10):
        raise ValueError("W must have shape (64, 10)")
    if X.shape != (N, 64):
        raise ValueError("X must have shape (N, 64)")
    if b.shape != (1, 10):
        raise ValueError("b must have shape (1, 10)")
    return (T, W, X, b, N)


@np.errstate(all="ignore")
def value(T, W, X, b):
    """The value alone."""
    T, W, X, b, N = _inputs(T, W, X, b)
    Z = X @ W + b
    z1 = Z.max(axis=1, initial=-np.inf)
    a1 = np.where(np.abs(z1) < np.inf, z1, 0.0)
    Z1 = Z - (a1 + np.log(np.exp(Z - a1[:, None]).sum(axis=1)))[:, None]
    result = -(np.sum(T * Z1) / N)
    return result


@np.errstate(all="ignore")
def value_and_grad(T, W, X, b):
    """The value and the gradient, sharing their work."""
    T, W, X, b, N = _inputs(T, W, X, b)
    Z = X @ W + b
    z1 = Z.max(axis=1, initial=-np.inf)
    a1 = np.where(np.abs(z1) < np.inf, z1, 0.0)
    A1 = np.exp(Z - a1[:, None])
    z2 = A1.sum(axis=1)
    result = -(np.sum(T * (Z - (a1 + np.log(z2))[:, None])) / N)

    # Adjoints, from the result back to the inputs.
    A2 = T / N
    Z_bar = A2.sum(axis=1)[:, None] * (A1 / z2[:, None]) - A2
    W_bar = X.T @ Z_bar
    b_bar = Z_bar.sum(axis=0, keepdims=True)
    return result, (W_bar, b_bar)


def grad(T, W, X, b):
    """The gradient alone."""
    return value_and_grad(T, W, X, b)[1]
