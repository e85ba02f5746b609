"""The difference of one function at two points, through the difference of the points.

sqrt(u) - sqrt(v) = (u - v)/(sqrt(u) + sqrt(v)), log(u) - log(v) = log1p((u - v)/v) and their like, where u - v is
simpler than either: what they have in common cancels as a term, and not as a number.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from symbackprop.ops import REGISTRY, Op
from symbackprop.passes.offsets import Parts, built, minus, with_term
from symbackprop.passes.rewrite import Rewriter

_ADD, _SUB, _DIV, _NEG, _POW, _SQRT, _LOG = (
    REGISTRY[name] for name in ("add", "sub", "div", "neg", "pow", "sqrt", "log")
)
_LOG1P, _LOG_NEAR_ONE = REGISTRY["log1p"], REGISTRY["log_near_one"]


def apart(r: Rewriter, constant: Fraction, parts: Parts) -> int | None:
    """c*(f(u) - f(v)) among the terms, where u - v is simpler than either."""
    entries = [(node, factor, kind) for node, factor in parts.items() if (kind := _kind(r, node)) in _APART]
    for position, (first, factor, op) in enumerate(entries):
        for second, other, kind in entries[position + 1 :]:
            if kind is not op or factor != -other:
                continue
            u, v = (first, second) if factor > 0 else (second, first)
            found = _APART[op](r, u, v)
            if found is not None:
                rest = {n: c for n, c in parts.items() if n not in (first, second)}
                return built(r, constant, with_term(rest, found, abs(factor)))
    return None


def _kind(r: Rewriter, index: int) -> Op:
    op = r.nodes[index].op
    return _LOG if op in (_LOG1P, _LOG_NEAR_ONE) else op


def _where_near(r: Rewriter, d: int, v: int, near: int, x: int, y: int, positive: bool = True) -> int:
    """`near` where |d| < v/2, or |v|/2, else x - y as it stands, whose derivatives do not cancel there.

    Where v has no logarithm or root, neither has it.
    """
    f = r.f
    size = f.wrap(v) if positive else f.abs(f.wrap(v))
    return f.select(f.lt(2 * f.abs(f.wrap(d)), size), f.wrap(near), f.wrap(r.plain(_SUB, (x, y)))).index


def _roots_apart(r: Rewriter, x: int, y: int) -> int | None:
    u, v = r.operands(x)[0], r.operands(y)[0]
    apart = minus(r, u, v)
    difference = r.add(_SUB, (u, v)) if apart is None else apart
    return _where_near(r, difference, v, r.add(_DIV, (difference, r.add(_ADD, (x, y)))), x, y)


def _logarithms_apart(r: Rewriter, x: int, y: int) -> int | None:
    if r.nodes[x].op is r.nodes[y].op is _LOG1P:
        return None
    u, v = (r.plain(_ADD, (r.operands(n)[0], r.const(1))) if r.is_op(n, _LOG1P) else r.operands(n)[0] for n in (x, y))
    apart = minus(r, u, v)
    if apart is None:
        return None
    return _where_near(r, apart, v, r.f.log1p(r.f.wrap(apart) / r.f.wrap(v)).index, x, y)


def _quotients_apart(r: Rewriter, x: int, y: int) -> int | None:
    (n, u), (m, v) = r.operands(x), r.operands(y)
    if n != m:
        return None
    difference = r.add(_SUB, (v, u))
    if r.is_op(difference, _SUB) and r.operands(difference) == (v, u):
        apart = minus(r, v, u)
        if apart is None:
            return None
        difference = apart
    f = r.f
    near = (f.wrap(n) * f.wrap(difference) / (f.wrap(u) * f.wrap(v))).index
    return _where_near(r, difference, v, near, x, y, positive=False)


def _powers_apart(r: Rewriter, x: int, y: int) -> int | None:
    (u, a), (v, b) = r.operands(x), r.operands(y)
    apart = minus(r, u, v) if a == b and r.number(a) is not None else None
    if apart is None:
        return None
    f = r.f
    return _where_near(r, apart, v, (f.wrap(y) * f.pow1pm1(f.wrap(apart) / f.wrap(v), f.wrap(a))).index, x, y)


def _sines_apart(r: Rewriter, x: int, y: int) -> int | None:
    u, v = r.operands(x)[0], r.operands(y)[0]
    apart = minus(r, u, v)
    if apart is None:
        return None
    f = r.f
    half, middle = f.wrap(apart) / 2, f.wrap(v) + f.wrap(apart) / 2
    outer = f.cos(middle) if r.nodes[x].op.name == "sin" else -f.sin(middle)
    return (2 * outer * f.sin(half)).index


def _exponentials_apart(r: Rewriter, x: int, y: int) -> int | None:
    u, v = r.operands(x)[0], r.operands(y)[0]
    apart = minus(r, u, v)
    f = r.f
    far = f.exp_difference(f.wrap(u), f.wrap(v))
    if apart is None:
        return far.index
    return f.select(f.lt(f.abs(f.wrap(apart)), 1), f.wrap(y) * f.expm1(f.wrap(apart)), far).index


_APART: dict[object, Callable[[Rewriter, int, int], int | None]] = {
    _SQRT: _roots_apart,
    _LOG: _logarithms_apart,
    _DIV: _quotients_apart,
    _POW: _powers_apart,
    REGISTRY["sin"]: _sines_apart,
    REGISTRY["cos"]: _sines_apart,
    REGISTRY["exp"]: _exponentials_apart,
}
