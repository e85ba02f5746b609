"""SymPy's special functions that are not one row operand for operand: omitted arguments, branches, orders."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import sympy as sp

from symbackprop.errors import UnsupportedExpression
from symbackprop.frontend.atoms import exact_number
from symbackprop.frontend.problems import short
from symbackprop.ops import REGISTRY

if TYPE_CHECKING:
    from symbackprop.frontend.scalar import Build, Translator


def _zeta(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    return t.apply(REGISTRY["zeta"], operands if len(operands) == 2 else (*operands, t.builder.const(1)))


def _lambertw(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    if len(operands) == 2 and expr.args[1] != 0:
        raise UnsupportedExpression(f"LambertW has its branch 0 only here, not {short(expr.args[1])}")
    return t.apply(REGISTRY["lambertw"], operands[:1])


def _polygamma(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    order = exact_number(expr.args[0]) if expr.args[0].is_number else None
    if not isinstance(order, Fraction) or order.denominator != 1 or order < 0:
        raise UnsupportedExpression(
            f"polygamma needs a constant order 0, 1, 2, ... as its first argument, not {short(expr.args[0])}"
        )
    if order == 0:
        return t.apply(REGISTRY["digamma"], operands[1:])
    return t.apply(REGISTRY["polygamma"], operands)


def _heaviside(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    half = t.builder.const(Fraction(1, 2))
    return t.apply(REGISTRY["heaviside"], operands if len(operands) == 2 else (*operands, half))


def _factorial(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    (n,) = t.values(operands)
    return t.f.gamma(n + 1).index


def _binomial(t: Translator, expr: Any, operands: tuple[int, ...]) -> int:
    n, k = t.values(operands)
    f = t.f
    return (f.gamma(n + 1) / (f.gamma(k + 1) * f.gamma(n - k + 1))).index


BUILD: dict[type, Build] = {
    sp.Heaviside: _heaviside,
    sp.factorial: _factorial,
    sp.binomial: _binomial,
    sp.zeta: _zeta,
    sp.LambertW: _lambertw,
    sp.polygamma: _polygamma,
}
