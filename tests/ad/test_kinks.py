"""Kinks: ties of several, every policy, the checks of policy "raise", and arms at isolated points."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import sympy as sp
from sympy.codegen.cfunctions import hypot

import symbackprop as sb

X, Y, Z, W = sp.symbols("x y z w", real=True)
i, n = sp.symbols("i n", integer=True)
u, v = (sp.IndexedBase(name, shape=(n,)) for name in "uv")
BACKENDS = ["python", "numpy"]
Eq, P = sp.Eq, sp.Piecewise
# A few roundings of results of order 1.
RTOL = 8 * 2.0**-52


def derivatives(model: sp.Expr, at: dict[str, float], backend: str = "python", **options: Any) -> tuple[Any, Any]:
    """Gradient and Hessian, after forward and reverse mode were found to agree."""
    symbols = sorted(model.free_symbols, key=str)
    how: dict[str, Any] = {"args": symbols, "backend": backend, **options}
    point = [at[str(symbol)] for symbol in symbols]
    gradient = sb.compile_grad(model, symbols, **how)(*point)
    forward = sb.compile_jvp(model, symbols, **how)
    hessian = sb.compile_hessian(model, symbols, **how)(*point)
    np.testing.assert_allclose([forward(*point, *row) for row in np.eye(len(symbols))], gradient, rtol=RTOL, atol=1e-15)
    product = sb.compile_hvp(model, symbols, **how)
    columns = [np.ravel(product(*point, row)) for row in np.eye(len(symbols))]
    np.testing.assert_allclose(np.array(columns).T, hessian, rtol=RTOL, atol=1e-15)
    return gradient, np.asarray(hessian).tolist()


# Ties.

TIES = [
    pytest.param(sp.Max(X, Y, Z), [1, 1, 1], [1 / 3] * 3, id="three"),
    pytest.param(sp.Max(X, Y, Z), [1, 0, 1], [0.5, 0, 0.5], id="two of three"),
    pytest.param(sp.Min(W, X, Y, Z), [2, 2, 2, 2], [0.25] * 4, id="four"),
    pytest.param(sp.Max(X, Y, 0), [0, 0], [0, 0], id="two and the constant"),
    pytest.param(sp.Max(X, Y, 0), [1, 1], [0.5, 0.5], id="two above the constant"),
    pytest.param(sp.Max(X, Y, Z, 0), [0, 0, 0], [0, 0, 0], id="three and the constant"),
    pytest.param(sp.Min(X, Y, Z, sp.sqrt(2)), [math.sqrt(2)] * 3, [0, 0, 0], id="a constant that is no rational"),
    pytest.param(sp.Max(2 * X, X + Y, 3 * Y - Z), [1, 1, 1], [1, 4 / 3, -1 / 3], id="arguments that share symbols"),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("model", "point", "want"), TIES)
def test_a_tie_of_several_splits_evenly(model: sp.Expr, point: list[float], want: list[float], backend: str) -> None:
    at = dict(zip(sorted(map(str, model.free_symbols)), map(float, point), strict=True))
    # Sides have no meaning between active arguments; against a constant they decide.
    for policy in ("zero", "left", "right") if any(want) else ("zero",):
        gradient, hessian = derivatives(model, at, backend, kinks=policy)
        np.testing.assert_allclose(gradient, want, rtol=RTOL, atol=0)
        assert not np.any(hessian)


def test_a_tie_of_entries_splits_evenly() -> None:
    g = sb.compile_grad(sb.MaxOver(u[i], (i, 0, n - 1)), u, backend="numpy")
    np.testing.assert_allclose(g([1.0, 3.0, 3.0, 3.0]), [0, 1 / 3, 1 / 3, 1 / 3], rtol=RTOL)


# The derivative at the kink by policy "zero", "left", "right".
ONE_SIDED = [
    pytest.param(sp.Abs(X), 0.0, (0, -1, 1), id="Abs"),
    pytest.param(sp.Max(X, 0), 0.0, (0, 0, 1), id="Max"),
    pytest.param(sp.Min(X, 1), 1.0, (0, 1, 0), id="Min"),
    pytest.param(sp.sign(X), 0.0, (0, 0, 0), id="sign"),
    pytest.param(sp.floor(X), 2.0, (0, 0, 0), id="floor"),
    pytest.param(sp.ceiling(X), 2.0, (0, 0, 0), id="ceiling"),
    pytest.param(sp.Heaviside(X), 0.0, (0, 0, 0), id="Heaviside"),
    pytest.param(sp.frac(X), 1.0, (1, 1, 1), id="frac"),
    pytest.param(sp.Mod(X, 2), 4.0, (1, 1, 1), id="Mod"),
    pytest.param(hypot(X, X**2), 0.0, (0, 0, 0), id="norm"),
    pytest.param(sp.Abs(X) * X, 0.0, (0, 0, 0), id="x*|x|, which has no kink"),
]


@pytest.mark.parametrize(("model", "x", "wants"), ONE_SIDED)
def test_policies(model: sp.Expr, x: float, wants: tuple[float, ...]) -> None:
    for policy, want in zip(("zero", "left", "right"), wants, strict=True):
        g = sb.compile_grad(model, X, backend="python", kinks=policy)
        assert g(x) == want
        assert f"Kinks: {policy}." in g.source


# Policy "raise".

RAISED = [
    pytest.param(sp.Abs(X) * Y, {"x": 0.0, "y": 2.0}, r"abs\(x\) has no derivative where x == 0", id="Abs"),
    pytest.param(sp.Max(X, 0), {"x": 0.0}, r"Max\(x, 0\) has no derivative where x == 0", id="Max"),
    pytest.param(sp.Min(X, Y), {"x": 1.0, "y": 1.0}, r"Min\(x, y\) has no", id="Min of two"),
    pytest.param(sp.Max(X, Y, Z), {"x": 1.0, "y": 0.0, "z": 1.0}, r"Max\(x, y, z\) has no", id="Max of three"),
    pytest.param(sp.floor(X) + X, {"x": 2.0}, "floor", id="floor"),
    pytest.param(sp.ceiling(X) + X, {"x": 2.0}, "ceiling", id="ceiling"),
    pytest.param(sp.sign(X), {"x": 0.0}, "sign", id="sign"),
    pytest.param(sp.Heaviside(X), {"x": 0.0}, "heaviside", id="Heaviside"),
    pytest.param(sp.frac(X), {"x": 1.0}, "frac", id="frac"),
    pytest.param(sp.Mod(X, Y), {"x": 4.0, "y": 2.0}, "mod", id="Mod"),
    pytest.param(sp.sqrt(X**2 + Y**2), {"x": 0.0, "y": 0.0}, "hypot", id="norm"),
    pytest.param(P((sp.Abs(X), Y > 0), (X, True)), {"x": 0.0, "y": 1.0}, "abs", id="in the taken arm"),
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("model", "at", "message"), RAISED)
def test_a_kink_is_an_error(model: sp.Expr, at: dict[str, float], message: str, backend: str) -> None:
    symbols = sorted(model.free_symbols, key=str)
    how: dict[str, Any] = {"args": symbols, "backend": backend, "kinks": "raise"}
    point = [at[str(symbol)] for symbol in symbols]
    gradient = sb.compile_grad(model, symbols, **how)
    assert math.isfinite(gradient.value(*point))
    with pytest.raises(sb.DomainError, match=message):
        gradient(*point)
    ones = [1.0] * len(symbols)
    for compile_it, rest in ((sb.compile_jvp, ones), (sb.compile_hessian, []), (sb.compile_hvp, [ones])):
        with pytest.raises(sb.DomainError, match=r"kinks='raise'"):
            compile_it(model, symbols, **how)(*point, *rest)
    # Beside the kink all is as under any policy.
    aside = [coordinate + 0.375 + 0.25 * k for k, coordinate in enumerate(point)]
    plain = sb.compile_grad(model, symbols, args=symbols, backend=backend)
    np.testing.assert_allclose(gradient(*aside), plain(*aside), rtol=RTOL, atol=0)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("model", "at", "want"),
    [
        pytest.param(P((sp.Abs(X), Y > 0), (X, True)), {"x": 0.0, "y": -1.0}, [1, 0], id="arm that is not taken"),
        pytest.param(
            P((P((sp.floor(X), X > 3), (2 * X, True)), Y > 0), (X, True)), {"x": 1.0, "y": 1.0}, [2, 0], id="nested"
        ),
        pytest.param(sp.Max(sp.Abs(X), Y), {"x": 0.0, "y": 1.0}, [0, 1], id="what the Max does not take"),
        pytest.param(P((sp.sqrt(Y) * sp.Abs(X), Y > 0), (X, True)), {"x": 0.0, "y": -1.0}, [1, 0], id="nan beside it"),
    ],
)
def test_no_kink_where_nothing_depends_on_it(
    model: sp.Expr, at: dict[str, float], want: list[float], backend: str
) -> None:
    gradient, hessian = derivatives(model, at, backend, kinks="raise")
    assert gradient == want
    assert not np.any(hessian)


def test_a_kink_that_the_derivative_passes_by_is_none() -> None:
    """x*|x| has the derivative 2*|x| everywhere; the second one does not exist at 0."""
    assert sb.compile_grad(sp.Abs(X) * X, X, backend="python", kinks="raise")(0.0) == 0.0
    with pytest.raises(sb.DomainError):
        sb.compile_hessian(sp.Abs(X) * X, X, backend="python", kinks="raise")(0.0)


@pytest.mark.parametrize("backend", BACKENDS)
def test_kinks_of_arrays(backend: str) -> None:
    sums = sp.Sum(sp.Abs(u[i]), (i, 0, n - 1)) + sb.MaxOver(u[i], (i, 0, n - 1))
    g = sb.compile_grad(sums, u, backend=backend, kinks="raise")
    np.testing.assert_array_equal(g([1.0, -2.0, 3.0]), [1, -1, 2])
    with pytest.raises(sb.DomainError, match="abs"):
        g([1.0, 0.0, 3.0])
    with pytest.raises(sb.DomainError, match="several entries attain it"):
        g([3.0, -2.0, 3.0])
    gated = sp.Sum(P((sp.Abs(u[i] - 1), u[i] > 1), (u[i], True)), (i, 0, n - 1))
    np.testing.assert_array_equal(sb.compile_grad(gated, u, backend=backend, kinks="raise")([1.0, 0.0, 2.0]), [1, 1, 1])
    tangent = sb.compile_jvp(gated, u, args=[u], backend=backend, kinks="raise")
    assert tangent([1.0, 0.0, 2.0], [1.0, 1.0, 1.0]) == 3.0


def test_kinks_over_samples_and_elementwise() -> None:
    for reduce in ("sum", "mean", None):
        g = sb.compile_grad(sp.Abs(X) * Y, [Y, X], batch=[X], backend="numpy", kinks="raise", reduce=reduce)
        np.testing.assert_array_equal(np.sign(g(x=[1.0, -1.0], y=1.0)[1]), [1, -1])
        with pytest.raises(sb.DomainError):
            g(x=[1.0, 0.0], y=1.0)
    with pytest.raises(sb.DomainError):
        sb.compile_grad(sp.Abs(X), X, backend="numpy", kinks="raise")(np.array([1.0, 0.0]))


def test_a_standalone_module_raises_a_value_error() -> None:
    odd = sp.Symbol("x'\"; import os", real=True)
    g = sb.compile_grad(sp.Abs(odd), odd, backend="python", kinks="raise")
    scope: dict[str, Any] = {}
    exec(g.source, scope)
    with pytest.raises(ValueError, match="has no derivative where"):
        scope["grad"](0.0)
    assert scope["value"](0.0) == 0.0
    assert scope["grad"](-2.0) == -1.0


@pytest.mark.parametrize("route", ["direct", "njit"])
def test_all_of_it_on_numba(route: str) -> None:
    """Few kernels, since each takes seconds to compile through Numba's front end."""
    model = sp.Abs(X) * Y + P((sp.floor(Y), X > 1), (P((Y, Eq(X, 0)), (Y * sp.sin(X) / X, True)), True))
    for dtype in ("float64", "float32"):
        g = sb.compile_grad(model, [X, Y], backend="numba", kinks="raise", dtype=dtype, route=route)
        assert g.route == route
        for x in (0.0, np.array([0.5, 0.0])):
            with pytest.raises(sb.DomainError, match="abs"):
                g(x, 2.0)
        # At y = 0 nothing of |x| counts; sin(x)/x is 1 there, with derivative 0.
        assert [float(entry) for entry in g(0.0, 0.0)] == [0.0, 1.0]
        with pytest.raises(sb.DomainError, match="floor"):
            g(2.0, 2.0)
    assert sb.compile_grad(sp.Max(X, Y, Z), [X, Y, Z], backend="numba")(1.0, 1.0, 1.0) == [1 / 3] * 3
    sums = sp.Sum(v[i] * P((1, Eq(u[i], 0)), (sp.sin(u[i]) / u[i], True)), (i, 0, n - 1))
    u_bar, v_bar = sb.compile_grad(sums, [u, v], backend="numba")([0.0, 1.0], [2.0, 3.0])
    np.testing.assert_allclose(u_bar, [0.0, 3 * (math.cos(1) - math.sin(1))], rtol=RTOL)
    np.testing.assert_allclose(v_bar, [1.0, math.sin(1)], rtol=RTOL)


