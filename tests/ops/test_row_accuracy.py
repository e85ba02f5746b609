"""Every row to 4 ulp over all doubles: value, first and second partials at 10,000 points (2,000 of a row that no user
writes), against balls.

An ulp is the distance of doubles at the truth, 5e-324 below the normal numbers; an entry of a gradient or Hessian is
measured against itself. What a row that serves the partials of others is held to is its value and gradient: with these
the second partials of what a user writes are known. `TOLERANCES` names what is not within 4 ulp, by how much, and why.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import special

from symbackprop.ops import Op

_path = Path(__file__).parents[1] / "benchmarks" / "row_accuracy.py"
_spec = importlib.util.spec_from_file_location("row_accuracy", _path)
assert _spec is not None and _spec.loader is not None
row_accuracy: Any = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(row_accuracy)

ULPS = 4.0
TINY, HUGE = 2.0**-1022, np.finfo(float).max


@dataclass(frozen=True)
class Tolerance:
    """Ulps of value, first and second partials; an entry whose `terms` cancel is measured against these where they are
    larger; points `outside` are not held to anything."""

    why: str
    ulps: tuple[float, float, float] = (ULPS, ULPS, ULPS)
    terms: dict[str, Callable[..., Any]] = field(default_factory=dict)
    outside: Callable[..., Any] | None = None


def _roundings(ulps: float) -> Tolerance:
    return Tolerance("7 to 9 roundings, each of half an ulp of its own result", (ULPS, ULPS, ulps))


def _served(ulps: float) -> Tolerance:
    return Tolerance("as the second partial of the row that it serves", (ULPS, ulps, ULPS))


def _library(why: str, *ulps: float, **terms: Callable[..., Any]) -> Tolerance:
    return Tolerance(why, (ulps[0], ulps[1], ulps[2]), terms)


def _no_norm(x: Any, y: Any) -> Any:
    norm = np.hypot(x, y)
    denormal = (np.abs(x) < TINY) | (np.abs(y) < TINY)
    return denormal | np.isinf(norm) | np.isinf(x + y) | np.isinf(x - y)


def _bounded(x: Any) -> Any:
    return np.minimum(1 / np.abs(x), 0.5)


def _larger(x: Any, y: Any) -> Any:
    distance = np.abs(x - y)
    return np.maximum(np.abs(np.maximum(x, y)), distance * np.exp(-distance))


def _mixed(x: Any, y: Any) -> Any:
    return np.abs(y * np.log(x)) * x ** (y - 1)


def _denormal(*operands: Any) -> Any:
    return np.any([np.abs(operand) < TINY for operand in operands], axis=0)


def _weights(d: Any, p: Any, q: Any) -> Any:
    """Where a share of an exponential is below the normal numbers, and what is multiplied by it has lost its digits."""
    far = np.abs(np.abs(d) - 725) < 35
    return far | (np.abs(d + np.log(q) - np.log(p)) > 690) | _denormal(p, q)


def _gone(x: Any) -> Any:
    """Where exp(-exp(x)) and its products are below the normal numbers."""
    return np.abs(x - 6.58) < 0.05


def _power_far(x: Any, y: Any, n: Any) -> Any:
    return (np.abs(n * np.log(x / y)) > 690) | _denormal(n)


def _both_shares(x: Any, y: Any, n: Any) -> Any:
    return 1 / (2 + 2 * np.cosh(n * np.log(x / y)))


def _wave(n: Any, x: Any) -> Any:
    # The amplitude of J and Y from the first zero on (DLMF 10.17.3).
    return np.where(x > 0.5, np.sqrt(2 / (np.pi * x)), 0)


def _pole(order: int) -> Callable[[Any], Any]:
    return lambda x: order / np.where(x < 0, np.abs(x - np.round(x)), np.inf) ** (order + 1)


def _digammas(x: Any, y: Any) -> Any:
    """What cancels on both sides of 0, where digammas happen to be the same."""
    apart = (x > 0) != (x + y > 0)
    return np.where(apart, np.abs(special.digamma(x)) + np.abs(special.digamma(x + y)), 0)


def _zeros_between_poles(order: int) -> Callable[[Any, Any], Any]:
    """Left of 0 operands more than half apart may have the same polygamma function; those of one pole have not."""
    pole = _pole(order)
    # The trigamma function is least between two poles: it is the same on both sides of there.
    steep = _pole(order + 1) if order else np.zeros_like
    return lambda x, y: np.where(
        (np.minimum(x, x + y) < 0) & (np.abs(y) > 0.4), 5 + pole(x) + pole(x + y), np.abs(y) * steep(x)
    )


def _near_pole(x: Any, y: Any) -> Any:
    """What the rounding of x + y is there in the trigamma function."""
    total = x + y
    near = np.abs(total - np.round(total))
    return np.where(total < 0.5, (np.abs(x) + np.abs(y)) / near**3, 0)


def _beta_once(x: Any, y: Any) -> Any:
    return special.beta(x, y) * _digammas(x, y)


def _beta_twice(x: Any, y: Any) -> Any:
    """For positive operands what d01 is made of; for others also its part by the rounding of x + y, next to a pole."""
    total, size = x + y, np.abs(special.beta(x, y))
    right = size * (special.digamma(total) ** 2 + special.polygamma(1, np.maximum(total, 1e-300)))
    poles = sum(np.abs(special.digamma(operand)) for operand in (x, y, total)) ** 2
    near = 1 + np.where(total < 0.5, (np.abs(x) + np.abs(y)) / np.abs(total - np.round(total)), 0)
    return np.where(np.minimum(x, y) > 0, right, size * poles * near)


def _beta_left(x: Any, y: Any) -> Any:
    return np.where(np.minimum(x, y) > 0, 0, _beta_twice(x, y))


_WAVES = dict.fromkeys(("value", "d1", "d11"), _wave)
_NORM = Tolerance("a norm that is denormal or overflows has lost its digits; else 6.3", (ULPS, 6.5, 7.0), {}, _no_norm)

TOLERANCES: dict[str, Tolerance] = {
    # Measured: logistic 4.4, csc 4.5, asec 4.2, acsc 4.03, acosh 4.04, csch 4.5, asech 4.4, acoth 4.3, norm_root 4.8.
    **dict.fromkeys(
        ("logistic", "csc", "asec", "acsc", "acosh", "csch", "asech", "acoth", "norm_root"), _roundings(5.0)
    ),
    **dict.fromkeys(("logistic_difference", "cot_slope", "csc_slope", "acoth_slope", "asech_slope"), _served(5.0)),
    **dict.fromkeys(("acsch_slope", "csch_slope"), _served(5.0)),
    "sech": _roundings(6.0),  # 5.6, where it vanishes too
    "sech_slope": _served(6.0),
    "sech_curvature": Tolerance(
        "as sech''; its derivative vanishes at 1.55, between terms of up to 1", (6.0, 6.0, ULPS), {"d0": np.ones_like}
    ),
    # Terms that cancel.
    "fma": Tolerance("two roundings: no target promises one", terms={"value": lambda x, y, t: np.abs(t)}),
    "logaddexp": Tolerance(
        "0 along a curve, where the larger operand cancels; the difference is rounded", terms={"value": _larger}
    ),
    "sinc": Tolerance("sin(x)/x and cos(x)/x cancel", terms={"d0": _bounded, "d00": _bounded}),
    "sinc_slope": Tolerance("as sinc", terms={"value": _bounded, "d0": _bounded}),
    # Corners of the range.
    "div": Tolerance(
        "a quotient that is denormal, or one over a denormal number, has lost its digits",
        outside=lambda x, y: (np.abs(x / y) < TINY) | (np.abs(y) < TINY),
    ),
    "exp2": Tolerance(
        "where the value overflows and the derivative, log(2) of it, would not", outside=lambda x: x >= 1024
    ),
    "pow": Tolerance(
        "1 + y*log(x) vanishes; a denormal y has few digits; d11 in 7 roundings, 4.5",
        (ULPS, ULPS, 5.0),
        {"d01": _mixed},
        lambda x, y: (np.abs(y) < 1e-300) | (x < TINY),
    ),
    **dict.fromkeys(
        ("power_slope", "power_growth"),
        Tolerance(
            "as pow", (ULPS, 5.0, ULPS), {"d0": _mixed, "d1": _mixed}, lambda x, y: (np.abs(y) < 1e-300) | (x < TINY)
        ),
    ),
    **dict.fromkeys(("hypot", "direction_cosine", "atan2", "angle_slope"), _NORM),
    "angle_curvature": Tolerance(
        "a norm below 1e-100 has no third power; terms cancel in the partials",
        (6.5, 8.0, ULPS),
        dict.fromkeys(("d0", "d1"), lambda x, y: 2 / np.hypot(x, y) ** 3),
        lambda x, y: _no_norm(x, y) | (np.hypot(x, y) < 1e-100),
    ),
    "bell": Tolerance("the product with a denormal value", outside=lambda x: (np.abs(x) > 37) & (np.abs(x) < 39)),
    # Compounds.
    **dict.fromkeys(
        ("double_exponential", "double_exponential_slope", "log_cloglog_inverse", "log_cloglog_slope"),
        Tolerance("exp amplifies the rounding of its operand, up to 745 times", (745.0, 745.0, ULPS), {}, _gone),
    ),
    "cloglog_inverse": Tolerance("as double_exponential_slope, its derivative", (ULPS, 745.0, ULPS), {}, _gone),
    "exp_reciprocal": Tolerance("as exp_share", (5.0, 8.0, ULPS), outside=_weights),
    "exp_share": Tolerance("two roots, two quotients, an exponential, a square", (6.0, 8.0, ULPS), outside=_weights),
    "log_exp_sum": Tolerance(
        "x and the logarithm of a rounded sum cancel; the rounding of x - y is amplified up to 745 times",
        (ULPS, 745.0, ULPS),
        {"value": lambda x, p, y, q: 1 + np.abs(np.where(y - x <= 1, x, y))},
        lambda x, p, y, q: _weights(y - x, p, q),
    ),
    "cross_entropy": Tolerance(
        "beyond probabilities it is 0 along a curve; d0 is 0 where logistic(x) is y",
        terms={"value": lambda x, y: np.abs(x * y), "d0": lambda x, y: np.abs(y) / (1 + np.exp(x))},
    ),
    "log_product": Tolerance(
        "0 where the product is 1, which is rounded, or apart the sum of logarithms",
        terms={"value": lambda x, y, t: np.where(np.abs(np.log(np.abs(x * y))) > 660, 700, 1)},
    ),
    **dict.fromkeys(
        ("atan_ratio", "contrast", "proportion"), Tolerance("denormal numbers and quotients", outside=_denormal)
    ),
    "square_contrast": Tolerance("four quotients: 4.9", (ULPS, 6.0, ULPS), outside=_denormal),
    "power_exp": Tolerance(
        "the rounding of a*log(x) + u is amplified up to 745 times, where one factor is beyond 1e290",
        (500.0, 500.0, ULPS),
        outside=lambda x, a, u: (np.abs(a * np.log(x) + u) > 690) | (x < 1e-290) | _denormal(a),
    ),
    "power_share": Tolerance("of x/y, n times", (9.0, 11.0, ULPS), outside=_power_far),
    "power_ratio": Tolerance(
        "of x/y, n times; d0 vanishes between terms of 1/x**2",
        (9.0, 11.0, ULPS),
        {"d0": lambda x, y, n: 1 / (x * x * (1 + (y / x) ** n))},
        _power_far,
    ),
    "power_share_growth": Tolerance(
        "of x/y, n times; d0 and d1 vanish",
        (9.0, 11.0, ULPS),
        {
            "d0": lambda x, y, n: _both_shares(x, y, n) / x,
            "d1": lambda x, y, n: _both_shares(x, y, n) / y,
        },
        _power_far,
    ),
    **dict.fromkeys(
        ("powm1", "pow1p", "pow1pm1"),
        Tolerance(
            "a power, a logarithm, a product, 5.0; denormal factors",
            (6.0, 6.0, ULPS),
            dict.fromkeys(("value", "d0", "d1"), lambda x, y: np.full_like(x, 2.0**-1000)),
            _denormal,
        ),
    ),
    "scaled_integral": Tolerance("products of n + 1 ratios, 10.1 at n = 4", (6.0, 12.0, ULPS)),
    "erfc_hazard": Tolerance("quotients of these integrals, 7.6", (5.0, 9.0, ULPS)),
    "erfc_hazard_slope": Tolerance("differences of these quotients, 38", (9.0, 45.0, ULPS)),
    "log_erfc": Tolerance("as erfc_hazard, 4.4", (ULPS, 5.0, ULPS)),
    "log_half_erfc": Tolerance("SciPy's erfc, 6.1 and 5.1", (8.0, 7.0, ULPS)),
    # Libraries, as measured.
    "erfc": _library("SciPy's erfcx, 6.1", 7.0, 5.0, 7.0),
    "erfcx": _library("SciPy: 7.9; a difference of terms of 1.1", 9.0, 5.0, 5.0, d0=lambda x: 1.1 + 0 * x),
    "erfinv": _library("SciPy's erfcx, 5.9; its square, 14.5", 4.0, 7.0, 16.0),
    "erfinv_slope": _library("as erfinv", 7.0, 16.0, 4.0),
    "erfcinv": _library("SciPy's own, 4.5 around 0.2, and its erfcx", 5.0, 7.0, 16.0),
    "erfcinv_slope": _library("as erfcinv", 7.0, 16.0, 4.0),
    "gamma": _library(
        "SciPy: 4.5; digamma vanishes between poles", 5.0, 10.0, 12.0, d0=lambda x: 3 * np.abs(special.gamma(x))
    ),
    "loggamma": _library(
        "a series and a logarithm that cancel to a third at 1.46, 5.8; SciPy's trigamma, 6.0", 7.0, 4.0, 7.0
    ),
    "log_of_gamma": _library("as loggamma", 7.0, 4.0, 4.0),
    "digamma": _library(
        "SciPy's trigamma, 6.6; zeros between poles",
        9.0,
        8.0,
        9.0,
        value=lambda x: 3 + 0 * x,
        d0=_pole(1),
        d00=_pole(2),
    ),
    "gamma1p": _library(
        "SciPy: 4.7; digamma vanishes between poles", 6.0, 10.0, 4.0, d0=lambda x: 3 * np.abs(x * special.gamma(x))
    ),
    "x_digamma": _library(
        "zeros of digamma and of its slope",
        5.0,
        5.0,
        4.0,
        value=lambda x: 3 * np.abs(x),
        d0=lambda x: 3 + np.abs(x) * _pole(1)(1 + x),
    ),
    "digamma_right": _library("SciPy's trigamma, 4.4", 4.0, 6.0, 6.0),
    "polygamma": _library("SciPy: 6.8, 7.2, 8.5", 8.0, 8.0, 10.0),
    "zeta": _library("SciPy: 6.0; 46 at s = 15.5, a = 0.05", 7.0, 60.0, 60.0),
    "polygamma_difference": _library("nested quotients and SciPy's trigamma, 10.7", 12.0, 12.0, 4.0),
    "beta": Tolerance(
        "SciPy's gamma, 10 ulp up to 20; exp of terms as large as the smaller operand, 206 at 108; d01 cancels. To the"
        " left 107, 87 and 42 against digammas that cancel, and beyond 1e100 overflow",
        (300.0, 300.0, 300.0),
        {
            "d0": _beta_once,
            "d1": lambda x, y: _beta_once(y, x),
            "d00": _beta_left,
            "d01": _beta_twice,
            "d11": _beta_left,
        },
        lambda x, y: np.minimum(np.abs(x), np.abs(y)) < 1e-100,
    ),
    "digamma_difference": Tolerance(
        "zeros between poles; the rounding of x + y in its second partials, which are of no use of their own",
        (5.0, 12.0, ULPS),
        {
            "value": lambda x, y: np.maximum(_zeros_between_poles(0)(x, y), _digammas(x, y)),
            "d0": lambda x, y: _zeros_between_poles(1)(x, y) + np.where(_digammas(x, y), _near_pole(x, y), 0),
            "d1": _near_pole,
        },
        lambda x, y: np.minimum(np.abs(x), np.abs(y)) < 1e-100,
    ),
    "beta1p": _library("SciPy's gamma, 6.5; digammas of both signs where y is near x, 39", 10.0, 60.0, 300.0),
    "beta_regular": _library("as beta", 300.0, 300.0, 300.0),
    "beta_beyond": _library("SciPy: 111", 150.0, 150.0, 4.0),
    "besselj": _library("SciPy: of the amplitude", 30.0, 30.0, 30.0, **_WAVES),
    "bessely": _library("SciPy: of the amplitude", 30.0, 30.0, 30.0, **_WAVES),
    "bessely_powered": _library(
        "as bessely", 30.0, 30.0, 30.0, **dict.fromkeys(("value", "d1"), lambda n, x: x**n * _wave(n, x))
    ),
    "besseli": _library("SciPy: 15", 16.0, 16.0, 16.0),
    "besselk": _library("SciPy: 24, 11, 7.6", 26.0, 13.0, 10.0),
    "lambertw": _library("1 + w has lost 2 bits at -0.3: 9.7", 4.0, 5.0, 12.0),
    "lambertw_share": _library("as lambertw", 5.0, 9.0, 32.0),
    "lambertw_slope": _library("as lambertw", 5.0, 12.0, 4.0),
}


@pytest.mark.parametrize("row", row_accuracy.ROWS, ids=lambda row: row.name)
def test_value_and_partials_over_the_whole_range(row: Op) -> None:
    count = row_accuracy.POINTS if row_accuracy.is_written(row) else row_accuracy.SERVING_POINTS
    found = row_accuracy.measure(row, count)
    assert len(found.points) == count
    tolerance = TOLERANCES.get(row.name, Tolerance(""))
    operands = np.array(found.points).T
    with np.errstate(all="ignore"):
        outside = tolerance.outside(*operands) if tolerance.outside else np.zeros(len(found.points), bool)
        # What is left out is a corner of the range, and no more.
        assert np.mean(outside) < 0.25
        for entry, name in enumerate(row_accuracy.names_of(row)[: row_accuracy.entries_held(row)]):
            allowed = tolerance.ulps[0 if name == "value" else len(name) - 1]
            ulps, truth = found.ulps[:, entry], np.abs(found.nearest[:, entry])
            if name in tolerance.terms:
                terms = np.nan_to_num(np.abs(tolerance.terms[name](*operands)), posinf=HUGE)
                ulps = ulps * (np.spacing(truth) / np.spacing(np.maximum(terms, truth)))
            held = ~np.isnan(ulps) & ~outside
            assert held.sum() >= 0.5 * len(held)
            worst = int(np.argmax(np.where(held, ulps, -1.0)))
            assert ulps[worst] <= allowed, (
                f"{row.name}, {name}: {ulps[worst]:.3g} ulp at {found.points[worst]}, {found.got[worst, entry]!r} for"
                f" {found.nearest[worst, entry]!r}; {np.sum(held & (ulps > allowed))} such points"
            )


def test_every_tolerance_is_needed_by_a_row() -> None:
    assert set(TOLERANCES) <= {row.name for row in row_accuracy.ROWS}
    assert all(tolerance.why for tolerance in TOLERANCES.values())
