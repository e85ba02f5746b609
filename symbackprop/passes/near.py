"""Functions near the point where they have a companion: log near 1, acos and acosh near 1, powers of 1 + u."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.passes.offsets import built, identities, offset, square_of, terms
from symbackprop.passes.rewrite import Rewriter, Rule

_ADD, _SUB, _MUL, _DIV, _NEG, _SQRT = (REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg", "sqrt"))
_ONE_MINUS_SQUARE = REGISTRY["one_minus_square"]


def _distance_from_one(r: Rewriter, index: int) -> int | None:
    own = terms(r, index)
    if own is not None and own[0] == 1 and own[1]:
        return built(r, Fraction(0), own[1])
    found = offset(r, index)
    return found[1] if found is not None and found[0] == 1 else None


def _inverse_hyperbolic(r: Rewriter, x: int) -> int | None:
    """log(v + sqrt(v**2 + 1)) = asinh(v), and acosh(v) with -1."""
    if not r.is_op(x, _ADD):
        return None
    for root, v in (r.operands(x), r.operands(x)[::-1]):
        if r.is_op(root, REGISTRY["hypot"]) and set(r.operands(root)) == {v, r.const(1)}:
            return r.add(REGISTRY["asinh"], (v,))
        if not r.is_op(root, _SQRT):
            continue
        under = r.operands(root)[0]
        if r.is_op(under, _NEG) and r.nodes[r.operands(under)[0]].op is _ONE_MINUS_SQUARE:
            return r.add(REGISTRY["acosh"], (v,)) if r.operands(r.operands(under)[0]) == (v,) else None
        found = terms(r, under)
        if found is not None and found[0] == 1 and len(found[1]) == 1:
            ((square, factor),) = found[1].items()
            if factor == 1 and square_of(r, square) == v:
                return r.add(REGISTRY["asinh"], (v,))
    return None


def _logarithm(r: Rewriter, x: int) -> int | None:
    inverse = _inverse_hyperbolic(r, x)
    if inverse is not None:
        return inverse
    rest = _distance_from_one(r, x)
    if rest is None:
        for value, companion in identities(r, x):
            if value == 1:
                rest = companion
                break
    if rest is None:
        return None
    # log1p where the user's own sum is all that is known of x; else x itself may be small, and right.
    if r.is_op(x, _ADD) or r.is_op(x, _SUB):
        return r.f.log1p(r.f.wrap(rest)).index
    return r.f.log_near_one(r.f.wrap(x), r.f.wrap(rest)).index


def _to_base(base: int) -> Callable[[Rewriter, int], int | None]:
    """log(x)/log(base), where log(x) has a form of its own."""

    def logarithm(r: Rewriter, x: int) -> int | None:
        found = r.operands(x)[0] if r.is_op(x, REGISTRY["exp"]) else _logarithm(r, x)
        return None if found is None else (r.f.wrap(found) / r.f.log(r.f.const(base))).index

    return logarithm


def _own_sum(r: Rewriter, x: int) -> int | None:
    return _distance_from_one(r, x) if r.is_op(x, _ADD) or r.is_op(x, _SUB) else None


def _acosh(r: Rewriter, x: int) -> int | None:
    rest = _own_sum(r, x)
    return None if rest is None else (2 * r.f.asinh(r.f.sqrt(r.f.wrap(rest) / 2))).index


def _half_angle(r: Rewriter, x: int) -> tuple[int, Value] | None:
    """The sign s of an own sum x = s*(1 - d), and acos(1 - d) = 2*asin(sqrt(d/2))."""
    if not (r.is_op(x, _ADD) or r.is_op(x, _SUB)):
        return None
    found = offset(r, x)
    if found is None or abs(found[0]) != 1:
        return None
    sign, f = int(found[0]), r.f
    return sign, 2 * f.asin(f.sqrt(-sign * f.wrap(found[1]) / 2))


def _acos(r: Rewriter, x: int) -> int | None:
    found = _half_angle(r, x)
    if found is None:
        return None
    sign, angle = found
    return angle.index if sign > 0 else (r.f.const("pi") - angle).index


def _asin(r: Rewriter, x: int) -> int | None:
    found = _half_angle(r, x)
    if found is None:
        return None
    sign, angle = found
    quarter = r.f.const("pi") / 2
    return (quarter - angle if sign > 0 else angle - quarter).index


def _power(r: Rewriter, x: int, y: int) -> int | None:
    number = r.number(y)
    # Up to the eighth power, which is a chain of products, the rounding of 1 + u is amplified by 4 ulp at most.
    if number is not None and abs(number) <= 8:
        return None
    rest = _own_sum(r, x)
    return None if rest is None else r.f.pow1p(r.f.wrap(rest), r.f.wrap(y)).index


_POSITIVE, _SMALL = (1e-3, 1e6), (-0.9, 1e3)

RULES = (
    Rule(
        "log(1 + x) -> log1p(x)",
        "log",
        _logarithm,
        lambda f, x, y, c: f.log(x + 1),
        domain=(_SMALL,),
        before=1e6,
        after=2,
    ),
    Rule(
        "log2(1 + x) -> log1p(x)/log(2)",
        "log2",
        _to_base(2),
        lambda f, x, y, c: f.log2(x + 1),
        domain=(_SMALL,),
        before=1e6,
        after=2,
    ),
    Rule(
        "log10(1 + x) -> log1p(x)/log(10)",
        "log10",
        _to_base(10),
        lambda f, x, y, c: f.log10(x + 1),
        domain=(_SMALL,),
        before=1e6,
        after=2,
    ),
    Rule(
        "acosh(1 + x) -> 2*asinh(sqrt(x/2))",
        "acosh",
        _acosh,
        lambda f, x, y, c: f.acosh(x + 1),
        domain=(_POSITIVE,),
        before=250,
        after=3,
    ),
    Rule(
        "acos(1 - x) -> 2*asin(sqrt(x/2))",
        "acos",
        _acos,
        lambda f, x, y, c: f.acos(1 - x),
        domain=((1e-9, 1.9),),
        before=5e7,
        after=4,
    ),
    Rule(
        "asin(1 - x) -> pi/2 - 2*asin(sqrt(x/2))",
        "asin",
        _asin,
        lambda f, x, y, c: f.asin(1 - x),
        domain=((1e-9, 1.9),),
        before=8e7,
        after=50,
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
)