# Arms at isolated points: the value at the point, gradient and Hessian of what surrounds it.

E_ = math.e
ISOLATED = [
    pytest.param(P((0, Eq(X, 0)), (X, True)), [0], 0, [1], [[0]], id="x"),
    pytest.param(P((5, Eq(X, 0)), (X**2 + 3 * X, True)), [0], 5, [3], [[2]], id="a jump at a point"),
    pytest.param(P((1, Eq(X, 0)), (sp.sin(X) / X, True)), [0], 1, [0], [[-1 / 3]], id="sin(x)/x"),
    pytest.param(P((sp.sin(X) / X, sp.Ne(X, 0)), (1, True)), [0], 1, [0], [[-1 / 3]], id="Ne"),
    pytest.param(P((1, Eq(X, 0)), ((sp.exp(X) - 1) / X, True)), [0], 1, [1 / 2], [[1 / 3]], id="(exp(x)-1)/x"),
    pytest.param(P((1, Eq(X, 0)), (X / (sp.exp(X) - 1), True)), [0], 1, [-1 / 2], [[1 / 6]], id="x/(exp(x)-1)"),
    pytest.param(P((0, Eq(X, 0)), (1 / (sp.exp(X) - 1) - 1 / X, True)), [0], 0, [1 / 12], [[0]], id="poles"),
    pytest.param(P((0.5, Eq(X, 0)), ((1 - sp.cos(X)) / X**2, True)), [0], 0.5, [0], [[-1 / 12]], id="double zero"),
    pytest.param(P((0, Eq(X, 0)), ((X - sp.sin(X)) * X**-3, True)), [0], 0, [0], [[-1 / 60]], id="triple zero"),
    pytest.param(P((1, Eq(X, 1)), (sp.log(X) / (X - 1), True)), [1], 1, [-1 / 2], [[2 / 3]], id="at 1"),
    pytest.param(P((2, Eq(X + 1, 0)), ((1 - X**2) / (X + 1), True)), [-1], 2, [-1], [[0]], id="Eq(x + 1, 0)"),
    pytest.param(P((E_, Eq(X, 0)), (sp.exp(sp.sin(X) / X), True)), [0], E_, [0], [[-E_ / 3]], id="inside a function"),
    pytest.param(P((Y, Eq(X, 0)), (Y * sp.sin(X) / X, True)), [0, 2], 2, [0, 1], [[-2 / 3, 0], [0, 0]], id="factor"),
    pytest.param(
        P((sp.exp(Y), Eq(X, Y)), ((sp.exp(X) - sp.exp(Y)) / (X - Y), True)),
        [1, 1], E_, [E_ / 2, E_ / 2], [[E_ / 3, E_ / 6], [E_ / 6, E_ / 3]], id="divided difference",
    ),
    pytest.param(
        P((sp.exp(Y), Eq(X - Y, 0)), ((sp.exp(X) - sp.exp(Y)) / (X - Y), True)),
        [1, 1], E_, [E_ / 2, E_ / 2], [[E_ / 3, E_ / 6], [E_ / 6, E_ / 3]], id="Eq(x - y, 0)",
    ),
    pytest.param(P((0, Eq(X, 0) & Eq(Y, 0)), (3 * X + 2 * Y, True)), [0, 0], 0, [3, 2], [[0, 0], [0, 0]], id="And"),
    pytest.param(P((0, Eq(X, 0) | Eq(Y, 0)), (sp.sin(X) * Y, True)), [0, 5], 0, [5, 0], [[0, 1], [1, 0]], id="Or"),
    pytest.param(P((7, Eq(X * Y, 1)), (X * Y**2, True)), [2, 0.5], 7, [0.25, 2], [[0, 1], [1, 4]], id="Eq(x*y, 1)"),
    pytest.param(
        P((sp.sin(X) / X * Y, (Y > 0) & sp.Ne(X, 0)), (Y, True)),
        [0, 1], 1, [0, 1], [[-1 / 3, 0], [0, 0]], id="And of Ne",
    ),
    pytest.param(
        P((P((1, Eq(X, 0)), (sp.sin(X) / X, True)), Y > 0), (X, True)),
        [0, 1], 1, [0, 0], [[-1 / 3, 0], [0, 0]], id="nested",
    ),
    pytest.param(P((1, Eq(X, 0)), (2, Eq(X, 1)), (X**2, True)), [1], 2, [2], [[2]], id="a table"),
    pytest.param(P((0, Eq(sp.Abs(X), 0)), (X, True)), [0], 0, [1], [[0]], id="Eq(|x|, 0)"),
    # Nothing finite around: the arm's own.
    pytest.param(P((0, Eq(X, 0)), (X * sp.log(X), True)), [0], 0, [0], [[0]], id="x*log(x)"),
    pytest.param(P((3 * X, Eq(X, 0)), (1 / X, True)), [0], 0, [3], [[0]], id="pole"),
    pytest.param(P((0, Eq(X, 0)), (sp.exp(-1 / X**2), True)), [0], 0, [0], [[0]], id="exp(-1/x**2)"),
    pytest.param(P((0, Eq(X, 0)), (X**2 * sp.sin(1 / X), True)), [0], 0, [0], [[0]], id="x**2*sin(1/x)"),
    # Conditions that hold on more than points: ordinary arms.
    pytest.param(P((X, Eq(sp.Max(X, 0), 0)), (2 * X, True)), [-1], -1, [1], [[0]], id="Eq(Max(x, 0), 0)"),
    pytest.param(P((X, Eq(sp.floor(X), 0)), (2 * X, True)), [0.5], 0.5, [1], [[0]], id="Eq(floor(x), 0)"),
    pytest.param(P((X, sp.Le(X, 0)), (2 * X, True)), [0], 0, [1], [[0]], id="x <= 0"),
    pytest.param(P((3 * X, Eq(X, 0))), [0], 0, [3], [[0]], id="no other arm"),
]  # fmt: skip


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("model", "point", "value", "first", "second"), ISOLATED)
def test_an_arm_at_a_point_has_the_derivative_around_it(
    model: sp.Expr, point: list[float], value: float, first: Any, second: Any, backend: str
) -> None:
    at = dict(zip(sorted(map(str, model.free_symbols)), map(float, point), strict=True))
    gradient, hessian = derivatives(model, at, backend)
    assert sb.compile_function(model, backend=backend)(*at.values()) == value
    np.testing.assert_allclose(gradient, first, rtol=RTOL, atol=1e-16)
    np.testing.assert_allclose(hessian, second, rtol=RTOL, atol=1e-16)


