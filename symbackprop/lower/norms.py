"""Norms in loops: the sum of squares, and once more, scaled, behind it.

::

    v1 = 0.0
    for j in range(n):
        v1 += x[i, j] * x[i, j]
    v2 = 0.0
    for j in range(_turns(v1, n)):
        v3 = _scale_of(v1) * x[i, j]
        v2 += v3 * v3
    z[i] = _squares(v1, v2)

The second loop has no turn but where the first sum is near the ends of its range; what it finds is handed on as minus a
root.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from symbackprop.lower.program import Accumulate, Apply, Assign, Expr, For, Item, Literal, Ref, Statement
from symbackprop.ops import REGISTRY
from symbackprop.ops.array_norms import NORM_SCALE, SUM_OR_ROOT, TURNS_AGAIN

if TYPE_CHECKING:
    from symbackprop.lower.loops import LoopScheduler, Nest

_MUL = REGISTRY["mul"]
_ZERO = Literal(Fraction(0))


def reduce_squares(s: LoopScheduler, index: int, nest: Nest) -> None:
    """Write a sum of squares into its nest."""
    node = s.graph.nodes[index]
    axes, rank = node.attributes, len(nest.space)
    place = s.place(nest.space)
    left = [axis for axis in range(rank) if axis not in axes]
    total, scaled = Ref(s.namer.temporary()), Ref(s.namer.temporary())
    target, name = s.own(index)
    own = tuple(place[axis] for axis in left)
    value = s.entries.at(node.operands[0], place)
    if left:
        s.stored[index] = name
        s.new_array(name, tuple(nest.space[axis] for axis in left), None if _are_inner(left) else Fraction(0))
    else:
        s.expr[index] = target
    entry: Ref | Item = Item(name, own) if left else target if isinstance(target, Item) else Ref(name)
    again: list[Statement] = [
        Assign(scaled, _ZERO),
        *_loops(s, nest, axes, _square(s, Apply(_MUL, (Apply(NORM_SCALE, (total,)), value)), scaled), total),
        Assign(entry, Apply(SUM_OR_ROOT, (total, scaled))),
    ]
    if _are_inner(left):
        nest.before.setdefault(len(left), []).append(Assign(total, _ZERO))
        nest.body += _square(s, value, total)
        nest.after.setdefault(len(left), []).extend(again)
    else:
        # The sums are all known behind the loops, in their places.
        nest.body += _square(s, value, entry)
        nest.after.setdefault(0, []).extend(_loops(s, nest, left, [Assign(total, entry), *again]))


def _are_inner(left: Sequence[int]) -> bool:
    return left == list(range(len(left)))


def _square(s: LoopScheduler, value: Expr, total: Ref | Item) -> list[Statement]:
    """Add the square of a value to a sum."""
    if isinstance(value, Ref | Item):
        return [Accumulate(total, Apply(_MUL, (value, value)))]
    known = Ref(s.namer.temporary())
    return [Assign(known, value), Accumulate(total, Apply(_MUL, (known, known)))]


def _loops(
    s: LoopScheduler, nest: Nest, axes: Sequence[int], statements: list[Statement], total: Ref | None = None
) -> list[Statement]:
    """Loops over these axes; with a sum of squares, as many turns of the outermost as are to be done again."""
    for axis in reversed(axes):
        extent = s.extent(nest.space[axis])
        if total is not None and axis == axes[0]:
            extent = Apply(TURNS_AGAIN, (total, extent))
        if extent != Literal(1):
            statements = [For(s.counter(axis).name, extent, tuple(statements))]
    return statements
