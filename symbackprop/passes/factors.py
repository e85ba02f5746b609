"""The factors of a product, which is written as a tree of products of two."""

from __future__ import annotations

from symbackprop.ops import REGISTRY
from symbackprop.passes.rewrite import Rewriter

_MUL = REGISTRY["mul"]
_MOST_FACTORS = 8
"""What a longer product holds beyond these is one factor."""


def factors_and_others(r: Rewriter, index: int) -> list[tuple[int, int | None]]:
    """Each factor of a product, and the product of the others."""
    factors = all_factors(r, index)
    found: list[tuple[int, int | None]] = []
    for position, factor in enumerate(factors):
        others = factors[:position] + factors[position + 1 :]
        product: int | None = None
        for other in others:
            product = other if product is None else r.add(_MUL, (product, other))
        found.append((factor, product))
    return found


def all_factors(r: Rewriter, index: int) -> list[int]:
    """The factors; a square is one."""
    factors: list[int] = []
    stack = [index]
    while stack:
        node = stack.pop()
        if (
            r.is_op(node, _MUL)
            and r.operands(node)[0] != r.operands(node)[1]
            and len(factors) + len(stack) < _MOST_FACTORS
        ):
            stack += r.operands(node)[::-1]
        else:
            factors.append(node)
    return factors
