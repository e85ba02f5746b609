"""A compiled gradient in the form that optimisers want: one flat vector in, value and flat gradient out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from symbackprop.errors import CallError
from symbackprop.ir.signature import Argument, Leaf

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
    order = _in_wrt_order([argument for argument in arguments if argument.name not in fixed], leaves)

    def fun(x: Any) -> tuple[float, Any]:
        x = np.asarray(x, np.float64)
        named, start = dict(fixed), 0
        for argument in order:
            stop = start + len(argument.members)
            named[argument.name] = x[start:stop] if argument.packed else float(x[start])
            start = stop
        if start != x.size:
            raise CallError(f"x has {x.size} entries and the free arguments {start}")
        value, gradient = function.leaves(named)
        return float(value), np.concatenate([np.ravel(np.asarray(leaf, np.float64)) for leaf in gradient])

    def pack(**start: Any) -> Any:
        unknown = set(start) - {argument.name for argument in order}
        if unknown:
            raise CallError(f"pack() has no argument {sorted(unknown)[0]!r}; it takes {_listed(order)}")
        missing = [argument.name for argument in order if argument.name not in start]
        if missing:
            raise CallError(f"pack() misses {', '.join(map(repr, missing))}; it takes {_listed(order)}")
        return np.concatenate([np.ravel(np.asarray(start[argument.name], np.float64)) for argument in order])

    return fun, pack


def _listed(arguments: list[Argument]) -> str:
    return ", ".join(argument.name for argument in arguments)


def _in_wrt_order(free: list[Argument], leaves: tuple[Leaf, ...]) -> list[Argument]:
    """The free arguments in the order of the gradient's leaves, which must be exactly these."""
    by_members = {argument.members: argument for argument in free}
    varied = {leaf.members for leaf in leaves}
    missing = [argument.name for argument in free if argument.members not in varied]
    if missing:
        raise CallError(f"as_scipy() misses a value for {', '.join(map(repr, missing))}, in which no gradient is taken")
    absent = [leaf.what for leaf in leaves if leaf.members not in by_members]
    if absent:
        raise CallError(f"as_scipy() cannot vary {absent[0]}: it is fixed, or not an argument of its own")
    return [by_members[leaf.members] for leaf in leaves]
