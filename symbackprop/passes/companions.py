"""Constants that a node has an exact companion for: 1 - tanh(u) is 2*logistic(-2*u), and 1 - erf(u) is erfc(u)."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from symbackprop.ops import REGISTRY
from symbackprop.passes.rewrite import Rewriter

_MUL, _NEG, _POW = (REGISTRY[name] for name in ("mul", "neg", "pow"))
_ONE = Fraction(1)
_SQUARED = {
    REGISTRY["sin"]: (-1, REGISTRY["cos"]),
    REGISTRY["cos"]: (-1, REGISTRY["sin"]),
    REGISTRY["tanh"]: (-1, REGISTRY["sech"]),
    REGISTRY["sech"]: (-1, REGISTRY["tanh"]),
    REGISTRY["cosh"]: (1, REGISTRY["sinh"]),
    REGISTRY["sec"]: (1, REGISTRY["tan"]),
}


def identities(r: Rewriter, index: int) -> Iterator[tuple[Fraction, int]]:
    """Other constants that a node has an exact companion for: 1 - tanh(u) is 2*logistic(-2*u), everywhere."""
    node = r.nodes[index]
    f = r.f
    if not node.op.elementwise or not node.operands:
        return
    u = f.wrap(node.operands[0])
    name = node.op.name
    if name == "tanh":
        yield _ONE, (-(2 * f.logistic(-2 * u))).index
        yield Fraction(-1), (2 * f.logistic(2 * u)).index
    elif name == "expm1":
        yield Fraction(-1), f.exp(u).index
    elif name == "sin":
        yield _ONE, f.sinm1(u).index
        yield Fraction(-1), (-f.sinm1(-u)).index
    elif name == "powm1":
        yield Fraction(-1), f.pow(u, f.wrap(node.operands[1])).index
    elif name == "pow1pm1":
        yield Fraction(-1), f.pow1p(u, f.wrap(node.operands[1])).index
    elif name == "logistic":
        yield _ONE, (-f.logistic(-u)).index
        yield Fraction(1, 2), (f.tanh(u / 2) / 2).index
    elif name == "exp_share":
        own, other = (f.wrap(operand) for operand in node.operands[1:])
        yield _ONE, (-f.exp_share(-u, other, own)).index
    elif name == "erf":
        yield _ONE, (-f.erfc(u)).index
        yield Fraction(-1), f.erfc(-u).index
    elif name == "coth":
        yield _ONE, (2 / f.expm1(2 * u)).index
        yield Fraction(-1), (-2 / f.expm1(-2 * u)).index
    elif name == "erfc":
        yield _ONE, (-f.erf(u)).index
        yield Fraction(2), (-f.erfc(-u)).index
    elif (node.op is _POW and r.number(node.operands[1]) == 2) or (
        node.op is _MUL and node.operands[0] == node.operands[1]
    ):
        inner = r.nodes[node.operands[0]]
        if inner.op in _SQUARED:
            sign, companion = _SQUARED[inner.op]
            square = f.pow(f.apply(companion, f.wrap(inner.operands[0])), 2)
            yield _ONE, (square if sign > 0 else -square).index
        elif inner.op.name == "erf":
            v = f.wrap(inner.operands[0])
            yield _ONE, (-(f.erfc(v) * f.erfc(-v))).index
        elif inner.op.name == "logistic":
            v = f.wrap(inner.operands[0])
            yield _ONE, (-(f.logistic(-v) * (1 + f.logistic(v)))).index


def beyond_one(r: Rewriter, x: int) -> int | None:
    """The companion x - 1, where there is one everywhere."""
    if r.is_op(x, _NEG):
        return next((r.add(_NEG, (rest,)) for value, rest in identities(r, r.operands(x)[0]) if value == -1), None)
    return next((rest for value, rest in identities(r, x) if value == 1), None)
