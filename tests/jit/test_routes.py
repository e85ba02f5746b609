"""The direct route against Numba's own and against NumPy: every row, every kind of statement, awkward sizes."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb
from symbackprop.frontend.functions import resolve
from symbackprop.ops import REGISTRY

x, y, w, a, b = sp.symbols("x y w a b", real=True)
i, j = sp.symbols("i j", integer=True)
n, m, k = sp.symbols("n m k", integer=True, positive=True)
u, v, p, q = (sp.IndexedBase(name) for name in "uvpq")
A = sp.IndexedBase("A", shape=(n, m))
X, Y, Z = sp.MatrixSymbol("X", n, k), sp.MatrixSymbol("Y", k, m), sp.MatrixSymbol("Z", n, m)
r = sp.MatrixSymbol("r", k, 1)
over, across = (i, 0, n - 1), (j, 0, m - 1)

ROUTES: dict[str, dict[str, str]] = {
    "direct": {"route": "direct"},
    "njit": {"route": "njit"},
    "numpy": {"backend": "numpy"},
}


def flat(results: Any) -> np.ndarray:
    if isinstance(results, list | tuple):
        return np.concatenate([flat(result) for result in results]) if results else np.zeros(0)
    return np.ravel(np.asarray(results, float))


# Rows.

BY_HAND: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "neg": lambda x: -x,
    "pow": lambda x, y: x**y,
    "maximum": sp.Max,
    "minimum": sp.Min,
    "lambertw": sp.LambertW,
}
HARD = (
    0.0,
    -0.0,
    math.inf,
    -math.inf,
    math.nan,
    1e308,
    -1e308,
    5e-324,
    -5e-324,
    1.0,
    -1.0,
    0.5,
    -0.25,
    2.5,
    -7.5,
    20.0,
)


def rows_of(arity: int) -> dict[str, Any]:
    """An expression for each row of numbers alone."""
    symbols = (x, y)[:arity]
    return {
        row.name: (BY_HAND.get(row.name) or resolve(row.sympy[0]))(*symbols)
        for row in REGISTRY
        if row.elementwise
        and row.arity == arity
        and row.result == "real"
        and (row.sympy or row.name in BY_HAND)
        and all(low < high for low, high in row.domain)
        and all(row.operand_dtype(position) == "real" for position in range(arity))
    }


@cache
def table(arity: int, route: str) -> np.ndarray:
    """All rows at all combinations of hard numbers, a row each."""
    function = sb.compile_function(list(rows_of(arity).values()), args=[x, y][:arity], **ROUTES[route])
    assert function.route == {"numpy": "module"}.get(route, route)
    columns = [np.array(column) for column in zip(*itertools.product(HARD, repeat=arity), strict=True)]
    return np.array(function(*columns))


@pytest.mark.parametrize("other", ["njit", "numpy"])
@pytest.mark.parametrize("arity", [1, 2])
def test_rows_agree_on_hard_numbers(arity: int, other: str) -> None:
    points = list(itertools.product(HARD, repeat=arity))
    for name, got, want in zip(rows_of(arity), table(arity, "direct"), table(arity, other), strict=True):
        with np.errstate(invalid="ignore"):
            apart = np.abs(got - want) > 1e-13 * np.abs(want)
        wrong = (apart | (np.isnan(got) != np.isnan(want))) & (got != want)
        shown = [(points[at], got[at], want[at]) for at in np.flatnonzero(wrong)[:5]]
        assert not shown, f"{name}: {len(shown)} differ, (point, direct, {other}): {shown}"


# Statements: a loss, what the gradient is taken in.

row_sum = sp.Sum(A[i, j] * v[j], across)
MODELS: dict[str, tuple[Any, list[Any]]] = {
    "a sum": (sp.Sum(sp.exp(-(u[i] ** 2)) * a, over), [u, a]),
    "neighbours": (sp.Sum(sp.sin(u[i] * a), over) + sp.Sum(u[i] ** 3 * u[n - 1 - i], over), [u, a]),
    "a sum of sums": (sp.Sum(sp.tanh(row_sum) * u[i], over), [u, v, A]),
    "gathered and scattered": (sp.Sum(u[p[i]] ** 2 * sp.cos(u[i]) + u[p[p[i]]], over), [u]),
    "integers": (sp.Sum(i * p[i], over) * a + sp.Sum(u[sp.floor(i / 2)] * p[i] * sp.Mod(i, 3), over), [u, a]),
    "remainders": (sp.Sum(u[sp.Mod(i, q[i])] * u[sp.Mod(p[i] + i, n)], over), [u]),
    "guarded": (sp.Sum(sp.Piecewise((u[i + 1] * u[i], i < n - 1), (sp.exp(u[i]), True)), over), [u]),
    "arms": (sp.Sum(sp.Piecewise((sp.sqrt(u[i]), u[i] > 0), (u[p[i]] / u[i], u[i] < 0), (a, True)), over), [u, a]),
    "a product": (sp.Product(1 + u[i] ** 2 / 9, over) * sp.Sum(sp.Max(u[i], a, 0), over), [u, a]),
    "matrices": (sb.Total((X * Y).applyfunc(sp.tanh)) * a + sp.Trace(X * Y * Z.T), [X, Y, Z, a]),
    "transposes": (sp.Trace(X.T * X * Y * Y.T) + sb.Total((Z * Y.T).applyfunc(sp.sin)), [X, Y, Z]),
    "vectors": (sp.Trace(r.T * Y * Y.T * r) + sb.Total((X * r).applyfunc(sp.cos)), [X, Y, r]),
    "softmax": (sb.Total(sb.softmax(X * Y) * Z.T), [X, Y, Z]),
}


@cache
def compiled(name: str, route: str) -> sb.CompiledFunction:
    loss, wrt = MODELS[name]
    return sb.compile_grad(loss, wrt, **ROUTES[route])


def arguments(function: sb.CompiledFunction, size: int, other: int) -> list[Any]:
    rng = np.random.default_rng(size + 100 * other)
    shapes = {"u": (size,), "v": (other,), "A": (size, other), "X": (size, 3), "Y": (3, other), "Z": (size, other)}
    values: dict[str, Any] = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    values |= {"a": 0.75, "r": rng.normal(size=(3, 1)), "p": rng.integers(0, max(size, 1), size)}
    values["q"] = rng.integers(1, max(size, 2), size)
    return [values[name] for name in function.args]


@pytest.mark.parametrize("other", ["njit", "numpy"])
@pytest.mark.parametrize("name", MODELS)
def test_models_agree(name: str, other: str) -> None:
    g, h = compiled(name, "direct"), compiled(name, other)
    assert g.route == "direct"
    for size, width in ((0, 0), (0, 3), (1, 0), (1, 1), (2, 5), (3, 3), (7, 2), (8, 8), (9, 4), (17, 16), (40, 33)):
        if (name == "neighbours" and size == 0) or (name == "softmax" and not width):
            continue
        args = arguments(g, size, width)
        first, again, want = g.value_and_grad(*args), g.value_and_grad(*args), h.value_and_grad(*args)
        for one, same, reference in zip([first[0], *first[1]], [again[0], *again[1]], [want[0], *want[1]], strict=True):
            assert np.shape(one) == np.shape(same) == np.shape(reference), (size, width)
            # The same bits, whichever way a call takes.
            np.testing.assert_array_equal(one, same)
            scale = max(1.0, float(np.max(np.abs(reference), initial=0.0)))
            np.testing.assert_allclose(one, reference, rtol=0, atol=1e-12 * scale, err_msg=f"{size}, {width}")


@pytest.mark.parametrize("divisor", [0, -1, -2, -3, 2, -(2**63), 2**63 - 1])
@pytest.mark.parametrize("number", [0, 5, -5, 2**63 - 1, -(2**63), -1])
def test_integer_remainders_of_any_sign_do_not_trap(number: int, divisor: int) -> None:
    function = remainder()
    # Five turns, so that some lanes have none to do; only 0 is an index of one entry.
    args = np.full(5, number), np.full(5, divisor), np.ones(1)
    if divisor == 0 or number % divisor == 0:
        assert function(*args) == 5.0
    else:
        with pytest.raises(sb.OutOfRange):
            function(*args)


@cache
def remainder() -> sb.CompiledFunction:
    return sb.compile_function(sp.Sum(u[sp.Mod(p[i], q[i])], over), args=[p, q, u])


# Arrays for numbers.

COLUMNS = np.linspace(-1.0, 1.0, 7)
big = sp.Add(*[sp.sin(x * count + y) * sp.exp(-x * y / count) for count in range(1, 300)])
APPLIED: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], tuple[Any, ...]]] = {
    # Lengths that happen to be those of the columns.
    "a sum inside": (sb.compile_grad, (sp.Sum(sp.sin(x * i), (i, 1, 7)), [x]), {}, (COLUMNS,)),
    "a sum over a length": (
        sb.compile_grad,
        (sp.Sum(sp.sin(x * i) * y, (i, 1, n)), [x, y]),
        {"args": [x, y, n]},
        (COLUMNS, 2.0, 7),
    ),
    "a matrix": (
        sb.compile_function,
        (sp.Matrix(2, 2, lambda row, column: sp.sin(x * (row + 1)) * y**column),),
        {"args": [x, y]},
        (COLUMNS, 2.0),
    ),
    "a Jacobian of sums": (
        sb.compile_jacobian,
        ([sp.Sum(sp.sin(x * i + count * y), (i, 1, 7)) for count in range(3)], [x, y]),
        {},
        (COLUMNS, COLUMNS[::-1]),
    ),
    "packed": (sb.compile_grad, (sp.sin(x * y) * a**2, [(x, y)]), {"args": [(x, y), a]}, ([1.0, 2.0], COLUMNS)),
    "one array twice": (
        sb.compile_grad,
        (sp.sin(x * y) * a**2, [(x, y), (x, y)]),
        {"args": [(x, y), a]},
        ([1.0, 2.0], COLUMNS),
    ),
    "in parts": (sb.compile_hessian, (big, [x, y]), {}, (COLUMNS, 0.5)),
    "in a grid": (sb.compile_hessian, (sp.erf(x * y) + x**3, [x, y]), {}, (COLUMNS[:, None], COLUMNS[None, :3])),
}


@pytest.mark.parametrize("name", APPLIED)
@pytest.mark.parametrize("route", ROUTES)
def test_arrays_for_numbers_are_applied_entry_by_entry(name: str, route: str) -> None:
    if (name, route) == ("in parts", "njit"):
        pytest.skip("Numba takes a minute for it")
    compile_it, given, options, args = APPLIED[name]
    function = compile_it(*given, **options, **ROUTES[route])
    packed = isinstance(args[0], list)
    got = function(*args)
    columns = np.broadcast_arrays(*[arg for arg in args if not isinstance(arg, list | int)])
    lengths = [arg for arg in args if isinstance(arg, int)]
    for place in np.ndindex(columns[0].shape):
        one = function(*([args[0]] if packed else []), *[float(column[place]) for column in columns], *lengths)
        pairs = zip(got, one, strict=True) if isinstance(got, list) else [(got, one)]
        for whole, entry in pairs:
            np.testing.assert_allclose(whole[place], entry, rtol=1e-13, atol=1e-13)
    # Results are arrays of their own.
    if isinstance(got, list) and len(got) == 2:
        assert not np.shares_memory(*got)


# Batches, sizes and types.


@pytest.mark.parametrize("reduce", ["sum", "mean", None])
@pytest.mark.parametrize("samples", [0, 1, 3, 4, 5, 8, 13, 16, 31])
def test_batches_of_every_size(reduce: str | None, samples: int) -> None:
    rng = np.random.default_rng(samples)
    args = [0.5, -1.25, rng.normal(size=samples), rng.normal(size=samples)]
    got, want = (batch(reduce, route).value_and_grad(*args) for route in ("direct", "numpy"))
    np.testing.assert_allclose(flat(got), flat(want), rtol=1e-12, atol=1e-14)
    assert [np.shape(entry) for entry in got[1]] == [np.shape(entry) for entry in want[1]]


@cache
def batch(reduce: str | None, route: str) -> sb.CompiledFunction:
    loss = sp.Piecewise(((sp.tanh(w * x + b) - y) ** 2, x > y), (sp.log(1 + sp.exp(w * x * y)), True))
    return sb.compile_grad(loss, [w, b], args=[w, b, x, y], batch=[x, y], reduce=reduce, **ROUTES[route])


def test_very_many_arguments_and_results() -> None:
    count = 500
    xs = sp.symbols(f"x:{count}")
    loss = sp.Add(*[xs[at] * sp.sin(xs[(at + 1) % count]) for at in range(count)])
    values = np.linspace(0.0, 3.0, count)
    want = np.sin(np.roll(values, -1)) + np.roll(values, 1) * np.cos(values)
    for args, given in ((list(xs), values.tolist()), ([xs], [values])):
        g = sb.compile_grad(loss, list(xs), args=args)
        assert g.route == "direct"
        for _ in range(2):
            np.testing.assert_allclose(g(*given), want, rtol=1e-13, atol=1e-14)
        with pytest.raises(sb.SymbackpropError):
            g(*given[:-1])


def test_single_precision_in_loops() -> None:
    for name in ("a sum", "a sum of sums", "gathered and scattered", "arms", "matrices"):
        loss, wrt = MODELS[name]
        g = sb.compile_grad(loss, wrt, dtype="float32")
        args = arguments(g, 9, 5)
        single = [np.asarray(arg, np.float32) if np.asarray(arg).dtype.kind == "f" else arg for arg in args]
        value, gradient = g.value_and_grad(*single)
        assert type(value) is np.float32
        assert {np.asarray(entry).dtype for entry in gradient} == {np.dtype(np.float32)}
        want = compiled(name, "direct").value_and_grad(*args)
        scale = float(np.max(np.abs(flat(want))))
        np.testing.assert_allclose(flat((value, *gradient)), flat((want[0], *want[1])), rtol=0, atol=1e-5 * scale)
