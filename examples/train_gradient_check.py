"""A gradient check: what one does before a long training, and why differences alone do not settle it.

A network 2-4-3 with tanh, softmax and a small penalty on its weights. Its gradient in W1 is taken in several ways, each
compared with the one that `check_grad` finds in arithmetic of as many digits as it takes. Differences
(f(w + h) - f(w - h))/(2*h) are off by truncation, which falls with h**2, and by rounding, which grows with 1/h: no step
makes them better than 5e-11, and h = 0.01 or 1e-10 leaves five digits. A gradient by hand that forgets the 2 of the
penalty is off by 2e-6: beside such differences it looks right. The compiled gradient has all digits.

    symbackprop check examples/train_gradient_check.py:loss
    symbackprop fit examples/train_gradient_check.py

Emit its gradient:

    symbackprop emit examples/train_gradient_check.py:loss --wrt W1,b1,W2,b2
"""

import numpy as np
import sympy as sp

from symbackprop import SGD, Total, affine, check_grad, compile_grad, cross_entropy, tanh, xavier_normal

N = sp.Symbol("N", integer=True, positive=True)
X, T = sp.MatrixSymbol("X", N, 2), sp.MatrixSymbol("T", N, 3)
W1, b1 = sp.MatrixSymbol("W1", 2, 4), sp.MatrixSymbol("b1", 1, 4)
W2, b2 = sp.MatrixSymbol("W2", 4, 3), sp.MatrixSymbol("b2", 1, 3)
A1 = sp.MatrixSymbol("A1", N, 4)
PENALTY = 1e-6

penalty = PENALTY * (Total(W1.applyfunc(lambda w: w**2)) + Total(W2.applyfunc(lambda w: w**2)))
loss = ([(A1, tanh(affine(X, W1, b1)))], [cross_entropy(affine(A1, W2, b2), T) + penalty])
batch = N
_rng = np.random.default_rng(0)
_points = _rng.normal(0.0, 1.0, (12, 2))
params = {W1: xavier_normal((2, 4), 1), b1: np.zeros((1, 4)), W2: xavier_normal((4, 3), 2), b2: np.zeros((1, 3))}
data = {X: _points, T: np.eye(3)[(_points @ _rng.normal(0.0, 1.0, (2, 3))).argmax(axis=1)]}
optimizer = SGD(lr=0.5)
fit = {"epochs": 200}
AT = {symbol.name: value for symbol, value in {**params, **data}.items()}

STEPS = [10.0**-k for k in range(1, 13)]


def by_hand(W1, b1, W2, b2, X, T, factor):
    """The gradient in W1, line by line; `factor` is the one that the penalty's square brings, 2."""
    A1 = np.tanh(X @ W1 + b1)
    P = np.exp(A1 @ W2 + b2)
    Z2_bar = (P / P.sum(axis=1, keepdims=True) - T) / len(X)
    return X.T @ ((Z2_bar @ W2.T) * (1.0 - A1**2)) + factor * PENALTY * W1


def differences(value, h):
    """Central differences of the value in each entry of W1."""
    found = np.empty(W1.shape)
    for place in np.ndindex(found.shape):
        step = np.zeros(W1.shape)
        step[place] = h
        ahead, behind = (value(**{**AT, "W1": AT["W1"] + shift}) for shift in (step, -step))
        found[place] = (ahead - behind) / (2.0 * h)
    return found


def errors() -> dict[str, list[float]]:
    """How far each way is from the exact gradient, relative to its largest entry; of differences, step by step."""
    report = check_grad(loss, W1, at=AT)
    exact = np.reshape([component.exact for component in report.components], W1.shape)
    gradient = compile_grad(loss, W1, backend="numpy")
    ways = {
        "compiled": [gradient(**AT)],
        "by hand": [by_hand(**AT, factor=2.0)],
        "by hand, the 2 forgotten": [by_hand(**AT, factor=1.0)],
        "differences": [differences(gradient.value, h) for h in STEPS],
    }
    return {name: [float(abs(one - exact).max() / abs(exact).max()) for one in found] for name, found in ways.items()}


def main() -> None:
    found = errors()
    for name, errs in found.items():
        print(f"{name:<25} off by {min(errs):.1e}" + (f" to {max(errs):.1e}" if len(errs) > 1 else ""))
    if not found["compiled"][0] < 1e-14 < min(found["differences"]) < found["by hand, the 2 forgotten"][0]:
        raise SystemExit("the check does not tell right from wrong")


if __name__ == "__main__":
    main()
