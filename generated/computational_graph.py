"""loss: value and gradient, by reverse accumulation.

    y = w*x
    z = y**2
    value = (z - t)**2

Arguments:
    t  real number
    w  real number
    x  real number

Gradient: x, w, in this order.
Operations: value 4, with the derivative 9, 2.25 times as many (in additions).
Target numpy, float64. Kinks: zero.
Verified when written: value and gradient at 3 points, to 1e-6 beyond rounding, against
    differences of the value in arbitrary precision.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/computational_graph.py:loss --wrt x,w --target numpy
"""

import numpy as np


@np.errstate(all="ignore")
def value(t, w, x):
    """The value alone."""
    t = np.asarray(t, np.float64)
    w = np.asarray(w, np.float64)
    x = np.asarray(x, np.float64)
    y = w * x
    z = y * y
    v1 = z - t
    result = v1 * v1
    return result


@np.errstate(all="ignore")
def value_and_grad(t, w, x):
    """The value and the gradient, sharing their work."""
    t = np.asarray(t, np.float64)
    w = np.asarray(w, np.float64)
    x = np.asarray(x, np.float64)
    y = w * x
    z = y * y
    v1 = z - t
    result = v1 * v1

    # Adjoints, from the result back to the inputs.
    z_bar = 2.0 * v1
    y_bar = z_bar * (2.0 * y)
    w_bar = y_bar * x
    x_bar = y_bar * w
    return result, (x_bar, w_bar)


def grad(t, w, x):
    """The gradient alone."""
    return value_and_grad(t, w, x)[1]
