"""Logistic regression, written with indices: a sum over samples of sums over features.

Sample i has the features x[i, j] and the class y[i], 0 or 1. With z_i = b + sum_j w[j]*x[i, j] the negative
log-likelihood, a mean over the samples, and its penalty are

    L = 1/n * sum_i (log(1 + exp(z_i)) - y[i]*z_i) + lam/2 * sum_j w[j]**2

Both sums stay loops in the emitted module, whatever n and d are: it is as long for 10 samples as for 10 million.

Emit its module:

    symbackprop emit examples/logistic_regression.py:loss --wrt w,b --target numba
"""

import numpy as np
import sympy as sp
from scipy.optimize import minimize

from symbackprop import compile_grad

n, d = sp.symbols("n d", integer=True, positive=True)
i, j = sp.symbols("i j", integer=True)
x, y, w = sp.IndexedBase("x", shape=(n, d)), sp.IndexedBase("y", shape=(n,)), sp.IndexedBase("w", shape=(d,))
b, lam = sp.symbols("b lam")

z = b + sp.Sum(w[j] * x[i, j], (j, 0, d - 1))
penalty = lam / 2 * sp.Sum(w[j] ** 2, (j, 0, d - 1))
loss = sp.Sum(sp.log(1 + sp.exp(z)) - y[i] * z, (i, 0, n - 1)) / n + penalty

_rng = np.random.default_rng(0)
AT = {
    "x": _rng.normal(size=(7, 3)),
    "y": np.array([0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0]),
    "w": np.array([0.5, -1.0, 0.25]),
    "b": 0.1,
    "lam": 0.01,
}


def main() -> None:
    rng = np.random.default_rng(1)
    true_w, true_b = np.array([1.5, -2.0, 0.0, 0.75]), -0.5
    features = rng.normal(size=(20_000, 4))
    odds = features @ true_w + true_b
    classes = (rng.uniform(size=len(odds)) < 1.0 / (1.0 + np.exp(-odds))).astype(float)

    g = compile_grad(loss, [w, b], backend="numpy")

    def value_and_flat_gradient(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        value, (w_bar, b_bar) = g.value_and_grad(x=features, y=classes, w=parameters[:-1], b=parameters[-1], lam=1e-4)
        return float(value), np.append(w_bar, b_bar)

    result = minimize(value_and_flat_gradient, np.zeros(5), jac=True, method="BFGS")
    print(f"weights drawn from {true_w}, bias {true_b}")
    print(f"weights found      {result.x[:-1].round(3)}, bias {result.x[-1]:.3f}")
    print(f"after {result.nfev} evaluations; the largest entry of the gradient is {np.abs(result.jac).max():.0e}")
    # The standard errors are about sqrt(6/20,000) = 0.02 here.
    if np.abs(result.x - np.append(true_w, true_b)).max() > 0.1:
        raise SystemExit("the weights were not recovered")


if __name__ == "__main__":
    main()
