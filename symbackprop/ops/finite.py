"""Which rows make no infinity and no nan out of finite numbers, overflow of a sum or a product aside."""

from __future__ import annotations

from symbackprop.ops import REGISTRY

_MOVING = ("broadcast", "transpose", "reshape", "slice", "diagonal", "pad", "concatenate", "gather", "diagonalize")
_LINEAR = ("add", "sub", "mul", "neg", "contract", "reduce_sum", "scatter_add", "add_diagonal", "one_minus_square")
_STEPPED = ("abs", "maximum", "minimum", "sign", "floor", "ceiling", "frac", "heaviside", "reduce_max", "reduce_min")
_BOUNDED = ("sin", "cos", "sech", "tanh", "logistic", "atan", "erf", "erfc", "sinc", "direction_cosine", "softmax")
_GIVEN = ("const", "input", "length", "to_real")

FINITE = frozenset(
    REGISTRY[name] for name in (*_MOVING, *_LINEAR, *_STEPPED, *_BOUNDED, *_GIVEN, "cbrt", "hypot", "select")
)
"""Their values are finite. What is selected counts as finite: an arm that is not taken has left no trace in it."""
SMOOTH = frozenset(
    REGISTRY[name]
    for name in (*_GIVEN, "add", "sub", "mul", "neg", "sin", "cos", "exp", "sinh", "cosh", "tanh", "logistic", "atan")
)
"""Their values and all their derivatives are finite."""
