"""Forward mode against reverse mode: what a gradient costs in each.

The expression is e = (a + b)*(b + 1). Its derivatives are

    de/da = b + 1              = 2 at a = 2, b = 1
    de/db = (b + 1) + (a + b)  = 5

Forward mode (a JVP) starts at ONE input, here b, and carries its tangent up to e: one sweep gives one entry
of the gradient. Reverse mode starts at e and carries its adjoint down to the inputs: one sweep gives every
entry. With 1,000 inputs the gradient of one number takes 1,000 forward sweeps, or one reverse sweep. The
counts are those of the emitted programs and include the value, which each sweep computes again.

Emit its module:

    symbackprop emit examples/forward_and_reverse.py:e --wrt a,b
"""

import math

import sympy as sp

from symbackprop import CompiledFunction, compile_grad, compile_jvp

a, b = sp.symbols("a b")
e = (a + b) * (b + 1)

AT = {"a": 2.0, "b": 1.0}

N = 1000


def small() -> None:
    """Two inputs: a tangent up from b, an adjoint down from e."""
    forward = compile_jvp(e, [b], backend="python")
    reverse = compile_grad(e, [a, b], backend="python")
    from_b = forward(a=2, b=1, b_dot=1)
    gradient = reverse(a=2, b=1)
    print("e = (a + b)*(b + 1) at a = 2, b = 1")
    print(f"  forward from b: de/db = {from_b:g}; {operations(forward)} operations")
    print(f"  reverse from e: gradient {tuple(gradient)}; {operations(reverse)} operations")
    if from_b != 5 or gradient != [2, 5]:
        raise SystemExit(f"expected 5 and [2, 5], got {from_b} and {gradient}")


def large() -> None:
    """1,000 inputs: the log-sum-exp of all of them, whose gradient is the softmax."""
    x = sp.symbols(f"x1:{N + 1}")
    expr = sp.log(sp.Add(*[sp.exp(xi) for xi in x]))
    forward = compile_jvp(expr, [x], args=[x], backend="python")
    reverse = compile_grad(expr, [x], args=[x], backend="python")

    point = [math.sin(k) for k in range(N)]
    by_sweeps = []
    for k in range(N):
        direction = [0.0] * N
        direction[k] = 1.0
        by_sweeps.append(forward(point, direction))
    (gradient,) = reverse(point)
    error = max(abs(f - r) / abs(r) for f, r in zip(by_sweeps, gradient, strict=True))

    print(f"\nlog(exp(x1) + ... + exp(x{N})), the gradient in all {N} inputs")
    print(f"{'':10} {'one sweep':>10} {'sweeps':>8} {'operations':>12}")
    for mode, g, sweeps in (("forward", forward, N), ("reverse", reverse, 1)):
        print(f"{mode:10} {operations(g):10,} {sweeps:8,} {operations(g) * sweeps:12,}")
    print(f"largest relative difference of the two gradients: {error:.1e}")
    if error > 1e-12:
        raise SystemExit("forward and reverse mode disagree")


def operations(g: CompiledFunction) -> int:
    """How many operations one sweep takes, the value included."""
    return int(g.stats["operations"]["value_and_grad"])


def main() -> None:
    small()
    large()


if __name__ == "__main__":
    main()
