"""Symbols and numbers: which are taken, in which order, and how a number is made exact."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import sympy as sp

from symbackprop.ir import Number

NAMED_CONSTANTS: dict[Any, str] = {
    sp.pi: "pi",
    sp.E: "e",
    sp.EulerGamma: "euler_gamma",
    sp.GoldenRatio: "golden_ratio",
    sp.Catalan: "catalan",
    sp.oo: "inf",
    -sp.oo: "-inf",
    sp.nan: "nan",
}


def natural_key(name: str) -> tuple[Any, ...]:
    """Sort key under which x2 comes before x10.

    >>> sorted(["x10", "x2", "a"], key=natural_key)
    ['a', 'x2', 'x10']
    """
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", name)), name


def name_of(symbol: Any) -> str:
    """The name of a symbol, a matrix, an indexed base or an array."""
    return str(symbol.name)


def symbol_key(symbol: Any) -> tuple[Any, ...]:
    """Natural order by name; symbols of one name by their assumptions, dummies by age."""
    declared = sorted((str(key), str(value)) for key, value in symbol.assumptions0.items())
    kind = "" if isinstance(symbol, sp.Symbol) else type(symbol).__name__
    return natural_key(name_of(symbol)), kind, declared, getattr(symbol, "dummy_index", 0)


def in_natural_order(symbols: Iterable[Any]) -> list[Any]:
    return sorted(symbols, key=symbol_key)


def declared_text(symbol: Any) -> str:
    """A symbol as its user declared it, for messages about two that look alike."""
    assumed = getattr(symbol, "_assumptions_orig", {}) if isinstance(symbol, sp.Symbol) else {}
    declared = [key for key, value in sorted(assumed.items()) if value and key != "commutative"]
    kind = type(symbol).__name__
    return f"{kind}({name_of(symbol)!r}{''.join(f', {key}=True' for key in declared)})"


def refusal(symbol: Any) -> str | None:
    """Why this symbol is not taken, or None."""
    if symbol.is_commutative is False:
        return "is non-commutative; the compiler differentiates real, commutative expressions"
    if symbol.is_extended_real is False or (symbol.is_complex and not symbol.is_extended_real):
        return "is declared complex; symbols here are real: declare it with real=True, or without assumptions"
    return None


def exact_number(expr: Any) -> Number | None:
    """A SymPy number as an exact one; None if it has no real value."""
    if expr.is_Rational:
        return Fraction(int(expr.p), int(expr.q))
    if expr.is_Float:
        if not expr.is_finite:
            return {"+inf": "inf", "-inf": "-inf"}.get(str(expr), "nan")
        sign, mantissa, exponent, _ = expr._mpf_
        return Fraction((-1 if sign else 1) * int(mantissa)) * Fraction(2) ** int(exponent)
    return NAMED_CONSTANTS.get(expr)
