"""Inverse kinematics of a robot arm with seven joints, by the gradient of the distance to a target.

Link k of the arm is given by its Denavit-Hartenberg parameters (twist alpha_k, length a_k, offset d_k) and
turned by the joint angle q_k: it maps a point p of its own frame to that of the link before,

    Rz(q_k) * (Rx(alpha_k)*p + (a_k, 0, d_k))

The hand is the origin of the last frame, carried through all seven maps. Its squared distance to the target
(tx, ty, tz) is minimised over the angles. SymPy multiplies the maps out, `sympy.cse` finds what they share,
and its result is compiled as it is, without expanding it. The seven angles are one array, `q`.

Emit its module:

    symbackprop emit examples/robot_arm.py:error --wrt q --args q,tx,ty,tz
"""

import numpy as np
import sympy as sp
from scipy.optimize import minimize

from symbackprop import compile_function, compile_grad

q = sp.symbols("q1:8")
tx, ty, tz = sp.symbols("tx ty tz")

QUARTER = sp.pi / 2
LINKS = (  # twist, length and offset (metres); the hand stands 0.05 beside the axis of the last joint
    (-QUARTER, 0, 0.34),
    (QUARTER, 0, 0),
    (QUARTER, 0, 0.40),
    (-QUARTER, 0, 0),
    (-QUARTER, 0, 0.40),
    (QUARTER, 0, 0),
    (0, 0.05, 0.12),
)


def hand_position() -> sp.Matrix:
    """Where the hand is, in the frame of the base, as a function of the joint angles."""
    point = sp.zeros(3, 1)
    for angle, (twist, length, offset) in reversed(list(zip(q, LINKS, strict=True))):
        turned = sp.Matrix(
            [
                [1, 0, 0],
                [0, sp.cos(twist), -sp.sin(twist)],
                [0, sp.sin(twist), sp.cos(twist)],
            ]
        )
        spun = sp.Matrix(
            [
                [sp.cos(angle), -sp.sin(angle), 0],
                [sp.sin(angle), sp.cos(angle), 0],
                [0, 0, 1],
            ]
        )
        point = spun * (turned * point + sp.Matrix([length, 0, offset]))
    return point


hand = hand_position()
error = sp.cse((hand[0] - tx) ** 2 + (hand[1] - ty) ** 2 + (hand[2] - tz) ** 2)

AT = {"q": [0.3, 0.8, -0.4, 1.1, 0.2, 0.7, -0.5], "tx": 0.35, "ty": -0.25, "tz": 0.6}

TARGET = {"tx": 0.35, "ty": -0.25, "tz": 0.6}


def main() -> None:
    g = compile_grad(error, [q], args=[q, tx, ty, tz], backend="python")
    position = compile_function(list(hand), args=[q], backend="python")
    fun, pack = g.as_scipy(**TARGET)
    start = pack(q=AT["q"])
    result = minimize(fun, start, jac=True, method="BFGS", options={"gtol": 1e-9})

    print(f"target  ({', '.join(f'{x:.6f}' for x in TARGET.values())})")
    print(f"start   ({', '.join(f'{x:.6f}' for x in position(start))})")
    print(f"reached ({', '.join(f'{x:.6f}' for x in position(result.x))})")
    print(f"joints  ({', '.join(f'{x:.1f}' for x in np.degrees(result.x))}) degrees")
    distance = np.linalg.norm(np.array(position(result.x)) - list(TARGET.values()))
    print(f"position error {distance:.1e} m after {result.nfev} evaluations")

    value, both = g.stats["operations"]["value"], g.stats["operations"]["value_and_grad"]
    print(f"operations: value {value}, value and gradient in 7 angles {both}, ratio {both / value:.2f}")
    if distance > 1e-6:
        raise SystemExit("the hand did not reach the target")


if __name__ == "__main__":
    main()
