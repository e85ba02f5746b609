"""Models over arrays, end to end: one compiled function of each, called with several sizes, beside JAX."""

# Matrices have upper-case names here, as in the models.
# ruff: noqa: N803

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
import sympy as sp
from sympy.matrices.expressions.hadamard import HadamardProduct as Times
from sympy.matrices.expressions.special import OneMatrix

import symbackprop as sb
from symbackprop.frontend import layers

jax = pytest.importorskip("jax")
jax.config.update("jax_enable_x64", True)
jnp = jax.numpy

Function = Callable[..., Any]
Sizes = dict[str, int]

# Relative to the largest entry of an array. Models of a few hundred roundings each, matrices of condition numbers below
# 100: 1e-13 at the worst, and a wrong rule is off by its own size.
RTOL = 1e-10

N, d, h, k, n, m, r = sp.symbols("N d h k n m r", integer=True, positive=True)
i, j, c = sp.symbols("i j c", integer=True)
a, s, lam = sp.symbols("a s lam")
X, Y, y, t = (sp.MatrixSymbol(*given) for given in (("X", N, d), ("Y", N, k), ("y", N, 1), ("t", N, 1)))
W, b = sp.MatrixSymbol("W", d, k), sp.MatrixSymbol("b", 1, k)
W1, b1, W2, b2 = (sp.MatrixSymbol(*g) for g in (("W1", d, h), ("b1", 1, h), ("W2", h, 1), ("b2", 1, 1)))
V1, c1, V2, c2, V3, c3 = (
    sp.MatrixSymbol(*g) for g in (("V1", 2, 10), ("c1", 1, 10), ("V2", 10, 8), ("c2", 1, 8), ("V3", 8, 1), ("c3", 1, 1))
)
P = sp.MatrixSymbol("P", N, 2)
A, B, u, v = (sp.MatrixSymbol(*given) for given in (("A", n, n), ("B", n, n), ("u", n, 1), ("v", n, 1)))
Q, K, V = sp.MatrixSymbol("Q", N, d), sp.MatrixSymbol("K", m, d), sp.MatrixSymbol("V", m, k)
R, L, F, M = (sp.MatrixSymbol(*given) for given in (("R", N, m), ("L", N, r), ("F", r, m), ("M", N, m)))
x, w, mu, p, g = (sp.IndexedBase(name) for name in ("x", "w", "mu", "p", "g"))
data = sp.IndexedBase("data", shape=(N, d))
field, f = (sp.IndexedBase(name, shape=(n,)) for name in ("field", "f"))
rows, columns, parts = (i, 0, N - 1), (j, 0, d - 1), (c, 0, k - 1)


@dataclass(frozen=True)
class Model:
    """A loss, what it is differentiated in, shapes of all inputs by dimension, and the same in JAX."""

    loss: Any
    wrt: tuple[Any, ...]
    shapes: dict[str, tuple[Any, ...]]
    reference: Function
    sizes: tuple[Sizes, ...]
    also: dict[str, Function] | None = None

    def point(self, sizes: Sizes) -> dict[str, Any]:
        rng = np.random.default_rng(sorted(sizes.values()))
        point = {}
        for name, shape in self.shapes.items():
            entries = rng.uniform(-1.2, 1.2, [sizes.get(str(extent), extent) for extent in shape])
            point[name] = self.also[name](rng, entries, sizes) if self.also and name in self.also else entries
        return point


SMALL = {"N": 1, "d": 1, "h": 1, "k": 1, "n": 1, "m": 1, "r": 1}
MIDDLE = {"N": 7, "d": 3, "h": 4, "k": 2, "n": 5, "m": 4, "r": 2}
# Past the sizes from which products are calls of BLAS, and no two dimensions alike.
LARGE = {"N": 65, "d": 33, "h": 20, "k": 17, "n": 40, "m": 26, "r": 18}
ALL = (MIDDLE, SMALL, LARGE)


def positive(rng: Any, entries: Any, sizes: Sizes) -> Any:
    return np.abs(entries) + 0.3


def zero_or_one(rng: Any, entries: Any, sizes: Sizes) -> Any:
    return np.where(entries > 0, 1.0, 0.0)


