"""Inverse functions near the point where they are steep: acos, acosh, atanh and their like near 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from symbackprop.ir import Functions, Value
from symbackprop.ops import REGISTRY
from symbackprop.passes.companions import identities
from symbackprop.passes.offsets import built, offset, terms
from symbackprop.passes.rewrite import Rewriter, Rule


def _beside_one(r: Rewriter, x: int) -> tuple[int | None, Value] | None:
    """The sign of x where it is near 1 or -1, and 1 - |x| there; of a function that comes near both, no sign."""
    f, name = r.f, r.nodes[x].op.name
    if name == "neg":
        inner = _beside_one(r, r.operands(x)[0])
        return None if inner is None else (inner[0] and -inner[0], inner[1])
    if name in ("tanh", "erf"):
        size = f.abs(f.wrap(r.operands(x)[0]))
        return None, 2 * f.logistic(-2 * size) if name == "tanh" else f.erfc(size)
    if name == "sin":
        cosine = f.cos(f.wrap(r.operands(x)[0]))
        return None, cosine * cosine / (1 + f.abs(f.wrap(x)))
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


# Beyond, the functions themselves do: below 1/2 their conditions are at most 1.2.
_NEAR = Fraction(1, 2)
_POSITIVE = (1e-3, 1e6)

RULES = (
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
)
