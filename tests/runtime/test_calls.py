"""The calling convention: positions and names, casts, broadcasting, batches, structures, pickles, errors."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb

x, y, w, b = sp.symbols("x y w b")
BACKENDS = ("python", "numpy", "numba")
EXPR = x**2 * sp.sin(y)


@pytest.fixture(scope="module", params=BACKENDS)
def g(request: pytest.FixtureRequest) -> sb.CompiledFunction:
    return sb.compile_grad(EXPR, [x, y], backend=request.param)


@pytest.fixture(scope="module", params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def expected(at: Any, to: Any) -> list[Any]:
    return [2 * at * np.sin(to), at**2 * np.cos(to)]


def test_calls_by_position_and_name(g: sb.CompiledFunction) -> None:
    for found in (g(2, 3), g(2.0, y=3), g(y=np.float32(3), x=np.int8(2)), g(np.array(2), True + 2)):
        assert found == pytest.approx(expected(2.0, 3.0), rel=1e-14)
    value, gradient = g.value_and_grad(2, 3)
    assert value == g.value(2, 3) == pytest.approx(4 * np.sin(3), rel=1e-14)
    assert all(type(entry) is float for entry in (value, *gradient))


def test_integers_never_wrap_around(backend: str) -> None:
    g = sb.compile_grad(x**40, x, backend=backend)
    assert g.value(3) == 12157665459056928801.0
    assert g.value(np.array([3, 1]))[0] == 12157665459056928801.0
    assert g(3) == pytest.approx(40 * 3.0**39, rel=1e-14)


def test_arrays_for_scalars_give_elementwise_results(g: sb.CompiledFunction) -> None:
    xs, ys = np.linspace(0.1, 1, 5), np.linspace(1, 2, 3)[:, None]
    gradient = g(xs, ys)
    assert [entry.shape for entry in gradient] == [(3, 5), (3, 5)]
    np.testing.assert_allclose(gradient, expected(xs, ys), rtol=1e-14)
    assert g.value(xs, 1.0).shape == (5,)
    assert g(np.empty((0, 4)), 1.0)[0].shape == (0, 4)
    before = xs.copy()
    g(xs, 1)
    np.testing.assert_array_equal(xs, before)


def test_constant_gradients_take_the_common_shape(backend: str) -> None:
    g = sb.compile_grad(x + 2 * y, [x, y], backend=backend)
    gradient = g(np.zeros(4), 1.0)
    assert gradient[0].tolist() == [1.0] * 4
    assert gradient[1].tolist() == [2.0] * 4
    gradient[0][0] = 7.0  # Results are the caller's own.


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_layout_does_not_matter(g: sb.CompiledFunction, order: Any) -> None:
    grid = np.asarray(np.arange(1.0, 13.0).reshape(3, 4), order=order)
    np.testing.assert_allclose(g(grid[::2, ::-1], 0.5)[0], 2 * grid[::2, ::-1] * np.sin(0.5), rtol=1e-14)


@pytest.mark.parametrize("reduce", ["sum", "mean", None])
def test_batches(backend: str, reduce: str | None) -> None:
    loss = (sp.tanh(w * x + b) - y) ** 2
    g = sb.compile_grad(loss, {"w": w, "b": b, "x": x}, batch=[x, y], reduce=reduce, backend=backend)
    rng = np.random.default_rng(0)
    xs, ys = rng.normal(size=(2, 50))
    value, gradient = g.value_and_grad(0.3, 0.7, xs, ys)
    t = np.tanh(0.7 * xs + 0.3)
    per_value, slope = (t - ys) ** 2, 2 * (t - ys) * (1 - t**2)
    per = {"w": slope * xs, "b": slope, "x": slope * 0.7}
    scale = 1 / 50 if reduce == "mean" else 1.0
    # Sums of 50 terms, in two orders: some ulps.
    if reduce is None:
        np.testing.assert_allclose(value, per_value, rtol=1e-13)
        for name in per:
            np.testing.assert_allclose(gradient[name], per[name], rtol=1e-12)
    else:
        assert value == pytest.approx(per_value.sum() * scale, rel=1e-13)
        assert gradient["w"] == pytest.approx(per["w"].sum() * scale, rel=1e-12)
        assert gradient["b"] == pytest.approx(per["b"].sum() * scale, rel=1e-12)
        np.testing.assert_allclose(gradient["x"], per["x"] * scale, rtol=1e-12)
    assert np.all(np.asarray(g.value(0.3, 0.7, xs, ys)) == np.asarray(value))


def test_a_batch_of_constants_counts_its_samples(backend: str) -> None:
    g = sb.compile_grad(w + 3, w, args=[w, x], batch=[x], reduce="sum", backend=backend)
    assert g.value_and_grad(2.0, np.zeros(7)) == (35.0, 7.0)
    mean = sb.compile_grad(w + 3, w, args=[w, x], batch=[x], reduce="mean", backend=backend)
    assert mean.value_and_grad(2.0, np.zeros(7)) == (5.0, 1.0)
    each = sb.compile_grad(w + 3, w, args=[w, x], batch=[x], backend=backend)
    assert each(2.0, np.zeros(3)).tolist() == [1.0, 1.0, 1.0]
    empty = sb.compile_grad(w * x, w, batch=[x], reduce="sum", backend=backend)
    assert empty.value_and_grad(2.0, np.zeros(0)) == (0.0, 0.0)


@pytest.mark.parametrize("target", ["numpy", "numba"])
def test_float32_stays_float32(target: str) -> None:
    expr = sp.exp(x) * sp.sin(y) / 3 + sp.Piecewise((1, x > 0), (0, True)) + sp.sqrt(2) * sp.pi * x + sp.erfinv(y / 9)
    g = sb.compile_grad(expr, [x, y], backend=target, dtype="float32")
    value, gradient = g.value_and_grad(0.5, 0.25)
    assert all(entry.dtype == np.float32 for entry in (value, *gradient))
    exact = sb.compile_grad(expr, [x, y], backend="numpy").value_and_grad(0.5, 0.25)
    # A dozen roundings of 6e-8 each.
    assert float(value) == pytest.approx(exact[0], rel=2e-6)
    np.testing.assert_allclose(np.array(gradient, float), exact[1], rtol=2e-6)
    assert all(entry.dtype == np.float32 for entry in g(np.ones(3), 0.2))
    kernel = g.kernel
    assert isinstance(kernel(np.float32(0.5), np.float32(0.25))[0], float)
    assert {str(s.return_type) for s in kernel.nopython_signatures} == {"Tuple(float32, UniTuple(float32 x 2))"}


def test_pickles_and_copies_by_source(g: sb.CompiledFunction) -> None:
    for twin in (pickle.loads(pickle.dumps(g)), copy.deepcopy(g)):
        assert twin(2, 3) == g(2, 3)
        assert twin.source == g.source and twin.stats == g.stats
        assert repr(twin) == repr(g)


def test_repr_says_how_to_call(g: sb.CompiledFunction) -> None:
    assert "call with (x, y)" in repr(g) and g.backend in repr(g)


def test_kernel_is_callable_from_njit_code(backend: str) -> None:
    from numba import njit

    kernel = sb.compile_grad(EXPR, [x, y], backend=backend).kernel

    @njit
    def total(n: int) -> float:
        found = 0.0
        for k in range(n):
            found += kernel(1.0 * k, 0.5)[1][0]
        return found

    assert total(4) == pytest.approx(2 * (0 + 1 + 2 + 3) * np.sin(0.5), rel=1e-14)


def test_threads_may_share_a_function(g: sb.CompiledFunction) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda k: g(float(k), 1.0)[0], range(40)))
    assert found == pytest.approx([2 * k * np.sin(1.0) for k in range(40)], rel=1e-14)


def test_as_scipy_packs_and_unpacks() -> None:
    g = sb.compile_grad((x - 3) ** 2 + (y + 1) ** 2 + w * x, [y, x], backend="python")
    fun, pack = g.as_scipy(w=0.0)
    assert pack(x=1.0, y=2.0).tolist() == [2.0, 1.0]
    value, gradient = fun(pack(x=1.0, y=2.0))
    assert (value, gradient.tolist()) == (13.0, [6.0, -4.0])
    with pytest.raises(sb.CallError, match="misses 'y'"):
        pack(x=1.0)
    with pytest.raises(sb.CallError, match="no argument 'q'"):
        g.as_scipy(q=1.0)
    with pytest.raises(sb.CallError, match="misses a value for 'w'"):
        g.as_scipy()


@pytest.mark.parametrize(
    ("args", "named", "error", "words"),
    [
        ((1,), {}, sb.CallError, "misses 'y'"),
        ((1, 2, 3), {}, sb.CallError, "takes 2 arguments"),
        ((1, 2), {"x": 3}, sb.CallError, "by position and by name"),
        ((1,), {"z": 3}, sb.CallError, "no argument 'z'"),
        (("one", 2), {}, sb.CallError, "real numbers"),
        ((None, 2), {}, sb.CallError, "real numbers"),
        ((1 + 2j, 2), {}, sb.CallError, "complex"),
        (([1, [2, 3]], 2), {}, sb.CallError, "real numbers"),
        ((np.zeros(2), np.zeros(3)), {}, sb.ShapeMismatch, "do not broadcast"),
    ],
    ids=str,
)
def test_bad_calls(g: sb.CompiledFunction, args: Any, named: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        g(*args, **named)


def test_bad_arrays() -> None:
    packed = sb.compile_grad(x * y, [(x, y)], args=[(x, y)], backend="python")
    with pytest.raises(sb.ShapeMismatch, match="packs 2 numbers"):
        packed([1, 2, 3])
    with pytest.raises(sb.ShapeMismatch, match="1-D"):
        packed(1.0)
    batched = sb.compile_grad(w * x * y, w, batch=[x, y], reduce="sum", backend="python")
    with pytest.raises(sb.ShapeMismatch, match="'y' has 3 samples, where axis 0 of 'x' has 2"):
        batched(1.0, [1, 2], [1, 2, 3])
    with pytest.raises(sb.ShapeMismatch, match="shared by all samples"):
        batched([1.0, 2.0], [1, 2], [1, 2])
    with pytest.raises(sb.ShapeMismatch, match="1-D"):
        batched(1.0, 2.0, [1, 2])


def test_lambdify_is_a_drop_in(backend: str) -> None:
    f = sb.lambdify((x, y), [x + y, x * y], backend=backend)
    assert f(2, 3) == [5.0, 6.0]
    assert sb.lambdify(x, sp.softplus(x) if hasattr(sp, "softplus") else sp.log(1 + sp.exp(x)), "math")(0.0) > 0.69
    value, jacobian = sb.lambdify([x, (y, w)], x * y * w, jacobian=True, backend=backend)(2, [3, 4])
    assert (value, jacobian.tolist()) == (24.0, [12.0, 8.0, 6.0])
    matrix = sp.Matrix([[x, y], [x * y, 1]])
    for f in (sb.lambdify((x, y), matrix, cse=True, backend=backend), sp.lambdify((x, y), matrix)):
        assert f(2, 3).tolist() == [[2, 3], [6, 1]]
    assert sb.lambdify(sp.Tuple(x, y), matrix, backend=backend)(np.ones(4), 3.0).shape == (2, 2, 4)
    assert sb.lambdify([[x, y], w], x * y * w, backend=backend)([2, 3], 4) == 24.0
    with pytest.raises(sb.OptionError, match="modules"):
        sb.lambdify(x, x, "tensorflow")


def test_second_order(backend: str) -> None:
    hessian = sb.compile_hessian(EXPR, [x, y], backend=backend)(2.0, 3.0)
    exact = [[2 * np.sin(3), 4 * np.cos(3)], [4 * np.cos(3), -4 * np.sin(3)]]
    np.testing.assert_allclose(hessian, exact, rtol=1e-14)
    product = sb.compile_hvp(EXPR, [x, y], backend=backend)(2.0, 3.0, [1.0, -2.0])
    np.testing.assert_allclose(product, np.array(exact) @ [1.0, -2.0], rtol=1e-13)


def test_forward_and_reverse_products_agree_with_the_jacobian(backend: str) -> None:
    exprs = [EXPR, sp.exp(x - y), x / y]
    jacobian = sb.compile_jacobian(exprs, [x, y], backend=backend)(2.0, 3.0)
    pushed = sb.compile_jvp(exprs, [x, y], backend=backend)(2.0, 3.0, 0.5, -1.5)
    pulled = sb.compile_vjp(exprs, [x, y], backend=backend)(2.0, 3.0, 1.0, 2.0, 3.0)
    np.testing.assert_allclose(pushed, jacobian @ [0.5, -1.5], rtol=1e-13)
    np.testing.assert_allclose(pulled, [1.0, 2.0, 3.0] @ jacobian, rtol=1e-13)