def one_hot(rng: Any, entries: Any, sizes: Sizes) -> Any:
    return np.eye(entries.shape[1])[rng.integers(0, entries.shape[1], entries.shape[0])]


def definite(rng: Any, entries: Any, sizes: Sizes) -> Any:
    return entries @ entries.T / len(entries) + np.eye(len(entries))


def places(rng: Any, entries: Any, sizes: Sizes) -> Any:
    return rng.integers(0, sizes["N"], entries.shape)


def network(*layers_of: tuple[Any, Any]) -> Any:
    *hidden, last = layers_of
    z: Any = P
    for weight, bias in hidden:
        z = layers.tanh(layers.affine(z, weight, bias))
    return layers.affine(z, *last)


def blocks(A: Any, u: Any, v: Any) -> Any:
    return jnp.block([[A, u], [v.T, 3 * jnp.ones((1, 1))]])


def z_of(X: Any, W: Any, b: Any) -> Any:
    return X @ W + b


linear = sp.Sum(data[i, j] * w[j], columns)
density = w[c] ** 2 * sp.exp(-((x[i] - mu[c]) ** 2) / (2 * s**2)) / (sp.sqrt(2 * sp.pi) * s)
covariance = A + lam**2 * sp.Identity(n)
score = sp.Trace(Q.T * Q) / 9 + sb.Total(layers.softmax(Q * K.T / sp.sqrt(d)) * V)

