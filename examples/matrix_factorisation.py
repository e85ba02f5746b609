"""Ratings by users of films, completed by a product of two thin matrices.

R holds ratings, M a 1 where one was given and a 0 where none was. Row u of U describes a user, row f of V a film, by
a few numbers each, and U*V.T predicts all ratings (Koren, Bell and Volinsky, 2009, equation 2):

    E = M * (U*V.T - R), entry by entry        L = |E|**2/2 + lam/2 * (|U|**2 + |V|**2)

    U_bar = E @ V + lam*U                      V_bar = E.T @ U + lam*V

Emit its module:

    symbackprop emit examples/matrix_factorisation.py:loss --wrt U,V
"""

import numpy as np
import sympy as sp
from sympy.matrices.expressions.hadamard import HadamardPower, HadamardProduct

from symbackprop import Total, compile_grad

n, m, k = sp.symbols("n m k", integer=True, positive=True)
R, M, E = sp.MatrixSymbol("R", n, m), sp.MatrixSymbol("M", n, m), sp.MatrixSymbol("E", n, m)
U, V = sp.MatrixSymbol("U", n, k), sp.MatrixSymbol("V", m, k)
lam = sp.Symbol("lam")

squares = Total(HadamardPower(E, 2)) + lam * (Total(HadamardPower(U, 2)) + Total(HadamardPower(V, 2)))
loss = ([(E, HadamardProduct(M, U * V.T - R))], [squares / 2])

_rng = np.random.default_rng(0)
AT = {
    "R": _rng.normal(size=(4, 3)),
    "M": np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0], [1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]),
    "U": _rng.normal(size=(4, 2)),
    "V": _rng.normal(size=(3, 2)),
    "lam": 0.1,
}

RATE = 0.02
STEPS = 600


def main() -> None:
    rng = np.random.default_rng(1)
    truth = rng.normal(size=(80, 3)) @ rng.normal(size=(60, 3)).T
    given = (rng.uniform(size=truth.shape) < 0.4).astype(float)

    g = compile_grad(loss, {"U": U, "V": V}, backend="numpy")
    factors = {"U": rng.normal(0.0, 0.1, (80, 3)), "V": rng.normal(0.0, 0.1, (60, 3))}
    for step in range(STEPS):
        value, gradient = g.value_and_grad(R=truth * given, M=given, lam=0.01, **factors)
        for name, entries in gradient.items():
            factors[name] -= RATE * entries
        if step % 100 == 0:
            print(f"step {step:4}   loss {value:10.4f}")
    missing = given == 0.0
    error = np.sqrt(np.mean((factors["U"] @ factors["V"].T - truth)[missing] ** 2))
    print(f"{missing.sum()} ratings were not given; root of the mean squared error in them: {error:.4f}")
    print(f"(the ratings themselves vary by {truth.std():.2f})")
    if error > 0.1:
        raise SystemExit("the ratings were not completed")


if __name__ == "__main__":
    main()
