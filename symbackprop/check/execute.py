"""Running an emitted module without Numba: its text as it is, or the graph that it was made of."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import mpmath as mp
import numpy as np

from symbackprop.compiler import Compiled
from symbackprop.emit import checked
from symbackprop.ir import interpret


def executed(source: str, target: str) -> dict[str, Any]:
    """The names of an emitted module, checked and run; of target numba as plain Python, compiled by nobody.

    Importing Numba takes 0.6 s and compiling a small module 1 s, which emission is not to pay. Special functions still
    come from where `numba.extending` finds them.
    """
    scope: dict[str, Any] = {"__name__": "<symbackprop verification>"}
    if target == "numba":
        scope["__builtins__"] = {**vars(builtins), "__import__": _without_numba}
    exec(compile(checked(source), scope["__name__"], "exec"), scope)
    return scope


def _without_numba(name: str, *rest: Any) -> Any:
    """Import, but `from numba import njit` gives a decorator that leaves functions as they are."""
    return SimpleNamespace(njit=_as_it_is) if name == "numba" else __import__(name, *rest)


def _as_it_is(function: Any = None, **options: Any) -> Any:
    return _as_it_is if function is None else function


def interpreted(compiled: Compiled, bits: int | None) -> Callable[..., Any]:
    """`value_and_grad` of a module by its graph: in mpmath's numbers of so many bits, or in doubles (None)."""
    signature = compiled.signature

    def value_and_grad(*arguments: Any) -> Any:
        inputs: dict[str, Any] = {}
        for argument, given in zip(signature.arguments, arguments, strict=True):
            # Of a packed argument the last axis counts the members.
            parts = np.moveaxis(np.asarray(given), -1, 0) if argument.packed else [given]
            inputs.update(zip(argument.members, parts, strict=True))
        if bits is None:
            found = interpret(compiled.graph, inputs)
        else:
            with mp.workprec(bits):
                found = interpret(compiled.graph, inputs, "mpmath")
        value, *rest = (np.asarray(number, np.float64) for number in found)
        leaves = []
        for leaf in signature.leaves:
            own, rest = rest[: leaf.count], rest[leaf.count :]
            leaves.append(own[0] if leaf.whole or not leaf.shape else np.stack(own, axis=-1))
        return value, leaves[0] if signature.structure.kind == "leaf" else leaves

    return value_and_grad
