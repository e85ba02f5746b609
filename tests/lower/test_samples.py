"""One loop over the samples of a batch: where it is made, where it must not be, and that its answers are the same."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb
from symbackprop import (
    Total,
    affine,
    batch_norm,
    binary_cross_entropy,
    compile_grad,
    cross_entropy,
    relu,
    softmax,
    tanh,
)

N = sp.Symbol("N", integer=True, positive=True)
i, j = sp.symbols("i j", integer=True)
X, Y, y1 = sp.MatrixSymbol("X", N, 3), sp.MatrixSymbol("Y", N, 2), sp.MatrixSymbol("y", N, 1)
W1, b1 = sp.MatrixSymbol("W1", 3, 5), sp.MatrixSymbol("b1", 1, 5)
W2, b2 = sp.MatrixSymbol("W2", 5, 2), sp.MatrixSymbol("b2", 1, 2)
w = sp.MatrixSymbol("w", 3, 1)
A1, Z2 = sp.MatrixSymbol("A1", N, 5), sp.MatrixSymbol("Z2", N, 2)
x, t, a, k = sp.symbols("x t a k", real=True)
scale = sp.Symbol("scale", real=True)


def network(activation: Any) -> Any:
    return [(A1, activation(affine(X, W1, b1))), (Z2, affine(A1, W2, b2))]


# The loss, what it is differentiated in, the number of its loops over samples, and its options.
MODELS: dict[str, tuple[Any, Any, int, dict[str, Any]]] = {
    "regression": (Total(((X * w - y1)).applyfunc(lambda e: e**2)) / N, [w], 1, {}),
    "logistic regression": (binary_cross_entropy(X * w, y1, from_logits=True), [w], 1, {}),
    "network of tanh": ((network(tanh), [cross_entropy(Z2, Y)]), [W1, b1, W2, b2], 1, {}),
    "network of relu": ((network(relu), [cross_entropy(Z2, Y)]), [W1, b1, W2, b2], 1, {}),
    "in the data as well": ((network(tanh), [cross_entropy(Z2, Y)]), [W1, X], 1, {}),
    "of scalars": ((a * sp.exp(-k * t) * sp.cos(t) - x) ** 2, [a, k], 1, {"batch": [t, x], "reduce": "mean"}),
    "one a sample": ((a * sp.exp(-k * t) - x) ** 2, [a, k], 1, {"batch": [t, x]}),
    "guarded": (sp.Piecewise((sp.sqrt(t) * a, t > 0), (k * t, True)), [a, k], 1, {"batch": [t], "reduce": "sum"}),
    "SciPy's functions": (sp.gamma(t**2 + 1) * a + sp.erf(k * t), [a, k], 1, {"batch": [t], "reduce": "sum"}),
    # What a sample needs of all others takes a second loop.
    "normalised over the batch": (
        Total(tanh(batch_norm(X * W1, b1, b1)).applyfunc(lambda e: e**2)), [W1, b1], 0, {}
    ),
}  # fmt: skip
SIZES = [1, 2, 7, 8, 9, 15, 16, 17, 33]


def compiled(name: str, **options: Any) -> sb.CompiledFunction:
    loss, wrt, _, own = MODELS[name]
    return compile_grad(loss, wrt, **own, **options)


cached = cache(compiled)


def point(function: sb.CompiledFunction, size: int, dtype: str = "float64") -> list[Any]:
    """Values for all arguments, with so many samples."""
    rng = np.random.default_rng(size)
    values: list[Any] = []
    for argument in function.signature.arguments:
        shape = tuple(size if extent in ("N", "samples") else extent for extent in argument.full_shape)
        drawn = rng.normal(size=shape)
        values.append(np.asarray(drawn, dtype) if shape else float(drawn))
    return values


@pytest.mark.parametrize("name", MODELS)
def test_every_remainder_of_samples(name: str) -> None:
    """Batches that fill their lanes and such that do not; the last lanes' samples count once, and others not at all."""
    direct, reference = cached(name), cached(name, backend="numpy")
    assert direct.route == "direct"
    for size in SIZES:
        values = point(direct, size)
        got, want = direct.value_and_grad(*values), reference.value_and_grad(*values)
        # Sums of up to 33 samples in another order, through some dozen operations.
        np.testing.assert_allclose(got[0], want[0], rtol=1e-12, atol=1e-13)
        for own, other in zip(got[1], want[1], strict=True):
            np.testing.assert_allclose(own, other, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", ["network of tanh", "of scalars", "logistic regression"])
def test_float32_in_lanes(name: str) -> None:
    single, double = cached(name, dtype="float32"), cached(name)
    for size in (5, 16, 40):
        values = point(double, size)
        got, want = single.value_and_grad(*values), double.value_and_grad(*values)
        for own, other in zip(got[1], want[1], strict=True):
            assert np.asarray(own).dtype == np.float32
            # Some dozen roundings of 6e-8, in a mean of 40.
            np.testing.assert_allclose(own, other, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("name", MODELS)
def test_loops_over_samples_are_one(name: str) -> None:
    source = cached(name).source
    body = source[source.index("def value_and_grad") :]
    loops = [line for line in body.splitlines() if line.startswith("    for i in range(") and not line[-3].isdigit()]
    wanted = MODELS[name][2]
    assert len(loops) == wanted if wanted else len(loops) > 1, body
    assert "np.dot" not in body or not wanted


def test_an_infinite_sample_stays_where_it_is() -> None:
    """What idle lanes read is another sample's, and must not leak: here its loss is infinite, its gradient nan."""
    for size in (3, 8, 11):
        direct, reference = cached("of scalars"), cached("of scalars", backend="numpy")
        ts = np.linspace(0.1, 1.0, size)
        xs = np.zeros(size)
        xs[0] = np.inf
        got, want = direct.value_and_grad(1.0, 0.5, ts, xs), reference.value_and_grad(1.0, 0.5, ts, xs)
        np.testing.assert_array_equal(got[0], want[0])
        np.testing.assert_array_equal(np.array(got[1]), np.array(want[1]))
        each, other = cached("one a sample"), cached("one a sample", backend="numpy")
        for own, theirs in zip(each(1.0, 0.5, ts, xs), other(1.0, 0.5, ts, xs), strict=True):
            assert np.all(np.isfinite(own[1:])) and np.allclose(own[1:], theirs[1:])


def test_large_layers_stay_with_blas() -> None:
    wide = sp.MatrixSymbol("V", 3, 600)
    g = compile_grad(Total(tanh(X * wide).applyfunc(lambda e: e**2)), wide)
    assert "np.dot" in g.source
    values = point(g, 9)
    want = compile_grad(Total(tanh(X * wide).applyfunc(lambda e: e**2)), wide, backend="numpy")(*values)
    np.testing.assert_allclose(g(*values), want, rtol=1e-11, atol=1e-12)


def test_rows_that_others_read_are_kept() -> None:
    """A running difference reads the neighbours' rows: no loop over samples may take them for its own."""
    u = sp.IndexedBase("u", shape=(N,))
    energy = sp.Sum((sp.tanh(u[i + 1]) - sp.tanh(u[i])) ** 2, (i, 0, N - 2)) + sp.Sum(sp.tanh(u[i]), (i, 0, N - 1))
    direct, reference = compile_grad(energy, u), compile_grad(energy, u, backend="numpy")
    for size in (2, 3, 9, 20):
        values = np.random.default_rng(size).normal(size=size)
        np.testing.assert_allclose(direct(values), reference(values), rtol=1e-12, atol=1e-13)


def test_a_softmax_is_over_classes_and_stays_one_loop() -> None:
    probability = softmax(X * W1)
    loss = Total(sp.HadamardProduct(probability, probability))
    direct, reference = compile_grad(loss, W1), compile_grad(loss, W1, backend="numpy")
    for size in (1, 8, 13):
        values = point(direct, size)
        np.testing.assert_allclose(direct(*values), reference(*values), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("backend", ["numpy", "python", "numba"])
@pytest.mark.parametrize("loss", [(a * x - k) ** 2, a * k, a + x, a**2 * x**2 + a])
def test_a_mean_over_no_samples_is_nan(loss: sp.Expr, backend: str) -> None:
    """And no error, nor a polynomial: a length is no variable in which something cancels."""
    g = compile_grad(loss, [a], args=[a, k, x], batch=[x], reduce="mean", backend=backend)
    value, (slope,) = g.value_and_grad(0.5, 2.0, np.empty(0))
    assert np.isnan(value) and np.isnan(slope)
    assert "series" not in g.source
    value, (slope,) = g.value_and_grad(0.5, 2.0, np.array([3.0, 5.0]))
    want = sum(float(sp.diff(loss, a).subs({a: 0.5, k: 2.0, x: at})) for at in (3, 5)) / 2
    assert float(slope) == pytest.approx(want, rel=1e-14)


# Loops of unknown length inside.

n, K, d = sp.symbols("n K d", integer=True)
SHAPES = (K,), (K, d), (K, d), (n, d)
al, q, mu, data = (sp.IndexedBase(name, shape=shape) for name, shape in zip("aqmx", SHAPES, strict=True))
L = sp.IndexedBase("L", shape=(K, d, d))
c, e, g = sp.symbols("c e g", integer=True)


@cache
def mixture(**options: Any) -> sb.CompiledFunction:
    """A mixture of Gaussians by the factors of their precisions, lower triangles."""
    apart = sp.exp(q[c, e]) * (data[i, e] - mu[c, e])
    apart += sp.Sum(L[c, e, g] * (data[i, g] - mu[c, g]), (g, 0, e - 1))
    inner = al[c] + sp.Sum(q[c, e], (e, 0, d - 1)) - sp.Sum(apart**2, (e, 0, d - 1)) / 2
    loss = sp.Sum(sp.log(sp.Sum(sp.exp(inner), (c, 0, K - 1))), (i, 0, n - 1))
    return compile_grad(loss, [al, mu, q, L], args=[al, mu, q, L, data], **options)


def mixed(samples: int, components: int, axes: int, dtype: str = "float64") -> list[np.ndarray]:
    rng = np.random.default_rng(samples)
    shapes = (components,), (components, axes), (components, axes), (components, axes, axes), (samples, axes)
    return [rng.normal(scale=0.3, size=shape).astype(dtype) for shape in shapes]


# The last two need more memory in lanes than is taken for that; few samples do not fill the lanes.
MIXED = [(1, 2, 3), (7, 3, 2), (8, 3, 2), (9, 1, 4), (17, 4, 3), (33, 5, 4), (9, 40, 14), (3, 40, 14)]


@pytest.mark.parametrize("size", MIXED)
def test_a_turn_with_loops_of_unknown_length(size: tuple[int, int, int]) -> None:
    given = mixed(*size)
    functions = [mixture(), mixture(backend="numpy"), mixture(backend="numba", route="njit")]
    functions += [mixture(backend="python")] * (size[1] < 40)
    (value, slopes), *others = (function.value_and_grad(*given) for function in functions)
    assert mixture().route == "direct"
    for other, theirs in others:
        np.testing.assert_allclose(value, other, rtol=1e-13)
        for mine, their in zip(slopes, theirs, strict=True):
            # Sums over up to 33 samples and 40*14 products, in other orders.
            np.testing.assert_allclose(mine, their, rtol=1e-10, atol=1e-12 * np.abs(their).max())


def test_a_turn_with_loops_of_unknown_length_in_float32() -> None:
    narrow, wide = (mixture(dtype=dtype).value_and_grad(*mixed(37, 3, 4, dtype)) for dtype in ("float32", "float64"))
    np.testing.assert_allclose(narrow[0], wide[0], rtol=1e-5)
    for mine, their in zip(narrow[1], wide[1], strict=True):
        np.testing.assert_allclose(mine, their, rtol=1e-4, atol=1e-5 * np.abs(their).max())


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_conditions_in_rows_of_unknown_length(dtype: str) -> None:
    """Each lane has conditions of its own in an array."""
    z = al[c] - sp.Sum((mu[c, e] - data[i, e]) ** 2, (e, 0, d - 1))
    bent = sp.sqrt(sp.Max(z, 0) + 1) * sp.Max(z, al[c]) - sp.sin(z)
    loss = sp.Sum(sp.exp(-sp.Sum(bent, (c, 0, K - 1))), (i, 0, n - 1))
    options: dict[str, Any] = {"args": [al, mu, data], "dtype": dtype}
    functions = [compile_grad(loss, [al, mu], backend=backend, **options) for backend in ("numba", "numpy")]
    assert functions[0].route == "direct" and "np.bool_" in functions[0].source
    for size in ((5, 3, 2), (16, 3, 2), (19, 7, 3), (40, 1, 1)):
        numbers = mixed(*size, dtype)
        given = numbers[0], numbers[1], numbers[4]
        (value, slopes), (other, theirs) = (function.value_and_grad(*given) for function in functions)
        np.testing.assert_allclose(value, other, rtol=1e-12 if dtype == "float64" else 1e-5)
        for mine, their in zip(slopes, theirs, strict=True):
            scale = (1e-12 if dtype == "float64" else 2e-5) * np.abs(their).max()
            np.testing.assert_allclose(mine, their, rtol=0, atol=scale)


def test_a_mixture_is_one_loop_over_samples() -> None:
    assert mixture().source.partition("def value_and_grad")[2].count("in range(n)") == 1


def test_samples_whose_rows_are_far_apart_keep_their_loops() -> None:
    """Each entry is read once: lanes of samples would read and write them one by one, lanes of entries side by side."""
    loss = sp.Sum(sp.log(sp.Sum(sp.exp(data[i, e]), (e, 0, d - 1))), (i, 0, n - 1))
    function = compile_grad(loss, [data])
    assert function.source.partition("def value_and_grad")[2].count("in range(n)") > 1
    x = np.random.default_rng(0).normal(size=(9, 7))
    p = np.exp(x - x.max(1, keepdims=True))
    np.testing.assert_allclose(function(x)[0], p / p.sum(1, keepdims=True), rtol=1e-14)


def test_a_place_that_differs_from_sample_to_sample_and_one_out_of_range() -> None:
    places = sp.IndexedBase("p", shape=(n,))
    row = sp.Sum(sp.exp(al[c]) * sp.Sum(mu[c, e] ** 2, (e, 0, d - 1)), (c, 0, K - 1))
    loss = sp.Sum(sp.sin(al[places[i]] * data[i, 0]) * row, (i, 0, n - 1))
    args = [al, mu, data, places]
    functions = [compile_grad(loss, [al, mu], args=args, backend=backend) for backend in ("numba", "numpy")]
    given = [*mixed(21, 4, 3)[:2], mixed(21, 4, 3)[4], np.arange(21) % 4]
    (value, slopes), (other, theirs) = (function.value_and_grad(*given) for function in functions)
    np.testing.assert_allclose(value, other, rtol=1e-13)
    for mine, their in zip(slopes, theirs, strict=True):
        np.testing.assert_allclose(mine, their, rtol=1e-11, atol=1e-12)
    given[-1] = np.where(np.arange(21) == 20, 4, given[-1])
    for function in functions:
        with pytest.raises(IndexError):
            function.value_and_grad(*given)
