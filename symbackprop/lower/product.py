"""Contractions in the words of NumPy: a matrix product where there is one, an einsum where there is not."""

from __future__ import annotations

from symbackprop.lower.program import Attribute, Expr, Invoke, MatMul, Text

Labels = tuple[int, ...]
_LETTERS = "ijklmnopqrstuvwxyz"


def product_expr(attributes: tuple[Labels, Labels, Labels], a: Expr, b: Expr) -> Expr:
    """`a @ b`, transposed as need be, or `np.einsum("ij,kj->ik", a, b)`."""
    left, right, out = attributes
    lead = _lead(attributes)
    found = matmul_of((left[lead:], right[lead:], out[lead:]))
    if found is not None and (not lead or len(left) == len(right) == lead + 2):
        swap, left_flipped, right_flipped = found
        flip = "mT" if lead else "T"
        if swap:
            a, b = b, a
        return MatMul(Attribute(a, flip) if left_flipped else a, Attribute(b, flip) if right_flipped else b)
    if not lead and len(left) == len(right) == 1 and out == (left[0], right[0]):
        return Invoke("np.outer", (a, b))
    text = ",".join("".join(_LETTERS[label] for label in labels) for labels in (left, right))
    return Invoke("np.einsum", (Text(f"{text}->{''.join(_LETTERS[label] for label in out)}"), a, b))


def _lead(attributes: tuple[Labels, Labels, Labels]) -> int:
    """How many axes run together at the front of all three."""
    count = 0
    for labels in zip(*attributes, strict=False):
        if len(set(labels)) > 1:
            break
        count += 1
    return count


def matmul_of(attributes: tuple[Labels, Labels, Labels]) -> tuple[bool, bool, bool] | None:
    """A contraction as one product of matrices or vectors, if it is one: whether the operands change places, and
    whether each then is transposed.
    """
    left, right, out = attributes
    shared = set(left) & set(right)
    if len(shared) != 1 or shared & set(out) or not 0 < len(left) < 3 or not 0 < len(right) < 3:
        return None
    if len(set(left) | set(right)) != len(out) + 1:
        return None
    (label,) = shared
    # A result asked for transposed: (A B)^T = B^T A^T.
    swap = len(out) == 2 and out[0] in right
    if swap:
        left, right = right, left
    return swap, len(left) == 2 and left[0] == label, len(right) == 2 and right[1] == label
