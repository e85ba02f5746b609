"""Every row on every target: the same answer in its domain, the same class of answer everywhere else.

For Numba the rows of one call signature are compiled as one program, which takes a second where one program a row would
take a minute.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop import compile_function, compile_grad, compile_jacobian
from symbackprop.errors import EmitError
from symbackprop.frontend.functions import resolve
from symbackprop.ir import Functions, GraphBuilder
from symbackprop.ops import REGISTRY, Op

X, Y, T = sp.symbols("x y t")

# Rows that SymPy has no class of its own for, and rows whose class takes its arguments in another way.
BY_HAND: dict[str, Callable[..., Any]] = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "neg": lambda x: -x,
    "pow": lambda x, y: x**y,
    "maximum": sp.Max,
    "minimum": sp.Min,
    "select": lambda c, x, y: sp.Piecewise((x, c > 0), (y, True)),
    "lambertw": sp.LambertW,
}
ORDERS = (0, 1, 2, 5)

# The classes of bad input, one number each; 0.5 stands for an operand that is in order.
SPECIAL = (0.0, -0.0, math.inf, -math.inf, math.nan, 1e308, -1e308, 5e-324, -5e-324, 1.0, -1.0, 0.5, -7.5, 20.0)
EPSILON = {"float64": 2.0**-52, "float32": 2.0**-23}


# A row without a class serves only the partials of others; its own value and partials are tried in test_rows.
REACHABLE = [
    row
    for row in REGISTRY
    if row.elementwise and row.arity and row.result == "real" and (row.sympy or row.name in BY_HAND)
]


@dataclass(frozen=True)
class Case:
    """A row over symbols, constants where the row wants them, and the points of its domain."""

    name: str
    row: Op
    expr: Any
    args: tuple[Any, ...]
    wrt: tuple[Any, ...]
    fixed: tuple[float, ...] = ()

    def columns(self, points: list[tuple[float, ...]]) -> list[np.ndarray]:
        return [np.array(column) for column in zip(*[point[len(self.fixed) :] for point in points], strict=True)]

    def special(self) -> list[np.ndarray]:
        return [np.array(column) for column in zip(*itertools.product(SPECIAL, repeat=len(self.args)), strict=True)]


def cases() -> list[Case]:
    found = []
    for row in REGISTRY:
        if row not in REACHABLE:
            continue
        build = BY_HAND.get(row.name) or resolve(row.sympy[0])
        symbols = (X, Y, T)[: row.arity]
        low, high = row.domain[0]
        if low == high:
            for order in ORDERS if row.name != "polygamma" else ORDERS[1:]:
                expr = build(order, X)
                found.append(Case(f"{row.name} of order {order}", row, expr, (X,), (X,), (float(order),)))
        else:
            wrt = tuple(
                s for s, partial in zip(symbols, row.partials, strict=True) if partial is not None or not row.missing
            )
            found.append(Case(row.name, row, build(*symbols), symbols, wrt))
    return found


CASES = cases()
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def spelled_by_python(row: Op, derivative: bool) -> bool:
    """Whether the standard library has all that the row's value needs, or its value and partials."""
    f = Functions(GraphBuilder())
    operands = [f.input(f"x{position}") for position in range(row.arity or 0)]
    z = f.apply(row, *operands)
    if derivative:
        for partial in row.partials:
            if callable(partial):
                partial(f, z, *operands)
    return all(has_python(node.op) for node in f.builder.nodes if node.operands)


def has_python(row: Op) -> bool:
    """Whether the standard library has this row, or all that it is defined by."""
    if row.python is not None or row.define is None:
        return row.python is not None
    f = Functions(GraphBuilder())
    row.define(f, *[f.input(f"x{position}") for position in range(row.arity or 0)])
    return all(has_python(node.op) for node in f.builder.nodes if node.operands)


@cache
def compiled(case: Case, backend: str, dtype: str = "float64") -> Any:
    return compile_grad(case.expr, list(case.wrt), args=list(case.args), backend=backend, dtype=dtype)


def group_of(case: Case) -> list[Case]:
    return [other for other in CASES if (other.args, other.wrt) == (case.args, case.wrt)]


@cache
def compiled_together(args: tuple[Any, ...], wrt: tuple[Any, ...], dtype: str) -> Any:
    exprs = [case.expr for case in CASES if (case.args, case.wrt) == (args, wrt)]
    return compile_jacobian(exprs, list(wrt), args=list(args), backend="numba", dtype=dtype)


def evaluated(case: Case, backend: str, columns: list[np.ndarray], dtype: str = "float64") -> np.ndarray:
    """Value and gradient as the rows of a table, one column a point."""
    if backend == "numba":
        values, jacobian = compiled_together(case.args, case.wrt, dtype).value_and_derivative(*columns)
        place = group_of(case).index(case)
        return np.array([values[place], *np.moveaxis(jacobian[:, place], -1, 0)])
    value, gradient = compiled(case, backend, dtype).value_and_grad(*columns)
    return np.array([value, *gradient])


