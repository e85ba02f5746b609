"""loss: value and gradient, by reverse accumulation.

    value = (w*x - t)**2

Arguments:
    t  real number
    w  real number
    x  real number

Gradient: w.
Operations: value 3, with the derivative 5, 1.67 times as many (in additions).
Target python, float64. Kinks: zero.
Verified when written: value and gradient at 3 points, to 1e-6 beyond rounding, against
    differences of the value in arbitrary precision.
Written by symbackprop 0.1.0; edits are lost when it is written again.
From: symbackprop emit ../examples/linear_regression.py:loss --wrt w --target python
"""


def value(t, w, x):
    """The value alone."""
    t = float(t)
    w = float(w)
    x = float(x)
    v1 = w * x - t
    result = v1 * v1
    return result


def value_and_grad(t, w, x):
    """The value and the gradient, sharing their work."""
    t = float(t)
    w = float(w)
    x = float(x)
    v1 = w * x - t
    result = v1 * v1

    # Adjoints, from the result back to the inputs.
    w_bar = 2.0 * v1 * x
    return result, w_bar


def grad(t, w, x):
    """The gradient alone."""
    return value_and_grad(t, w, x)[1]
