"""Scans: an array of states, and a loop that fills it, whose body is lowered by a scheduler of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from symbackprop.ir.body import STATE, STEP
from symbackprop.lower.program import (
    Allocate,
    Apply,
    Assign,
    Expr,
    For,
    Item,
    Literal,
    Ref,
    Statement,
    Subscript,
)
from symbackprop.ops import REGISTRY

if TYPE_CHECKING:
    from symbackprop.lower.loops import LoopScheduler
    from symbackprop.lower.whole import WholeScheduler

_ADD, _MOD = REGISTRY["int_add"], REGISTRY["int_mod"]


def scan_of_arrays(s: WholeScheduler, index: int) -> None:
    """A scan where arrays are values: each state is a row of the array of states, or replaces the one before it."""
    node = s.graph.nodes[index]
    body, length, kept = node.attributes
    target = s.target.get(index)
    name = target.name if isinstance(target, Ref) else s.namer.allocate(f"{body.name}_states" if kept else body.name)
    t, state = Ref(s.namer.allocate("t")), s.namer.allocate(body.name) if kept else name
    start = s.full(node.operands[0])
    if kept:
        s.arrays.append(node.type.shape)
        s.function.body.append(Allocate(name, tuple(s.extent(extent) for extent in node.type.shape)))
        s.function.body.append(Assign(Subscript(Ref(name), ("0",)), start))
    else:
        s.function.body.append(Assign(Ref(name), start))
    places: dict[str, Expr] = {STATE: Ref(state), STEP: t}
    for shared, operand in zip(body.shared, node.operands[1:], strict=True):
        places[shared] = s.full(operand)
    inner = s.inside(body.graph, places, body.is_derived)
    inner.walk()
    result = inner.full(body.graph.outputs[0])
    if kept:
        inner.function.body.insert(0, Assign(Ref(state), Subscript(Ref(name), (t,))))
        inner.function.body.append(Assign(Subscript(Ref(name), (Apply(_ADD, (t, Literal(1))),)), result))
    else:
        inner.function.body.append(Assign(Ref(name), result))
    s.function.body.append(For(t.name, s.extent(length), tuple(inner.function.body)))
    s.expr[index] = Ref(name)
    s.named[index] = name


def scan_in_loops(s: LoopScheduler, index: int, statements: list[Statement]) -> None:
    """A scan where entries are values: a step reads the state at one row of an array and writes that at the next; where
    only the last is kept, the array has two rows, which change places.
    """
    node = s.graph.nodes[index]
    body, length, kept = node.attributes
    shape = node.type.shape[1:] if kept else node.type.shape
    target = s.target.get(index)
    name = target.name if kept and isinstance(target, Ref) else s.namer.allocate(f"{body.name}_states")
    s.named[index] = s.stored[index] = name
    s.new_array(name, (node.type.shape if kept else (2, *shape)))
    t = Ref(s.namer.allocate("t"))

    def at(step: Expr) -> Expr:
        return step if kept else Apply(_MOD, (step, Literal(2)))

    if not kept:
        s.entries.prefix[index] = (at(s.extent(length)),)
        if not shape:
            s.expr[index] = Item(name, s.entries.prefix[index])
    places: dict[str, Expr] = {STATE: Item(name, (at(t),)), STEP: t}
    for shared, operand in zip(body.shared, node.operands[1:], strict=True):
        places[shared] = s.expr[operand] if operand not in s.stored else s.calls.whole(operand)
    inner = s.inside(body.graph, places, body.is_derived)
    inner.allocations = []
    inner.walk()
    place = s.place(shape)
    first = Assign(Item(name, (Literal(0), *place)), s.entries.operand(node.operands[0], place))
    result = inner.entries.operand(body.graph.outputs[0], place)
    after = Assign(Item(name, (at(Apply(_ADD, (t, Literal(1)))), *place)), result)
    statements.extend(s.calls.loops([first], shape))
    # What starts from zeros does so in every step.
    fresh = [a for a in inner.allocations if isinstance(a, Allocate) and a.fill is not None]
    s.allocations.extend(a for a in inner.allocations if a not in fresh)
    steps = [*fresh, *inner.statements(), *s.calls.loops([after], shape)]
    statements.append(For(t.name, s.extent(length), tuple(steps)))