def classes(table: np.ndarray) -> np.ndarray:
    """0 for a finite number, 1 and -1 for the infinities, 2 for nan."""
    return np.where(np.isnan(table), 2, np.where(np.isinf(table), np.sign(table), 0)).astype(int)


def assert_close(case: Case, got: np.ndarray, want: np.ndarray, ulp: float, dtype: str = "float64") -> None:
    scale = np.maximum(np.abs(got), np.abs(want)) + np.where(case.row.name in NEAR_THEIR_ZEROS, 1.0, 0.0)
    with np.errstate(invalid="ignore"):
        error = np.where(got == want, 0.0, np.abs(got - want) / (EPSILON[dtype] * scale))
    assert error.max() <= ulp, f"{case.name}: {error.max():.3g} ulp apart"


# The C library and SciPy are each right to an ulp or two of 1 near the zeros of these, not to an ulp of the value.
NEAR_THEIR_ZEROS = {"loggamma", "digamma", "gamma"}

# Each target's elementary functions are right to about 2 ulp, and a partial combines at most four of them.
FEW_ULP = 8.0


@pytest.mark.parametrize("backend", ["python", "numba"])
@every_case
def test_targets_agree_in_the_domain(case: Case, backend: str, points_of) -> None:
    columns = case.columns([(*case.fixed, *point[len(case.fixed) :]) for point in points_of(case.row, 60)])
    want = evaluated(case, "numpy", columns)
    assert np.all(np.isfinite(want))
    if backend == "python" and not spelled_by_python(case.row, derivative=True):
        with pytest.raises(EmitError, match=r"numpy.*numba"):
            compiled(case, backend)
        assert_python_value(case, columns, want[:1])
    else:
        assert_close(case, evaluated(case, backend, columns), want, FEW_ULP)


def assert_python_value(case: Case, columns: list[np.ndarray], want: np.ndarray) -> None:
    """The value alone, where the standard library has the function but not its derivative; or the refusal of it."""
    if spelled_by_python(case.row, derivative=False):
        function = compile_function(case.expr, args=list(case.args), backend="python")
        assert_close(case, np.array([function(*columns)]), want, FEW_ULP)
    else:
        with pytest.raises(EmitError, match=r"numpy.*numba"):
            compile_function(case.expr, args=list(case.args), backend="python")


@pytest.mark.parametrize("backend", ["python", "numba"])
@every_case
def test_targets_agree_on_bad_input(case: Case, backend: str) -> None:
    columns = case.special()
    want = classes(evaluated(case, "numpy", columns))
    if backend == "numba" or spelled_by_python(case.row, derivative=True):
        got = classes(evaluated(case, backend, columns))
    else:
        if not spelled_by_python(case.row, derivative=False):
            pytest.skip("the standard library has no such function")
        want = want[:1]
        got = classes(np.array([compile_function(case.expr, args=list(case.args), backend=backend)(*columns)]))
    differing = np.argwhere(want != got)
    shown = [
        f"entry {entry} at {tuple(float(column[point]) for column in columns)}: numpy {want[entry, point]}, "
        f"{backend} {got[entry, point]}"
        for entry, point in differing[:12]
    ]
    assert not shown, f"{case.name}: {len(differing)} differ (1, -1 infinite, 2 nan): " + "; ".join(shown)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@every_case
def test_single_precision_stays_single(case: Case, backend: str, points_of) -> None:
    points = [(*case.fixed, *point[len(case.fixed) :]) for point in points_of(case.row, 40)]
    columns = [column.astype(np.float32) for column in case.columns(points)]
    got = evaluated(case, backend, columns, "float32")
    assert got.dtype == np.float32
    want = evaluated(case, "numpy", [column.astype(np.float64) for column in columns])
    # As in double precision, with another bit for constants that are rounded themselves.
    assert_close(case, got.astype(np.float64), want, 32.0, "float32")
    one = [column[0] for column in columns]
    if backend == "numpy":
        value, gradient = compiled(case, backend, "float32").value_and_grad(*one)
        assert [type(entry) for entry in (value, *gradient)] == [np.float32] * (1 + len(gradient))


@pytest.mark.parametrize("signature", sorted({(c.args, c.wrt) for c in CASES}, key=str), ids=str)
def test_numba_computes_single_precision_throughout(signature: tuple[Any, Any]) -> None:
    kernel = compiled_together(*signature, "float32").kernel
    kernel(*[np.float32(0.5)] * len(signature[0]))
    types = str(kernel.nopython_signatures[-1].return_type)
    assert "float32" in types
    assert "float64" not in types


def test_every_row_is_tried() -> None:
    tried = {case.row.name for case in CASES}
    assert tried == {row.name for row in REACHABLE}
    assert set(BY_HAND) <= tried
    refused = {case.row.name for case in CASES if not spelled_by_python(case.row, derivative=False)}
    assert {"besselj", "digamma", "zeta"} <= refused
