"""error: value and gradient, by reverse accumulation.

    x0 = cos(q2)
    x1 = cos(q4)
    x2 = cos(q6)
    x3 = sin(q6)
    x4 = 0.05*cos(q7)
    x5 = 0.12*x2 - x3*x4 + 0.4
    x6 = sin(q4)
    x7 = sin(q5)
    x8 = 0.05*sin(q7)
    x9 = cos(q5)
    ... and 13 more steps
    value = (x19*x22 - tx - x20*x21)**2 + (x19*x20 - ty + x21*x22)**2 + (0.34 - (tz - x0*(x1*x5 +
        x11*x6 + 0.4) + x13*x18))**2

Arguments:
    q   7 real numbers in an array: q1, q2, q3, q4, q5, q6, q7
    tx  real number
    ty  real number
    tz  real number

Gradient: (q1, q2, q3, q4, q5, q6, q7).
Operations: value 329, with the derivative 426, 1.29 times as many (in additions).
Target numpy, float64. Kinks: zero.
Verified when written: value and gradient at 3 points, to 1e-6 beyond rounding, against
    differences of the value in arbitrary precision.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/robot_arm.py:error --wrt q --args q,tx,ty,tz --target numpy
"""

import numpy as np


@np.errstate(all="ignore")
def value(q, tx, ty, tz):
    """The value alone."""
    q = np.asarray(q, np.float64)
    if np.shape(q) != (7,):
        raise ValueError("q must be 1-D and hold 7 numbers")
    tx = np.asarray(tx, np.float64)
    ty = np.asarray(ty, np.float64)
    tz = np.asarray(tz, np.float64)
    x0 = np.cos(q[1])
    x1 = np.cos(q[3])
    x2 = np.cos(q[5])
    x3 = np.sin(q[5])
    x4 = 0.05 * np.cos(q[6])
    x5 = 0.12 * x2 - x3 * x4 + 0.4
    x6 = np.sin(q[3])
    x7 = np.sin(q[4])
    x8 = 0.05 * np.sin(q[6])
    x9 = np.cos(q[4])
    x10 = 0.12 * x3 + x2 * x4
    x11 = x10 * x9 - x7 * x8
    v1 = x1 * x5 + x11 * x6 + 0.4
    x13 = np.sin(q[1])
    x14 = np.sin(q[2])
    x15 = x10 * x7 + x8 * x9
    x16 = np.cos(q[2])
    x17 = x1 * x11 - x5 * x6
    x18 = x16 * x17 - x14 * x15
    x19 = np.cos(q[0])
    x20 = x14 * x17 + x15 * x16
    x21 = np.sin(q[0])
    x22 = x0 * x18 + v1 * x13
    v2 = x19 * x22 - tx - x20 * x21
    v3 = x19 * x20 - ty + x21 * x22
    v4 = 0.34 - (tz - x0 * v1 + x13 * x18)
    result = v2 * v2 + v3 * v3 + v4 * v4
    return result


@np.errstate(all="ignore")
def value_and_grad(q, tx, ty, tz):
    """The value and the gradient, sharing their work."""
    q = np.asarray(q, np.float64)
    if np.shape(q) != (7,):
        raise ValueError("q must be 1-D and hold 7 numbers")
    tx = np.asarray(tx, np.float64)
    ty = np.asarray(ty, np.float64)
    tz = np.asarray(tz, np.float64)
    q_bar = np.empty(7, np.float64)
    x0 = np.cos(q[1])
    x1 = np.cos(q[3])
    x2 = np.cos(q[5])
    x3 = np.sin(q[5])
    v1 = np.cos(q[6])
    x4 = 0.05 * v1
    x5 = 0.12 * x2 - x3 * x4 + 0.4
    x6 = np.sin(q[3])
    x7 = np.sin(q[4])
    v2 = np.sin(q[6])
    x8 = 0.05 * v2
    x9 = np.cos(q[4])
    x10 = 0.12 * x3 + x2 * x4
    x11 = x10 * x9 - x7 * x8
    v3 = x1 * x5 + x11 * x6 + 0.4
    x13 = np.sin(q[1])
    x14 = np.sin(q[2])
    x15 = x10 * x7 + x8 * x9
    x16 = np.cos(q[2])
    x17 = x1 * x11 - x5 * x6
    x18 = x16 * x17 - x14 * x15
    x19 = np.cos(q[0])
    x20 = x14 * x17 + x15 * x16
    x21 = np.sin(q[0])
    x22 = x0 * x18 + v3 * x13
    v4 = x19 * x22 - tx - x20 * x21
    v5 = x19 * x20 - ty + x21 * x22
    v6 = 0.34 - (tz - x0 * v3 + x13 * x18)
    result = v4 * v4 + v5 * v5 + v6 * v6

    # Adjoints, from the result back to the inputs.
    v6_bar = 2.0 * v6
    v7 = -2.0 * v6
    v5_bar = 2.0 * v5
    v4_bar = 2.0 * v4
    v8 = -2.0 * v4
    x20_bar = v5_bar * x19 + v8 * x21
    x21_bar = v5_bar * x22 + v8 * x20
    x19_bar = v5_bar * x20 + v4_bar * x22
    x22_bar = v5_bar * x21 + v4_bar * x19
    v3_bar = v6_bar * x0 + x22_bar * x13
    x13_bar = v7 * x18 + x22_bar * v3
    x0_bar = v6_bar * v3 + x22_bar * x18
    x18_bar = v7 * x13 + x22_bar * x0
    q_bar[0] = x21_bar * x19 - x19_bar * x21  # adjoint of q1
    x14_bar = x20_bar * x17 - x18_bar * x15
    x15_bar = x20_bar * x16 - x18_bar * x14
    x16_bar = x20_bar * x15 + x18_bar * x17
    x17_bar = x20_bar * x14 + x18_bar * x16
    q_bar[2] = x14_bar * x16 - x16_bar * x14  # adjoint of q3
    x11_bar = x17_bar * x1 + v3_bar * x6
    x6_bar = v3_bar * x11 - x17_bar * x5
    x1_bar = x17_bar * x11 + v3_bar * x5
    x5_bar = v3_bar * x1 - x17_bar * x6
    x7_bar = x15_bar * x10 - x11_bar * x8
    x8_bar = x15_bar * x9 - x11_bar * x7
    x10_bar = x15_bar * x7 + x11_bar * x9
    x9_bar = x15_bar * x8 + x11_bar * x10
    q_bar[4] = x7_bar * x9 - x9_bar * x7  # adjoint of q5
    x3_bar = 0.12 * x10_bar - x5_bar * x4
    x4_bar = x10_bar * x2 - x5_bar * x3
    x2_bar = x10_bar * x4 + 0.12 * x5_bar
    q_bar[6] = 0.05 * x8_bar * v1 - 0.05 * x4_bar * v2  # adjoint of q7
    q_bar[5] = x3_bar * x2 - x2_bar * x3  # adjoint of q6
    q_bar[3] = x6_bar * x1 - x1_bar * x6  # adjoint of q4
    q_bar[1] = x13_bar * x0 - x0_bar * x13  # adjoint of q2
    return result, (q_bar,)


def grad(q, tx, ty, tz):
    """The gradient alone."""
    return value_and_grad(q, tx, ty, tz)[1]
