"""A compiled gradient in the form that optimisers want: one flat vector in, value and flat gradient out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.errors import CallError, ShapeMismatch
from symbackprop.ir.signature import Argument, Leaf
from symbackprop.ops.extents import Shape, dimensions, measured
from symbackprop.runtime.door import bound_dimensions, cast

if TYPE_CHECKING:
    from symbackprop.runtime.function import CompiledFunction


def flat_objective(
    function: CompiledFunction, fixed: dict[str, Any]
) -> tuple[Callable[[Any], tuple[float, Any]], Callable[..., Any]]:
    """``(fun, pack)``: see `CompiledFunction.as_scipy`."""
    arguments = function.signature.arguments
    if function.signature.mode != "grad":
        raise CallError(f"as_scipy needs a gradient, and this is a {function.signature.mode}")
    unknown = set(fixed) - {argument.name for argument in arguments}
    if unknown:
        raise CallError(f"as_scipy() has no argument {sorted(unknown)[0]!r}; it takes {', '.join(function.args)}")
    free = [argument for argument in arguments if argument.name not in fixed]
    _check_free(free, function.signature.leaves)
    layout = _Layout(function, fixed, free)
    return layout.fun, layout.pack


class _Layout:
    """Where each variable stands in the flat vector: one after the other, in the order of the gradient's leaves.

    Arrays of named dimensions have their place once the lengths are known, from what is fixed or from a start.
    """

    def __init__(self, function: CompiledFunction, fixed: dict[str, Any], free: list[Argument]) -> None:
        self.function = function
        self.fixed = fixed
        self.free = free
        shapes: dict[str, Shape] = {m: () if a.packed else a.full_shape for a in free for m in a.members}
        self.pieces = [(member, shapes[member]) for leaf in function.signature.leaves for member in leaf.members]
        self.members = [member for member, _ in self.pieces]
        self.lengths = self._bound(fixed)

    def fun(self, x: Any) -> tuple[float, Any]:
        """The value and the flat gradient at a flat vector."""
        sizes = [math.prod(shape) for shape in self._shapes()]
        flat = np.asarray(x, np.float64)
        if flat.shape != (sum(sizes),):
            raise CallError(f"x must have shape ({sum(sizes)},), one entry for each of {_listed(self.members)}")
        parts = np.split(flat, np.cumsum(sizes)[:-1])
        entries = {
            member: part.reshape(shape) if shape else float(part[0])
            for member, shape, part in zip(self.members, self._shapes(), parts, strict=True)
        }
        named = dict(self.fixed)
        for argument in self.free:
            own = [entries[member] for member in argument.members]
            named[argument.name] = own if argument.packed else own[0]
        value, gradient = self.function.leaves(named)
        return float(value), np.concatenate([np.ravel(np.asarray(leaf, np.float64)) for leaf in gradient])

    def pack(self, **start: Any) -> Any:
        """The flat vector of starting values."""
        by_name = {a.name: a.members for a in self.free} | {member: (member,) for member in self.members}
        for name in start:
            if name not in by_name:
                raise CallError(f"pack() has no argument {name!r}; it takes {_listed([a.name for a in self.free])}")
        self.lengths = self._bound({**self.fixed, **start})
        given = {member: name for name in start for member in by_name[name]}
        missing = [member for member in self.members if member not in given]
        if missing:
            raise CallError(f"pack() misses {_listed([repr(member) for member in missing])}")
        shapes = dict(zip(self.members, self._shapes(), strict=True))
        entries: dict[str, Any] = {}
        for name, value in start.items():
            parts = np.ravel(np.asarray(value, np.float64))
            sizes = [math.prod(shapes[member]) for member in by_name[name]]
            if len(parts) != sum(sizes):
                raise ShapeMismatch(f"pack() takes {sum(sizes)} numbers for {name!r}, got {len(parts)}")
            entries.update(zip(by_name[name], np.split(parts, np.cumsum(sizes)[:-1]), strict=True))
        return np.concatenate([entries[member] for member in self.members])

    def _bound(self, named: Mapping[str, Any]) -> dict[str, int]:
        """The lengths that these arrays tell. Raises ShapeMismatch where they contradict each other."""
        known = [a for a in self.function.signature.arguments if a.name in named and (a.full_shape or a.dimension)]
        values = [cast(argument, named[argument.name], self.function.dtype) for argument in known]
        try:
            return bound_dimensions(known, values, {})
        except KeyError:
            # A length that is a sum of two, one of which comes with the start.
            return {}

    def _shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the pieces in numbers."""
        unknown = {name for _, shape in self.pieces for extent in shape for name in dimensions(extent)} - set(
            self.lengths
        )
        if unknown:
            raise CallError(f"the length {min(unknown)} is not known yet; call pack(...) with a start, which tells it")
        return [tuple(measured(extent, self.lengths) for extent in shape) for _, shape in self.pieces]


def _listed(names: list[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def _check_free(free: list[Argument], leaves: tuple[Leaf, ...]) -> None:
    """What is free and what the gradient is taken in must be the same."""
    members = [member for leaf in leaves for member in leaf.members]
    varied, provided = set(members), {member for argument in free for member in argument.members}
    constant = [member for argument in free for member in argument.members if member not in varied]
    if constant:
        raise CallError(f"as_scipy() misses a value for {constant[0]!r}, in which no gradient is taken")
    absent = [member for member in members if member not in provided]
    if absent:
        raise CallError(f"as_scipy() cannot vary {absent[0]!r}, which is fixed")
    arrays = {member for argument in free if not argument.packed and argument.shape for member in argument.members}
    single = [leaf.what for leaf in leaves if not leaf.whole and set(leaf.members) & arrays]
    if single:
        raise CallError(
            f"as_scipy() varies whole arrays, not the entry {single[0]} alone; take the gradient in the array"
        )
