"""Logarithms and powers of what is near 1, by the distance from 1: log(1 + u), cos(x)**n, 1 - (1 + u)**2."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.passes.companions import beyond_one
from symbackprop.passes.logarithms import logarithm as by_factors
from symbackprop.passes.offsets import built, minus, offset, square_of, terms
from symbackprop.passes.rewrite import Rewriter, Rule

_ADD, _SUB, _MUL, _DIV, _NEG, _SQRT = (REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg", "sqrt"))
_ONE_MINUS_SQUARE, _SELECT, _POW, _POW1PM1 = (
    REGISTRY[name] for name in ("one_minus_square", "select", "pow", "pow1pm1")
)
_SIN, _ABS, _POWER_GROWTH = (REGISTRY[name] for name in ("sin", "abs", "power_growth"))
_EXPONENTIALS = {REGISTRY["exp"]: 0, REGISTRY["exp2"]: 2}
"""Their bases, of which 0 stands for e."""


def _distance_from_one(r: Rewriter, index: int) -> int | None:
    own = terms(r, index)
    if own is not None and own[0] == 1 and own[1]:
        return built(r, Fraction(0), own[1])
    found = offset(r, index)
    return found[1] if found is not None and found[0] == 1 else None


def _inverse_hyperbolic(r: Rewriter, x: int) -> int | None:
    """log(sqrt(v**2 + 1) + v) = asinh(v) = -log(sqrt(v**2 + 1) - v), and acosh(v) of v + sqrt(v**2 - 1)."""
    parts, upside_down = _root_and_other(r, x), r.is_op(x, _NEG)
    if parts is None:
        return None
    first, second, sign = parts
    for root, v in ((first, second), (second, first)) if sign > 0 else ((first, second),):
        name = _from_root(r, root, v)
        # The sign of what has been turned round: root - v of asinh, v - root of acosh.
        if name is not None and (sign > 0 or upside_down == (name == "acosh")):
            return (sign * r.f.wrap(r.add(REGISTRY[name], (v,)))).index
    return None


def _from_root(r: Rewriter, root: int, v: int) -> str | None:
    """Which inverse function is the logarithm of v + root, of sqrt(v**2 + 1) or sqrt(v**2 - 1)."""
    if r.is_op(root, REGISTRY["hypot"]) and set(r.operands(root)) == {v, r.const(1)}:
        return "asinh"
    if not r.is_op(root, _SQRT):
        return None
    under = r.operands(root)[0]
    if r.is_op(under, _NEG) and r.nodes[r.operands(under)[0]].op is _ONE_MINUS_SQUARE:
        return "acosh" if r.operands(r.operands(under)[0]) == (v,) else None
    found = terms(r, under)
    if found is not None and found[0] == 1 and len(found[1]) == 1:
        ((square, factor),) = found[1].items()
        return "asinh" if factor == 1 and square_of(r, square) == v else None
    return None


def _root_and_other(r: Rewriter, x: int) -> tuple[int, int, int] | None:
    """The two terms of a sum and the sign of the second, also as `passes.differences` has root + v, where v < 0, and
    root - v and v - root, where v > 0.
    """
    if r.is_op(x, _NEG):
        found = _root_and_other(r, r.operands(x)[0]) if r.is_op(r.operands(x)[0], _SELECT) else None
        return found if found is not None and found[2] < 0 else None
    if r.is_op(x, _SELECT):
        x = r.operands(x)[2]
        if r.nodes[x].op not in (_ADD, _SUB):
            return None
        root, v = r.operands(x)
        guarded = r.is_op(v, _SELECT) and r.number(r.operands(v)[1]) == 0
        return (root, r.operands(v)[2], 1 if r.is_op(x, _ADD) else -1) if guarded else None
    return (r.operands(x)[0], r.operands(x)[1], 1) if r.is_op(x, _ADD) else None


def logarithm(r: Rewriter, x: int) -> int | None:
    """The logarithm of what is near 1 somewhere, by its distance from there, or as an inverse hyperbolic function."""
    inverse = _inverse_hyperbolic(r, x)
    if inverse is not None:
        return inverse
    chosen = _of_choice(r, x)
    if chosen is not None:
        return chosen
    # What is below 0 is further from 1 than where the row looks at the distance.
    rest = _distance_from_one(r, r.operands(x)[0] if r.is_op(x, _ABS) else x)
    if rest is None:
        rest = beyond_one(r, x)
    if rest is None and r.is_op(x, _DIV):
        # (u + v)/u = 1 + v/u
        apart = minus(r, *r.operands(x))
        rest = None if apart is None else r.add(_DIV, (apart, r.operands(x)[1]))
    if rest is None:
        return None
    # log1p where the user's own sum is all that is known of x; else x itself may be small, and right: the sum
    # p*exp(u) + (1 - p)*exp(v), which is 1 + p*expm1(u) + ..., vanishes far out.
    own = terms(r, x)
    if own is None or own[0] == 1:
        return r.f.log1p(r.f.wrap(rest)).index
    return r.f.log_near_one(r.f.wrap(x), r.f.wrap(rest)).index


def _growth(r: Rewriter, x: int, y: int) -> int | None:
    """x**y*log(x), the slope of a power in its exponent, where log(x) has a form of its own."""
    f = r.f
    base, exponent = f.wrap(x), f.wrap(y)
    index = by_factors(r, x)
    index = logarithm(r, x) if index is None else index
    if index is None:
        return None
    found = f.wrap(index)
    # The root of the power twice: neither overflows nor vanishes where their product with the logarithm does not.
    root = f.pow(base, exponent / 2)
    where_positive = f.gt(base, 0)
    other = r.plain(_POWER_GROWTH, (f.select(where_positive, 1, base).index, y))
    return f.select(where_positive, root * found * root, f.wrap(other)).index


def _of_choice(r: Rewriter, x: int) -> int | None:
    """log(1 - u**a), as the power is written where u is near 1, and elsewhere."""
    choice = r.operands(x)[0] if r.is_op(x, _NEG) else x
    if not r.is_op(choice, _SELECT) or not r.is_op(r.operands(choice)[1], _POW1PM1) or choice == x:
        return None
    f, (condition, near, far) = r.f, r.operands(choice)
    return f.select(f.wrap(condition), f.log(-f.wrap(near)), f.log(-f.wrap(far))).index


def _to_base(base: int) -> Callable[[Rewriter, int], int | None]:
    """log(x)/log(base), where log(x) has a form of its own."""

    def to_base(r: Rewriter, x: int) -> int | None:
        own = _EXPONENTIALS.get(r.nodes[x].op)
        if own is not None:
            exponent = r.f.wrap(r.operands(x)[0])
            return (exponent if own == base else exponent * _log_of(r, own) / _log_of(r, base)).index
        found = logarithm(r, x)
        return None if found is None else (r.f.wrap(found) / _log_of(r, base)).index

    return to_base


def _log_of(r: Rewriter, base: int) -> Value:
    return r.f.log(r.f.const(base)) if base else r.f.const(1)


def _power(r: Rewriter, x: int, y: int) -> int | None:
    number = r.number(y)
    # Up to the eighth power, which is a chain of products, the rounding of 1 + u is amplified by 4 ulp at most.
    if number is not None and abs(number) <= 8:
        return None
    rest = _distance_from_one(r, x) if r.nodes[x].op in (_ADD, _SUB) else None
    if rest is not None:
        return r.f.pow1p(r.f.wrap(rest), r.f.wrap(y)).index
    # A sine is near 1 at points alone: there the power's condition is small, and its rounding what it is of a cosine.
    rest = None if r.is_op(x, _SIN) else beyond_one(r, x)
    if rest is None:
        return None
    # What rounds to 1 far out, 1 - exp(-u), and is small elsewhere: each arm sees its own side alone.
    f, d = r.f, r.f.wrap(rest)
    is_near = f.lt(f.abs(d), Fraction(1, 2))
    far = f.wrap(r.plain(_POW, (f.select(is_near, 1, f.wrap(x)).index, y)))
    return f.select(is_near, f.pow1p(f.select(is_near, d, 0), f.wrap(y)), far).index


def _square(r: Rewriter, x: int) -> int | None:
    """1 - (1 + u)**2 = -u*(2 + u), and of 1 - u; the rules for roots know the row, and come before."""
    constant, parts = terms(r, x) or (Fraction(0), {})
    if abs(constant) != 1 or not parts:
        return None
    return r.add(_NEG, (r.add(_MUL, (built(r, Fraction(0), parts), built(r, 2 * constant, parts))),))


_SMALL = (-0.9, 1e3)

RULES = (
    Rule(
        "log(1 + x) -> log1p(x)",
        "log",
        logarithm,
        lambda f, x, y, c: f.log(x + 1),
        domain=(_SMALL,),
        before=1e6,
        after=2,
    ),
    Rule(
        "x**y*log(x) -> x**(y/2)*log1p(d)*x**(y/2) with d = x - 1, and of other logarithms",
        "power_growth",
        _growth,
        # Of a symbolic exponent the derivative has the row once more.
        lambda f, x, y, c: f.power_growth(f.sech(x), f.const(3)),
        domain=((-1e-3, 1e-3),),
        before=math.inf,
        after=4,
    ),
    *(
        Rule(
            f"log{base}(1 + x) -> log1p(x)/log({base})",
            f"log{base}",
            _to_base(base),
            lambda f, x, y, c, row=REGISTRY[f"log{base}"]: f.apply(row, x + 1),
            domain=(_SMALL,),
            before=1e6,
            after=2,
        )
        for base in (2, 10)
    ),
    Rule(
        "(1 + x)**y -> pow1p(x, y)",
        "pow",
        _power,
        lambda f, x, y, c: f.pow(x + 1, y),
        domain=(_SMALL, (-9, 9)),
        before=3e6,
        after=30,
    ),
    Rule(
        "tanh(x)**y -> pow1p(-2*logistic(-2*x), y) where tanh(x) is near 1, and other powers of what rounds to 1",
        "pow",
        _power,
        lambda f, x, y, c: f.pow(f.tanh(x), y),
        domain=((0.1, 300.0), (-9, 9)),
        before=1e16,
        after=30,
    ),
)

LATE_RULES = (
    Rule(
        "1 - (1 + x)**2 -> -x*(2 + x)",
        "one_minus_square",
        _square,
        lambda f, x, y, c: f.one_minus_square(x + 1),
        domain=((-0.4, 0.4),),
        before=1e9,
        after=4,
        among=("add", "sub"),
    ),
)
