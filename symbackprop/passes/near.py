"""Functions near the point where they have a companion: log near 1, acos and acosh near 1, powers of 1 + u."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from symbackprop.ir import Functions, Value
from symbackprop.ops import REGISTRY
from symbackprop.passes.offsets import built, identities, minus, offset, square_of, terms
from symbackprop.passes.rewrite import Rewriter, Rule

_ADD, _SUB, _MUL, _DIV, _NEG, _SQRT = (REGISTRY[name] for name in ("add", "sub", "mul", "div", "neg", "sqrt"))
_ONE_MINUS_SQUARE, _SELECT, _POW, _POW1PM1 = (
    REGISTRY[name] for name in ("one_minus_square", "select", "pow", "pow1pm1")
)


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
    rest = _distance_from_one(r, x)
    if rest is None:
        rest = _beyond_one(r, x)
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
        found = r.operands(x)[0] if r.is_op(x, REGISTRY["exp"]) else logarithm(r, x)
        return None if found is None else (r.f.wrap(found) / r.f.log(r.f.const(base))).index

    return to_base


def _own_sum(r: Rewriter, x: int) -> int | None:
    return _distance_from_one(r, x) if r.is_op(x, _ADD) or r.is_op(x, _SUB) else None


def _beside_one(r: Rewriter, x: int) -> tuple[int | None, Value] | None:
    """The sign of x where it is near 1 or -1, and 1 - |x| there; of a function that comes near both, no sign."""
    f, name = r.f, r.nodes[x].op.name
    if name == "neg":
        inner = _beside_one(r, r.operands(x)[0])
        return None if inner is None else (inner[0] and -inner[0], inner[1])
    if name in ("tanh", "erf"):
        size = f.abs(f.wrap(r.operands(x)[0]))
        return None, 2 * f.logistic(-2 * size) if name == "tanh" else f.erfc(size)
    found = offset(r, x)
    if found is None or abs(found[0]) != 1:
        # exp(u) + 1 is 2 where u is 0, and near 1 far to the left.
        own = terms(r, x)
        found = (own[0], built(r, Fraction(0), own[1])) if own is not None and abs(own[0]) == 1 and own[1] else None
    for value, rest in () if found else identities(r, x):
        if abs(value) == 1:
            found = value, rest
            break
    return None if found is None else (int(found[0]), -int(found[0]) * f.wrap(found[1]))


Near = Callable[[Functions, Value, int | None, Value], Value]
"""What an inverse function of x is near 1 and -1, given x, its sign there and 1 - |x|."""


def _acos_near(f: Functions, x: Value, sign: int | None, distance: Value) -> Value:
    """acos(1 - w) = 2*asin(sqrt(w/2))."""
    angle = 2 * f.asin(f.sqrt(distance / 2))
    if sign is None:
        return f.select(f.gt(x, 0), angle, f.const("pi") - angle)
    return angle if sign > 0 else f.const("pi") - angle


def _odd(near: Callable[[Functions, Value], Value]) -> Near:
    """Of an odd function, by its form near 1."""
    return lambda f, x, sign, distance: (f.sign(x) if sign is None else sign) * near(f, distance)


_asin_near = _odd(lambda f, w: f.const("pi") / 2 - 2 * f.asin(f.sqrt(w / 2)))
_atanh_near = _odd(lambda f, w: (f.log(2 - w) - f.log(w)) / 2)
_erfinv_near = _odd(lambda f, w: f.erfcinv(w))


def _inverse(name: str, near: Near) -> Callable[[Rewriter, int], int | None]:
    """An inverse function that is steep at 1 and -1, of what comes near these."""

    def inverse(r: Rewriter, x: int) -> int | None:
        of_size = r.nodes[x].op.name == "abs"
        found = _beside_one(r, r.operands(x)[0] if of_size else x)
        if found is None:
            return None
        # |x| is near 1 alone, and as far from it as x is from 1 or -1.
        return _chosen(r, name, near, x, 1 if of_size else found[0], found[1])

    return inverse


def _chosen(r: Rewriter, name: str, near: Near, x: int, sign: int | None, distance: Value) -> int:
    f, u = r.f, r.f.wrap(x)
    is_near = f.lt(distance, _NEAR)
    # The function itself sees nothing that is near: neither its infinite slope, nor this rule once more.
    direct = f.wrap(r.plain(REGISTRY[name], (f.select(is_near, 0, u).index,)))
    return f.select(is_near, near(f, u, sign, distance), direct).index


def _acosh(r: Rewriter, x: int) -> int | None:
    found = _beside_one(r, x)
    return None if found is None or found[0] != 1 else (2 * r.f.asinh(r.f.sqrt(-found[1] / 2))).index


def _of_reciprocal(name: str, near: Near) -> Callable[[Rewriter, int], int | None]:
    """asec(x) = acos(1/x) and acsc(x) = asin(1/x), for |x| = 1 + d: |1/x| is 1 - d/|x|."""

    def inverse(r: Rewriter, x: int) -> int | None:
        found = _beside_one(r, x)
        if found is None:
            return None
        sign, distance = found
        # A function that comes near both ends comes from inside: it has no inverse of this kind.
        if sign is None:
            return None
        u = r.f.wrap(x)
        return _chosen(r, name, near, (1 / u).index, sign, -distance / (u if sign > 0 else -u))

    return inverse


def _asech(r: Rewriter, x: int) -> int | None:
    """asech(1 - w) = acosh(1 + w/(1 - w))."""
    found = _beside_one(r, x)
    return None if found is None or found[0] != 1 else (2 * r.f.asinh(r.f.sqrt(found[1] / r.f.wrap(x) / 2))).index


def _power(r: Rewriter, x: int, y: int) -> int | None:
    number = r.number(y)
    # Up to the eighth power, which is a chain of products, the rounding of 1 + u is amplified by 4 ulp at most.
    if number is not None and abs(number) <= 8:
        return None
    rest = _own_sum(r, x)
    if rest is not None:
        return r.f.pow1p(r.f.wrap(rest), r.f.wrap(y)).index
    rest = _beyond_one(r, x)
    if rest is None:
        return None
    # What rounds to 1 far out, 1 - exp(-u), and is small elsewhere: each arm sees its own side alone.
    f, d = r.f, r.f.wrap(rest)
    is_near = f.lt(f.abs(d), _NEAR)
    far = f.wrap(r.plain(_POW, (f.select(is_near, 1, f.wrap(x)).index, y)))
    return f.select(is_near, f.pow1p(f.select(is_near, d, 0), f.wrap(y)), far).index


def _beyond_one(r: Rewriter, x: int) -> int | None:
    """The companion x - 1, where there is one everywhere."""
    if r.is_op(x, _NEG):
        return next((r.add(_NEG, (rest,)) for value, rest in identities(r, r.operands(x)[0]) if value == -1), None)
    return next((rest for value, rest in identities(r, x) if value == 1), None)


def _square(r: Rewriter, x: int) -> int | None:
    """1 - (1 + u)**2 = -u*(2 + u), and of 1 - u; the rules for roots know the row, and come before."""
    constant, parts = terms(r, x) or (Fraction(0), {})
    if abs(constant) != 1 or not parts:
        return None
    return r.add(_NEG, (r.add(_MUL, (built(r, Fraction(0), parts), built(r, 2 * constant, parts))),))


# Beyond, the functions themselves do: below 1/2 their conditions are at most 1.2.
_NEAR = Fraction(1, 2)
_POSITIVE, _SMALL = (1e-3, 1e6), (-0.9, 1e3)

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
        _inverse("acos", _acos_near),
        lambda f, x, y, c: f.acos(1 - x),
        domain=((1e-9, 1.9),),
        before=5e7,
        after=4,
    ),
    Rule(
        "asin(cos(x)) -> pi/2 - 2*asin(sqrt(-cosm1(x)/2)) near 1",
        "asin",
        _inverse("asin", _asin_near),
        lambda f, x, y, c: f.asin(f.cos(x)),
        domain=((1e-9, 1.5),),
        before=math.inf,
        after=3,
    ),
    Rule(
        "atanh(tanh(x)) -> log((2 - w)/w)/2 near 1, w = 1 - |tanh(x)|",
        "atanh",
        _inverse("atanh", _atanh_near),
        lambda f, x, y, c: f.atanh(f.tanh(x)),
        domain=((-300, 300),),
        before=math.inf,
        after=2,
    ),
    Rule(
        "erfinv(exp(-x)) -> erfcinv(-expm1(-x)) near 1",
        "erfinv",
        _inverse("erfinv", _erfinv_near),
        lambda f, x, y, c: f.erfinv(f.exp(-x)),
        domain=((1e-9, 3),),
        before=1.7e8,
        after=5,
    ),
    Rule(
        "asec(1 + x) -> acos(1 - x/(1 + x))",
        "asec",
        _of_reciprocal("acos", _acos_near),
        lambda f, x, y, c: f.asec(f.cosh(x)),
        domain=((1e-9, 300),),
        before=math.inf,
        after=4,
    ),
    Rule(
        "acsc(1 + x) -> asin(1 - x/(1 + x))",
        "acsc",
        _of_reciprocal("asin", _asin_near),
        lambda f, x, y, c: f.acsc(f.cosh(x)),
        domain=((1e-9, 300),),
        before=math.inf,
        after=4,
    ),
    Rule(
        "acoth(1 + x) -> atanh(1 - x/(1 + x))",
        "acoth",
        _of_reciprocal("atanh", _atanh_near),
        lambda f, x, y, c: f.acoth(f.cosh(x)),
        domain=((1e-9, 300),),
        before=math.inf,
        after=4,
    ),
    Rule(
        "asech(1 - x) -> acosh(1 + x/(1 - x))",
        "asech",
        _asech,
        lambda f, x, y, c: f.asech(f.exp(-x)),
        domain=((1e-9, 300),),
        before=5.7e7,
        after=3,
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
