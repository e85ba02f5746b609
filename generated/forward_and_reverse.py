"""e: value and gradient, by reverse accumulation.

    value = (b + 1)*(a + b)

Arguments:
    a  real number
    b  real number

Gradient: a, b, in this order.
Operations: value 3, with the derivative 4, 1.33 times as many (in additions).
Target numpy, float64. Kinks: zero.
Verified when written: value and gradient at 3 points, to 1e-6 beyond rounding, against
    differences of the value in arbitrary precision.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/forward_and_reverse.py:e --wrt a,b --target numpy
"""

import numpy as np


@np.errstate(all="ignore")
def value(a, b):
    """The value alone."""
    a = np.asarray(a, np.float64)
    b = np.asarray(b, np.float64)
    result = (b + 1.0) * (a + b)
    return result


@np.errstate(all="ignore")
def value_and_grad(a, b):
    """The value and the gradient, sharing their work."""
    a = np.asarray(a, np.float64)
    b = np.asarray(b, np.float64)
    v1 = b + 1.0
    v2 = a + b
    result = v1 * v2

    # Adjoints, from the result back to the inputs.
    b_bar = v1 + v2
    a_bar = v1
    return result, (a_bar, b_bar)


def grad(a, b):
    """The gradient alone."""
    return value_and_grad(a, b)[1]
