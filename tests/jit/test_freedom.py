"""`contract=True` and `fast_sums=True`: last bits for speed, and no nan or infinity is forgotten."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb

x, y, w = sp.symbols("x y w", real=True)
i, j, n, m = sp.symbols("i j n m", integer=True)
z, A = sp.IndexedBase("z", shape=(n,)), sp.IndexedBase("A", shape=(n, m))
FREEDOMS = [{"contract": True}, {"fast_sums": True}, {"contract": True, "fast_sums": True}]
every_freedom = pytest.mark.parametrize("freedom", FREEDOMS, ids=lambda f: " and ".join(f))

_NESTED = sp.Sum(sp.exp(sp.Sum(A[i, j] * z[i], (j, 0, m - 1)) / 10), (i, 0, n - 1))


def test_a_product_and_a_sum_round_once() -> None:
    f = sb.compile_function(x * y + w, args=[x, y, w], contract=True)
    rng = np.random.default_rng(0)
    differ = 0
    for a, b in rng.uniform(1, 2, (200, 2)):
        c = -a * b
        exact = Fraction(a) * Fraction(b) + Fraction(c)
        assert f(a, b, c) == float(exact)
        differ += float(exact) != 0.0
    assert differ > 100
    column = rng.uniform(1, 2, (3, 100))
    assert np.array_equal(f(*column), [f(*map(float, one)) for one in column.T])


@every_freedom
def test_answers_stay_what_they_are_but_for_last_bits(freedom: dict[str, bool]) -> None:
    rng = np.random.default_rng(1)
    for size in (0, 1, 7, 8, 9, 100):
        given = rng.normal(size=(size, 5)), rng.normal(size=size)
        free, strict = (sb.compile_grad(_NESTED, [A, z], args=[A, z], **options) for options in (freedom, {}))
        for found, wanted in zip(free(*given), strict(*given), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-13, atol=1e-14)  # sums of five terms


@every_freedom
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nothing_is_forgotten(freedom: dict[str, bool], bad: float) -> None:
    rng = np.random.default_rng(2)
    given: list[Any] = [rng.normal(size=(20, 5)), rng.normal(size=20)]
    given[0][13, 2] = bad
    free, strict = (sb.compile_grad(_NESTED, [A, z], args=[A, z], **options) for options in (freedom, {}))
    for found, wanted in zip(free(*given), strict(*given), strict=True):
        assert np.array_equal(np.isnan(found), np.isnan(wanted))
        assert np.array_equal(np.isinf(found), np.isinf(wanted))


def test_code_that_may_contract_is_made_with_effort_at_once() -> None:
    g = sb.compile_grad(x * y + w, [x, y], contract=True, cache=False)
    g(1.0, 2.0, 3.0)
    assert g._runner.direct is not None
    assert not g._runner.direct.natives["value_and_grad"]._hasty


@pytest.mark.parametrize("name", ["contract", "fast_sums"])
@pytest.mark.parametrize("where", [{"backend": "numpy"}, {"route": "njit"}])
def test_elsewhere_they_are_refused(name: str, where: dict[str, str]) -> None:
    with pytest.raises(sb.OptionError, match=f"{name}=True is for machine code"):
        sb.compile_grad(x**2, x, **{name: True}, **where)
