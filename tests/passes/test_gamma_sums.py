"""Log-likelihoods of counts: sums of logarithms of gamma functions, as the field writes them, far into their limits."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest
import sympy as sp
from sympy import Rational, Symbol, digamma, log, loggamma, pi

from symbackprop import compile_grad, compile_hessian

_path = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _path)
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)
assert_right_at, rows = accuracy.assert_right_at, accuracy.rows

a, m, y, r, n, k, p, x, b = (Symbol(name, positive=True) for name in ("a", "m", "y", "r", "n", "k", "p", "x", "b"))
Point = dict[Symbol, float]

COUNTS = [(mean, count) for mean in (0.3, 4.0, 200.0) for count in (1.0, 3.0, 50.0)]
DISPERSIONS = [{a: size, m: mean, y: count} for size in (1e-12, 1e-8, 1e-4, 0.1, 30.0) for mean, count in COUNTS]
SIZES = [{r: 1 / point[a], m: point[m], y: point[y]} for point in DISPERSIONS]
CHOSEN = ((1.0, 2.0), (3.0, 10.0), (5e5, 1e6), (3.0, 1e12), (999999.0, 1e6), (2.5, 7.25))
FREEDOM = [{n: degrees, x: at} for degrees in (0.3, 3.0, 30.0, 1e5, 1e12) for at in (1e-9, 0.3, 10.0)]
STEPS = [{x: at, k: by} for at in (1e-9, 1e-3, 1.0, 30.0, 1e6, 1e12) for by in (1e-9, 1e-3, 1.0, 5.0, 1e9)]
FORMS: dict[str, tuple[sp.Expr, list[Point], str]] = {
    "negative binomial, by its dispersion": (
        loggamma(y + 1 / a) - loggamma(1 / a) - (y + 1 / a) * log(1 + a * m) + y * log(a * m),
        DISPERSIONS,
        "log_rising_scaled",
    ),
    "with its factorial, in one logarithm": (
        loggamma(y + 1 / a) - loggamma(1 / a) - loggamma(y + 1) - log(1 + a * m) / a + y * log(a * m / (1 + a * m)),
        DISPERSIONS,
        "log_rising_scaled",
    ),
    "by its size": (
        loggamma(y + r) - loggamma(r) - loggamma(y + 1) + r * log(r / (r + m)) + y * log(m / (r + m)),
        SIZES,
        "log_rising_scaled",
    ),
    "binomial": (
        loggamma(n + 1) - loggamma(k + 1) - loggamma(n - k + 1) + k * log(p) + (n - k) * log(1 - p),
        [{k: few, n: of, p: chance} for few, of in CHOSEN for chance in (1e-9, 0.3, 0.99)],
        "log_binomial",
    ),
    "Student's t": (
        loggamma((n + 1) / 2) - loggamma(n / 2) - log(n * pi) / 2 - (n + 1) / 2 * log(1 + x**2 / n),
        FREEDOM,
        "",
    ),
    "difference of digammas": (digamma(x + k) - digamma(x), STEPS, "digamma_difference"),
    "Dirichlet and multinomial": (
        loggamma(a) - loggamma(a + n) + loggamma(a * p + k) - loggamma(a * p),
        [{a: size, n: 10.0, k: 3.0, p: 0.3} for size in (1e-3, 1.0, 1e5)],
        "log_rising",
    ),
}


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("name", FORMS)
def test_sums_of_logarithms_of_gamma_functions(name: str, backend: str) -> None:
    """The negative binomial's slope in a was -1.9e9 for -0.255 at 1e-12, the binomial's in n lost 5e12 ulp at 1e12."""
    expr, points, row = FORMS[name]
    assert not row or row in rows(expr)
    assert_right_at(expr, points, backend)


def test_second_derivatives_near_the_limit() -> None:
    """The sum over k < y of log(1 + k*a), less (y + 1/a)*log(1 + a*m), has polynomials for derivatives at a = 0."""
    expr, _, _ = FORMS["negative binomial, by its dispersion"]
    hessian = compile_hessian(expr, [a, m, y], args=[a, m, y], backend="numpy")
    for mean, count in COUNTS:
        found = np.asarray(hessian(1e-14, mean, count), float)
        squares = (count - 1) * count * (2 * count - 1) / 6
        np.testing.assert_allclose(found[0, 0], count * mean**2 - 2 * mean**3 / 3 - squares, rtol=1e-9)
        np.testing.assert_allclose(found[0, 1], mean - count, rtol=1e-10)


def test_at_the_limit_itself_and_where_there_is_no_value() -> None:
    terms = loggamma(y + 1 / a) - loggamma(1 / a) + y * log(a * m)
    for backend in ("numpy", "numba"):
        compiled = compile_grad(terms, [a, m, y], args=[a, m, y], backend=backend)
        value, slopes = compiled.value_and_grad(0.0, 2.0, 3.0)
        np.testing.assert_allclose([value, *slopes], [3 * math.log(2), 3.0, 1.5, math.log(2)], rtol=1e-15)
        for point in ((-1.0, 2.0, 3.0), (math.nan, 2.0, 3.0), (0.5, math.nan, 3.0), (0.5, 2.0, math.nan)):
            assert math.isnan(compiled.value_and_grad(*point)[0])


def test_all_or_none_of_a_sample_is_one_way_to_choose() -> None:
    compiled = compile_grad(
        loggamma(n + 1) - loggamma(k + 1) - loggamma(n - k + 1), [k, n], args=[k, n], backend="numpy"
    )
    assert compiled.value_and_grad(0.0, 5.0)[0] == compiled.value_and_grad(5.0, 5.0)[0] == 0.0


def test_neighbours_are_a_logarithm() -> None:
    assert rows(loggamma(x + 1) - loggamma(x)) == rows(loggamma(x) - loggamma(x + 1)) - {"neg"} == {"input", "log"}


def test_terms_meet_across_a_sum_in_any_order() -> None:
    """Pairs that stand together are not always those that cancel."""
    expr = 2 * loggamma(a + k) - 2 * loggamma(b) + x - 2 * loggamma(a) + 2 * loggamma(b + n)
    assert rows(expr) >= {"log_rising"} and not rows(expr) & {"loggamma", "log_beta"}
    assert_right_at(expr, [{a: 1e6, b: 1e7, k: 3.0, n: 2.0, x: 0.5}], "numpy")


@pytest.mark.parametrize("sign", [1, -1])
def test_a_multiple_of_the_logarithm_of_a_share(sign: int) -> None:
    """r*log(r/(r + m)) tends to -m, and its slope to m**2/(2*r**2): it had lost 2e8 ulp at r = 1e8."""
    points = [{r: size, m: mean} for size in (1e-9, 1.0, 1e3, 1e8, 1e12) for mean in (0.3, 4.0, 200.0)]
    for expr in (r * log(r / (r + m)), r * (log(r) - log(r + m)), r * log(r) - r * log(r + m), r * log((m + r) / r)):
        assert_right_at(sign * expr, points, "numpy")


def test_student_of_half_a_step() -> None:
    """Half a step of a gamma function over a root, in the letters of a chi distribution."""
    expr = loggamma((n + 1) / 2) - loggamma(n / 2) - Rational(1, 2) * log(n / 2)
    assert_right_at(expr, [{n: degrees} for degrees in (0.5, 7.0, 1e4, 1e9)], "numpy")
