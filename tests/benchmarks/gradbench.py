"""Three models of the GradBench suite, written as nested sums, beside JAX and C: milliseconds a call.

    python tests/benchmarks/gradbench.py

log-sum-exp of 160,000 numbers, least squares of a polynomial (4,096 points, 128 coefficients), and the log-posterior
of a mixture of Gaussians (10 axes, 25 components, 1,000 samples), without the prior's constants. JAX is vectorised,
jitted and waited for; the C gradients are by hand, compiled with `gcc -O3 -march=native`, and left out without gcc.
Gradients are compared before anything is timed. One thread each; a figure is the best of several runs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import one_core  # noqa: F401  isort: skip
import compiled_c
import jax
import jax.numpy as jnp
import numpy as np
import sympy as sp

import symbackprop as sb

jax.config.update("jax_enable_x64", True)
i, j, k, a, b = sp.symbols("i j k a b", integer=True)
n, m, K, d = sp.symbols("n m K d", integer=True)
x, y, c = (sp.IndexedBase(name, shape=(size,)) for name, size in (("x", n), ("y", n), ("c", m)))

C_SOURCE = r"""
#include <math.h>
#include <string.h>

double lse(long n, const double *x, double *g) {
    double top = -INFINITY, total = 0;
    for (long i = 0; i < n; i++) top = x[i] > top ? x[i] : top;
    for (long i = 0; i < n; i++) total += g[i] = exp(x[i] - top);
    for (long i = 0; i < n; i++) g[i] /= total;
    return top + log(total);
}

double poly(long n, long m, const double *c, const double *x, const double *y, double *g) {
    double loss = 0;
    memset(g, 0, m * sizeof *g);
    for (long i = 0; i < n; i++) {
        double v = 0, p = 1;
        for (long j = m - 1; j >= 0; j--) v = v * x[i] + c[j];
        double r = v - y[i];
        loss += r * r / 2;
        for (long j = 0; j < m; j++, p *= x[i]) g[j] += r * p;
    }
    return loss;
}

