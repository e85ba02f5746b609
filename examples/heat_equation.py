"""An inverse problem of the heat equation: from measured temperatures to the conductivity of a rod.

The rod is cut into cells, u[k, i] is the temperature of cell i at time k, and c[i] the conductance between the cells i
and i+1, times the time step. An explicit step of the heat equation is

    u[k+1, i] = u[k, i] + c[i]*(u[k, i+1] - u[k, i]) - c[i-1]*(u[k, i] - u[k, i-1])

All temperatures are measured; wanted are the conductances under which the steps fit best, and which are not rough:

    L = sum_k sum_i (u[k+1, i] - the step above)**2 + lam * sum_i (c[i+1] - c[i])**2

The shifted indices become slices of the arrays, and their adjoints slices that are added to.

Emit its module:

    symbackprop emit examples/heat_equation.py:loss --wrt c --target numba
"""

import numpy as np
import sympy as sp
from scipy.optimize import minimize

from symbackprop import compile_grad

n, T = sp.symbols("n T", integer=True, positive=True)
i, k = sp.symbols("i k", integer=True)
u, c = sp.IndexedBase("u", shape=(T, n)), sp.IndexedBase("c", shape=(n - 1,))
lam = sp.Symbol("lam")

inflow = c[i] * (u[k, i + 1] - u[k, i]) - c[i - 1] * (u[k, i] - u[k, i - 1])
misfit = sp.Sum((u[k + 1, i] - u[k, i] - inflow) ** 2, (i, 1, n - 2), (k, 0, T - 2))
roughness = sp.Sum((c[i + 1] - c[i]) ** 2, (i, 0, n - 3))
loss = misfit + lam * roughness

AT = {
    "u": [[1.0, 0.2, -0.3, 0.8, 0.5], [0.8, 0.3, 0.0, 0.6, 0.5], [0.7, 0.4, 0.1, 0.5, 0.6], [0.6, 0.4, 0.2, 0.5, 0.5]],
    "c": [0.2, 0.3, 0.1, 0.25],
    "lam": 0.5,
}

CELLS, TIMES = 60, 200


def simulated(conductance: np.ndarray) -> np.ndarray:
    """Temperatures of a rod that was hot in two places; its ends are held at 0."""
    rod = np.linspace(0.0, 1.0, CELLS)
    temperature = np.exp(-((rod - 0.3) ** 2) / 0.01) + 0.7 * np.exp(-((rod - 0.75) ** 2) / 0.02)
    temperature[[0, -1]] = 0.0
    history = [temperature]
    for _ in range(TIMES - 1):
        flow = conductance * np.diff(history[-1])
        following = history[-1].copy()
        following[1:-1] += np.diff(flow)
        history.append(following)
    return np.array(history)


def main() -> None:
    true = 0.2 + 0.15 * np.sin(np.linspace(0.0, 2.0 * np.pi, CELLS - 1))
    measured = simulated(true) + np.random.default_rng(0).normal(0.0, 1e-5, (TIMES, CELLS))

    g = compile_grad(loss, c, backend="numpy")

    def value_and_gradient(conductance: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = g.value_and_grad(u=measured, c=conductance, lam=1e-6)
        return float(value), gradient

    start = np.full(CELLS - 1, 0.1)
    result = minimize(value_and_gradient, start, jac=True, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-12})
    print(f"{result.nfev} evaluations, loss {value_and_gradient(start)[0]:.3e} -> {result.fun:.3e}")
    print("cell   true conductance   found")
    for cell in range(4, CELLS - 1, 10):
        print(f"{cell:4}   {true[cell]:16.4f}   {result.x[cell]:.4f}")
    worst = np.abs(result.x - true).max()
    print(f"largest error {worst:.1e}")
    if worst > 0.01:
        raise SystemExit("the conductivity was not recovered")


if __name__ == "__main__":
    main()