MODELS = {
    "two-layer network": Model(
        sb.Total(sp.HadamardPower(layers.affine(layers.relu(layers.affine(X, W1, b1)), W2, b2) - y, 2)) / (2 * N),
        (W1, b1, W2, b2),
        {"X": (N, d), "y": (N, 1), "W1": (d, h), "b1": (1, h), "W2": (h, 1), "b2": (1, 1)},
        lambda X, y, W1, b1, W2, b2: jnp.mean((jax.nn.relu(X @ W1 + b1) @ W2 + b2 - y) ** 2) / 2,
        ALL,
    ),
    "network 2-10-8-1": Model(
        layers.binary_cross_entropy(layers.sigmoid(network((V1, c1), (V2, c2), (V3, c3))), t),
        (V1, c1, V2, c2, V3, c3),
        {
            "P": (N, 2),
            "t": (N, 1),
            "V1": (2, 10),
            "c1": (1, 10),
            "V2": (10, 8),
            "c2": (1, 8),
            "V3": (8, 1),
            "c3": (1, 1),
        },
        lambda P, t, V1, c1, V2, c2, V3, c3: (lambda z: jnp.mean(jax.nn.softplus(z) - t * z))(
            jnp.tanh(jnp.tanh(P @ V1 + c1) @ V2 + c2) @ V3 + c3
        ),
        ALL,
        {"t": zero_or_one},
    ),
    "softmax regression": Model(
        layers.cross_entropy(layers.affine(X, W, b), Y) + lam * sp.Trace(W.T * W),
        (W, b, lam),
        {"X": (N, d), "Y": (N, k), "W": (d, k), "b": (1, k), "lam": ()},
        lambda X, Y, W, b, lam: -jnp.mean(jnp.sum(Y * jax.nn.log_softmax(z_of(X, W, b)), 1)) + lam * jnp.sum(W**2),
        ALL,
        {"Y": one_hot},
    ),
    "logistic regression": Model(
        sp.Sum(sp.log(1 + sp.exp(linear)) - g[i] * linear, rows) / N + lam * sp.Sum(w[j] ** 2, columns),
        (w, lam),
        {"data": (N, d), "g": (N,), "w": (d,), "lam": ()},
        lambda data, g, w, lam: jnp.mean(jax.nn.softplus(data @ w) - g * (data @ w)) + lam * jnp.sum(w**2),
        ALL,
        {"g": zero_or_one},
    ),
    "Gaussian mixture": Model(
        -sp.Sum(sp.log(sp.Sum(density, parts)), rows) + N * sp.log(sp.Sum(w[c] ** 2, parts)),
        (w, mu, s),
        {"x": (N,), "w": (k,), "mu": (k,), "s": ()},
        lambda x, w, mu, s: (
            -jnp.sum(
                jnp.log(jnp.sum(w**2 * jnp.exp(-((x[:, None] - mu) ** 2) / (2 * s**2)), 1) / jnp.sqrt(2 * jnp.pi) / s)
            )
            + len(x) * jnp.log(jnp.sum(w**2))
        ),
        ALL,
        {"s": positive, "w": positive},
    ),
    "Gaussian process": Model(
        sp.Trace(u.T * covariance**-1 * u) / 2 + sp.log(sp.Determinant(covariance)) / 2 + n * sp.log(2 * sp.pi) / 2,
        (A, u, lam),
        {"A": (n, n), "u": (n, 1), "lam": ()},
        lambda A, u, lam: (
            lambda C: (
                (u.T @ jnp.linalg.solve(C, u))[0, 0] / 2
                + jnp.linalg.slogdet(C)[1] / 2
                + len(A) * jnp.log(2 * jnp.pi) / 2
            )
        )(A + lam**2 * jnp.eye(len(A))),
        ALL,
        {"A": definite},
    ),
    "heat equation": Model(
        sp.Sum((field[i] + a * (field[i + 1] - 2 * field[i] + field[i - 1]) - f[i]) ** 2, (i, 1, n - 2)),
        (field, a),
        {"field": (n,), "f": (n,), "a": ()},
        lambda field, f, a: jnp.sum((field + a * jnp.convolve(field, jnp.array([1, -2, 1]), "same") - f)[1:-1] ** 2),
        (MIDDLE, {"n": 3}, {"n": 1000}),
    ),
    "attention": Model(
        score,
        (Q, K, V),
        {"Q": (N, d), "K": (m, d), "V": (m, k)},
        lambda Q, K, V: jnp.sum(Q**2) / 9 + jnp.sum(jax.nn.softmax(Q @ K.T / jnp.sqrt(Q.shape[1]), 1) @ V),
        ALL,
    ),
    "matrix factorisation": Model(
        sb.Total(sp.HadamardPower(Times(M, R - L * F), 2)) + lam * (sp.Trace(L.T * L) + sp.Trace(F * F.T)),
        (L, F),
        {"R": (N, m), "M": (N, m), "L": (N, r), "F": (r, m), "lam": ()},
        lambda R, M, L, F, lam: jnp.sum((M * (R - L @ F)) ** 2) + lam * (jnp.sum(L**2) + jnp.sum(F**2)),
        ALL,
        {"M": zero_or_one},
    ),
    "scatter": Model(
        sp.Sum(sp.sin(x[p[i]]) * g[i], rows) + sp.Sum(x[i] ** 2, rows),
        (x, g),
        {"x": (N,), "g": (N,), "p": (N,)},
        lambda x, g, p: jnp.sum(jnp.sin(x[p]) * g) + jnp.sum(x**2),
        ALL,
        {"p": places},
    ),
    "Kronecker": Model(
        sb.Total(sp.KroneckerProduct(X, W).applyfunc(sp.sin)),
        (X, W),
        {"X": (N, d), "W": (d, k)},
        lambda X, W: jnp.sum(jnp.sin(jnp.kron(X, W))),
        (MIDDLE, SMALL, {"N": 3, "d": 5, "k": 4}),
    ),
    "blocks": Model(
        sp.Trace((sp.BlockMatrix([[A, u], [v.T, 3 * sp.Identity(1)]]) ** 2).applyfunc(sp.cos)),
        (A, u, v),
        {"A": (n, n), "u": (n, 1), "v": (n, 1)},
        lambda A, u, v: jnp.trace(jnp.cos(blocks(A, u, v) @ blocks(A, u, v))),
        ALL,
    ),
    "traces": Model(
        sp.Trace(A * B.T) + sp.Trace(A * A) * sp.Trace(B) + sp.exp(sp.Trace(u * v.T) / n) + sp.Trace(A**3 * B) / n,
        (A, B, u, v),
        {"A": (n, n), "B": (n, n), "u": (n, 1), "v": (n, 1)},
        lambda A, B, u, v: (
            jnp.sum(A * B)
            + jnp.trace(A @ A) * jnp.trace(B)
            + jnp.exp(jnp.sum(u * v) / len(A))
            + jnp.trace(A @ A @ A @ B) / len(A)
        ),
        ALL,
    ),
    "ones": Model(
        OneMatrix(1, N) * (X * W + OneMatrix(N, 1) * b).applyfunc(sp.tanh) * OneMatrix(k, 1) / N,
        (W, b),
        {"X": (N, d), "W": (d, k), "b": (1, k)},
        lambda X, W, b: jnp.sum(jnp.tanh(z_of(X, W, b))) / len(X),
        ALL,
    ),
}
BACKENDS = ("numpy", "python", "numba")
every = pytest.mark.parametrize("name", MODELS)


