"""Scaled dot-product attention (Vaswani et al., 2017, equation 1), and its gradient.

Each of n queries (the rows of Q) is compared with each of m keys (the rows of K); softmax makes weights of the
comparisons, with which the rows of V are averaged:

    S = Q*K.T/sqrt(d)        P = softmax(S), row by row        O = P*V

The loss compares O with wanted rows Y. Backwards, the only step that takes thought is the softmax:

    S_bar = P * (P_bar - the sum over each row of P*P_bar)

Emit its module:

    symbackprop emit examples/attention.py:loss --wrt Q,K,V
"""

import numpy as np
import sympy as sp

from symbackprop import compile_function, compile_grad, mse, softmax

n, m, d, e = sp.symbols("n m d e", integer=True, positive=True)
Q, K = sp.MatrixSymbol("Q", n, d), sp.MatrixSymbol("K", m, d)
V, Y = sp.MatrixSymbol("V", m, e), sp.MatrixSymbol("Y", n, e)
S, P, O = sp.MatrixSymbol("S", n, m), sp.MatrixSymbol("P", n, m), sp.MatrixSymbol("O", n, e)  # noqa: E741

loss = ([(S, Q * K.T / sp.sqrt(d)), (P, softmax(S)), (O, P * V)], [mse(O, Y)])

_rng = np.random.default_rng(0)
AT = {
    "Q": _rng.normal(size=(3, 2)),
    "K": _rng.normal(size=(4, 2)),
    "V": _rng.normal(size=(4, 5)),
    "Y": _rng.normal(size=(3, 5)),
}

RATE = 20.0
STEPS = 3000


def main() -> None:
    """Learn queries, keys and values that reverse a sequence: row i wants what was row n-1-i."""
    g = compile_grad(loss, {"Q": Q, "K": K, "V": V}, backend="numpy")
    weights = compile_function([softmax(Q * K.T / sp.sqrt(d))], backend="numpy")
    rng = np.random.default_rng(1)
    length = 8
    values = np.eye(length)
    wanted = values[::-1]
    parameters = {"Q": rng.normal(size=(length, 4)), "K": rng.normal(size=(length, 4))}
    for step in range(STEPS):
        value, gradient = g.value_and_grad(V=values, Y=wanted, **parameters)
        for name in parameters:
            parameters[name] -= RATE * gradient[name]
        if step % 600 == 0:
            print(f"step {step:5}   loss {value:.5f}")
    (found,) = weights(**parameters)
    print("where each row looks:", found.argmax(axis=1).tolist())
    if found.argmax(axis=1).tolist() != list(range(length))[::-1]:
        raise SystemExit("the sequence was not reversed")


if __name__ == "__main__":
    main()
