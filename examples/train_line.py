"""Linear regression, one sample a step: the whole loop compiled, beside the same loop by hand.

The samples (1, 2), (2, 4), (3, 6) lie on y = 2*x, the loss is (w*x - t)**2, and each sample moves w by the learning
rate 0.01: w - 2 shrinks by the factor 0.98*0.92*0.82 = 0.739 an epoch, to 1e-13 in 100. The prediction at x = 4 goes
from 4 (w = 1) to 8.

    symbackprop fit examples/train_line.py

Emit its loop:

    symbackprop emit examples/train_line.py
"""

import sympy as sp

from symbackprop import SGD, Run, compile_training

w, x, t = sp.symbols("w x t")
loss = (w * x - t) ** 2
params = {w: 1.0}
data = {x: [1.0, 2.0, 3.0], t: [2.0, 4.0, 6.0]}
optimizer = SGD(lr=0.01)
fit = {"epochs": 100, "batch_size": 1, "shuffle": False}


def trained() -> Run:
    training = compile_training(loss, [w], [x, t], optimizer=optimizer)
    return training.fit({"w": params[w]}, {"x": data[x], "t": data[t]}, **fit)


def by_hand(weight: float) -> float:
    for _ in range(fit["epochs"]):
        for sample, target in zip(data[x], data[t], strict=True):
            weight -= 0.01 * 2 * (weight * sample - target) * sample
    return weight


def main() -> None:
    run = trained()
    weight = run.params["w"]
    print(
        f"loss {run.history.loss[0]:.3f} -> {run.history.loss[-1]:.1e}; w = {weight:.12f}, at x = 4: {4 * weight:.6f}"
    )
    if abs(weight - by_hand(params[w])) > 1e-13:
        raise SystemExit("the loop by hand comes out otherwise")


if __name__ == "__main__":
    main()
