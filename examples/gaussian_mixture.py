"""The log-likelihood of a mixture of Gaussians, by three nested sums.

Point i has the coordinates x[i, j]. Component k has the mean mu[k, j], the standard deviation exp(s[k]) in every
direction, and a share of the points proportional to exp(a[k]). Negative and by point, the log-likelihood is

    L = log(sum_k exp(a[k])) - 1/n * sum_i log(sum_k exp(t_ik)) + d/2*log(2*pi)
    t_ik = a[k] - d*s[k] - exp(-2*s[k])/2 * sum_j (x[i, j] - mu[k, j])**2

It is written as the formula stands, and computed with the largest t_ik taken out of each logarithm, so that a point
far from every component does not become log(0).

Emit its module:

    symbackprop emit examples/gaussian_mixture.py:loss --wrt a,mu,s --target numba
"""

import numpy as np
import sympy as sp
from scipy.optimize import minimize

from symbackprop import compile_grad

n, d, K = sp.symbols("n d K", integer=True, positive=True)
i, j, k = sp.symbols("i j k", integer=True)
x, mu = sp.IndexedBase("x", shape=(n, d)), sp.IndexedBase("mu", shape=(K, d))
a, s = sp.IndexedBase("a", shape=(K,)), sp.IndexedBase("s", shape=(K,))

distance = sp.Sum((x[i, j] - mu[k, j]) ** 2, (j, 0, d - 1))
term = a[k] - d * s[k] - sp.exp(-2 * s[k]) / 2 * distance
density = sp.log(sp.Sum(sp.exp(term), (k, 0, K - 1)))
loss = sp.log(sp.Sum(sp.exp(a[k]), (k, 0, K - 1))) - sp.Sum(density, (i, 0, n - 1)) / n + d * sp.log(2 * sp.pi) / 2

_rng = np.random.default_rng(0)
AT = {
    "x": _rng.normal(size=(6, 2)),
    "a": np.array([0.2, -0.3, 0.5]),
    "mu": np.array([[0.0, 1.0], [1.0, -0.5], [-1.0, 0.3]]),
    "s": np.array([0.1, -0.2, 0.3]),
}

CENTRES = np.array([[-2.0, 0.0], [2.0, 1.0], [0.5, -2.5]])
WIDTHS = np.array([0.4, 0.7, 0.5])
SHARES = np.array([0.2, 0.5, 0.3])


def main() -> None:
    rng = np.random.default_rng(1)
    component = rng.choice(3, size=3000, p=SHARES)
    points = CENTRES[component] + WIDTHS[component, None] * rng.normal(size=(3000, 2))

    g = compile_grad(loss, {"a": a, "mu": mu, "s": s}, backend="numpy")

    def unpacked(parameters: np.ndarray) -> dict[str, np.ndarray]:
        return {"a": parameters[:3], "mu": parameters[3:9].reshape(3, 2), "s": parameters[9:]}

    def value_and_flat_gradient(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = g.value_and_grad(x=points, **unpacked(parameters))
        return float(value), np.concatenate([gradient[name].ravel() for name in ("a", "mu", "s")])

    start = np.concatenate([np.zeros(3), [-1.0, 0.0, 1.0, 0.0, 0.0, -1.0], np.zeros(3)])
    result = minimize(value_and_flat_gradient, start, jac=True, method="BFGS")
    found = unpacked(result.x)
    shares = np.exp(found["a"]) / np.exp(found["a"]).sum()
    print(f"{result.nfev} evaluations, negative log-likelihood by point {result.fun:.4f}")
    print(f"{'centre':>18}{'found':>18}{'width':>8}{'found':>8}{'share':>8}{'found':>8}")
    for number in range(3):
        print(
            f"{CENTRES[number]!s:>18}{found['mu'][number].round(2)!s:>18}{WIDTHS[number]:8.2f}"
            f"{np.exp(found['s'][number]):8.2f}{SHARES[number]:8.2f}{shares[number]:8.2f}"
        )
    far = g.value(x=np.array([[1e3, 1e3]]), **found)
    print(f"a point a thousand units away: {far:.4g}, finite")
    if np.abs(found["mu"] - CENTRES).max() > 0.1 or not np.isfinite(far):
        raise SystemExit("the components were not recovered")


if __name__ == "__main__":
    main()
