"""A few hundred compositions: reverse against forward mode, SymPy's own derivative, and mpmath at 50 digits.

The oracle is SymPy's expression printed for mpmath and differenced there; nothing of the compiler takes part in it.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import sympy as sp

from symbackprop import compile_hessian, compile_jvp, compile_vjp
from symbackprop.frontend.functions import resolve
from symbackprop.ops import REGISTRY, Op

X, Y = sp.symbols("x y", real=True)
DIGITS, STEP = 50, mp.mpf(10) ** -12

# The rounding of an inner argument is amplified by the condition of the outer function, which over these domains is
# below 10**4 at first and second order (tan at 1.4, gamma at 6, quotients at 0.2): 10**4 ulp of the largest entry.
RTOL = 1e4 * 2.0**-52

BY_HAND: dict[str, Callable[..., Any]] = {
    "div": lambda x, y: x / y,
    "pow": lambda x, y: x**y,
    "maximum": sp.Max,
    "minimum": sp.Min,
    "select": lambda c, x, y: sp.Piecewise((x, c > sp.Rational(1, 2)), (y, True)),
}
# Sums, differences, products and signs occur in every template below.
IN_EVERY_TEMPLATE = {"add", "sub", "mul", "neg"}
STRUCTURAL = {"const", "input", "length", "sum_of", "product_of", "reduce_sum", "broadcast"}
# A row without a class serves only the partials of others, and is reached through these.
ROWS = [
    row
    for row in REGISTRY
    if row.result == "real" and row.name not in STRUCTURAL | IN_EVERY_TEMPLATE and (row.sympy or row.name in BY_HAND)
]

TEMPLATES: dict[str, Callable[[Any, Any], Any]] = {
    "product": lambda g, h: X * Y * g,
    "quotient": lambda g, h: g / (2 + X**2 * Y**2),
    "sum": lambda g, h: g + X**3 * Y - 2 * g * Y,
    "power": lambda g, h: g**2 * sp.sqrt(1 + Y**2),
    "shared": lambda g, h: g * h + sp.sin(g - h),
    "nested": lambda g, h: sp.atan(g) * sp.exp(-(h**2) / 4),
}


def inside(interval: tuple[float, float], wave: Any) -> Any:
    """An expression that stays inside an interval, 2 % away from its ends; an order stays what it is."""
    low, high = (sp.Rational(str(end)) for end in interval)
    return low if low == high else (low + high) / 2 + (high - low) * sp.Rational(48, 100) * sp.sin(wave)


def applied(row: Op, waves: list[Any]) -> Any:
    build = BY_HAND.get(row.name) or resolve(row.sympy[0])
    return build(*[inside(interval, wave) for interval, wave in zip(row.domain, waves, strict=True)])


@dataclass(frozen=True)
class Composition:
    name: str
    row: Op
    expr: Any

    def points(self, count: int) -> list[tuple[float, float]]:
        rng = random.Random(self.name)
        return [(rng.uniform(0.2, 1.3), rng.uniform(-1.4, 1.4)) for _ in range(count)]


def compositions() -> list[Composition]:
    found = []
    for row in ROWS:
        waves = [X + Y, X * Y - 1, Y - X][: len(row.domain)]
        missing = {i for i, partial in enumerate(row.partials) if partial is None and row.missing}
        # Without a derivative there: a fixed number out of the middle of the domain.
        first = [sp.asin(sp.Rational(1, 5)) if i in missing else wave for i, wave in enumerate(waves)]
        second = [wave if i in missing else wave + X**2 / 3 for i, wave in enumerate(first)]
        g, h = applied(row, first), applied(row, second)
        found.extend(Composition(f"{name} of {row.name}", row, make(g, h)) for name, make in TEMPLATES.items())
    return found


COMPOSITIONS = compositions()
every_composition = pytest.mark.parametrize("model", COMPOSITIONS, ids=lambda model: model.name)


# SymPy prints log2(x)**2 as log(x)/log(2)**2 and 2*y*Mod(a, b) as 2*y*a % b: what a row stands for is printed as a
# call of the row's reference instead, and SymPy's printer is left with sums, products and powers.
CLASSES = {resolve(name): row for row in REGISTRY for name in row.sympy if row.result == "real"}


def in_mpmath(expr: Any) -> Callable[..., Any]:
    for cls, row in CLASSES.items():
        expr = expr.replace(cls, sp.Function(f"row_{row.name}"))
    references = {f"row_{row.name}": row.mpmath for row in CLASSES.values()}
    # With one argument these two mean zeta(s, 1) and the step that is 1/2 at 0.
    references["row_zeta"] = lambda s, a=1: mp.zeta(s, a)
    references["row_heaviside"] = lambda x, h=0.5: mp.mpf(x > 0) if x else mp.mpf(h)
    return sp.lambdify([X, Y], expr, [references, "mpmath"])


def oracle(function: Callable[..., Any], point: tuple[float, float]) -> tuple[mp.mpf, list[mp.mpf], list[mp.mpf]]:
    """Value, gradient and Hessian by central differences, right to more than 20 digits."""
    at = {
        (i, j): mp.re(function(mp.mpf(point[0]) + i * STEP, mp.mpf(point[1]) + j * STEP))
        for i, j in itertools.product((-1, 0, 1), repeat=2)
    }
    first = [(at[1, 0] - at[-1, 0]) / (2 * STEP), (at[0, 1] - at[0, -1]) / (2 * STEP)]
    mixed = (at[1, 1] - at[1, -1] - at[-1, 1] + at[-1, -1]) / (4 * STEP**2)
    second = [
        (at[1, 0] - 2 * at[0, 0] + at[-1, 0]) / STEP**2,
        mixed,
        mixed,
        (at[0, 1] - 2 * at[0, 0] + at[0, -1]) / STEP**2,
    ]
    return at[0, 0], first, second


def assert_close(got: Any, want: list[Any], what: str) -> None:
    got, want = np.ravel(got), np.array([float(entry) for entry in want])
    assert np.all(np.isfinite(got)), f"{what} is {got}"
    scale = max(1.0, float(np.max(np.abs(want))))
    worst = float(np.max(np.abs(got - want)))
    assert worst <= RTOL * scale, f"{what} is {got} and not {want}: {worst / scale:.3g} of its size off"


@every_composition
def test_value_gradient_and_hessian(model: Composition) -> None:
    reverse = compile_vjp(model.expr, [X, Y], args=[X, Y], backend="numpy")
    forward = compile_jvp(model.expr, [X, Y], args=[X, Y], backend="numpy")
    hessian = compile_hessian(model.expr, [X, Y], args=[X, Y], backend="numpy")
    function = in_mpmath(model.expr)
    for point in model.points(2):
        with mp.workdps(DIGITS):
            value, first, second = oracle(function, point)
        gradient = reverse(*point, 1.0)
        assert_close(reverse.value(*point), [value], "the value")
        assert_close(gradient, first, "the gradient by reverse mode")
        assert_close([forward(*point, 1.0, 0.0), forward(*point, 0.0, 1.0)], first, "the gradient by forward mode")
        assert_close(hessian(*point), second, "the Hessian")


SMOOTH = [model for model in COMPOSITIONS if not model.row.kink and model.row.name != "select"]


@pytest.mark.parametrize("model", SMOOTH[::3], ids=lambda model: model.name)
def test_gradient_against_sympy(model: Composition) -> None:
    derivatives = [sp.diff(model.expr, symbol) for symbol in (X, Y)]
    assert not any(derivative.has(sp.Derivative, sp.Subs) for derivative in derivatives)
    reverse = compile_vjp(model.expr, [X, Y], args=[X, Y], backend="numpy")
    functions = [in_mpmath(derivative) for derivative in derivatives]
    for point in model.points(3):
        with mp.workdps(DIGITS):
            want = [mp.re(function(*map(mp.mpf, point))) for function in functions]
        assert_close(reverse(*point, 1.0), want, "the gradient")


def test_every_row_is_composed() -> None:
    with_class = {row.name for row in REGISTRY if row.sympy and row.result == "real"}
    assert {model.row.name for model in COMPOSITIONS} == (with_class | set(BY_HAND)) - IN_EVERY_TEMPLATE
    assert len(COMPOSITIONS) >= 300
