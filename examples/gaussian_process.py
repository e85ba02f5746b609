"""The marginal likelihood of a Gaussian process: a solve and a determinant in the loss.

Observations y at the places x; a Gaussian process with the kernel (Rasmussen and Williams, 2006, equations 2.31, 5.8)

    K[i, j] = exp(2*f) * exp(-(x[i] - x[j])**2 / (2*exp(2*l))) + exp(2*s) * (i == j)

with the logarithms f, l and s of the signal's size, the length scale and the noise. The negative log-likelihood is

    L = y.T*K**(-1)*y/2 + log(det(K))/2 + n/2*log(2*pi)

K is never inverted for the first term, and its determinant never formed for the second, which would overflow.

Emit its module:

    symbackprop emit examples/gaussian_process.py:loss --wrt f,l,s
"""

import numpy as np
import sympy as sp
from scipy.optimize import minimize

from symbackprop import compile_grad

n = sp.Symbol("n", integer=True, positive=True)
x, y = sp.MatrixSymbol("x", n, 1), sp.MatrixSymbol("y", n, 1)
D, K = sp.MatrixSymbol("D", n, n), sp.MatrixSymbol("K", n, n)
f, l, s = sp.symbols("f l s")  # noqa: E741
u = sp.Symbol("u")

across = sp.OneMatrix(1, n)
kernel = sp.Lambda(u, sp.exp(2 * f - u**2 * sp.exp(-2 * l) / 2))
loss = (
    [(D, x * across - across.T * x.T), (K, D.applyfunc(kernel) + sp.exp(2 * s) * sp.Identity(n))],
    [sp.Trace(y.T * K.I * y) / 2 + sp.log(sp.Determinant(K)) / 2 + n * sp.log(2 * sp.pi) / 2],
)

AT = {
    "x": [[0.0], [0.4], [1.1], [1.5], [2.3]],
    "y": [[0.1], [0.5], [0.8], [1.0], [0.6]],
    "f": 0.1,
    "l": -0.2,
    "s": -1.0,
}


def main() -> None:
    rng = np.random.default_rng(0)
    places = np.sort(rng.uniform(0.0, 10.0, 120))[:, None]
    observed = np.sin(places) + rng.normal(0.0, 0.2, places.shape)

    g = compile_grad(loss, [f, l, s], backend="numpy")

    def value_and_flat_gradient(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = g.value_and_grad(x=places, y=observed, f=parameters[0], l=parameters[1], s=parameters[2])
        return float(value), np.array(gradient)

    result = minimize(value_and_flat_gradient, np.zeros(3), jac=True, method="BFGS")
    size, length, noise = np.exp(result.x)
    print("120 observations of sin(x) with noise 0.2")
    print(f"signal {size:.2f}, length scale {length:.2f}, noise {noise:.3f}; -log likelihood {result.fun:.2f}")
    # 120 residuals tell a standard deviation to 0.2/sqrt(240) = 0.013.
    if abs(noise - 0.2) > 0.04:
        raise SystemExit("the noise was not recovered")


if __name__ == "__main__":
    main()
