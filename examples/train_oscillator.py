"""A physical model fitted to noisy data: the damping and the stiffness of an oscillator, through its own equations.

    x'' = -k*x - c*x'        x(0) = 1        x'(0) = 0

is taken in 200 semi-implicit Euler steps by a `Scan`; 201 positions were measured with noise 0.02. The loss is their
mean squared distance from the trajectory, and its gradient runs back through all steps. The parameters are logarithms,
so that neither becomes negative. They end within 2 % of those that made the data.

    symbackprop fit examples/train_oscillator.py

Emit its loop:

    symbackprop emit examples/train_oscillator.py
"""

import numpy as np
import sympy as sp

from symbackprop import Adam, Run, Scan, compile_training, mse

STEPS, STEP = 200, 0.05
c, k = sp.symbols("c k", real=True)
x, v, i = sp.symbols("x v i")
measured = sp.MatrixSymbol("measured", STEPS + 1, 1)

v_next = v - STEP * (sp.exp(k) * x + sp.exp(c) * v)
motion = Scan((x, 1, x + STEP * v_next), (v, 0, v_next), (i, 1, STEPS))
loss = mse(motion.states(x), measured)


def oscillation(stiffness: float, damping: float) -> np.ndarray:
    positions, place, speed = [1.0], 1.0, 0.0
    for _ in range(STEPS):
        speed -= STEP * (stiffness * place + damping * speed)
        place += STEP * speed
        positions.append(place)
    return np.array(positions)[:, None]


STIFFNESS, DAMPING = 2.0, 0.3
batch = None
params = {k: 0.0, c: 0.0}
data = {measured: oscillation(STIFFNESS, DAMPING) + np.random.default_rng(0).normal(0.0, 0.02, (STEPS + 1, 1))}
optimizer = Adam(lr=0.02)
fit = {"epochs": 600}


def trained() -> Run:
    training = compile_training(loss, list(params), list(data), batch=batch, optimizer=optimizer)
    return training.fit({"k": params[k], "c": params[c]}, {"measured": data[measured]}, **fit)


def main() -> None:
    run = trained()
    stiffness, damping = np.exp(run.params["k"]), np.exp(run.params["c"])
    print(f"loss {run.history.loss[0]:.4f} -> {run.history.loss[-1]:.6f} in {run.state.steps} steps")
    print(f"stiffness {stiffness:.4f} (made with {STIFFNESS}), damping {damping:.4f} (made with {DAMPING})")
    if abs(stiffness / STIFFNESS - 1) > 0.02 or abs(damping / DAMPING - 1) > 0.02:
        raise SystemExit("the fit missed the oscillator")


if __name__ == "__main__":
    main()