@pytest.mark.parametrize("backend", BACKENDS)
def test_points_of_arrays(backend: str) -> None:
    model = sp.Sum(v[i] * P((1, Eq(u[i], 0)), (sp.sin(u[i]) / u[i], True)), (i, 0, n - 1))
    at = np.array([0.0, 1.0]), np.array([2.0, 3.0])
    slope = math.cos(1) - math.sin(1)
    u_bar, v_bar = sb.compile_grad(model, [u, v], args=[u, v], backend=backend)(*at)
    np.testing.assert_allclose(u_bar, [0.0, 3 * slope], rtol=RTOL)
    np.testing.assert_allclose(v_bar, [1.0, math.sin(1)], rtol=RTOL)
    second, mixed = sb.compile_hvp(model, [u, v], args=[u, v], backend=backend)(*at, np.array([1.0, 1.0, 0.0, 0.0]))
    # (sin(x)/x)'' = (2 - x**2)*sin(x)/x**3 - 2*cos(x)/x**2, at 1.
    np.testing.assert_allclose(second, [-2 / 3, 3 * (math.sin(1) - 2 * math.cos(1))], rtol=4 * RTOL)
    np.testing.assert_allclose(mixed, [0.0, slope], rtol=RTOL, atol=1e-16)


def test_a_label_chooses_an_arm() -> None:
    """Eq of something that is not differentiated is an ordinary condition, on both sides of which there are points."""
    loss = sp.Sum(P((-sp.log(u[i]), Eq(v[i], 1)), (-sp.log(1 - u[i]), True)), (i, 0, n - 1))
    g = sb.compile_grad(loss, u, args=[u, v], backend="numpy")
    np.testing.assert_allclose(g([0.25, 0.25], [1.0, 0.0]), [-4.0, 4 / 3], rtol=RTOL)


