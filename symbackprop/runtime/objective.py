"""A compiled gradient in the form that optimisers want: one flat vector in, value and flat gradient out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.errors import CallError, ShapeMismatch
from symbackprop.ir.signature import Argument

if TYPE_CHECKING:
    from symbackprop.runtime.function import CompiledFunction


def flat_objective(
    function: CompiledFunction, fixed: dict[str, Any]
) -> tuple[Callable[[Any], tuple[float, Any]], Callable[..., Any]]:
    """``(fun, pack)``: see `CompiledFunction.as_scipy`."""
    arguments = function.signature.arguments
    leaves = function.signature.leaves
    if function.signature.mode != "grad":
        raise CallError(f"as_scipy needs a gradient, and this is a {function.signature.mode}")
    unknown = set(fixed) - {argument.name for argument in arguments}
    if unknown:
        raise CallError(f"as_scipy() has no argument {sorted(unknown)[0]!r}; it takes {', '.join(function.args)}")
    members = [member for leaf in leaves for member in leaf.members]
    free = [argument for argument in arguments if argument.name not in fixed]
    _check_free(free, members)

    def fun(x: Any) -> tuple[float, Any]:
        flat = np.asarray(x, np.float64)
        if flat.shape != (len(members),):
            raise CallError(f"x must have shape ({len(members)},), one entry for each of {_listed(members)}")
        entries = dict(zip(members, flat.tolist(), strict=True))
        named = dict(fixed)
        for argument in free:
            parts = [entries[member] for member in argument.members]
            named[argument.name] = parts if argument.packed else parts[0]
        value, gradient = function.leaves(named)
        return float(value), np.concatenate([np.ravel(np.asarray(leaf, np.float64)) for leaf in gradient])

    def pack(**start: Any) -> Any:
        entries: dict[str, float] = {}
        by_name = {argument.name: argument.members for argument in free} | {member: (member,) for member in members}
        for name, value in start.items():
            if name not in by_name:
                raise CallError(f"pack() has no argument {name!r}; it takes {_listed([a.name for a in free])}")
            parts = np.ravel(np.asarray(value, np.float64)).tolist()
            if len(parts) != len(by_name[name]):
                raise ShapeMismatch(f"pack() takes {len(by_name[name])} numbers for {name!r}, got {len(parts)}")
            entries.update(zip(by_name[name], parts, strict=True))
        missing = [member for member in members if member not in entries]
        if missing:
            raise CallError(f"pack() misses {_listed([repr(member) for member in missing])}")
        return np.array([entries[member] for member in members])

    return fun, pack


def _listed(names: list[str]) -> str:
    return ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")


def _check_free(free: list[Argument], members: list[str]) -> None:
    """What is free and what the gradient is taken in must be the same."""
    varied, provided = set(members), {member for argument in free for member in argument.members}
    constant = [member for argument in free for member in argument.members if member not in varied]
    if constant:
        raise CallError(f"as_scipy() misses a value for {constant[0]!r}, in which no gradient is taken")
    absent = [member for member in members if member not in provided]
    if absent:
        raise CallError(f"as_scipy() cannot vary {absent[0]!r}, which is fixed")
