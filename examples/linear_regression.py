"""Linear regression by gradient descent, one sample at a time.

The model is a line through the origin, the loss that of ONE sample:

    y = w*x        loss = (w*x - t)**2        d loss/dw = 2*(w*x - t)*x

On the samples (1, 2), (2, 4), (3, 6) the loss is least at w = 2. Every sample moves w against its gradient,
by the learning rate 0.01: w - 2 shrinks by the factor 1 - 2*0.01*x**2, so by 0.98*0.92*0.82 = 0.739 an epoch,
and to 1e-13 in 100 epochs. The prediction at x = 4 goes from 4 (w = 1) to 8.

Emit its module:

    symbackprop emit examples/linear_regression.py:loss --wrt w
"""

import sympy as sp

from symbackprop import compile_grad

w, x, t = sp.symbols("w x t")

loss = (w * x - t) ** 2

AT = {"w": 1.0, "x": 2.0, "t": 4.0}

SAMPLES = ((1.0, 2.0), (2.0, 4.0), (3.0, 6.0))
RATE = 0.01
EPOCHS = 100


def train(start: float) -> float:
    """The weight after all epochs."""
    g = compile_grad(loss, w, backend="python")
    weight = start
    for epoch in range(EPOCHS):
        total = 0.0
        for sample, target in SAMPLES:
            value, gradient = g.value_and_grad(w=weight, x=sample, t=target)
            weight -= RATE * gradient
            total += value
        if epoch % 10 == 0:
            print(f"  epoch {epoch:3}   loss {total:.3e}")
    return weight


def main() -> None:
    start = 1.0
    before = start * 4.0
    print(f"prediction at x = 4 before training: {before:.4f}")
    after = train(start) * 4.0
    print(f"prediction at x = 4 after training:  {after:.4f}")
    if before != 4.0 or abs(after - 8.0) > 1e-3:
        raise SystemExit("expected 4 before training and 8 after")


if __name__ == "__main__":
    main()
