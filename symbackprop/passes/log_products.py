"""The logarithm of a density: of a product with powers and gamma functions, which overflows or vanishes long before its
logarithm does. Where all that it is made of is positive, it is the sum of their logarithms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.passes.rewrite import Rewriter

_POW, _POWER_EXP, _GAMMA_NEAR = (REGISTRY[name] for name in ("pow", "power_exp", "gamma_near"))
_LONG_POWER = 3
"""From this power on a factor leaves the range of doubles long before its logarithm is large."""


def _log_power_exp(x: Value, n: Value, u: Value) -> Value:
    return n * x.f.log(x) + u


_LOGARITHMS: dict[object, Callable[..., Value]] = {
    _POWER_EXP: _log_power_exp,
    REGISTRY["gamma"]: lambda u: u.f.loggamma(u),
    _GAMMA_NEAR: lambda u, d: u.f.loggamma(u),
    REGISTRY["beta"]: lambda a, b: a.f.log_beta(a, b),
    REGISTRY["sinh"]: lambda u: u.f.log_sinh(u),
    REGISTRY["expm1"]: lambda u: u.f.log_expm1(u),
    REGISTRY["reciprocal_expm1"]: lambda u: -u.f.log_expm1(u),
}
"""The logarithms of functions of what is positive; of power_exp and gamma_near the first alone has to be."""


def split(r: Rewriter, factors: Sequence[tuple[int, int]], whole: Value) -> Value | None:
    """The logarithm of a product `whole` of factors, each with the power 1 or -1, by theirs where all are positive.

    None where no factor is likely to leave the range of doubles.
    """
    f = r.f
    if len(factors) < 2 or not any(_is_long(r, node) for node, _ in factors):
        return None
    conditions: list[Value] = []
    total: Value | None = None
    for node, power in factors:
        positive, logarithm = _where_positive(r, node)
        conditions += positive
        logarithm = logarithm if power > 0 else -logarithm
        total = logarithm if total is None else total + logarithm
    assert total is not None
    # Two negative factors have a product with a logarithm.
    return where(r, reduce(f.logical_and, conditions), total, whole)


def where(r: Rewriter, condition: Value, logarithm: Value, whole: Value) -> Value | None:
    """A logarithm where a condition holds, elsewhere that of `whole` as it is; None where it is known not to hold."""
    if r.nodes[condition.index].attributes is False:
        # The choice would be gone, and the logarithm be looked at for ever.
        return None
    # Where the other is not taken, it is of 1.
    return r.f.select(condition, logarithm, r.f.log(r.f.select(condition, 1, whole)))


def _is_long(r: Rewriter, index: int) -> bool:
    node = r.nodes[index]
    if node.op is _POW:
        exponent = r.number(node.operands[1])
        return exponent is None or abs(exponent) >= _LONG_POWER
    return node.op in _LOGARITHMS


def _where_positive(r: Rewriter, index: int) -> tuple[list[Value], Value]:
    """What has to be positive for a factor to be, and its logarithm then."""
    f, node = r.f, r.nodes[index]
    operands = [f.wrap(operand) for operand in node.operands]
    if node.op is _POW:
        base, exponent = operands
        return [f.gt(base, 0)], exponent * f.log(base)
    if node.op in _LOGARITHMS:
        needed = operands[:1] if node.op in (_POWER_EXP, _GAMMA_NEAR) else operands
        return [f.gt(operand, 0) for operand in needed], _LOGARITHMS[node.op](*operands)
    return [f.gt(f.wrap(index), 0)], f.log(f.wrap(index))
