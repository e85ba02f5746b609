"""Models of one sample over 100,000 of them, beside loops in C: value and gradient, microseconds a call.

    python tests/benchmarks/throughput.py

The loops are as a programmer writes them, value and gradient in one pass, compiled with `gcc -O3 -march=native`, as
they stand and with `-ffast-math`, which lets gcc sum in lanes and call its vector functions; left out without gcc.
The gradients are compared before anything is timed; all take turns, and a figure is the best of many rounds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import compiled_c
import numpy as np
import sympy as sp

import symbackprop as sb

COUNT = 100_000
w, c, x, y, t, a, b, omega, phase = sp.symbols("w c x y t a b omega phase", real=True)
C_SOURCE = r"""
#include <math.h>

double linear(long n, double w, double c, const double *x, const double *y, double *dw, double *dc) {
    double loss = 0, gw = 0, gc = 0;
    for (long i = 0; i < n; i++) {
        double r = w * x[i] + c - y[i];
        loss += r * r, gw += 2 * r * x[i], gc += 2 * r;
    }
    *dw = gw / n, *dc = gc / n;
    return loss / n;
}

double oscillator(long n, double a, double b, double omega, double phase, const double *t, const double *y,
                  double *da, double *db, double *domega, double *dphase) {
    double loss = 0, ga = 0, gb = 0, go = 0, gp = 0;
    for (long i = 0; i < n; i++) {
        double e = exp(-b * t[i]), u = omega * t[i] + phase, c = cos(u), s = sin(u);
        double r = a * e * c - y[i], k = 2 * r;
        loss += r * r;
        ga += k * e * c, gb -= k * a * e * c * t[i], go -= k * a * e * s * t[i], gp -= k * a * e * s;
    }
    *da = ga / n, *db = gb / n, *domega = go / n, *dphase = gp / n;
    return loss / n;
}

double logistic(long n, double w, double c, const double *x, const double *y, double *dw, double *dc) {
    double loss = 0, gw = 0, gc = 0;
    for (long i = 0; i < n; i++) {
        double z = w * x[i] + c, e = exp(-fabs(z));
        double p = (z < 0 ? e : 1) / (1 + e) - y[i];
        loss += (z > 0 ? z : 0) + log1p(e) - y[i] * z;
        gw += p * x[i], gc += p;
    }
    *dw = gw / n, *dc = gc / n;
    return loss / n;
}
"""


def models() -> dict[str, tuple[Any, list[Any], list[Any], list[Any]]]:
    """Of each model the loss, its parameters, its data, and values for both."""
    rng = np.random.default_rng(0)
    xs, noise = rng.normal(size=(2, COUNT))
    ts = np.linspace(0, 10, COUNT)
    z = w * x + c
    swing = (a * sp.exp(-b * t) * sp.cos(omega * t + phase) - y) ** 2
    return {
        "linear": ((z - y) ** 2, [w, c], [x, y], [1.2, 0.1, xs, 2 * xs + noise]),
        "oscillator": (swing, [a, b, omega, phase], [t, y], [1.0, 0.3, 2.0, 0.1, ts, noise]),
        "logistic": (sp.log(1 + sp.exp(z)) - y * z, [w, c], [x, y], [1.2, 0.1, xs, (noise > 0) * 1.0]),
    }


def main() -> None:
    libraries = {"C": compiled_c.library(C_SOURCE), "C, fast maths": compiled_c.library(C_SOURCE, "-ffast-math")}
    for name, (loss, parameters, data, given) in models().items():
        function = sb.compile_grad(loss, parameters, args=[*parameters, *data], batch=data, reduce="mean")
        wrt = list(range(len(parameters)))
        calls: dict[str, Callable[[], Any]] = {
            title: compiled_c.caller(library, name, [COUNT], given, wrt)
            for title, library in libraries.items()
            if library is not None
        }
        value, gradient = function.value_and_grad(*given)
        for title, call in calls.items():
            other, slopes = call()
            # Sums of 100,000 terms in another order.
            np.testing.assert_allclose(value, other, rtol=1e-11, err_msg=f"{name}: {title}")
            np.testing.assert_allclose(gradient, slopes, rtol=1e-9, err_msg=f"{name}: {title}")
        calls["ours"] = lambda f=function, v=given: f.value_and_grad(*v)
        calls["the value alone"] = lambda f=function, v=given: f.value(*v)
        times = compiled_c.race(calls)
        listed = ", ".join(f"{title} {seconds * 1e6:.0f} us" for title, seconds in times.items())
        print(f"{name}: {listed}; gradient and value {times['ours'] / times['the value alone']:.2f} times the value")


if __name__ == "__main__":
    main()
