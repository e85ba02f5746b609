"""loss: value and gradient, by reverse accumulation.

    S = Q @ K.T/sqrt(d)
    P = exp(S - logsumexp(S)[:, None])
    O = P @ V
    value = sum((O - Y)**2)/(e*n)

Arguments:
    K  array of real numbers, shape (m, d)
    Q  array of real numbers, shape (n, d)
    V  array of real numbers, shape (m, e)
    Y  array of real numbers, shape (n, e)

Gradient: Q, K, V, in this order.
Operations: value 2*d*m*n + 2*e*m*n + 3*e*n + 31*m*n + 3*n + 9, with the derivative 6*d*m*n +
    6*e*m*n + 8*e*n + 39*m*n + 3*n + 9, 2.99 times as many where every length is 1000 (in
    additions).
Target numpy, float64. Kinks: zero.
Verified when written: value and gradient at 3 points, to 1e-6 beyond rounding, against
    differences of the value in arbitrary precision.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/attention.py:loss --wrt Q,K,V --target numpy
"""

import numpy as np


@np.errstate(all="ignore")
def _inputs(K, Q, V, Y):
    """The arguments, cast and checked, and the lengths of their axes."""
    K = np.asarray(K, np.float64)
    if np.ndim(K) != 2:
        raise ValueError("K must have 2 axes")
    Q = np.asarray(Q, np.float64)
    if np.ndim(Q) != 2:
        raise ValueError("Q must have 2 axes")
    V = np.asarray(V, np.float64)
    if np.ndim(V) != 2:
        raise ValueError("V must have 2 axes")
    Y = np.asarray(Y, np.float64)
    if np.ndim(Y) != 2:
        raise ValueError("Y must have 2 axes")
    m = K.shape[0]
    n = Q.shape[0]
    d = K.shape[1]
    e = V.shape[1]
    if Q.shape != (n, d):
        raise ValueError("Q must have shape (n, d)")
    if V.shape != (m, e):
        raise ValueError("V must have shape (m, e)")
    if Y.shape != (n, e):
        raise ValueError("Y must have shape (n, e)")
    return (K, Q, V, Y, n, d, e)


@np.errstate(all="ignore")
def value(K, Q, V, Y):
    """The value alone."""
    K, Q, V, Y, n, d, e = _inputs(K, Q, V, Y)
    S = Q @ K.T / np.sqrt(d)
    z1 = S.max(axis=1, initial=-np.inf)
    Z1 = S - np.where(np.abs(z1) < np.inf, z1, 0.0)[:, None]
    A1 = np.exp(Z1)
    P = A1 / A1.sum(axis=1)[:, None]
    O = P @ V
    Z2 = O - Y
    result = np.sum(Z2 * Z2) / (e * n)
    return result


@np.errstate(all="ignore")
def value_and_grad(K, Q, V, Y):
    """The value and the gradient, sharing their work."""
    K, Q, V, Y, n, d, e = _inputs(K, Q, V, Y)
    v1 = np.sqrt(d)  # sqrt(d)
    S = Q @ K.T / v1
    z1 = S.max(axis=1, initial=-np.inf)
    Z1 = S - np.where(np.abs(z1) < np.inf, z1, 0.0)[:, None]
    A1 = np.exp(Z1)
    P = A1 / A1.sum(axis=1)[:, None]
    O = P @ V
    Z2 = O - Y
    v2 = e * n
    result = np.sum(Z2 * Z2) / v2

    # Adjoints, from the result back to the inputs.
    O_bar = 2.0 * Z2 / v2
    P_bar = O_bar @ V.T
    V_bar = P.T @ O_bar
    A2 = P_bar * P
    S_bar = A2 - A2.sum(axis=1)[:, None] * P
    A3 = S_bar / v1  # adjoint of Q @ K.T
    Q_bar = A3 @ K
    K_bar = A3.T @ Q
    return result, (Q_bar, K_bar, V_bar)


def grad(K, Q, V, Y):
    """The gradient alone."""
    return value_and_grad(K, Q, V, Y)[1]
