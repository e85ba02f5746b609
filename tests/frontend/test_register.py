"""Functions that users bring: by definition, by spelling, by `fdiff`."""

from __future__ import annotations

import math
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import sympy as sp

import symbackprop as sb

x, y = sp.symbols("x y")


class doubled_square(sp.Function):  # noqa: N801 - as SymPy's functions are called
    """2*x**2, whose own derivative is told by fdiff."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Any:
        return 4 * self.args[0]

    def _eval_expand_func(self, **hints: Any) -> Any:
        return 2 * self.args[0] ** 2


class opaque(sp.Function):  # noqa: N801
    """Has a derivative and no value."""

    nargs = 1

    def fdiff(self, argindex: int = 1) -> Any:
        return self.args[0]


@pytest.mark.parametrize("backend", ["python", "numpy", "numba"])
def test_a_class_with_fdiff_and_a_definition(backend: str) -> None:
    g = sb.compile_grad(doubled_square(sp.sin(x)), x, backend=backend)
    assert g.value_and_grad(0.5) == pytest.approx((2 * mp.sin(0.5) ** 2, 4 * mp.sin(0.5) * mp.cos(0.5)), rel=1e-14)
    assert sb.compile_hessian(doubled_square(x), x, backend=backend)(3.0) == 4.0


def test_a_class_without_a_value_is_refused() -> None:
    with pytest.raises(sb.UnsupportedExpression, match=r"register\(opaque"):
        sb.compile_grad(opaque(x))


@pytest.mark.parametrize("backend", ["python", "numpy", "numba"])
def test_a_definition_of_two_arguments(backend: str) -> None:
    area = sp.Function("area")
    sb.register(area, sp.Lambda((x, y), x * y**2))
    g = sb.compile_grad(area(sp.exp(x), y) + x, [x, y], backend=backend)
    assert g(0.0, 3.0) == [10.0, 6.0]


def test_partials_override_the_definition() -> None:
    clipped = sp.Function("clipped")
    sb.register(clipped, lambda t: sp.Max(t, 0), partials=[lambda t: sp.Integer(1)])
    assert sb.compile_grad(clipped(x), x, backend="python")(-1.0) == 1.0


@pytest.mark.parametrize("backend", ["python", "numpy", "numba"])
def test_a_spelling_with_partials(backend: str) -> None:
    normal = sp.Function("normal_cdf")
    sb.register(
        normal,
        spelling={"numpy": "special.ndtr"},
        partials=lambda t: sp.exp(-(t**2) / 2) / sp.sqrt(2 * sp.pi),
        mpmath=mp.ncdf,
    )
    if backend != "numpy":
        with pytest.raises(sb.EmitError, match="normal_cdf"):
            sb.compile_grad(normal(x), x, backend=backend)
        return
    g = sb.compile_grad(normal(x * y), [x, y], backend=backend)
    assert g.value(0.5, 2.0) == pytest.approx(float(mp.ncdf(1)), rel=1e-15)
    assert sb.check_grad(normal(x * y), backend=backend)


@pytest.mark.parametrize(
    ("keywords", "error", "words"),
    [
        ({}, sb.OptionError, "value= or spelling="),
        ({"value": lambda t: t, "spelling": {"numpy": "np.exp"}}, sb.OptionError, "one of the two"),
        ({"spelling": {"numpy": "os.system"}, "partials": lambda t: t}, sb.OptionError, "not of the form"),
        ({"spelling": {"numpy": "np.exp; import os"}, "partials": lambda t: t}, sb.OptionError, "not of the form"),
        ({"spelling": {"numpy": "np.nosuch"}, "partials": lambda t: t}, sb.OptionError, "not of the form"),
        ({"spelling": {"numpy": "math.erf"}, "partials": lambda t: t}, sb.OptionError, "not of the form"),
        ({"value": math.sin}, sb.OptionError, "SymPy expression"),
        ({"value": np.sin}, sb.OptionError, "SymPy expression|computes numbers"),
        ({"spelling": {"numpy": "np.exp"}}, sb.MissingDerivative, "needs partials"),
        ({"value": lambda t: t, "partials": [lambda t: t, lambda t: t]}, sb.OptionError, "2 partials for 1"),
    ],
)
def test_bad_registrations(keywords: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        sb.register(sp.Function("bad"), **keywords)
    with pytest.raises(sb.OptionError, match="Function class"):
        sb.register("name", lambda t: t)


def test_what_is_built_in_stays_what_it_is() -> None:
    with pytest.raises(sb.OptionError, match="built in"):
        sb.register(sp.sin, lambda t: t)


def test_a_wrong_number_of_arguments_is_named() -> None:
    single = sp.Function("single")
    sb.register(single, lambda t: t**2)
    with pytest.raises(sb.UnsupportedExpression, match="registered with 1 argument"):
        sb.compile_grad(single(x, y))


def test_a_definition_may_not_reach_outside_its_arguments() -> None:
    leaky = sp.Function("leaky")
    sb.register(leaky, lambda t: t * y)
    with pytest.raises(sb.UnsupportedExpression, match="no argument of it"):
        sb.compile_grad(leaky(x))
