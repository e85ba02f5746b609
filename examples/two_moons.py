"""A classifier 2-10-8-1 with binary cross-entropy, trained on two moons.

Two hidden layers of tanh; the last layer gives the logit z of the probability p = 1/(1 + exp(-z)) that a point is of
class 1. The loss is the mean of -y*log(p) - (1 - y)*log(1 - p), in the form log(1 + exp(z)) - y*z, which no logit is
too large for. Its derivative in z is (p - y)/N: the first line of the backward pass.

Emit its module:

    symbackprop emit examples/two_moons.py:loss --wrt W1,b1,W2,b2,W3,b3
"""

import numpy as np
import sympy as sp

from symbackprop import affine, binary_cross_entropy, compile_function, compile_grad, sigmoid, tanh

N = sp.Symbol("N", integer=True, positive=True)
X, Y = sp.MatrixSymbol("X", N, 2), sp.MatrixSymbol("Y", N, 1)
W1, b1 = sp.MatrixSymbol("W1", 2, 10), sp.MatrixSymbol("b1", 1, 10)
W2, b2 = sp.MatrixSymbol("W2", 10, 8), sp.MatrixSymbol("b2", 1, 8)
W3, b3 = sp.MatrixSymbol("W3", 8, 1), sp.MatrixSymbol("b3", 1, 1)
A1, A2, Z3 = sp.MatrixSymbol("A1", N, 10), sp.MatrixSymbol("A2", N, 8), sp.MatrixSymbol("Z3", N, 1)
PARAMETERS = (W1, b1, W2, b2, W3, b3)

layers = [(A1, tanh(affine(X, W1, b1))), (A2, tanh(affine(A1, W2, b2))), (Z3, affine(A2, W3, b3))]
loss = (layers, [binary_cross_entropy(Z3, Y, from_logits=True)])

RATE = 0.5
STEPS = 1500


def two_moons(samples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two half circles that reach into each other, with noise; the class of a point is its moon."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0.0, np.pi, samples)
    lower = np.arange(samples) % 2
    points = np.column_stack([np.cos(angle), np.sin(angle)])
    points[lower == 1] = [1.0, 0.5] - points[lower == 1]
    return points + rng.normal(0.0, 0.1, points.shape), lower[:, None].astype(float)


def start(seed: int) -> dict[str, np.ndarray]:
    """Weights of variance 1/inputs, biases 0."""
    rng = np.random.default_rng(seed)
    shapes = {symbol.name: tuple(map(int, symbol.shape)) for symbol in PARAMETERS}
    return {
        name: rng.normal(0.0, shape[0] ** -0.5, shape) if name.startswith("W") else np.zeros(shape)
        for name, shape in shapes.items()
    }


_points, _classes = two_moons(6, seed=1)
AT = {"X": _points, "Y": _classes, **start(seed=2)}


def main() -> None:
    g = compile_grad(loss, {symbol.name: symbol for symbol in PARAMETERS}, backend="numpy")
    probability = compile_function((layers, [sigmoid(Z3)]), backend="numpy")
    points, classes = two_moons(800, seed=0)
    unseen, truth = two_moons(400, seed=3)
    parameters = start(seed=2)
    for step in range(STEPS):
        value, gradient = g.value_and_grad(X=points, Y=classes, **parameters)
        for name, entries in gradient.items():
            parameters[name] -= RATE * entries
        if step % 300 == 0:
            print(f"step {step:5}   loss {value:.4f}")
    print(f"step {STEPS:5}   loss {g.value(X=points, Y=classes, **parameters):.4f}")
    predicted = probability(X=unseen, **parameters)
    hits = float(np.mean((predicted > 0.5) == (truth == 1.0)))
    print(f"{hits:.1%} of 400 points that it has not seen are right")
    if hits < 0.98:
        raise SystemExit("the network did not learn the two moons")


if __name__ == "__main__":
    main()
