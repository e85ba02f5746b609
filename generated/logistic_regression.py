"""loss: value and gradient, by reverse accumulation.

    value = sum(log(exp(b + sum(w*x, axis=1)) + 1) - (b + sum(w*x, axis=1))*y)/n +
        (1/2)*(lam*sum(w**2))

Arguments:
    b    real number
    lam  real number
    w    array of real numbers, shape (d,)
    x    array of real numbers, shape (n, d)
    y    array of real numbers, shape (n,)

Gradient: w, b, in this order.
Operations: value 2*d*n + 2*d + 50*n + 7, with the derivative 4*d*n + 4*d + 67*n + 7, 1.98 times
    as many where every length is 1000 (in additions).
Target numba, float64. Kinks: zero.
Verified when written: value and gradient at 3 points, to 1e-6 beyond rounding, against
    differences of the value in arbitrary precision.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/logistic_regression.py:loss --wrt w,b --target numba
"""

import math

import numpy as np
from numba import njit


@njit(error_model="numpy")
def _inputs(b, lam, w, x, y):
    """The arguments, cast and checked, and the lengths of their axes."""
    b = float(b)
    lam = float(lam)
    w = np.ascontiguousarray(np.asarray(w, np.float64))
    x = np.ascontiguousarray(np.asarray(x, np.float64))
    y = np.ascontiguousarray(np.asarray(y, np.float64))
    d = w.shape[0]
    n = x.shape[0]
    if x.shape != (n, d):
        raise ValueError("x must have shape (n, d)")
    if y.shape != (n,):
        raise ValueError("y must have shape (n,)")
    return (b, lam, w, x, y, d, n)


@njit(error_model="numpy")
def value(b, lam, w, x, y):
    """The value alone."""
    b, lam, w, x, y, d, n = _inputs(b, lam, w, x, y)
    z1 = np.empty(n, np.float64)
    np.dot(x, w, z1)  # x @ w
    total = 0.0
    for i in range(n):
        v1 = b + z1[i]  # b + x @ w
        v2 = np.maximum(v1, 0.0) + math.log1p(math.exp(-abs(v1)))  # Max(b + x @ w, 0) + log1p(ex...
        total += v2 - v1 * y[i]
    total_2 = 0.0
    for i in range(d):
        total_2 += w[i] * w[i]
    result = total / n + 0.5 * (lam * total_2)
    return result


@njit(error_model="numpy")
def value_and_grad(b, lam, w, x, y):
    """The value and the gradient, sharing their work."""
    b, lam, w, x, y, d, n = _inputs(b, lam, w, x, y)
    z1 = np.empty(n, np.float64)
    z2 = np.empty(d, np.float64)
    np.dot(x, w, z1)  # x @ w

    # Adjoints, from the result back to the inputs.
    total = 0.0
    b_bar = 0.0
    v1_bar = z1  # in the place of z1
    for i in range(n):
        v1 = b + z1[i]  # b + x @ w
        v2 = math.exp(-abs(v1))  # exp(-abs(b + x @ w))
        v3 = np.maximum(v1, 0.0) + math.log1p(v2) - v1 * y[i]
        total += v3
        v1_bar[i] = (v2 if v1 < 0.0 else 1.0) / (v2 + 1.0) / n - y[i] / n  # adjoint of b + x @ w
        b_bar += v1_bar[i]
    total_2 = 0.0
    for i in range(d):
        total_2 += w[i] * w[i]
    result = total / n + 0.5 * (lam * total_2)
    np.dot(v1_bar, x, z2)
    w_bar = z2  # in the place of z2
    for i in range(d):
        w_bar[i] = lam * w[i] + z2[i]  # adjoint of w
    return result, (w_bar, b_bar)


@njit(error_model="numpy")
def grad(b, lam, w, x, y):
    """The gradient alone."""
    return value_and_grad(b, lam, w, x, y)[1]