def test_a_table_of_points_costs_nothing() -> None:
    entries = [(3 * k, Eq(X, k)) for k in range(100)]
    g = sb.compile_grad(P(*entries, (X**2, True)), X, backend="numpy")
    np.testing.assert_array_equal(g(np.arange(100.0)), 2 * np.arange(100.0))
    # The gradient is 2*x, one operation beside the value.
    assert g.stats["operations"]["value_and_grad"] <= g.stats["operations"]["value"] + 2


def test_nan_fails_every_comparison() -> None:
    """A condition over nan is false, so that the last arm is taken, and != true."""
    model = P((X, Y > 0), (2 * X, Eq(Y, 0)), (3 * X, True))
    assert sb.compile_grad(model, X, args=[X, Y], backend="python")(1.0, math.nan) == 3.0
    assert math.isnan(sb.compile_grad(P((X, Y > 0)), X, args=[X, Y], backend="python")(1.0, math.nan))


GUARDED = {
    "sinc": (sp.Piecewise((1, sp.Eq(W * X, 0)), (sp.sin(W * X) / (W * X), True)) - Y) ** 2,
    "exp": sp.Piecewise((1, sp.Eq(W * X, 0)), (sp.exp(W * X), True)) * Y,
    "two inputs": sp.Piecewise((W, sp.Eq(W, X)), (W * X, True)) + Y,
    "Ne": sp.Piecewise((W * X, sp.Ne(W, X)), (0, True)) * Y,
    "Box-Cox": sp.Piecewise((sp.log(X), sp.Eq(W, 0)), ((X**W - 1) / W, True)) - Y,
}


