"""Gumbel's distribution, Gompertz' growth and the complementary log-log link, as they are written with their units.

The series that are looked for at infinity ask rows for the exponential of exp(1e12), which no machine has.
"""

from __future__ import annotations

import mpmath as mp
import pytest
import sympy as sp

from symbackprop import check_grad
from symbackprop.ops import REGISTRY

x, m, b, t, A = sp.symbols("x m b t A", real=True)
z = (x - m) / b
FORMS = {
    "Gumbel's distribution": sp.exp(-sp.exp(-z)),
    "its density": sp.exp(-z - sp.exp(-z)) / b,
    "of the smallest": sp.exp(z - sp.exp(z)) / b,
    "its logarithm": sp.log(1 - sp.exp(-sp.exp(z))),
    "Gompertz": A * sp.exp(-sp.exp(m * (b - t) + 1)),
    "a product": sp.exp(-sp.exp(m * t)),
    "the link": 1 - sp.exp(-sp.exp(m * t + b)),
}
AT = {"x": 1.3, "m": 0.4, "b": 1.7, "t": 2.1, "A": 3.0}


@pytest.mark.parametrize("name", FORMS)
def test_it_compiles_and_is_right(name: str) -> None:
    symbols = sorted(FORMS[name].free_symbols, key=str)
    points = [{s.name: AT[s.name] * scale for s in symbols} for scale in (1.0, -1.0, 0.01, 4.0)]
    assert check_grad(FORMS[name], symbols, at=points, accuracy=True).passed


@pytest.mark.parametrize("name", ["double_exponential", "cloglog_inverse", "log_cloglog_inverse", "log_cloglog_slope"])
def test_reference_of_huge_numbers(name: str) -> None:
    """The limit, at once."""
    limit = {"double_exponential": 0, "cloglog_inverse": 1, "log_cloglog_inverse": 0, "log_cloglog_slope": 0}[name]
    assert REGISTRY[name].mpmath(mp.mpf(10) ** 12) == limit
    with pytest.raises(OverflowError):
        REGISTRY[name].mpmath(mp.mpc(1e12, 1e11))
