"""seed: value and gradient, by reverse accumulation.

    c = a + b
    d = b + 1
    e = c*d
    value = e

Arguments:
    a  real number
    b  real number

Gradient: a, b, in this order.
Operations: value 3, with the derivative 4, 1.33 times as many (in additions).
Target numpy, float64. Kinks: zero.
Verified when written: value and gradient at 3 points, to 1e-6 beyond rounding, against
    differences of the value in arbitrary precision.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/gallery.py:seed --wrt a,b --target numpy
"""

import numpy as np


@np.errstate(all="ignore")
def value(a, b):
    """The value alone."""
    a = np.asarray(a, np.float64)
    b = np.asarray(b, np.float64)
    c = a + b
    d = b + 1.0
    e = c * d
    return e


@np.errstate(all="ignore")
def value_and_grad(a, b):
    """The value and the gradient, sharing their work."""
    a = np.asarray(a, np.float64)
    b = np.asarray(b, np.float64)
    c = a + b
    d = b + 1.0
    e = c * d

    # Adjoints, from the result back to the inputs.
    b_bar = c + d
    a_bar = d
    return e, (a_bar, b_bar)


def grad(a, b):
    """The gradient alone."""
    return value_and_grad(a, b)[1]
