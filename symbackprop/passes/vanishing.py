"""Whether a sum of exponentials may be 0 where what it depends on is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from fractions import Fraction

from symbackprop.ops.leaves import INPUT
from symbackprop.passes.offsets import offset, terms
from symbackprop.passes.rewrite import Rewriter

_MOST_NODES = 64


def may_vanish(r: Rewriter, weights: Iterable[tuple[Fraction, tuple[int, ...]]], exponents: Iterable[int]) -> bool:
    """Whether a sum may be 0 where all that it depends on is, as exp(u) - 1 and exp(u) - 1 - u; from the numbers before
    its exponentials and the products that these have for weights.
    """
    known = [(number, factors) for number, factors in weights]
    inputs, others = _inputs(r, exponents), _inputs(r, [node for _, factors in known for node in factors])
    if inputs is None or others is None or (others and inputs.isdisjoint(others)):
        return False
    return not sum(number * math.prod(_at_zero(r, node) for node in factors) for number, factors in known)


def _at_zero(r: Rewriter, index: int) -> Fraction:
    """The number that a weight is beside what vanishes with its inputs, as far as is known."""
    found = terms(r, index)
    if found is None:
        return Fraction(0)
    offsets = [(offset(r, node), factor) for node, factor in found[1].items() if r.nodes[node].op is not INPUT]
    return found[0] + sum(own[0] * factor for own, factor in offsets if own is not None)


def _inputs(r: Rewriter, nodes: Iterable[int]) -> set[int] | None:
    """The inputs that these depend on; None where there is more to them than a few nodes."""
    seen: set[int] = set()
    stack = list(nodes)
    while stack and len(seen) < _MOST_NODES:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            stack += r.operands(node)
    return None if stack else {node for node in seen if r.nodes[node].op is INPUT}
