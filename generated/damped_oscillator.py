"""loss: value and gradient, by reverse accumulation.

    value = (A*cos(phi + omega*t)*exp(-gamma*t) - x)**2

Arguments:
    A      real number
    gamma  real number
    omega  real number
    phi    real number
    t      real numbers, one a sample, shape (samples,)
    x      real numbers, one a sample, shape (samples,)

Gradient: A, gamma, omega, phi, in this order.
The results are the mean over all samples.
Operations: value 49, with the derivative 82, 1.67 times as many a sample (in additions).
Target numba, float64. Kinks: zero.
Verified when written: value and gradient at 3 samples, to 1e-6 beyond rounding, against
    differences of the value in arbitrary precision.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/damped_oscillator.py:loss --wrt A,gamma,omega,phi --batch t,x --reduce mean --target numba
"""

import math

import numpy as np
from numba import njit


@njit(error_model="numpy")
def _inputs(A, gamma, omega, phi, t, x):
    """The arguments, cast and checked, and the lengths of their axes."""
    A = float(A)
    gamma = float(gamma)
    omega = float(omega)
    phi = float(phi)
    t = np.ascontiguousarray(np.asarray(t, np.float64))
    x = np.ascontiguousarray(np.asarray(x, np.float64))
    samples = t.shape[0]
    if x.shape != (samples,):
        raise ValueError("x must have shape (samples,)")
    return (A, gamma, omega, phi, t, x, samples)


@njit(error_model="numpy")
def value(A, gamma, omega, phi, t, x):
    """The value alone."""
    A, gamma, omega, phi, t, x, samples = _inputs(A, gamma, omega, phi, t, x)
    total = 0.0
    for i in range(samples):
        v1 = A * math.cos(phi + omega * t[i]) * math.exp(-(gamma * t[i]))
        v2 = v1 - x[i]  # A*cos(phi + omega*t)*exp(-gamma*t) - x
        total += v2 * v2
    result = total / samples
    return result


@njit(error_model="numpy")
def value_and_grad(A, gamma, omega, phi, t, x):
    """The value and the gradient, sharing their work."""
    A, gamma, omega, phi, t, x, samples = _inputs(A, gamma, omega, phi, t, x)
    total = 0.0
    A_bar_sum = 0.0
    v6 = 0.0
    v8 = 0.0
    v9 = 0.0
    for i in range(samples):
        v1 = phi + omega * t[i]
        v2 = math.cos(v1)  # cos(phi + omega*t)
        v3 = math.exp(-(gamma * t[i]))
        v4 = A * v2  # A*cos(phi + omega*t)
        v5 = v4 * v3 - x[i]  # A*cos(phi + omega*t)*exp(-gamma*t) - x
        total += v5 * v5

        # Adjoints, from the result back to the inputs.
        v5_bar = 2.0 * v5  # adjoint of A*cos(phi + omega*t)*exp(-gamma*t) - x
        v4_bar = v5_bar * v3  # adjoint of A*cos(phi + omega*t)
        A_bar_sum += v4_bar * v2
        v6 += v5_bar * v4 * v3 * t[i]
        v7 = v4_bar * A * math.sin(v1)
        v8 += v7
        v9 += v7 * t[i]
    result = total / samples
    A_bar = A_bar_sum / samples
    gamma_bar = -(v6 / samples)
    omega_bar = -(v9 / samples)
    phi_bar = -(v8 / samples)
    return result, (A_bar, gamma_bar, omega_bar, phi_bar)


@njit(error_model="numpy")
def grad(A, gamma, omega, phi, t, x):
    """The gradient alone."""
    return value_and_grad(A, gamma, omega, phi, t, x)[1]
