"""Clipping: a recurrent network of one unit, whose loss has a cliff.

The state h = logistic(w*h + b) is taken 50 times, and is to end at 0.7 (Pascanu, Mikolov and Bengio, 2013, figure 6).
Where the state runs away from an unstable point, 50 slopes above 1 multiply: beside a plateau with gradients of 0.1
stands a wall with gradients of 1,000 and more. One step from the wall throws plain descent out of the valley. With
`clip_norm` a gradient keeps its direction, and at most the length 1, and the next steps lead back.

    symbackprop fit examples/train_clipping.py

Emit its loop:

    symbackprop emit examples/train_clipping.py
"""

from functools import partial

import sympy as sp

from symbackprop import SGD, Run, compile_training, logistic, recurrence

w, b = sp.symbols("w b", real=True)
h, i = sp.symbols("h i")
loss = (recurrence(logistic(w * h + b), h, 0.5, (i, 1, 50)) - 0.7) ** 2

# There are no data: the loss is the same in every step.
batch = None
params = {w: 5.0, b: -2.3}
data: dict[sp.Symbol, object] = {}
optimizer = SGD(lr=0.05)
options = {"clip_norm": 1.0}
fit = {"epochs": 500}


def runs() -> tuple[dict[str, Run], dict[str, list[tuple[float, float]]]]:
    """The same descent, as it is and clipped; and where each was after every epoch."""
    found: dict[str, Run] = {}
    paths: dict[str, list[tuple[float, float]]] = {"plain": [], "clipped": []}
    for name, clipping in (("plain", {}), ("clipped", options)):
        training = compile_training(loss, list(params), [], batch=batch, optimizer=optimizer, **clipping)
        start = {symbol.name: value for symbol, value in params.items()}
        found[name] = training.fit(start, {}, callback=partial(noted, paths[name]), **fit)
    return found, paths


def noted(path: list[tuple[float, float]], epoch: int, run: Run) -> None:
    """A callback: it is called after every epoch, and would end the run if it returned True."""
    path.append((run.params["w"], run.params["b"]))


def main() -> None:
    found, _ = runs()
    for name, run in found.items():
        history = run.history
        print(
            f"{name:<8} loss {history.loss[0]:.4f} -> {history.loss[-1]:.2e}, "
            f"w = {run.params['w']:.2f}, b = {run.params['b']:.2f}, "
            f"longest gradient {history.grad_norm.max():.0f}, in epoch {history.grad_norm.argmax()}"
        )
    if not found["clipped"].history.loss[-1] < 1e-3 < 0.05 < found["plain"].history.loss[-1]:
        raise SystemExit("clipping made no difference")


if __name__ == "__main__":
    main()
