"""Arrays at the door and in the results: layouts, types, lengths, indices out of range, and whose memory is whose."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb

N, d, k, n, m = sp.symbols("N d k n m", integer=True, positive=True)
i, at = sp.symbols("i at", integer=True)
a, s = sp.symbols("a s")
X, W, b, y = (sp.MatrixSymbol(*g) for g in (("X", N, d), ("W", d, k), ("b", 1, k), ("y", N, 1)))
A, B, u = sp.MatrixSymbol("A", n, n), sp.MatrixSymbol("B", n, n), sp.MatrixSymbol("u", n, 1)
C = sp.MatrixSymbol("C", 2, 3)
x, p = sp.IndexedBase("x"), sp.IndexedBase("p")
z = sp.IndexedBase("z", shape=(n,))

BACKENDS = ("numpy", "python", "numba")
LOSSES = {
    "layer": (sb.Total(sb.tanh(sb.affine(X, W, b))) * a, [W, X, b, a]),
    "picked": (sp.Sum(x[p[i]] ** 2, (i, 0, N - 1)) / N, [x]),
    "steps": (sp.Sum((x[i + 1] - z[i]) ** 2 * i, (i, 0, n - 1)), [x, z]),
    "solve": (sp.Trace(u.T * A**-1 * u) + sp.log(sp.Determinant(A)), [A, u]),
    "determinant": (sp.Determinant(A), [A]),
    "attention": (sb.Total(sb.softmax(X * X.T / sp.sqrt(d)) * X), [X]),
}
SHAPE, CALL = sb.ShapeMismatch, sb.CallError
backends = pytest.mark.parametrize("backend", BACKENDS)


@cache
def compiled(name: str, backend: str, dtype: str = "float64", route: str = "direct") -> sb.CompiledFunction:
    loss, wrt = LOSSES[name]
    return sb.compile_grad(loss, wrt, backend=backend, dtype=dtype, route=route)


def layer_point(rows: int = 4, columns: int = 3) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {"W": rng.normal(size=(columns, 2)), "X": rng.normal(size=(rows, columns)), "a": 0.5, "b": np.ones((1, 2))}


# What goes in.


@backends
def test_memory_layout_does_not_matter(backend: str) -> None:
    layer = compiled("layer", backend)
    rng = np.random.default_rng(1)
    wide, tall = rng.normal(size=(8, 6)), rng.normal(size=(6, 4))
    views = {"X": wide[::2, ::-2], "W": tall[::2, 1:3], "a": 0.5, "b": np.broadcast_to(2.0, (1, 2))}
    want = layer.value_and_grad(**{name: np.array(entries) for name, entries in views.items()})
    fortran = {name: np.asarray(entries, order="F") for name, entries in views.items()}
    swapped = {name: np.asarray(entries, ">f8") for name, entries in views.items()}
    lists = {name: np.asarray(entries).tolist() for name, entries in views.items()}
    numbers = {name: np.asarray(entries, object) for name, entries in views.items()}
    for point in (views, fortran, swapped, lists, numbers):
        value, gradient = layer.value_and_grad(**point)
        # The order in which BLAS adds may follow the layout: some ulps of a sum of three.
        assert value == pytest.approx(want[0], rel=1e-14)
        for own, other in zip(gradient, want[1], strict=True):
            np.testing.assert_allclose(own, other, rtol=1e-13)
            assert isinstance(own, float) or (own.dtype == np.float64 and own.dtype.isnative)


@backends
def test_inputs_are_read_and_results_are_the_callers_own(backend: str) -> None:
    losses = [
        (sp.Trace(A), [A]),
        (sp.Trace(A * A.T) / 2, [A]),
        (sp.Trace(A.T * B), [A, B]),
        (sb.Total(A + B), [A, B]),
        (sp.Trace(A * A), [A, A]),
        (sb.Total(A * u), [A, u]),
    ]
    if backend == "numba":
        losses = losses[2:4]
    for loss, wrt in losses:
        function = sb.compile_grad(loss, wrt, backend=backend)
        point = {name: np.arange(1.0, 10.0).reshape(3, 3) if name != "u" else np.ones((3, 1)) for name in function.args}
        before = {name: entries.copy() for name, entries in point.items()}
        for entries in point.values():
            entries.flags.writeable = False
        first = function(**point)
        for position, entries in enumerate(first):
            assert not any(np.shares_memory(entries, given) for given in point.values())
            assert not any(np.shares_memory(entries, other) for other in first[:position])
        kept = [entries.copy() for entries in first]
        for entries in first:
            entries *= 0.0  # Results can be written to, and no later call sees it.
        for own, other in zip(function(**point), kept, strict=True):
            np.testing.assert_array_equal(own, other)
        for name, entries in point.items():
            np.testing.assert_array_equal(entries, before[name])


@backends
def test_values_are_the_callers_own(backend: str) -> None:
    function = sb.compile_function([A, A.T, A], backend=backend)
    given = np.arange(9.0).reshape(3, 3)
    first, turned, again = function(given)
    np.testing.assert_array_equal(turned, given.T)
    for own in (first, turned, again):
        assert not np.shares_memory(own, given)
        assert own.flags.writeable
    assert not np.shares_memory(first, again) and not np.shares_memory(first, turned)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_float32_stays_float32(name: str, backend: str) -> None:
    rng = np.random.default_rng(2)
    point: dict[str, Any] = {
        "layer": layer_point(),
        "picked": {"x": rng.normal(size=4), "p": [1, 3, 1]},
        "steps": {"x": rng.normal(size=5), "z": rng.normal(size=4)},
        "solve": {"A": np.eye(3) * 2 + rng.uniform(0, 0.5, (3, 3)), "u": rng.normal(size=(3, 1))},
        "determinant": {"A": np.eye(3) * 2 + rng.uniform(0, 0.5, (3, 3))},
        "attention": {"X": rng.normal(size=(4, 3))},
    }[name]
    function = compiled(name, backend, "float32")
    value, gradient = function.value_and_grad(**point)
    want, exact = compiled(name, "numpy").value_and_grad(**point)
    # Some dozen roundings of 6e-8 each.
    assert abs(value - want) <= 1e-5 * abs(want)
    for own, other in zip(gradient, exact, strict=True):
        assert own.dtype == np.float32
        assert np.max(np.abs(own - other)) <= 1e-5 * np.max(np.abs(other))
    assert value.dtype == np.float32
    # The module by itself computes in that type, and is not only cast at the end.
    if backend == "numba":
        emitted = compiled(name, backend, "float32", route="njit")
        emitted.value_and_grad(**point)
        types = {str(signature.return_type) for signature in emitted.kernel.nopython_signatures}
        assert types and not any("float64" in text for text in types)
    else:
        scope: dict[str, Any] = {}
        exec(function.source, scope)
        arguments = [np.asarray(point[name], np.int64 if name == "p" else np.float32) for name in function.args]
        result, leaves = scope["value_and_grad"](*arguments)
        assert {np.asarray(entry).dtype for entry in (result, *leaves)} == {np.dtype(np.float32)}


@backends
@pytest.mark.parametrize(
    ("name", "point", "error", "words"),
    [
        ("layer", {"X": np.ones((4, 5))}, SHAPE, "axis 1 of 'X' has length 5, where the dimension d is 3"),
        ("layer", {"b": np.ones((1, 3))}, SHAPE, "axis 1 of 'b' has length 3, where the dimension k is 2"),
        ("layer", {"b": np.ones((2, 2))}, SHAPE, r"axis 0 of 'b' has length 2, but must have length 1.*\(1, k\)"),
        ("layer", {"b": np.ones(2)}, SHAPE, r"'b' must be a 2-D array.*\(1, k\), got shape \(2,\); a column"),
        ("layer", {"X": 1.0}, SHAPE, r"'X' must be a 2-D array of shape \(N, d\), got shape \(\)"),
        ("layer", {"X": np.ones((4, 3, 1))}, SHAPE, r"'X' must be a 2-D array of shape \(N, d\)"),
        ("layer", {"X": np.ones((4, 3), complex)}, CALL, "'X' must be real numbers, got complex128"),
        ("layer", {"X": [["1", "2", "3"]]}, CALL, "'X' must be real numbers, got <U1"),
        ("layer", {"X": [[1.0, 2.0], [3.0]]}, CALL, "'X' must be real numbers, got a list"),
        ("layer", {"X": None}, CALL, "'X' must be real numbers"),
        ("layer", {"N": 5}, SHAPE, "axis 0 of 'X' has length 4, where the dimension N is 5 by the argument 'N'"),
        ("layer", {"q": 5}, CALL, "no argument 'q'"),
        ("picked", {"x": np.ones(3), "p": [0.0, 1.0]}, CALL, "'p' must be integers, got float64"),
        ("picked", {"x": np.ones(3), "p": [True]}, CALL, "'p' must be integers, got bool"),
        ("picked", {"x": np.ones(3), "p": 1}, SHAPE, "'p' must be a 1-D array"),
        ("steps", {"x": np.ones(4), "z": np.ones(4)}, SHAPE, "axis 0 of 'z' has length 4, where the dimension n is 3"),
        ("steps", {"x": np.ones(0), "z": np.ones(0)}, SHAPE, "'x'|'z'"),
        ("solve", {"A": np.ones((2, 3)), "u": np.ones((2, 1))}, SHAPE, "axis 1 of 'A' has length 3"),
    ],
)  # fmt: skip
def test_bad_arrays_are_refused_by_name(
    backend: str, name: str, point: dict[str, Any], error: type[Exception], words: str
) -> None:
    given = {**layer_point(), **point} if name == "layer" else point
    with pytest.raises(error, match=words):
        compiled(name, backend)(**given)


@backends
def test_a_module_checks_its_arguments_too(backend: str) -> None:
    scope: dict[str, Any] = {}
    exec(compiled("layer", backend).source, scope)
    arguments = [layer_point()[name] for name in ("W", "X", "a", "b")]
    if backend == "python":
        arguments = [np.asarray(argument).tolist() for argument in arguments]
    assert np.isfinite(scope["value"](*arguments))
    wrong = np.ones((4, 5)) if backend != "python" else [[1.0] * 5] * 4
    with pytest.raises(ValueError, match=r"X must have shape \(N, d\)"):
        scope["value"](arguments[0], wrong, *arguments[2:])


# Indices.


@backends
@pytest.mark.parametrize("places", [[0, 3], [-1, 0], [2**40], [-(2**62)]], ids=str)
def test_an_index_out_of_range_is_an_error_everywhere(backend: str, places: list[int]) -> None:
    picked = compiled("picked", backend)
    for run in (picked, picked.value, picked.value_and_grad):
        with pytest.raises(IndexError, match="out of range"):
            run(x=np.ones(3), p=places)
    scope: dict[str, Any] = {}
    exec(picked.source, scope)
    given = (places, [1.0] * 3) if backend == "python" else (np.array(places), np.ones(3))
    for name in ("value", "grad", "value_and_grad"):
        with pytest.raises(IndexError, match="out of range"):
            scope[name](*given)


@backends
def test_index_arrays(backend: str) -> None:
    picked = compiled("picked", backend)
    assert picked(x=[1.0, 2.0, 3.0], p=np.array([2, 0, 2], np.uint8)).__class__ is list
    assert picked(x=[1.0, 2.0, 3.0], p=np.array([2, 0, 2], np.uint8))[0].tolist() == [2 / 3, 0.0, 4.0]
    assert picked(x=np.ones(3), p=np.array([2, 0, 2, 9])[::-2][1:])[0].tolist() == [2.0, 0.0, 0.0]
    assert picked(x=np.ones(3), p=[])[0].shape == (3,)


@pytest.mark.parametrize("backend", ["numpy", "python"])
def test_a_fixed_index_past_the_end_names_the_length(backend: str) -> None:
    function = sb.compile_grad(x[3] * x[1], x, backend=backend)
    assert function(np.arange(4.0)).tolist() == [0.0, 3.0, 0.0, 1.0]
    with pytest.raises(sb.ShapeMismatch, match=r"x\[3\] reaches index 3, but len\(x\) is 3"):
        function(np.ones(3))


# Lengths.


@backends
def test_arrays_without_entries_and_with_one(backend: str) -> None:
    layer = compiled("layer", backend)
    value, (by_w, by_x, by_b, by_a) = layer.value_and_grad(**layer_point(0))
    assert (value, by_a, by_x.shape) == (0.0, 0.0, (0, 3))
    assert by_w.tolist() == [[0.0] * 2] * 3 and by_b.tolist() == [[0.0] * 2]
    value, (by_w, by_x, by_b, by_a) = layer.value_and_grad(**layer_point(1))
    assert (by_w.shape, by_x.shape, by_b.shape) == ((3, 2), (1, 3), (1, 2))
    assert value == pytest.approx(0.5 * np.sum(np.tanh(layer_point(1)["X"] @ layer_point(1)["W"] + 1)), rel=1e-14)
    steps = compiled("steps", backend)
    assert [entries.tolist() for entries in steps(x=[5.0], z=[])] == [[0.0], []]
    assert compiled("determinant", backend).value_and_grad(np.empty((0, 0)))[0] == 1.0
    assert compiled("determinant", backend)(np.empty((0, 0)))[0].shape == (0, 0)
    assert [part.shape for part in compiled("solve", backend)(np.empty((0, 0)), np.empty((0, 1)))] == [(0, 0), (0, 1)]
    assert [part.tolist() for part in compiled("solve", backend)([[2.0]], [[3.0]])] == [[[-9 / 4 + 0.5]], [[3.0]]]


def test_lists_without_rows_do_not_hide_a_length() -> None:
    function = sb.compile_grad(sb.Total(X) * a + d * a, a, backend="python")
    assert function(X=np.ones((1, 2)), a=1.0) == 4.0
    with pytest.raises(sb.CallError, match="empty ones do not tell that d is 2"):
        function(X=np.ones((0, 2)), a=1.0)
    assert sb.compile_grad(sb.Total(X) * a + d * a, a, backend="numpy")(X=np.ones((0, 2)), a=1.0) == 2.0


# What has no answer in the real numbers.


@backends
def test_singular_matrices(backend: str) -> None:
    singular = np.array([[1.0, 2.0], [2.0, 4.0]])
    value, gradient = compiled("solve", backend).value_and_grad(A=singular, u=np.ones((2, 1)))
    assert np.isnan(value)
    assert all(np.all(np.isnan(entries)) for entries in gradient)
    value, (cofactors,) = compiled("determinant", backend).value_and_grad(singular)
    assert value == 0.0
    np.testing.assert_allclose(cofactors, [[4.0, -2.0], [-2.0, 1.0]], rtol=1e-14)


@backends
def test_an_array_for_a_scalar_gives_results_for_each_entry(backend: str) -> None:
    layer = compiled("layer", backend)
    point = layer_point()
    scales = np.array([[0.5, 1.0, 2.0]])
    value, gradient = layer.value_and_grad(**{**point, "a": scales})
    want, alone = layer.value_and_grad(**point)
    np.testing.assert_allclose(value, want * scales / 0.5, rtol=1e-14)
    assert [entries.shape for entries in gradient] == [(1, 3, 3, 2), (1, 3, 4, 3), (1, 3, 1, 2), (1, 3)]
    np.testing.assert_allclose(gradient[0][0, 2], 4 * alone[0], rtol=1e-13)


@backends
def test_odd_names_are_names(backend: str) -> None:
    odd = [sp.MatrixSymbol(name, n, n) for name in ("lambda", "x0; import os", "np")]
    length = sp.Symbol("np.linalg", integer=True, positive=True)
    tall = sp.MatrixSymbol("W'", length, n)
    function = sb.compile_grad(
        sp.Trace(odd[0] * odd[1] * odd[2]) + sp.Trace(tall.T * tall) / length, odd, backend=backend
    )
    given = {"lambda": np.diag([1.0, 2.0]), "x0; import os": np.eye(2), "np": np.eye(2), "W'": np.ones((3, 2))}
    assert set(function.args) == set(given)
    value, gradient = function.value_and_grad(**given)
    assert value == 5.0
    assert [np.diag(entries).tolist() for entries in gradient] == [[1.0, 1.0], [1.0, 2.0], [1.0, 2.0]]


@backends
def test_masked_entries_are_not_computed_with(backend: str) -> None:
    """What stands behind a mask is no data; a mask that hides nothing is none."""
    w, x = sp.symbols("w x")
    k, n_ = sp.Symbol("k", integer=True), sp.Symbol("n_", integer=True, positive=True)
    entries = sp.IndexedBase("entries", shape=(n_,))
    places = sp.IndexedBase("places", shape=(n_,), integer=True)
    numbers = np.array([1.0, 2.0, 4.0])
    forms = [
        (sb.compile_grad(w * x, [w], backend=backend), {"w": 1.0}, "x", numbers),
        (sb.compile_grad(w * x, [w], batch=[x], reduce="sum", backend=backend), {"w": 1.0}, "x", numbers),
        (sb.compile_grad(sp.Sum(entries[k] ** 2, (k, 0, n_ - 1)), [entries], backend=backend), {}, "entries", numbers),
        (
            sb.compile_grad(w * sp.Sum(places[k], (k, 0, n_ - 1)), [w], backend=backend),
            {"w": 1.0},
            "places",
            np.array([0, 1, 2]),
        ),
    ]
    for function, point, name, values in forms:
        plain = np.ma.masked_array(values, mask=False)
        found = function(**point, **{name: plain})
        np.testing.assert_array_equal(found[0], function(**point, **{name: values})[0])
        with pytest.raises(sb.CallError, match=f"'{name}' is a masked array, 1 of 3 entries"):
            function(**point, **{name: np.ma.masked_array(values, [0, 1, 0])})