double gmm(long n, long K, long d, const double *al, const double *mu, const double *q, const double *L,
           const double *x, double *dal, double *dmu, double *dq, double *dL) {
    double Q[K * d], s[K], res[K * d], in[K], loss = 0, top = -INFINITY, total = 0;
    memset(dal, 0, K * 8), memset(dmu, 0, K * d * 8), memset(dq, 0, K * d * 8), memset(dL, 0, K * d * d * 8);
    for (long k = 0; k < K; k++) {
        s[k] = al[k];
        for (long a = 0; a < d; a++) Q[k * d + a] = exp(q[k * d + a]), s[k] += q[k * d + a];
        top = al[k] > top ? al[k] : top;
    }
    for (long k = 0; k < K; k++) total += exp(al[k] - top);
    for (long i = 0; i < n; i++) {
        const double *xi = x + i * d;
        double best = -INFINITY, sum = 0;
        for (long k = 0; k < K; k++) {
            double squares = 0;
            for (long a = 0; a < d; a++) {
                double r = Q[k * d + a] * (xi[a] - mu[k * d + a]);
                for (long b = 0; b < a; b++) r += L[(k * d + a) * d + b] * (xi[b] - mu[k * d + b]);
                res[k * d + a] = r, squares += r * r;
            }
            in[k] = s[k] - squares / 2;
            best = in[k] > best ? in[k] : best;
        }
        for (long k = 0; k < K; k++) sum += in[k] = exp(in[k] - best);
        loss += best + log(sum);
        for (long k = 0; k < K; k++) {
            double w = in[k] / sum;
            dal[k] += w;
            for (long a = 0; a < d; a++) {
                double r = -w * res[k * d + a];
                dq[k * d + a] += w + r * Q[k * d + a] * (xi[a] - mu[k * d + a]);
                dmu[k * d + a] -= r * Q[k * d + a];
                for (long b = 0; b < a; b++) {
                    dL[(k * d + a) * d + b] += r * (xi[b] - mu[k * d + b]);
                    dmu[k * d + b] -= r * L[(k * d + a) * d + b];
                }
            }
        }
    }
    for (long k = 0; k < K; k++) dal[k] -= n * exp(al[k] - top) / total;
    return loss - n * (top + log(total));
}
"""
Case = tuple[sb.CompiledFunction, list[Any], Callable[..., Any], list[int]]


def lse() -> Case:
    g = sb.compile_grad(sp.log(sp.Sum(sp.exp(x[i]), (i, 0, n - 1))), [x])
    return g, [np.random.default_rng(0).normal(size=160_000)], lambda x: jax.nn.logsumexp(x), [0]


def poly() -> Case:
    loss = sp.Sum((sp.Sum(c[j] * x[i] ** j, (j, 0, m - 1)) - y[i]) ** 2, (i, 0, n - 1)) / 2
    rng = np.random.default_rng(0)
    given = [rng.normal(size=128), rng.uniform(-1, 1, 4096), rng.normal(size=4096)]

    def value(c: Any, x: Any, y: Any) -> Any:
        return ((x[:, None] ** jnp.arange(len(c)) @ c - y) ** 2).sum() / 2

    return sb.compile_grad(loss, [c], args=[c, x, y]), given, value, [0]


def gmm() -> Case:
    al, mu, q = (sp.IndexedBase(name, shape=shape) for name, shape in (("al", (K,)), ("mu", (K, d)), ("q", (K, d))))
    factors, data = sp.IndexedBase("L", shape=(K, d, d)), sp.IndexedBase("x", shape=(n, d))
    apart = sp.exp(q[k, a]) * (data[i, a] - mu[k, a])
    apart += sp.Sum(factors[k, a, b] * (data[i, b] - mu[k, b]), (b, 0, a - 1))
    inner = al[k] + sp.Sum(q[k, a], (a, 0, d - 1)) - sp.Sum(apart**2, (a, 0, d - 1)) / 2
    loss = sp.Sum(sp.log(sp.Sum(sp.exp(inner), (k, 0, K - 1))), (i, 0, n - 1))
    loss -= n * sp.log(sp.Sum(sp.exp(al[k]), (k, 0, K - 1)))
    rng = np.random.default_rng(0)
    shapes = (25,), (25, 10), (25, 10), (25, 10, 10), (1000, 10)
    given = [rng.normal(scale=scale, size=shape) for scale, shape in zip((1, 1, 0.3, 0.3, 1), shapes, strict=True)]

    def value(al: Any, mu: Any, q: Any, factors: Any, data: Any) -> Any:
        centred = data[:, None, :] - mu
        apart = jnp.exp(q) * centred + jnp.einsum("kab,ikb->ika", jnp.tril(factors, -1), centred)
        inner = al + q.sum(1) - (apart**2).sum(2) / 2
        return jax.nn.logsumexp(inner, axis=1).sum() - len(data) * jax.nn.logsumexp(al)

    function = sb.compile_grad(loss, [al, mu, q, factors], args=[al, mu, q, factors, data])
    return function, given, value, [0, 1, 2, 3]


# Where the C functions find the lengths that they take first.
SIZES: dict[str, Callable[[list[Any]], list[int]]] = {
    "lse": lambda given: [len(given[0])],
    "poly": lambda given: [len(given[1]), len(given[0])],
    "gmm": lambda given: [len(given[4]), *given[1].shape],
}


def main() -> None:
    library = compiled_c.library(C_SOURCE)
    for name, make in (("lse", lse), ("poly", poly), ("gmm", gmm)):
        function, given, model, wrt = make()
        value, gradient = function.value_and_grad(*given)
        jitted = jax.jit(jax.value_and_grad(model, argnums=tuple(wrt)))
        on_device = [jnp.asarray(array) for array in given]
        rivals: dict[str, Callable[[], Any]] = {"JAX": lambda f=jitted, v=on_device: jax.block_until_ready(f(*v))}
        if library is not None:
            rivals["C"] = compiled_c.caller(library, name, SIZES[name](given), given, wrt)
        for rival, call in rivals.items():
            other, slopes = call()
            np.testing.assert_allclose(value, other, rtol=1e-10, err_msg=rival)
            for mine, their in zip(gradient, slopes, strict=True):
                # Sums of up to 160,000 terms in other orders; powers up to 127 by other ways.
                bound = 1e-10 * np.abs(their).max()
                np.testing.assert_allclose(mine, their, rtol=1e-9, atol=bound, err_msg=f"{name}: {rival}")
        rivals["ours"] = lambda f=function, v=given: f.value_and_grad(*v)
        rivals["ours, the value alone"] = lambda f=function, v=given: f.value(*v)
        times = compiled_c.race(rivals)
        listed = ", ".join(f"{rival} {seconds * 1e3:.3f} ms" for rival, seconds in times.items())
        print(f"{name}: {listed}; {times['ours'] / times['ours, the value alone']:.2f} times the value", flush=True)


if __name__ == "__main__":
    main()
