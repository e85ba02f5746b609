"""Norms over arrays from 1e-300 to 1e300: values, slopes and what is made of them, on every backend.

References are long doubles, whose squares neither overflow nor vanish.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb

n, m = sp.symbols("n m", integer=True, positive=True)
i, j, k = sp.symbols("i j k", integer=True)
x, y = sp.IndexedBase("x"), sp.IndexedBase("y")
X, v = sp.MatrixSymbol("X", n, m), sp.MatrixSymbol("v", n, 1)
BACKENDS = ["numpy", "python", "numba"]
SCALES = (1e-300, 1e-200, 1e-161, 1e-140, 1.0, 1e150, 1e155, 1e200, 1e300)
POINT = np.array([3.0, -0.5, 0.0, 1.25, 2.0, 1e-9, -4.0, 0.75, 1.0])
EPS = 2.0**-52


def squares(base: Any = x) -> Any:
    return sp.Sum(base[i] ** 2, (i, 0, n - 1))


def norm_of(given: Any, axis: Any = None) -> Any:
    return np.sqrt((np.asarray(given, np.longdouble) ** 2).sum(axis=axis))


def along(given: Any) -> Any:
    norm = norm_of(given)
    return np.asarray(given, np.longdouble) / (norm or 1)


# The expression, its value, and its gradient.
MODELS: dict[str, tuple[Any, Any, Any]] = {
    "norm": (sp.sqrt(squares()), norm_of, along),
    "root of a mean": (
        sp.sqrt(squares() / n),
        lambda u: norm_of(u) / np.sqrt(np.longdouble(len(u))),
        lambda u: along(u) / np.sqrt(np.longdouble(len(u))),
    ),
    "logarithm": (sp.log(squares()), lambda u: 2 * np.log(norm_of(u)), lambda u: 2 * along(u) / norm_of(u)),
    "part of a unit vector": (
        x[0] / sp.sqrt(squares()),
        lambda u: along(u)[0],
        lambda u: (np.eye(len(u))[0] - along(u) * along(u)[0]) / norm_of(u),
    ),
    "reciprocal": (1 / sp.sqrt(squares()), lambda u: 1 / norm_of(u), lambda u: -along(u) / norm_of(u) ** 2),
}


def close(got: Any, want: Any, roundings: float, of: Any = 0.0) -> None:
    """To so many roundings of the result, or of `of`; what is no double is what it rounds to."""
    with np.errstate(over="ignore", under="ignore"):
        rounded = np.asarray(want).astype(np.float64)
    np.testing.assert_array_equal(np.isinf(got), np.isinf(rounded))
    usual = np.isfinite(rounded) & ((abs(rounded) > 1e-290) | (rounded == 0))
    got, slack = np.asarray(got, np.float64)[usual], roundings * EPS * np.maximum(abs(rounded), of)[usual]
    assert np.all(np.abs(got - rounded[usual]) <= slack), (got, want)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", MODELS)
def test_values_and_slopes_from_end_to_end(name: str, backend: str) -> None:
    expr, value, slope = MODELS[name]
    g = sb.compile_grad(expr, x, backend=backend)
    for scale in SCALES:
        for size in (2, len(POINT)):
            point = POINT[:size] * scale
            got, gradient = g.value_and_grad(point)
            close(got, value(point), 8)
            want = slope(point)
            # Where slopes overflow, as those of 1/norm do below 1e-154, one that is 0 beside them has no value.
            if np.max(abs(want)) < 1e308:
                close(gradient, want, 8, of=float(np.max(abs(want))))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    "expr", [sp.sqrt(sp.Trace(X.T * X)), sp.sqrt(sp.Sum(4 * X[i, j] ** 2, (i, 0, n - 1), (j, 0, m - 1)))]
)
def test_matrices(expr: Any, backend: str) -> None:
    g = sb.compile_grad(expr, X, backend=backend)
    factor = 1 if expr.has(sp.Trace) else 2
    for scale in SCALES:
        point = POINT[:6].reshape(2, 3) * scale
        got, gradient = g.value_and_grad(point)
        close(got, factor * norm_of(point), 4)
        close(gradient, factor * along(point), 4)


@pytest.mark.parametrize(
    "expr", [sp.sqrt((v.T * v)[0, 0]), sp.sqrt(sp.Trace(v.T * v)), sp.sqrt(sp.Sum(v[i, 0] ** 2, (i, 0, n - 1)))]
)
def test_a_column_in_all_its_spellings(expr: Any) -> None:
    for backend in BACKENDS:
        got, gradient = sb.compile_grad(expr, v, backend=backend).value_and_grad(np.array([[3e200], [4e200]]))
        close(got, 5e200, 2)
        close(gradient, [[0.6], [0.8]], 2)


ROWS = np.array([[3e-300, 4e-300], [0.0, 0.0], [1.0, -1.0], [1e-170, 1.0], [-3e300, 4e300], [5e154, 1e10]])


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("inner", [True, False], ids=["rows", "columns"])
def test_each_row_is_scaled_by_itself(inner: bool, backend: str) -> None:
    """Also where the sums are those of the outer axis, and where a norm stands beside others that need nothing."""
    lengths = (k, 0, m - 1), (i, 0, n - 1)
    total = sp.Sum(y[i] * sp.sqrt(sp.Sum((x[i, k] if inner else x[k, i]) ** 2, lengths[0])), lengths[1])
    g = sb.compile_grad(total, [y, x], backend=backend)
    weights = np.array([1e300, 1.0, 1.0, -2.0, 1e-300, 1e-150])
    _, (norms, slopes) = g.value_and_grad(x=ROWS if inner else ROWS.T.copy(), y=weights)
    close(norms, norm_of(ROWS, axis=1), 3)
    for row, slope, weight in zip(ROWS, slopes if inner else slopes.T, weights, strict=True):
        close(slope, along(row) * weight, 4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_distances_of_pairs(backend: str) -> None:
    """On Numba points go in lanes, of which some take the sum once more and others do not."""
    total = sp.Sum(sp.sqrt(sp.Sum((x[i, k] - x[j, k]) ** 2, (k, 0, 2))), (i, 0, n - 1), (j, 0, n - 1))
    g = sb.compile_grad(total, x, backend=backend)
    points = np.random.default_rng(1).standard_normal((37 if backend == "numba" else 9, 3))
    points[:4] *= 1e-170
    points[5] *= 1e200
    got, gradient = g.value_and_grad(points)
    apart = points[:, None].astype(np.longdouble) - points
    distances = norm_of(apart, axis=2)
    close(got, distances.sum(), 8)
    close(gradient, 2 * (apart / np.where(distances > 0, distances, 1)[:, :, None]).sum(axis=1), 64, of=1)


@pytest.mark.parametrize("backend", BACKENDS)
def test_second_derivatives_by_every_mode(backend: str) -> None:
    """Scaled by a power of two the point has the same slopes to the last bit, and a Hessian over it."""
    norm = sp.sqrt(sp.Sum((x[i] - y[i]) ** 2, (i, 0, n - 1)))
    how: dict[str, Any] = {"args": [x, y], "backend": backend}
    hessian, product = sb.compile_hessian(norm, x, **how), sb.compile_hvp(norm, x, **how)
    tangent, gradient = sb.compile_jvp(norm, [x], **how), sb.compile_grad(norm, x, **how)
    other, along_it = np.zeros(len(POINT)), np.linspace(-1, 1, len(POINT))
    unit = along(POINT).astype(np.float64)
    want = (np.eye(len(POINT)) - np.outer(unit, unit)) / float(norm_of(POINT))
    for power in (-900, -600, 0, 600, 900):
        point = POINT * 2.0**power
        close(np.asarray(hessian(point, other)) * 2.0**power, want, 8, of=1)
        close(np.asarray(product(point, other, along_it)) * 2.0**power, want @ along_it, 16, of=1)
        close(tangent(point, other, along_it), unit @ along_it, 8, of=1)
        np.testing.assert_array_equal(gradient(point, other), gradient(POINT, other))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.filterwarnings("ignore")
def test_special_numbers(backend: str) -> None:
    """As the sum of squares has it, but for the kink: at the origin the slope is 0."""
    g = sb.compile_grad(sp.sqrt(squares()), x, backend=backend)
    inf, nan = np.inf, np.nan
    for point, value, slopes in (
        ([], 0, []),
        ([0.0], 0, [0]),
        ([0.0, -0.0, 0.0], 0, [0, 0, 0]),
        ([-7.0], 7, [-1]),
        ([1.0, -inf], inf, [0, nan]),
        ([1.0, nan], nan, [nan, nan]),
        ([inf, nan], nan, [nan, nan]),
        ([1e-320, 0.0], 1e-320, None),
    ):
        got, gradient = g.value_and_grad(np.array(point))
        np.testing.assert_array_equal(got, value)
        assert not np.signbit(got)
        if slopes is not None:
            np.testing.assert_array_equal(gradient, slopes)
    rows = sb.compile_grad(sp.Sum(sp.sqrt(sp.Sum(x[i, k] ** 2, (k, 0, m - 1))), (i, 0, n - 1)), x, backend=backend)
    for shape in ((3, 0), (0, 0)):
        got, gradient = rows.value_and_grad(np.zeros(shape))
        assert got == 0 and gradient.shape == shape


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_float32_has_ends_of_its_own(backend: str) -> None:
    g = sb.compile_grad(sp.sqrt(squares()), x, backend=backend, dtype="float32")
    for scale in (1e-37, 1e-30, 1e-20, 1e-15, 1.0, 1e15, 1e20, 1e37):
        point = (POINT * scale).astype(np.float32)
        got, gradient = g.value_and_grad(point)
        assert gradient.dtype == np.float32
        close(got, norm_of(point), 4 * 2**29)
        close(gradient, along(point), 4 * 2**29)


@pytest.mark.parametrize(
    "how", [{"backend": "numpy"}, {"backend": "numba"}, {"backend": "numba", "parallel": True}], ids=str
)
def test_batches(how: Any) -> None:
    """A norm of each sample, in blocks and lanes that hold samples of all sizes."""
    norm = sp.sqrt(sp.Sum((x[k] - y[k]) ** 2, (k, 0, 2)))
    count = 1000
    samples = np.random.default_rng(2).standard_normal((count, 3)) * np.resize(SCALES, count)[:, None]

    g = sb.compile_grad(norm, x, args=[x, y], batch=[x], reduce=None, **how)
    got, gradient = g.value_and_grad(samples, np.zeros(3))
    close(got, norm_of(samples, axis=1), 4)
    close(gradient, samples.astype(np.longdouble) / norm_of(samples, axis=1)[:, None], 4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_kink_is_refused_where_that_is_asked_for(backend: str) -> None:
    norm = sp.sqrt(squares())
    forward, reverse = (make(norm, [x], backend=backend, kinks="raise") for make in (sb.compile_jvp, sb.compile_grad))
    for call in (lambda at: forward(at, np.array([1.0, -1.0])), reverse):
        with pytest.raises(sb.DomainError, match=r"norm\(x\) has no derivative where it is 0"):
            call(np.zeros(2))
        call(np.array([0.0, 1e-300]))


def test_modules_stay_readable() -> None:
    texts = {backend: sb.compile_grad(sp.sqrt(squares()), x, backend=backend).source for backend in BACKENDS}
    assert "    result = _norm_over(x, 0)\n" in texts["numpy"]
    assert "    x_bar = x * _inverses(result)\n" in texts["numpy"]
    assert "    for i in range(_turns(v1, n)):\n" in texts["numba"]
    assert "    for i in range(_turns_again(v1, n)):\n" in texts["python"]


def test_logarithms_of_many_sums_keep_them() -> None:
    """A root for each would be dear; and a sum with a constant is no norm, whose slopes have no kink."""
    logs = sp.Sum(sp.log(sp.Sum(x[i, k] ** 2, (k, 0, m - 1))), (i, 0, n - 1))
    for expr in (logs, sp.sqrt(squares() + 1), sp.sqrt(squares() + squares(y))):
        assert "_norm_over" not in sb.compile_function(expr, backend="numpy").source
