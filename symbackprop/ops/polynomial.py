"""Polynomials with literal coefficients, which are the row's attributes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from symbackprop.ops.row import ARITHMETIC, Op


def _derivative(f: Any, z: Any, x: Any) -> Any:
    coefficients = f.attributes(z)
    return f.polynomial(tuple(k * c for k, c in enumerate(coefficients))[1:], x)


def _horner(f: Any, coefficients: tuple[Fraction, ...], x: Any) -> Any:
    """Horner's scheme; in x*x where only even powers occur, or x times that where only odd ones do."""
    if len(coefficients) < 2:
        return f.const(coefficients[0] if coefficients else 0) + 0 * x
    if not any(coefficients[::2]):
        return x * _horner(f, coefficients[1:], x)
    if not any(coefficients[1::2]):
        coefficients, x = coefficients[::2], x * x
    total = f.const(coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = total * x + coefficient if coefficient else total * x
    return total


def _values(coefficients: tuple[Fraction, ...], x: Any) -> Any:
    """In the arithmetic of x: doubles, or mpmath's numbers or balls, of which an array is one of objects."""
    doubles = np.asarray(x).dtype.kind == "f"
    total = 0 * x
    for coefficient in coefficients[::-1]:
        number = float(coefficient) if doubles else (0 * x + coefficient.numerator) / coefficient.denominator
        total = total * x + number
    return total


POLYNOMIAL = Op(
    name="polynomial",
    doc="c0 + c1*x + c2*x**2 + ...",
    partials=(_derivative,),
    define=_horner,
    evaluate=_values,
    # About a dozen multiplications and additions.
    cost=24 * ARITHMETIC,
)
ROWS = (POLYNOMIAL,)
