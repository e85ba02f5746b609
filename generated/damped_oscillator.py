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
Operations: value 49, with the derivative 85, 1.73 times as many a sample (in additions).
Target numba, float64. Kinks: zero.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/damped_oscillator.py:loss --wrt A,gamma,omega,phi --batch t,x --reduce mean --target numba
"""

import math

import numpy as np
from numba import njit


@njit(error_model="numpy")
def value(A, gamma, omega, phi, t, x):
    """The value alone."""
    A = float(A)
    gamma = float(gamma)
    omega = float(omega)
    phi = float(phi)
    t = np.asarray(t, np.float64)
    x = np.asarray(x, np.float64)
    samples = len(t)
    if len(x) != samples:
        raise ValueError("x and t must have equally many samples")
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
    A = float(A)
    gamma = float(gamma)
    omega = float(omega)
    phi = float(phi)
    t = np.asarray(t, np.float64)
    x = np.asarray(x, np.float64)
    samples = len(t)
    if len(x) != samples:
        raise ValueError("x and t must have equally many samples")
    total = 0.0
    A_bar_sum = 0.0
    gamma_bar_sum = 0.0
    phi_bar_sum = 0.0
    omega_bar_sum = 0.0
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
        gamma_bar_sum -= v5_bar * v4 * v3 * t[i]
        v6 = v4_bar * A * math.sin(v1)
        phi_bar_sum -= v6
        omega_bar_sum -= v6 * t[i]
    result = total / samples
    A_bar = A_bar_sum / samples
    gamma_bar = gamma_bar_sum / samples
    omega_bar = omega_bar_sum / samples
    phi_bar = phi_bar_sum / samples
    return result, (A_bar, gamma_bar, omega_bar, phi_bar)


@njit(error_model="numpy")
def grad(A, gamma, omega, phi, t, x):
    """The gradient alone."""
    return value_and_grad(A, gamma, omega, phi, t, x)[1]
