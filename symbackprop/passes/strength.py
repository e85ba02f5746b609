"""Cheaper operations for dear ones, where that costs no accuracy to speak of."""

from __future__ import annotations

from fractions import Fraction

from symbackprop.ir import Graph
from symbackprop.ops import REGISTRY
from symbackprop.passes.rewrite import Rewriter, Rule, concern, sweep

_MUL, _DIV, _POW, _SQRT, _NOT, _SELECT = (
    REGISTRY[name] for name in ("mul", "div", "pow", "sqrt", "logical_not", "select")
)

# x**n by multiplications errs by up to (n - 1)/2 ulp: 3.5 at most here, where libm's pow errs by 1 and costs 15 times
# a multiplication.
LONGEST_CHAIN = 8


def _integer_power(r: Rewriter, x: int, y: int) -> int | None:
    exponent = r.number(y)
    if exponent is None or exponent.denominator != 1 or abs(exponent) > LONGEST_CHAIN:
        return None
    n = exponent.numerator
    if n < 0:
        return r.add(_DIV, (r.const(1), r.add(_POW, (x, r.const(-n)))))
    if n < 2:
        return x if n else r.const(1)
    # x**n = (x**(n/2))**2, or x**(n - 1)*x: powers of one base share their chain.
    if n % 2:
        return r.add(_MUL, (r.add(_POW, (x, r.const(n - 1))), x))
    half = r.add(_POW, (x, r.const(n // 2)))
    return r.add(_MUL, (half, half))


def _half_power(r: Rewriter, x: int, y: int) -> int | None:
    exponent = r.number(y)
    if exponent is None or exponent.denominator != 2 or abs(exponent) > Fraction(5, 2):
        return None
    if exponent < 0:
        return r.add(_DIV, (r.const(1), r.add(_POW, (x, r.const(-exponent)))))
    root = r.add(_SQRT, (x,))
    whole = exponent.numerator // 2
    return r.add(_MUL, (r.add(_POW, (x, r.const(whole))), root)) if whole else root


def _exact_reciprocal(r: Rewriter, x: int, y: int) -> int | None:
    # x/2**k = x*2**-k, exactly.
    number = r.number(y)
    if number is None or number.denominator != 1 or abs(number) > 2**64:
        return None
    size = abs(number.numerator)
    return r.add(_MUL, (r.const(1 / number), x)) if size > 1 and size & (size - 1) == 0 else None


def _positive_choice(r: Rewriter, c: int, a: int, b: int) -> int | None:
    return r.add(_SELECT, (r.operands(c)[0], b, a)) if r.is_op(c, _NOT) else None


RULES = (
    Rule("x**n -> x*x*...", "pow", _integer_power, lambda f, x, y, c: f.pow(x, 5)),
    Rule("x**(n/2) -> x*...*sqrt(x)", "pow", _half_power, lambda f, x, y, c: f.pow(x, f.const((3, 2)))),
    Rule("x/2**k -> 2**-k*x", "div", _exact_reciprocal, lambda f, x, y, c: x / 4),
    Rule(
        "not c ? x : y -> c ? y : x",
        "select",
        _positive_choice,
        lambda f, x, y, c: f.select(f.logical_not(c), x, y),
    ),
)


def strength(graph: Graph) -> Graph:
    """Replace powers by products and exact quotients by products."""
    return sweep(graph, Rewriter(RULES)) if concern(RULES, graph) else graph
