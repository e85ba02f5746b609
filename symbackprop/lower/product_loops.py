"""Products of matrices as loops over the samples of a batch, for models too small for BLAS to gain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction

from symbackprop.lower.program import (
    Accumulate,
    Apply,
    Assign,
    Attribute,
    Effect,
    Expr,
    For,
    Invoke,
    Item,
    Literal,
    Ref,
    Statement,
)
from symbackprop.ops import REGISTRY

_MUL = REGISTRY["mul"]
MOST_PRODUCTS = 1024
"""Multiplications of one product and one sample; with more, BLAS on all samples is faster."""
Shapes = Mapping[str, tuple[Expr, ...]]
Namer = Callable[[str], str]


def opened(
    statement: Statement, shapes: Shapes, length: Expr, counters: list[str], name: Namer, rows: set[str]
) -> list[Statement] | None:
    """A product over samples as a loop over them; None if it is too big for that. Others as they are.

    Of the arrays `rows` only a row a sample is wanted: products of these with vectors may be of any size, since BLAS
    would have to read the whole from memory.
    """
    if isinstance(statement, Effect) and isinstance(statement.value, Invoke):
        out = statement.value.operands[2]
    elif isinstance(statement, Assign) and isinstance(statement.value, Invoke):
        out = statement.target
    else:
        return [statement]
    assert isinstance(statement.value, Invoke)
    left, right = statement.value.operands[:2]
    sides = [_labelled(left, shapes, "ik"), _labelled(right, shapes, "kj")]
    if any(side is None for side in sides) or not isinstance(out, Ref):
        return None
    (a, a_labels, a_shape), (b, b_labels, b_shape) = (side for side in sides if side is not None)
    lengths: dict[str, Expr] = dict(zip(a_labels, a_shape, strict=True)) | dict(zip(b_labels, b_shape, strict=True))
    if length not in lengths.values():
        return [statement]
    if list(lengths.values()).count(length) > 1:
        return None
    own = [label for label in "ij" if label in lengths]
    matrices = [(array, labels) for array, labels in ((a, a_labels), (b, b_labels)) if len(labels) == 2]
    if len(matrices) != 1 or matrices[0][0] not in rows:
        sizes = [number_of(extent) for extent in lengths.values() if extent != length]
        if None in sizes or product_of(sizes) > MOST_PRODUCTS:
            return None
    return _product(out.name, (a, a_labels), (b, b_labels), own, lengths, length, counters, name, statement.note)


def _labelled(expr: Expr, shapes: Shapes, labels: str) -> tuple[str, str, tuple[Expr, ...]] | None:
    """An operand of a product: its array, the labels of its axes as stored, and their lengths."""
    flipped = isinstance(expr, Attribute)
    array = expr.owner if isinstance(expr, Attribute) else expr
    if not isinstance(array, Ref) or array.name not in shapes:
        return None
    shape = shapes[array.name]
    if len(shape) == 1:
        return array.name, "k", shape
    return array.name, labels[::-1] if flipped else labels, shape


def _product(
    out: str,
    a: tuple[str, str],
    b: tuple[str, str],
    own: list[str],
    lengths: dict[str, Expr],
    length: Expr,
    counters: list[str],
    name: Namer,
    note: str,
) -> list[Statement] | None:
    sample = next(label for label, extent in lengths.items() if extent == length)
    others = [label for label in [*own, "k"] if label != sample]
    sizes = [number_of(lengths[label]) for label in others]
    if len(counters) < 1 + len(others):
        return None
    place: dict[str, Expr] = {sample: Ref(counters[0])}
    for label, counter, size in zip(others, counters[1:], sizes, strict=False):
        place[label] = Literal(0) if size == 1 else Ref(counter)
    factors = tuple(Item(array, tuple(place[label] for label in labels)) for array, labels in (a, b))
    value = Apply(_MUL, factors)
    target = Item(out, tuple(place[label] for label in own)) if own else Ref(out)
    inner: list[Statement]
    if sample == "k":
        inner = _nested([Accumulate(target, value, note)], others, place, lengths)
        first = [] if own else [Assign(Ref(out), Literal(Fraction(0)))]
        return [*first, For(counters[0], length, tuple(inner))]
    if place["k"] == Literal(0):
        inner = _nested([Assign(target, value, note)], [label for label in others if label != "k"], place, lengths)
        return [For(counters[0], length, tuple(inner))]
    total = Ref(name("v"))
    summed = _nested([Accumulate(total, value, note)], ["k"], place, lengths)
    entry: list[Statement] = [Assign(total, Literal(Fraction(0))), *summed, Assign(target, total)]
    inner = _nested(entry, [label for label in others if label != "k"], place, lengths)
    return [For(counters[0], length, tuple(inner))]


def _nested(
    statements: list[Statement], labels: list[str], place: dict[str, Expr], lengths: dict[str, Expr]
) -> list[Statement]:
    for label in reversed(labels):
        counter = place[label]
        if isinstance(counter, Ref):
            statements = [For(counter.name, lengths[label], tuple(statements))]
    return statements


def number_of(expr: Expr) -> int | None:
    return expr.number if isinstance(expr, Literal) and isinstance(expr.number, int) else None


def product_of(sizes: Iterable[int | None]) -> int:
    total = 1
    for size in sizes:
        total *= size or 0
    return total
