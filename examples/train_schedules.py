"""Schedules: what a learning rate that falls is good for, where every step sees a few samples only.

A line through 200 noisy points, by minibatches of 10. The gradient of a minibatch is not that of all samples, so a
constant rate never comes to rest: it goes around the best line at a distance that the rate sets. A rate that falls to
0 ends on it. A schedule is a SymPy expression of rate, step and epoch, compiled into the step: `warmup(40, cosine())`
grows to the rate over 40 steps, and then falls along half a cosine. `own` is one that this file makes up.

    symbackprop fit examples/train_schedules.py         # by warmup and cosine

Emit its loop:

    symbackprop emit examples/train_schedules.py
"""

import numpy as np
import sympy as sp

from symbackprop import SGD, Run, compile_training, constant, cosine, exponential, step, warmup

w, b, x, y = sp.symbols("w b x y", real=True)
loss = (w * x + b - y) ** 2

_rng = np.random.default_rng(0)
_at = _rng.uniform(-1.0, 3.0, 200)
params = {w: 0.0, b: 0.0}
data = {x: _at, y: 2.0 * _at - 1.0 + _rng.normal(0.0, 0.5, 200)}
optimizer = SGD(lr=0.1)
schedule = warmup(40, cosine())
# The loss of all samples after each epoch, where `loss` is its mean over the steps of one.
metrics = {"all": loss}
fit = {"epochs": 60, "batch_size": 10, "seed": 0}


def own(lr, t, epoch, epochs):
    """The rate divided by the square root of the step."""
    return lr / sp.sqrt(t)


SCHEDULES = {
    "constant": constant(),
    "step": step(every=15, factor=0.2),
    "exponential": exponential(0.9),
    "warm-up, cosine": schedule,
    "1/sqrt(t)": own,
}


def runs() -> dict[str, Run]:
    """The same training under each of the schedules."""
    start = {symbol.name: value for symbol, value in params.items()}
    given = {symbol.name: value for symbol, value in data.items()}
    found = {}
    for name, rate in SCHEDULES.items():
        training = compile_training(loss, list(params), list(data), optimizer=optimizer, schedule=rate, metrics=metrics)
        found[name] = training.fit(start, given, **fit)
    return found


def least_squares() -> float:
    """The loss of the best line."""
    columns = np.column_stack([data[x], np.ones(200)])
    return float(np.linalg.lstsq(columns, data[y])[1][0]) / 200


def main() -> None:
    least, found = least_squares(), runs()
    for name, run in found.items():
        above = run.history["all"] - least
        print(f"{name:<16} rate {run.history.lr[-1]:.1e} at the end, {above[-1]:.1e} above the least loss {least:.4f}")
    last = {name: run.history["all"][-1] - least for name, run in found.items()}
    if last["warm-up, cosine"] > 0.01 * last["constant"]:
        raise SystemExit("a falling rate brought nothing")


if __name__ == "__main__":
    main()
