"""Curve fitting: the parameters of a damped oscillation, from noisy measurements.

The model and the loss of ONE sample (t, x) are

    x(t) = A*exp(-gamma*t)*cos(omega*t + phi)
    loss = (x(t) - x)**2

With `batch=[t, x], reduce="mean"` the compiled function takes all samples as arrays and gives the mean
squared error, and its gradient in the four parameters; `as_scipy` makes of it the objective that
`scipy.optimize.minimize` wants with `jac=True`. The problem has many local minima in omega, so the start must
have the frequency about right.

Emit its module:

    symbackprop emit examples/damped_oscillator.py:loss --wrt A,gamma,omega,phi --batch t,x --reduce mean
"""

import numpy as np
import sympy as sp
from scipy.optimize import minimize

from symbackprop import compile_grad

A, gamma, omega, phi = sp.symbols("A gamma omega phi")
t, x = sp.symbols("t x")

model = A * sp.exp(-gamma * t) * sp.cos(omega * t + phi)
loss = (model - x) ** 2

AT = {"A": 1.5, "gamma": 0.3, "omega": 4.0, "phi": 0.5, "t": 1.2, "x": 0.4}

TRUE = {"A": 2.0, "gamma": 0.25, "omega": 5.0, "phi": 0.6}
START = {"A": 1.0, "gamma": 0.1, "omega": 4.7, "phi": 0.0}
NOISE = 0.05


def measure(samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Times and displacements, with normal noise of standard deviation NOISE."""
    rng = np.random.default_rng(7)
    times = np.linspace(0.0, 10.0, samples)
    exact = TRUE["A"] * np.exp(-TRUE["gamma"] * times) * np.cos(TRUE["omega"] * times + TRUE["phi"])
    return times, exact + NOISE * rng.standard_normal(samples)


def main() -> None:
    g = compile_grad(loss, [A, gamma, omega, phi], batch=[t, x], reduce="mean", backend="numpy")
    times, displacements = measure(400)
    fun, pack = g.as_scipy(t=times, x=displacements)
    result = minimize(fun, pack(**START), jac=True, method="BFGS", options={"gtol": 1e-8})

    print(f"{'':>8}{'true':>12}{'start':>12}{'fitted':>12}")
    for name, fitted in zip(g.wrt, result.x, strict=True):
        print(f"{name:>8}{TRUE[name]:12.4f}{START[name]:12.4f}{fitted:12.4f}")
    print(f"root mean square residual {np.sqrt(result.fun):.4f}, noise {NOISE}; {result.nfev} evaluations")

    errors = [abs(fitted - TRUE[name]) for name, fitted in zip(g.wrt, result.x, strict=True)]
    if max(errors) > 0.05:
        raise SystemExit(f"a fitted parameter is off by {max(errors):.3g}")


if __name__ == "__main__":
    main()