@pytest.mark.parametrize("reduce", ["sum", "mean", None])
@pytest.mark.parametrize("name", GUARDED)
def test_guards_on_parameters_over_a_batch(name: str, reduce: str | None) -> None:
    """The values are those of the samples one by one, and so are the gradients."""
    expr = GUARDED[name]
    xs, ys, w = np.array([1.0, 2.0, 4.0]), np.array([0.8, 1.0, -0.1]), 2.0
    one = sb.compile_grad(expr, W, args=[W, X, Y], backend="numpy")
    each = np.array([one.value_and_grad(w, a, b) for a, b in zip(xs, ys, strict=True)])
    want = {"sum": each.sum(axis=0), "mean": each.mean(axis=0), None: each.T}[reduce]
    batched = sb.compile_grad(expr, W, args=[W, X, Y], batch=[X, Y], reduce=reduce, backend="numpy")
    value, gradient = batched.value_and_grad(w, xs, ys)
    np.testing.assert_allclose(value, want[0], rtol=1e-14)
    np.testing.assert_allclose(gradient, want[1], rtol=1e-14)
    np.testing.assert_allclose(batched.value(w, xs, ys), want[0], rtol=1e-14)


def test_a_limit_in_several_variables_that_is_not_known_is_nan() -> None:
    """The partial derivative in x is 1 there, and that of the arm at the point 0."""
    model = sp.Piecewise((X**3 / (X**2 + Y**2), sp.Ne(X**2 + Y**2, 0)), (0, True))
    value, gradient = sb.compile_grad(model, [X, Y], args=[X, Y], backend="numpy").value_and_grad(0.0, 0.0)
    assert value == 0.0
    assert np.all(np.isnan(gradient))


