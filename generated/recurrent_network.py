"""loss: value and gradient, by reverse accumulation.

    H = scan(h0[0, :], X, U, W, b)[1:, :]
    P = H @ V + c
    value = sum((P - Y)**2)/(T*e)

Arguments:
    U   array of real numbers, shape (d, k)
    V   array of real numbers, shape (k, e)
    W   array of real numbers, shape (k, k)
    X   array of real numbers, shape (T, d)
    Y   array of real numbers, shape (T, e)
    b   array of real numbers, shape (1, k)
    c   array of real numbers, shape (1, e)
    h0  array of real numbers, shape (1, k)

Gradient: W, U, b, V, c, in this order.
Operations: value 2*T*d*k + 2*T*e*k + 2*T*k*k + T*d + 4*T*e + 22*T*k + 5, with the derivative
    8*T*d*k + 6*T*e*k + 10*T*k*k + 2*T*d + 10*T*e + 92*T*k + T + 5, 4.00 times as many where
    every length is 1000 (in additions).
Target numpy, float64. Kinks: zero.
Verified when written: value and gradient at 3 points, to 1e-6 beyond rounding, against
    differences of the value in arbitrary precision.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/recurrent_network.py:loss --wrt W,U,b,V,c --target numpy
"""

import numpy as np


@np.errstate(all="ignore")
def _inputs(U, V, W, X, Y, b, c, h0):
    """The arguments, cast and checked, and the lengths of their axes."""
    U = np.asarray(U, np.float64)
    if np.ndim(U) != 2:
        raise ValueError("U must have 2 axes")
    V = np.asarray(V, np.float64)
    if np.ndim(V) != 2:
        raise ValueError("V must have 2 axes")
    W = np.asarray(W, np.float64)
    if np.ndim(W) != 2:
        raise ValueError("W must have 2 axes")
    X = np.asarray(X, np.float64)
    if np.ndim(X) != 2:
        raise ValueError("X must have 2 axes")
    Y = np.asarray(Y, np.float64)
    if np.ndim(Y) != 2:
        raise ValueError("Y must have 2 axes")
    b = np.asarray(b, np.float64)
    if np.ndim(b) != 2:
        raise ValueError("b must have 2 axes")
    c = np.asarray(c, np.float64)
    if np.ndim(c) != 2:
        raise ValueError("c must have 2 axes")
    h0 = np.asarray(h0, np.float64)
    if np.ndim(h0) != 2:
        raise ValueError("h0 must have 2 axes")
    d = U.shape[0]
    k = V.shape[0]
    T = X.shape[0]
    e = V.shape[1]
    if U.shape != (d, k):
        raise ValueError("U must have shape (d, k)")
    if W.shape != (k, k):
        raise ValueError("W must have shape (k, k)")
    if X.shape != (T, d):
        raise ValueError("X must have shape (T, d)")
    if Y.shape != (T, e):
        raise ValueError("Y must have shape (T, e)")
    if b.shape != (1, k):
        raise ValueError("b must have shape (1, k)")
    if c.shape != (1, e):
        raise ValueError("c must have shape (1, e)")
    if h0.shape != (1, k):
        raise ValueError("h0 must have shape (1, k)")
    return (U, V, W, X, Y, b, c, h0, k, T, e)


@np.errstate(all="ignore")
def value(U, V, W, X, Y, b, c, h0):
    """The value alone."""
    U, V, W, X, Y, b, c, h0, k, T, e = _inputs(U, V, W, X, Y, b, c, h0)
    h_states = np.empty((T + 1, k), np.float64)
    h_states[0] = h0[0]
    for t in range(T):
        h = h_states[t]
        A1 = np.tanh(X[t][None] @ U + h[None] @ W + b)
        h_states[t + 1] = A1[0]
    P = h_states[1:] @ V + c
    Z1 = P - Y
    result = np.sum(Z1 * Z1) / (T * e)
    return result


@np.errstate(all="ignore")
def value_and_grad(U, V, W, X, Y, b, c, h0):
    """The value and the gradient, sharing their work."""
    U, V, W, X, Y, b, c, h0, k, T, e = _inputs(U, V, W, X, Y, b, c, h0)
    h_states = np.empty((T + 1, k), np.float64)
    h_states[0] = h0[0]
    for t in range(T):
        h = h_states[t]
        A1 = np.tanh(X[t][None] @ U + h[None] @ W + b)
        h_states[t + 1] = A1[0]
    P = h_states[1:] @ V + c
    Z1 = P - Y
    v1 = T * e
    result = np.sum(Z1 * Z1) / v1

    # Adjoints, from the result back to the inputs.
    P_bar = 2.0 * Z1 / v1
    Z2 = P_bar @ V.T
    V_bar = h_states[1:].T @ P_bar
    h_states_bar = np.zeros((T + 1, k), np.float64)
    h_states_bar[1:] = Z2
    h_bar_states = np.empty((T + 1, k), np.float64)
    h_bar_states[0] = h_states_bar[T]
    for t_2 in range(T):
        h_bar = h_bar_states[t_2]
        v2 = T - 1 - t_2
        Z3 = X[v2][None] @ U + h_states[v2][None] @ W
        A2 = np.exp(-np.abs(2.0 * (Z3 + b)))
        Z4 = A2 + 1.0
        z1 = W @ (h_bar[None] * (4.0 * (A2 / (Z4 * Z4))))[0]
        z2 = h_states_bar[v2] + z1
        h_bar_states[t_2 + 1] = z2
    A3 = np.abs(2.0 * ((X @ U + h_states[:T] @ W)[:, None] + b))
    A4 = np.exp(-A3)
    Z5 = A4 + 1.0
    A5 = h_bar_states[:T][::-1][:, None] * (4.0 * (A4 / (Z5 * Z5)))
    U_bar = X.T @ A5[:, 0]
    W_bar = h_states[:T].T @ A5[:, 0]
    b_bar = A5.sum(axis=0)
    c_bar = P_bar.sum(axis=0, keepdims=True)
    return result, (W_bar, U_bar, b_bar, V_bar, c_bar)


def grad(U, V, W, X, Y, b, c, h0):
    """The gradient alone."""
    return value_and_grad(U, V, W, X, Y, b, c, h0)[1]
