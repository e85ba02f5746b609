"""Values inside sums: a node whose first axes are bound indices, and how several come to have the same axes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from symbackprop.errors import InternalCompilerError
from symbackprop.frontend.ranges import Axis
from symbackprop.ir import Functions, Value
from symbackprop.ops.extents import Shape


class Placed(NamedTuple):
    """A value and the bound indices that its first axes are, the outermost first; further axes are its own."""

    value: Value
    axes: tuple[Axis, ...]


def together(f: Functions, operands: Sequence[Placed]) -> tuple[list[Value], tuple[Axis, ...]]:
    """The operands over all axes that any of them has; plain scalars stay scalars, which go with every shape."""
    axes = union(operands)
    own = max((f.shape(value)[len(placed) :] for value, placed in operands), key=len, default=())
    return [spread(f, operand, axes, own) for operand in operands], axes


def union(operands: Sequence[Placed]) -> tuple[Axis, ...]:
    """All axes of the operands, in order of their scopes."""
    every = {axis for operand in operands for axis in operand.axes}
    axes = tuple(sorted(every, key=lambda axis: axis.depth))
    if len({axis.depth for axis in axes}) < len(axes):
        raise InternalCompilerError("values of two scopes meet")
    return axes


def spread(f: Functions, operand: Placed, axes: tuple[Axis, ...], own: Shape = ()) -> Value:
    """An operand over given axes and a shape of its own; a plain scalar stays one."""
    value, has = operand
    if not f.shape(value):
        return value
    rest = f.shape(value)[len(has) :]
    target = (*[axis.length for axis in axes], *(own or rest))
    if rest and own and rest != own:
        raise InternalCompilerError(f"an entry of shape {rest} among entries of shape {own}")
    places = (*[axes.index(axis) for axis in has], *range(len(axes), len(axes) + len(rest)))
    if tuple(has) == axes and f.shape(value) == target:
        return value
    return f.broadcast(value, target, places)


def full(f: Functions, operand: Placed, axes: tuple[Axis, ...]) -> Value:
    """An operand over given axes, a scalar as well."""
    if not f.shape(operand.value) and axes:
        return f.fill(operand.value, tuple(axis.length for axis in axes))
    return spread(f, operand, axes)
