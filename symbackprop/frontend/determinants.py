"""Determinants and their logarithms, which are taken together: a determinant overflows at a few hundred rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.frontend.shapes import scalar_operands, square
from symbackprop.ops import REGISTRY

if TYPE_CHECKING:
    from symbackprop.frontend.scalar import Build, Translator


def _determinant(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    square(t, expr, expr.arg, operands[0])
    return t.f.det(t.f.wrap(operands[0])).index


def _power_of_determinant(factor: Any) -> tuple[Any, Fraction] | None:
    """(determinant, exponent) of a factor that is a constant power of one, in absolute value or not."""
    exponent = Fraction(1)
    if isinstance(factor, sp.Pow) and factor.exp.is_Rational:
        exponent, factor = Fraction(int(factor.exp.p), int(factor.exp.q)), factor.base
    inner = factor.args[0] if isinstance(factor, sp.Abs) else factor
    return (factor, exponent) if isinstance(inner, sp.Determinant) else None


def _split(expr: Any) -> tuple[list[tuple[Any, Fraction]], list[Any]]:
    """The determinants among the factors of a logarithm's argument, and the other factors."""
    argument = expr.args[0]
    factors = argument.args if isinstance(argument, sp.Mul) else (argument,)
    powers = [(factor, _power_of_determinant(factor)) for factor in factors]
    return [power for _, power in powers if power], [factor for factor, power in powers if not power]


def _matrix(factor: Any) -> Any:
    return factor.args[0].arg if isinstance(factor, sp.Abs) else factor.arg


def _logarithm_operands(expr: Any) -> Sequence[Any]:
    found, others = _split(expr)
    return [*[_matrix(factor) for factor, _ in found], *others] if found else tuple(expr.args)


def _logarithm(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    """log(|det A|**p * |r| * ...), nan where the product is negative; of everything else the plain logarithm."""
    f = t.f
    found, others = _split(expr)
    if not found:
        return f.log(f.wrap(*scalar_operands(t, expr, expr.args, operands))).index
    total, negative = f.const(0), f.const(False)
    for (factor, exponent), operand in zip(found, operands, strict=False):
        square(t, expr, _matrix(factor), operand, "Determinant")
        matrix = f.wrap(operand)
        logarithm = f.log_abs_det(matrix)
        if not isinstance(factor, sp.Abs):
            below = f.lt(f.det_sign(matrix), 0)
            if exponent.denominator != 1:
                logarithm = f.select(below, f.const("nan"), logarithm)
            elif exponent % 2:
                negative = f.logical_xor(negative, below)
        total = total + logarithm * f.const(exponent)
    if others:
        rest = scalar_operands(t, expr, others, operands[len(found) :])
        product = f.wrap(t.apply(REGISTRY["product_of"], rest))
        total, negative = total + f.log(f.abs(product)), f.logical_xor(negative, f.lt(product, 0))
    return f.select(negative, f.const("nan"), total).index


OPERANDS: dict[type, Callable[[Any], Sequence[Any]]] = {
    sp.Determinant: lambda expr: (expr.arg,),
    sp.log: _logarithm_operands,
}
BUILD: dict[type, Build] = {sp.Determinant: _determinant, sp.log: _logarithm}
