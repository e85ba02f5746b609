"""One orientation for each value: what is computed of transposed arrays is the transpose of what is computed of them.

SymPy carries a transpose down to the symbols, so that a residual R and its R^T arrive as two computations. Here
products get one order of operands and axes; the engine (`rewrite`) moves transposes outwards through elementwise rows.
Then both are one node.
"""

from __future__ import annotations

from typing import Any

from symbackprop.ops import REGISTRY
from symbackprop.ops.contraction import CONTRACT, DIAGONAL, RESHAPE, TRANSPOSE
from symbackprop.passes.arrays import product_of
from symbackprop.passes.rewrite import Rewriter, Rule

_MUL = REGISTRY["mul"]


def _natural(r: Rewriter, attributes: Any, a: int, b: int) -> int | None:
    """Axes of the result in the order of the operands; another order is a transpose afterwards."""
    left, right, out = attributes
    natural = tuple(label for label in dict.fromkeys((*left, *right)) if label in out)
    if natural != out:
        product = r.structural(CONTRACT, (a, b), (left, right, natural))
        return r.structural(TRANSPOSE, (product,), tuple(natural.index(label) for label in out))
    return None


def _mirrored(r: Rewriter, attributes: Any, a: int, b: int) -> int | None:
    """b^T a^T as (a b)^T: where a b is known already, or has fewer transposed operands."""
    left, right, out = attributes
    if a == b and left == right:
        return None
    order: dict[int, int] = {}
    for label in (*right, *left):
        order.setdefault(label, len(order))
    own, other, wanted = (tuple(order[label] for label in labels) for labels in (right, left, out))
    natural = tuple(label for label in dict.fromkeys((*own, *other)) if label in wanted)
    known = r.known_structural(CONTRACT, (b, a), (own, other, natural))
    if known is None:
        if _flips(own, other) >= _flips(left, right):
            return None
        known = r.structural(CONTRACT, (b, a), (own, other, natural))
    return r.structural(TRANSPOSE, (known,), tuple(natural.index(label) for label in wanted))


def _flips(left: Any, right: Any) -> int:
    """How many operands of a product of matrices stand transposed."""
    summed = set(left) & set(right)
    return (len(left) == 2 and left[0] in summed) + (len(right) == 2 and right[1] in summed)


def _without_ones(r: Rewriter, attributes: Any, a: int, b: int) -> int | None:
    """Axes of length 1 beside matrices, which make stacks of them, are left out and put back."""
    left, right, out = attributes
    if max(len(left), len(right), len(out)) < 3:
        return None
    lengths = dict(zip((*left, *right), (*r.nodes[a].type.shape, *r.nodes[b].type.shape), strict=True))
    ones = {label for label, extent in lengths.items() if extent == 1}
    if not ones:
        return None
    operands = []
    for operand, labels in ((a, left), (b, right)):
        shape = tuple(lengths[label] for label in labels if label not in ones)
        operands.append(r.structural(RESHAPE, (operand,), shape))
    small = [tuple(label for label in labels if label not in ones) for labels in attributes]
    return r.structural(RESHAPE, (product_of(r, tuple(small), tuple(operands)),), tuple(lengths[x] for x in out))


def _summed(r: Rewriter, axes: Any, x: int) -> int | None:
    """A product that is summed over more axes is one product."""
    if not r.is_op(x, CONTRACT):
        return None
    left, right, out = r.nodes[x].attributes
    kept = tuple(label for axis, label in enumerate(out) if axis not in axes)
    if any(out[axis] not in left or out[axis] not in right for axis in axes):
        return None
    return product_of(r, (left, right, kept), r.operands(x))


def _to_number(r: Rewriter, shape: Any, x: int) -> int | None:
    """A product of a row and a column, 1 by 1, as the number that it is; also inside elementwise rows."""
    node = r.nodes[x]
    if node.op.elementwise and shape == () and node.operands:
        inner = [r.structural(RESHAPE, (o,), ()) if r.nodes[o].type.shape else o for o in node.operands]
        return r.add(node.op, tuple(inner), node.attributes)
    if not r.is_op(x, CONTRACT):
        return None
    old = r.nodes[x].type.shape
    dropped = [axis for axis, extent in enumerate(old) if extent == 1]
    if tuple(extent for extent in old if extent != 1) != tuple(shape) or not dropped:
        return None
    left, right, out = r.nodes[x].attributes
    gone = {out[axis] for axis in dropped}
    a, b = r.operands(x)
    if r.nodes[a].type.shape == r.nodes[b].type.shape and _without(left, gone) == _without(right, gone) and not shape:
        return r.reduce_sum(r.add(_MUL, (a, b)))
    operands, labels = [], []
    for operand, own in zip(r.operands(x), (left, right), strict=True):
        lengths = r.nodes[operand].type.shape
        kept = [k for k, label in enumerate(own) if label not in gone]
        operands.append(r.structural(RESHAPE, (operand,), tuple(lengths[k] for k in kept)))
        labels.append(tuple(own[k] for k in kept))
    return product_of(r, (*labels, tuple(label for label in out if label not in gone)), tuple(operands))


def _without(labels: Any, gone: set[int]) -> list[int]:
    return [-1 if label in gone else label for label in labels]


def _trace(r: Rewriter, axes: Any, x: int) -> int | None:
    """tr(a b), of which the other entries of a b are not needed; tr(a^T a) is a sum of squares."""
    product = r.operands(x)[0] if r.is_op(x, DIAGONAL) and r.nodes[x].attributes == (0, 0) else x
    if product == x or axes != (0,) or not r.is_op(product, CONTRACT):
        return None
    left, right, (first, second) = r.nodes[product].attributes
    if len({first, second} & set(left)) != 1 or len({first, second} & set(right)) != 1:
        return None
    labels = [tuple(first if label == second else label for label in own) for own in (left, right)]
    return product_of(r, (*labels, ()), r.operands(product))


_LABELS = ((0, 1), (0, 2), (1, 2))

RULES = (
    Rule(
        "product with axes in another order -> transpose of a product",
        "contract",
        _natural,
        lambda f, x, y, c: f.contract(((0, 1), (0, 2), (2, 1)), x, y),
    ),
    Rule(
        "b^T a^T -> (a b)^T",
        "contract",
        _mirrored,
        lambda f, x, y, c: f.contract(((1, 0), (2, 1), (0, 2)), x, f.contract(((0, 1), (2, 1), (0, 2)), y, y)),
    ),
    Rule(
        "sum of a product -> product summed over more",
        "reduce_sum",
        _summed,
        lambda f, x, y, c: f.reduce_sum(f.contract(((0, 1), (0, 2), (0, 1, 2)), x, y), (0,)),
    ),
    Rule(
        "trace of a product -> sum of products",
        "reduce_sum",
        _trace,
        lambda f, x, y, c: f.reduce_sum(f.diagonal(f.contract(((0, 1), (0, 2), (1, 2)), x, y), (0, 0)), (0,)),
    ),
    Rule(
        "product with axes of length 1 -> product without",
        "contract",
        _without_ones,
        lambda f, x, y, c: f.contract(((0, 1, 2), (3, 2), (0, 1, 3)), f.reshape(x, ("N", 1, 3)), y),
    ),
    Rule(
        "1 by 1 product as a number",
        "reshape",
        _to_number,
        lambda f, x, y, c: f.reshape(
            f.contract(((0, 1), (1, 2), (0, 2)), x, f.slice(f.mt(y), ((0, 1, 3), (0, 1, 1)))), ("N",)
        ),
    ),
)