@pytest.mark.parametrize(
    ("arm", "quotient", "at", "slopes"),
    [
        # Bateman's equation, and the divided differences of exp and log with a factor in front.
        (X * sp.exp(-X), Y / (Y - X) * (sp.exp(-X) - sp.exp(-Y)), 1.0, (-math.exp(-1) / 2, math.exp(-1) / 2)),
        (X * sp.exp(X), X * (sp.exp(X) - sp.exp(Y)) / (X - Y), 1.0, (1.5 * math.e, 0.5 * math.e)),
        (X**2, X**2 * Y * (sp.log(X) - sp.log(Y)) / (X - Y), 2.0, (3.0, 1.0)),
    ],
    ids=["Bateman", "exp", "log"],
)
def test_divided_differences_with_a_factor(arm, quotient, at: float, slopes: tuple[float, float]) -> None:
    model = sp.Piecewise((arm, sp.Eq(X, Y)), (quotient, True))
    got = sb.compile_grad(model, [X, Y], args=[X, Y], backend="python")(at, at)
    np.testing.assert_allclose(got, slopes, rtol=1e-13)


def test_a_guarded_high_power_compiles() -> None:
    model = X * sp.Piecewise((2, sp.Eq(X, Y)), (Y**-12, True))
    assert sb.compile_grad(model, [X, Y], args=[X, Y], backend="python")(1.0, 2.0) == [2.0**-12, -12 * 2.0**-13]
