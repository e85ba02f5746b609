"""SymPy classes for the rows that SymPy has none for, and SymPy classes by their dotted name in a row."""

from __future__ import annotations

import importlib
from functools import cache
from typing import Any

import sympy as sp

from symbackprop.ops import REGISTRY, Op


class logistic(sp.Function):  # type: ignore[misc]  # noqa: N801 - SymPy's functions are lower case
    """``1 / (1 + exp(-x))``, right in both tails.

    >>> import sympy as sp
    >>> logistic(sp.Symbol("x")).rewrite(sp.exp)
    1/(1 + exp(-x))
    """

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Any:
        return logistic(self.args[0]) * logistic(-self.args[0])

    def _eval_is_extended_real(self) -> Any:
        return self.args[0].is_extended_real

    def _eval_rewrite_as_exp(self, x: Any, **kwargs: Any) -> Any:
        return 1 / (1 + sp.exp(-x))


class softplus(sp.Function):  # type: ignore[misc]  # noqa: N801
    """``log(1 + exp(x))``, without overflow.

    >>> import sympy as sp
    >>> softplus(sp.Symbol("x")).diff()
    logistic(x)
    """

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Any:
        return logistic(self.args[0])

    def _eval_is_extended_real(self) -> Any:
        return self.args[0].is_extended_real

    def _eval_rewrite_as_exp(self, x: Any, **kwargs: Any) -> Any:
        return sp.log(1 + sp.exp(x))


OWN = {"logistic": logistic, "softplus": softplus}


def resolve(dotted: str) -> Any:
    """The SymPy class that a row names."""
    if dotted.startswith("symbackprop."):
        return OWN[dotted.removeprefix("symbackprop.")]
    module, _, name = f"sympy.{dotted}".rpartition(".")
    return getattr(importlib.import_module(module), name)


@cache
def rows_by_class() -> dict[type, Op]:
    """Every SymPy class that a row claims, with its row."""
    return {resolve(name): row for name, row in REGISTRY.by_sympy.items()}
