"""Products with diagonal matrices as scaled rows and columns, so that what is divided meets its divisor.

DiagMatrix(v)*X, where v are reciprocals of the sums of the rows of X: a softmax as products of matrices, which was nan
from exponents of 710 on.
"""

from __future__ import annotations

from typing import Any

from symbackprop.ops import REGISTRY
from symbackprop.ops.contraction import DIAGONALIZE, TRANSPOSE
from symbackprop.passes.rewrite import Rewriter, Rule

_MUL = REGISTRY["mul"]


def _product(r: Rewriter, attributes: Any, a: int, b: int) -> int | None:
    left, right, out = attributes
    for own, other, x, y in ((left, right, a, b), (right, left, b, a)):
        node = r.nodes[x]
        if node.op is not DIAGONALIZE or node.attributes[0] != (0, 0):
            continue
        (inner,) = node.operands
        for kept, gone in (own, own[::-1]):
            # An axis that is neither the other's nor is summed over is that which they share.
            if kept in other and kept not in out and gone in out and gone not in other:
                if r.nodes[y].op is DIAGONALIZE and r.nodes[y].attributes == node.attributes:
                    both = r.add(_MUL, (inner, r.operands(y)[0]))
                    return r.structural(DIAGONALIZE, (both,), node.attributes)
                order = [kept if label == gone else label for label in out]
                if sorted(order) == sorted(other):
                    rows = r.structural(TRANSPOSE, (y,), tuple(other.index(label) for label in order))
                    shape = r.nodes[rows].type.shape
                    return r.add(_MUL, (r.broadcast(inner, shape, (order.index(kept),)), rows))
    return None


RULES = (
    Rule(
        "diag(v) x -> v*x, row by row",
        "contract",
        _product,
        lambda f, x, y, c: f.contract(
            ((0, 1), (1, 2), (0, 2)), f.diagonalize(f.reduce_sum(x, (1,)), (0, 0), ("N", "N")), y
        ),
        needs=("diagonalize",),
    ),
)
