"""Molecular mechanics: forces as the negative gradient of a potential energy, and a relaxed geometry.

Four carbon sites in a chain, as in butane, and an argon atom beside them. With the bond vectors a, b, c from
one site to the next, and d the distance of the argon from a carbon, in kJ/mol and angstrom,

    energy = sum over bonds     STRETCH/2*(|a| - LENGTH)**2
           + sum over angles    BEND/2*(acos(-a.b/(|a|*|b|)) - ANGLE)**2
           + one dihedral       TWIST/2*(1 + cos(3*atan2(|b|*a.(b x c), (a x b).(b x c))))
           + sum over carbons   REPULSION/d**12 - ATTRACTION/d**6

The 15 Cartesian coordinates are one array, `r`: x, y, z of the first site, then of the second. The energy
does not change when everything is moved or turned as a whole, so the forces, and their torques, add up to
zero.

Emit its module:

    symbackprop emit examples/molecule.py:energy --wrt r --args r
"""

import numpy as np
import sympy as sp
from scipy.optimize import minimize

from symbackprop import compile_grad

r = sp.symbols("r:15")

STRETCH, LENGTH = 2180, 1.54
BEND, ANGLE = 520, 1.99
TWIST = 12
REPULSION, ATTRACTION = 14_200_000, 6530

START = [
    [0.0, 0.0, 0.0],
    [1.5, 0.1, 0.0],
    [2.1, 1.5, 0.1],
    [3.6, 1.4, 0.6],
    [1.2, 0.9, 3.9],
]
AT = {"r": [x for site in START for x in site]}


def norm(v: sp.Matrix) -> sp.Expr:
    return sp.sqrt(v.dot(v))


def stretch(a: sp.Matrix) -> sp.Expr:
    return STRETCH * (norm(a) - LENGTH) ** 2 / 2


def bend(a: sp.Matrix, b: sp.Matrix) -> sp.Expr:
    return BEND * (sp.acos(-a.dot(b) / (norm(a) * norm(b))) - ANGLE) ** 2 / 2


def twist(a: sp.Matrix, b: sp.Matrix, c: sp.Matrix) -> sp.Expr:
    ab, bc = a.cross(b), b.cross(c)
    return TWIST * (1 + sp.cos(3 * sp.atan2(norm(b) * a.dot(bc), ab.dot(bc)))) / 2


def lennard_jones(v: sp.Matrix) -> sp.Expr:
    return REPULSION / v.dot(v) ** 6 - ATTRACTION / v.dot(v) ** 3


sites = [sp.Matrix(r[k : k + 3]) for k in range(0, 15, 3)]
a, b, c = (sites[k + 1] - sites[k] for k in range(3))

energy = (
    stretch(a)
    + stretch(b)
    + stretch(c)
    + bend(a, b)
    + bend(b, c)
    + twist(a, b, c)
    + sum(lennard_jones(sites[4] - carbon) for carbon in sites[:4])
)


def main() -> None:
    g = compile_grad(energy, [r], args=[r], backend="python")
    value, (gradient,) = g.value_and_grad(np.ravel(START))
    forces = -np.reshape(gradient, (5, 3))
    total, torque = forces.sum(axis=0), np.cross(START, forces).sum(axis=0)
    print(f"start:   energy {value:.3f} kJ/mol, largest force {np.abs(forces).max():.3f} kJ/(mol angstrom)")
    print(f"         total force {np.abs(total).max():.1e}, total torque {np.abs(torque).max():.1e}")
    if max(np.abs(total).max(), np.abs(torque).max()) > 1e-11 * np.abs(forces).max():
        raise SystemExit("the forces or their torques do not add up to zero")

    fun, pack = g.as_scipy()
    result = minimize(fun, pack(r=AT["r"]), jac=True, method="BFGS", options={"gtol": 1e-6})
    relaxed = np.reshape(result.x, (5, 3))
    largest = np.abs(fun(result.x)[1]).max()
    lengths = np.linalg.norm(np.diff(relaxed[:4], axis=0), axis=1)
    print(f"relaxed: energy {result.fun:.3f} kJ/mol, largest force {largest:.1e}, {result.nfev} evaluations")
    print(f"         bond lengths {', '.join(f'{length:.4f}' for length in lengths)} angstrom")
    if largest > 1e-4 or result.fun >= value:
        raise SystemExit("the molecule is not relaxed")


if __name__ == "__main__":
    main()