@cache
def compiled(name: str, backend: str) -> sb.CompiledFunction:
    model = MODELS[name]
    return sb.compile_grad(model.loss, list(model.wrt), backend=backend)


def name_of(symbol: Any) -> str:
    return str(symbol.label if isinstance(symbol, sp.IndexedBase) else symbol.name)


def assert_close(got: Any, want: Any, what: str) -> None:
    want = np.asarray(want)
    assert np.shape(got) == want.shape, what
    assert np.all(np.isfinite(want)), what
    largest = np.max(np.abs(want), initial=0.0)
    # 1e-13 where every entry cancels to rounding.
    assert np.max(np.abs(got - want), initial=0.0) <= RTOL * largest + 1e-13, what


@pytest.mark.parametrize("backend", BACKENDS)
@every
def test_value_and_gradient_are_those_of_jax(name: str, backend: str) -> None:
    model, function = MODELS[name], compiled(name, backend)
    names = [name_of(symbol) for symbol in model.wrt]
    assert set(function.args) == set(model.shapes)
    for sizes in model.sizes:
        if backend == "python" and sizes is LARGE:
            continue  # Pure loops are tried on small arrays.
        point = model.point(sizes)
        value, gradient = jax.value_and_grad(lambda part: model.reference(**{**point, **part}))(  # noqa: B023
            {wrt: point[wrt] for wrt in names}
        )
        got, entries = function.value_and_grad(**point)
        assert_close(got, value, f"the value of {name} at {sizes}")
        assert_close(function.value(**point), value, f"the value alone of {name} at {sizes}")
        for wrt, entry in zip(names, entries, strict=True):
            assert_close(entry, gradient[wrt], f"{wrt} of {name} at {sizes}")


@every
def test_the_emitted_module_needs_nothing_of_this_package(name: str) -> None:
    model = MODELS[name]
    point = model.point(MIDDLE)
    for backend in ("numpy", "python"):
        function = compiled(name, backend)
        assert "symbackprop" not in function.source.split('"""', 2)[2]
        scope: dict[str, Any] = {}
        exec(function.source, scope)
        given = [point[argument] for argument in function.args]
        if backend == "python":
            given = [entries.tolist() for entries in given]
        value, gradient = scope["value_and_grad"](*given)
        assert_close(value, function.value(**point), name)
        assert_close(scope["value"](*given), value, name)
        for alone, entry, own in zip(scope["grad"](*given), gradient, function(**point), strict=True):
            assert_close(np.array(entry), own, name)
            assert_close(np.array(alone), own, name)


def test_modules_are_the_same_under_every_hash_seed() -> None:
    script = (
        f"import importlib.util as u; s = u.spec_from_file_location('models', {__file__!r}); m = u.module_from_spec(s);"
        "import sys; sys.modules['models'] = m; s.loader.exec_module(m)\n"
        "print(*[m.compiled(name, backend).source for backend in m.BACKENDS for name in m.MODELS])"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "4242")
    }
    assert len(found) == 1
    assert found.pop().count("def value_and_grad(") == len(MODELS) * len(BACKENDS)


def test_sizes_are_not_in_the_text() -> None:
    """A sum over 1000 and one over 10**7 samples are one program, whose loops end elsewhere."""
    for backend in BACKENDS:
        programs = []
        for count in (1000, 10**7):
            loss = sp.Sum((x[i] * a - g[i]) ** 2, (i, 0, count - 1))
            source = sb.compile_grad(loss, a, backend=backend).source
            programs.append(source.split('"""', 2)[2].replace(str(count), "COUNT"))
        assert programs[0] == programs[1]
        assert "COUNT" in programs[0]
