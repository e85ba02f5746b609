"""A recurrent network (Elman, 1990) that remembers: it repeats what it read three steps ago.

The hidden state is a row h, which each step replaces; the network reads x, one number a step, and says Y:

    h = tanh(h*W + x[t]*U + b)        L = mean((h*V + c - y[t])**2)

The gradient is backpropagation through time (Werbos, 1990): adjoints of the states run backwards through the stored
states, and W, U and b receive one product over all steps:

    A_bar[t] = (1 - h[t]**2) * (h_bar[t] + A_bar[t+1] @ W.T)        W_bar = H[:-1].T @ A_bar

Emit its module:

    symbackprop emit examples/recurrent_network.py:loss --wrt W,U,b,V,c
"""

import numpy as np
import sympy as sp

from symbackprop import Scan, affine, compile_grad, mse, tanh

T, d, k, e = sp.symbols("T d k e", integer=True, positive=True)
t = sp.Symbol("t", integer=True)
X, Y = sp.MatrixSymbol("X", T, d), sp.MatrixSymbol("Y", T, e)
W, U, b = sp.MatrixSymbol("W", k, k), sp.MatrixSymbol("U", d, k), sp.MatrixSymbol("b", 1, k)
V, c = sp.MatrixSymbol("V", k, e), sp.MatrixSymbol("c", 1, e)
h, h0 = sp.MatrixSymbol("h", 1, k), sp.MatrixSymbol("h0", 1, k)
H, P = sp.MatrixSymbol("H", T, k), sp.MatrixSymbol("P", T, e)

states = Scan((h, h0, tanh(h * W + X[t, :] * U + b)), (t, 0, T - 1)).states(h)
loss = ([(H, states[1 : T + 1, :]), (P, affine(H, V, c))], [mse(P, Y)])

_rng = np.random.default_rng(0)
AT = {
    "X": _rng.normal(size=(4, 1)),
    "Y": _rng.normal(size=(4, 1)),
    "W": 0.5 * _rng.normal(size=(3, 3)),
    "U": _rng.normal(size=(1, 3)),
    "b": np.zeros((1, 3)),
    "V": _rng.normal(size=(3, 1)),
    "c": np.zeros((1, 1)),
    "h0": np.zeros((1, 3)),
}

DELAY = 3
WIDTH = 16
RATE = 0.01
STEPS = 1500


def main() -> None:
    g = compile_grad(loss, {"W": W, "U": U, "b": b, "V": V, "c": c}, backend="numpy")
    rng = np.random.default_rng(1)
    weights = {
        "W": rng.normal(0.0, 1.0 / np.sqrt(WIDTH), (WIDTH, WIDTH)),
        "U": rng.normal(0.0, 1.0, (1, WIDTH)),
        "b": np.zeros((1, WIDTH)),
        "V": rng.normal(0.0, 1.0 / np.sqrt(WIDTH), (WIDTH, 1)),
        "c": np.zeros((1, 1)),
    }
    start = np.zeros((1, WIDTH))
    first = {name: np.zeros_like(entries) for name, entries in weights.items()}
    second = {name: np.zeros_like(entries) for name, entries in weights.items()}
    value = np.inf
    for step in range(1, STEPS + 1):
        read = rng.uniform(-0.5, 0.5, (60, 1))
        wanted = np.concatenate([np.zeros((DELAY, 1)), read[:-DELAY]])
        value, gradient = g.value_and_grad(X=read, Y=wanted, h0=start, **weights)
        for name, bar in gradient.items():
            # Adam (Kingma and Ba, 2015, algorithm 1).
            first[name] = 0.9 * first[name] + 0.1 * bar
            second[name] = 0.999 * second[name] + 0.001 * bar**2
            size = np.sqrt(second[name] / (1 - 0.999**step)) + 1e-8
            weights[name] -= RATE * first[name] / (1 - 0.9**step) / size
        if step % 300 == 0:
            print(f"step {step:5}   loss {value:.6f}")
    print(f"what is to be remembered varies by {1 / 12:.4f}")
    if value > 0.01:
        raise SystemExit("the network did not learn to remember")


if __name__ == "__main__":
    main()
