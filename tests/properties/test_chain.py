"""One chain of oracles, over random expressions: mpmath, the interpreter after each pass, and the emitted programs.

The first link that breaks names the stage. Expressions are valid by construction: every operand is wrapped into the
domain of its row.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import sympy as sp
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from symbackprop import compile_function, compile_grad, compile_hessian, compile_hvp, compile_jvp, compile_vjp
from symbackprop.compiler import Request, compile_request
from symbackprop.frontend.functions import resolve
from symbackprop.ir import Graph, interpret, verify
from symbackprop.ops import REGISTRY, Op
from symbackprop.ops.row import SPECIAL
from symbackprop.options import Options

X, Y = sp.symbols("x y", real=True)
BY_HAND: dict[str, Callable[..., Any]] = {
    "div": lambda x, y: x / y,
    "pow": lambda x, y: x**y,
    "maximum": sp.Max,
    "minimum": sp.Min,
    "select": lambda c, x, y: sp.Piecewise((x, c > sp.Rational(1, 2)), (y, True)),
}
# Rows that are steps of their operand are left to tests/ops: a rounding before the step is no error of a backend.
STEPS = {"floor", "ceiling", "frac", "mod", "sign", "heaviside"}
ROWS = [row for row in REGISTRY if row.domain and row.result == "real" and row.name not in STEPS]
BUILT = [row for row in ROWS if row.name in BY_HAND or row.sympy]
ELEMENTARY = [row for row in BUILT if row.cost < SPECIAL]


def inside(interval: tuple[float, float], expr: Any) -> Any:
    """An expression that stays in an interval, 5 % away from its ends."""
    low, high = (sp.Rational(str(end)) for end in interval)
    return (low + high) / 2 + (high - low) * sp.Rational(45, 100) * sp.sin(expr)


def operand(row: Op, position: int, expr: Any) -> Any:
    """An operand in its domain; where the row has no derivative, a constant: an order, or the middle."""
    low, high = row.domain[position]
    if row.partials[position] is None and row.missing:
        return sp.Integer(2) if low == high else sp.Rational(str((low + high) / 2))
    return inside((low, high), expr)


def applied(row: Op, exprs: tuple[Any, ...]) -> Any:
    build = BY_HAND.get(row.name) or resolve(row.sympy[0])
    return build(*[operand(row, position, exprs[position]) for position in range(len(row.domain))])


def rational(number: Any) -> sp.Rational:
    return sp.Rational(number.numerator, number.denominator)


@st.composite
def expressions(draw: st.DrawFn, rows: list[Op]) -> Any:
    """A straight-line program of a few instructions, each over what came before, so that much is shared."""
    number = draw(st.fractions(min_value=-3, max_value=3, max_denominator=8))
    values: list[Any] = [X, Y, rational(number)]
    for _ in range(draw(st.integers(3, 7))):
        kind = draw(st.sampled_from(["row", "row", "row", "sum", "product"]))
        a, b, c = (values[draw(st.integers(0, len(values) - 1))] for _ in range(3))
        if kind == "row":
            values.append(applied(draw(st.sampled_from(rows)), (a, b, c)))
        else:
            values.append(a - 2 * b + c if kind == "sum" else a * b)
    # SymPy writes atan2 of constants that it does not know to be real as a complex logarithm.
    assume(not values[-1].has(sp.I) and not values[-2].has(sp.I))
    # Both inputs occur, whatever cancels in the rest.
    return values[-1] + values[-2] / 3 + sp.sin(X * Y) / 3 + X - Y / 2


@st.composite
def points(draw: st.DrawFn) -> tuple[float, float]:
    """Two numbers with all their bits, so that no kink is hit."""
    rng = random.Random(draw(st.integers(0, 2**32)))
    return rng.uniform(-1.5, 1.5), rng.uniform(-1.5, 1.5)


def tried(examples: int) -> Any:
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
    )


# A wrong rule is off by its own size. What is allowed is rounding: up to eight rows deep, each with a condition number
# of up to 30 over its domain (tan at 1.3, 1/x at 0.3), and mostly of 1. Measured worst: see the assertion's message.
RTOL = 1e-9


def assert_close(got: Any, want: Any, what: str) -> None:
    got = np.array([float(entry) for entry in np.ravel(got)])
    want = np.array([float(entry) for entry in np.ravel(want)])
    assert np.all(np.isfinite(want)), f"{what}: the reference is {want}"
    scale = max(1.0, float(np.max(np.abs(want))))
    worst = float(np.max(np.abs(got - want))) / scale
    assert worst <= RTOL, f"{what}: {got} and not {want}, {worst:.3g} of its size off"


def stages(expr: Any, mode: str, target: str) -> list[tuple[str, Graph]]:
    seen: list[tuple[str, Graph]] = []
    request = Request(expr, [X, Y], args=[X, Y], mode=mode, options=Options(target=target))
    # A builder goes on appending to the list of nodes that a graph holds: a copy keeps the stage as it was.
    compile_request(request, lambda step, g: seen.append((step, Graph(list(g.nodes), g.outputs))))
    return seen


@given(expressions(BUILT), points())
@tried(250)
def test_every_pass_keeps_the_value_and_the_gradient(expr: Any, point: tuple[float, float]) -> None:
    inputs = dict(zip("xy", point, strict=True))
    seen = stages(expr, "grad", "numpy")
    assert [step for step, _ in seen][:6] == ["frontend", "simplify", "stabilise", "removable", "contract", "grad"]
    references: dict[int, list[Any]] = {}
    for step, graph in seen:
        verify(graph, step)
        with mp.workdps(50):
            exact = interpret(graph, inputs, "mpmath")
        # The first graph of a kind (value; value and gradient) is the reference of those that follow.
        assert_close(exact, references.setdefault(len(graph.outputs), exact), f"mpmath after {step}")
        assert_close(interpret(graph, inputs), exact, f"numpy after {step}")
    assert_close(references[3][0], references[1], "the value beside the gradient")


@given(expressions(ELEMENTARY), points())
@tried(250)
def test_targets_and_modes_agree(expr: Any, point: tuple[float, float]) -> None:
    options: dict[str, Any] = {"args": [X, Y]}
    inputs = dict(zip("xy", point, strict=True))
    want = interpret(dict(stages(expr, "grad", "numpy"))["grad"], inputs)
    for backend in ("python", "numpy"):
        value, gradient = compile_grad(expr, [X, Y], backend=backend, **options).value_and_grad(*point)
        assert_close([value, *gradient], want, backend)
    forward = compile_jvp(expr, [X, Y], backend="python", **options)
    reverse = compile_vjp(expr, [X, Y], backend="python", **options)
    assert_close([forward(*point, 1, 0), forward(*point, 0, 1)], want[1:], "forward mode")
    assert_close(reverse(*point, 1), want[1:], "reverse mode")
    assert_close(compile_function(expr, backend="python", **options)(*point), want[0], "the value alone")


@given(expressions(ELEMENTARY), points(), points())
@tried(120)
def test_second_derivatives_agree(expr: Any, point: tuple[float, float], direction: tuple[float, float]) -> None:
    options: dict[str, Any] = {"args": [X, Y], "backend": "python"}
    hessian = compile_hessian(expr, [X, Y], **options)(*point)
    mirrored = compile_hessian(expr, [Y, X], **options)(*point)
    # Forward over reverse in either order of the inputs, and in any direction.
    assert_close(mirrored[::-1, ::-1], hessian, "the Hessian in the other order")
    product = compile_hvp(expr, [X, Y], **options)(*point, list(direction))
    assert_close(product, hessian @ np.array(direction), "the Hessian-vector product")
    # A reverse sweep over a forward one: the derivative of the tangent.
    seen = stages(expr, "hessian", "python")
    with mp.workdps(50):
        exact = interpret(seen[-1][1], dict(zip("xy", point, strict=True)), "mpmath")
    assert_close(hessian, exact[1:], "the emitted Hessian")


@given(expressions(BUILT), points())
@tried(10)
def test_numba_agrees(expr: Any, point: tuple[float, float]) -> None:
    want = compile_grad(expr, [X, Y], args=[X, Y], backend="numpy").value_and_grad(*point)
    got = compile_grad(expr, [X, Y], args=[X, Y], backend="numba").value_and_grad(*point)
    assert_close([got[0], *got[1]], [want[0], *want[1]], "numba")


@given(expressions(ELEMENTARY), st.lists(points(), min_size=2, max_size=5))
@tried(60)
def test_arrays_are_the_scalars_one_by_one(expr: Any, several: list[tuple[float, float]]) -> None:
    gradient = compile_grad(expr, [X, Y], args=[X, Y], backend="numpy")
    columns = [np.array(column) for column in zip(*several, strict=True)]
    value, entries = gradient.value_and_grad(*columns)
    for place, point in enumerate(several):
        alone = gradient.value_and_grad(*point)
        # NumPy's vectorised loops may round otherwise than its scalar ones.
        assert_close([value[place], *[entry[place] for entry in entries]], [alone[0], *alone[1]], "an entry")


def test_emission_is_a_function_of_the_expression() -> None:
    strategy = expressions(ELEMENTARY)

    @given(strategy)
    @tried(40)
    def twice(expr: Any) -> None:
        first, second = (compile_grad(expr, [X, Y], args=[X, Y], backend="numpy").source for _ in range(2))
        assert first == second

    twice()
