"""loss: value and gradient, by reverse accumulation.

    value = 0.9189385332046728*d - sum(log(sum(exp(a - (d*s + (1/2)*(sum((x[:, None, :] - mu)**2,
        axis=2)*exp((-2)*s)))), axis=1)))/n + log(sum(exp(a)))

Arguments:
    a   array of real numbers, shape (K,)
    mu  array of real numbers, shape (K, d)
    s   array of real numbers, shape (K,)
    x   array of real numbers, shape (n, d)

Gradient: a, mu, s, in this order.
Operations: value 3*K*d*n + 27*K*n + 45*K + 25*n + 31, with the derivative 5*K*d*n + K*d +
    40*K*n + 55*K + 25*n + 31, 1.67 times as many where every length is 1000 (in additions).
Target numba, float64. Kinks: zero.
Verified when written: value and gradient at 3 points, to 1e-6 beyond rounding, against
    differences of the value in arbitrary precision.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/gaussian_mixture.py:loss --wrt a,mu,s --target numba
"""

import math

import numpy as np
from numba import njit


@njit(error_model="numpy")
def _inputs(a, mu, s, x):
    """The arguments, cast and checked, and the lengths of their axes."""
    a = np.ascontiguousarray(np.asarray(a, np.float64))
    mu = np.ascontiguousarray(np.asarray(mu, np.float64))
    s = np.ascontiguousarray(np.asarray(s, np.float64))
    x = np.ascontiguousarray(np.asarray(x, np.float64))
    K = a.shape[0]
    n = x.shape[0]
    d = mu.shape[1]
    if mu.shape != (K, d):
        raise ValueError("mu must have shape (K, d)")
    if s.shape != (K,):
        raise ValueError("s must have shape (K,)")
    if x.shape != (n, d):
        raise ValueError("x must have shape (n, d)")
    return (a, mu, s, x, K, n, d)


@njit(error_model="numpy")
def value(a, mu, s, x):
    """The value alone."""
    a, mu, s, x, K, n, d = _inputs(a, mu, s, x)
    a1 = np.empty(K, np.float64)
    Z1 = np.empty(K, np.float64)
    a2 = np.empty(K, np.float64)
    Z2 = np.empty(K, np.float64)
    x_row = np.empty(d, np.float64)
    v5 = -math.inf
    for i in range(K):
        a1[i] = d * s[i]  # d*s
        a2[i] = math.exp(-2.0 * s[i])
        v5 = np.maximum(v5, a[i])
    total = 0.0
    v6 = v5 if abs(v5) < math.inf else 0.0  # where(abs(max(a)) < inf, max(a), 0)
    total_2 = 0.0
    for i in range(K):
        total_2 += math.exp(a[i] - v6)
    for i in range(n):
        for j in range(d):
            x_row[j] = x[i, j]
        for j in range(K):
            v2 = 0.0
            for k in range(d):
                v1 = x_row[k] - mu[j, k]
                v2 += v1 * v1
            Z1[j] = v2
        v3 = -math.inf
        for j in range(K):
            Z2[j] = a[j] - (a1[j] + 0.5 * (Z1[j] * a2[j]))
            v3 = np.maximum(v3, Z2[j])
        z1 = v3
        a3 = z1 if abs(z1) < math.inf else 0.0
        v4 = 0.0
        for j in range(K):
            v4 += math.exp(Z2[j] - a3)
        z2 = v4
        total += a3 + math.log(z2)
    result = 0.9189385332046728 * d - total / n + (v6 + math.log(total_2))
    return result


@njit(error_model="numpy")
def value_and_grad(a, mu, s, x):
    """The value and the gradient, sharing their work."""
    a, mu, s, x, K, n, d = _inputs(a, mu, s, x)
    a1 = np.empty(K, np.float64)
    Z1 = np.empty((K, d), np.float64)
    Z2 = np.empty(K, np.float64)
    a2 = np.empty(K, np.float64)
    Z3 = np.empty(K, np.float64)
    A1 = np.empty(K, np.float64)
    a4 = np.empty(K, np.float64)
    a1_bar = np.zeros(K, np.float64)
    a2_bar = np.zeros(K, np.float64)
    a5 = np.empty(K, np.float64)
    A2 = np.empty(K, np.float64)
    Z4 = np.zeros((K, d), np.float64)
    x_row = np.empty(d, np.float64)
    v4 = -math.inf
    for i in range(K):
        a1[i] = d * s[i]  # d*s
        a2[i] = math.exp(-2.0 * s[i])
        v4 = np.maximum(v4, a[i])
        a5[i] = 2.0 * a2[i]
    total = 0.0
    v5 = v4 if abs(v4) < math.inf else 0.0  # where(abs(max(a)) < inf, max(a), 0)
    total_2 = 0.0
    for i in range(K):
        a4[i] = math.exp(a[i] - v5)  # exp(a - where(abs(max(a)) < inf, max(a), 0))
        total_2 += a4[i]
    for i in range(n):
        for j in range(d):
            x_row[j] = x[i, j]
        for j in range(K):
            v1 = 0.0
            for k in range(d):
                Z1[j, k] = x_row[k] - mu[j, k]
                v1 += Z1[j, k] * Z1[j, k]
            Z2[j] = v1
        v2 = -math.inf
        for j in range(K):
            Z3[j] = a[j] - (a1[j] + 0.5 * (Z2[j] * a2[j]))
            v2 = np.maximum(v2, Z3[j])
        z1 = v2
        a3 = z1 if abs(z1) < math.inf else 0.0
        v3 = 0.0
        for j in range(K):
            A1[j] = math.exp(Z3[j] - a3)
            v3 += A1[j]
        z2 = v3
        total += a3 + math.log(z2)
        for j in range(K):
            v6 = A1[j] / z2 / n
            a1_bar[j] += v6  # adjoint of d*s
            v7 = 0.5 * v6
            a2_bar[j] += v7 * Z2[j]  # adjoint of exp((-2)*s)
            A2[j] = v7 * a5[j]
        for j in range(K):
            for k in range(d):
                Z4[j, k] += A2[j] * Z1[j, k]
    result = 0.9189385332046728 * d - total / n + (v5 + math.log(total_2))

    # Adjoints, from the result back to the inputs.
    a_bar = a1  # a1 is done with
    s_bar = a5  # a5 is done with
    for i in range(K):
        a_bar[i] = a4[i] / total_2 - a1_bar[i]  # adjoint of a
        s_bar[i] = -2.0 * (a2_bar[i] * a2[i]) + a1_bar[i] * d  # adjoint of s
    mu_bar = Z1  # Z1 is done with
    for i in range(K):
        for j in range(d):
            mu_bar[i, j] = -Z4[i, j]  # adjoint of mu
    return result, (a_bar, mu_bar, s_bar)


@njit(error_model="numpy")
def grad(a, mu, s, x):
    """The gradient alone."""
    return value_and_grad(a, mu, s, x)[1]
