"""Deviances and relative entropies: sums of x*log(x/y), of which -x + y is beside them or adds up to nothing.

Poisson's deviance x*log(x/y) - (x - y), Itakura and Saito's distance x/y - log(x/y) - 1 and the relative entropy of two
coins vanish like (x - y)**2; as they are written 1e-9 is left of 1e-16 where x - y is 1e-8.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from symbackprop.ir import Value
from symbackprop.ops import REGISTRY
from symbackprop.passes.offsets import Parts, built, terms
from symbackprop.passes.rewrite import Rewriter

_SUB, _MUL, _DIV, _LOG, _LOG1P, _LOG_NEAR_ONE = (
    REGISTRY[name] for name in ("sub", "mul", "div", "log", "log1p", "log_near_one")
)
LOGARITHMS = frozenset({_LOG, _LOG1P, _LOG_NEAR_ONE})
_WITH_LOGARITHMS = LOGARITHMS | {_MUL}
Key = tuple[Fraction, frozenset[tuple[int, Fraction]]]
"""The constant and the terms of a sum."""


class _Entropy(NamedTuple):
    """c*x*log(x/y) as terms of a sum."""

    c: Fraction
    x: int
    y: int
    consumed: tuple[int, ...]
    apart: bool = False
    """Whether it is c*x*log(x) - c*x*log(y), which has no value where both are negative."""


def deviances(r: Rewriter, constant: Fraction, parts: Parts) -> int | None:
    """Such a sum, in which no x and no y are left."""
    if len(parts) < 2 or not any(r.nodes[node].op in _WITH_LOGARITHMS for node in parts):
        return None
    found = list(_entropies(r, parts))
    for chosen in [found, *([one] for one in found if len(found) > 1)] if found else ():
        total = _without(r, constant, parts, chosen)
        if total is not None:
            return total
    return _of_ratio(r, constant, parts)


def _without(r: Rewriter, constant: Fraction, parts: Parts, chosen: list[_Entropy]) -> int | None:
    """The sum by divergences, if what they bring cancels."""
    gone = {node for one in chosen for node in one.consumed}
    left = {node: factor for node, factor in parts.items() if node not in gone}
    own: set[int] = set()
    for c, x, y, *_ in chosen:
        for node, factor in ((x, c), (y, -c)):
            found = terms(r, node)
            if found is None:
                return None
            constant += factor * found[0]
            for term, coefficient in found[1].items():
                left[term] = left.get(term, Fraction(0)) + factor * coefficient
                own.add(term)
    if not own or any(left[term] for term in own):
        return None
    for c, x, y, _, apart in chosen:
        value = r.f.kl_div(r.f.wrap(x), r.f.wrap(y))
        node = (r.f.select(r.f.lt(r.f.wrap(y), 0), r.f.const("nan"), value) if apart else value).index
        left[node] = left.get(node, Fraction(0)) + c
    return built(r, constant, {node: factor for node, factor in left.items() if factor})


def _entropies(r: Rewriter, parts: Parts) -> Iterator[_Entropy]:
    logarithms: dict[tuple[int, Key], tuple[int, Fraction]] = {}
    for node, factor in parts.items():
        for weight, function in _weighted(r, node):
            for above, below in _ratio(r, function):
                apart = r.is_op(function, _SUB)
                if weight == above:
                    yield _Entropy(factor, above, below, (node,), apart)
                elif weight == below:
                    yield _Entropy(-factor, below, above, (node,), apart)
            if r.nodes[function].op in LOGARITHMS:
                logarithms[weight, argument_of_logarithm(r, function)] = node, factor
    # x*log(x) and x*log(y) apart.
    for (weight, argument), (node, factor) in logarithms.items():
        own = logarithms.get((weight, key_of(r, weight)))
        if own is not None and own[0] != node and own[1] == -factor:
            yield _Entropy(-factor, weight, _built(r, argument), (own[0], node), True)


def _weighted(r: Rewriter, index: int) -> Iterator[tuple[int, int]]:
    """p and g of p*g, where g may be a logarithm."""
    if r.is_op(index, _MUL):
        for weight, function in (r.operands(index), r.operands(index)[::-1]):
            if r.nodes[function].op in LOGARITHMS or r.nodes[function].op is _SUB:
                yield weight, function


def _ratio(r: Rewriter, index: int) -> Iterator[tuple[int, int]]:
    """x and y of log(x/y) and log(x) - log(y)."""
    op, operands = r.nodes[index].op, r.operands(index)
    if op is _SUB:
        if r.is_op(operands[0], _LOG) and r.is_op(operands[1], _LOG):
            yield r.operands(operands[0])[0], r.operands(operands[1])[0]
    elif op is not _LOG1P and r.is_op(operands[0], _DIV):
        first, second = r.operands(operands[0])
        yield first, second


def key_of(r: Rewriter, index: int) -> Key:
    """Equal for nodes that are the same sum."""
    found = terms(r, index)
    return (
        (Fraction(0), frozenset({(index, Fraction(1))})) if found is None else (found[0], frozenset(found[1].items()))
    )


def argument_of_logarithm(r: Rewriter, index: int) -> Key:
    """Of u, which log1p has as u - 1."""
    constant, parts = key_of(r, r.operands(index)[0])
    return (constant + 1, parts) if r.is_op(index, _LOG1P) else (constant, parts)


def _built(r: Rewriter, key: Key) -> int:
    return built(r, key[0], dict(sorted(key[1])))


def _of_ratio(r: Rewriter, constant: Fraction, parts: Parts) -> int | None:
    """c*(x/y - 1 - log(x/y)), of which the logarithm may be two."""
    for ratio, c in parts.items():
        if not r.is_op(ratio, _DIV) or constant != -c:
            continue
        (x, y), f = r.operands(ratio), r.f
        gone = _logarithm_of(r, parts, ratio, x, y, c)
        if gone is not None and r.number(y) is None:
            left = {node: factor for node, factor in parts.items() if node != ratio and node not in gone}
            value: Value = f.kl_div(f.wrap(y), f.wrap(x)) / f.wrap(y)
            value = f.select(f.lt(f.wrap(y), 0), f.const("nan"), value) if len(gone) > 1 else value
            left[value.index] = left.get(value.index, Fraction(0)) + c
            return built(r, Fraction(0), left)
    return None


def _logarithm_of(r: Rewriter, parts: Parts, ratio: int, x: int, y: int, c: Fraction) -> tuple[int, ...] | None:
    """The terms that are -c*log(x/y)."""
    known = {argument_of_logarithm(r, node): node for node in parts if r.nodes[node].op in LOGARITHMS}
    alone, above, below = (known.get(key_of(r, node)) for node in (ratio, x, y))
    if alone is not None and parts[alone] == -c:
        return (alone,)
    if above is not None and below is not None and parts[above] == -c and parts[below] == c:
        return above, below
    return None
