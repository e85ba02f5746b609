"""Arguments at the door: counted, named, checked and cast, before any emitted code sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symbackprop.errors import CallError, NameClash, ShapeMismatch
from symbackprop.ir.signature import Argument


def bind(arguments: Sequence[Argument], args: Sequence[Any], named: Mapping[str, Any], what: str = "g") -> list[Any]:
    """One value for each argument, from positions and names. Raises CallError that says which is missing or unknown."""
    if len(args) > len(arguments):
        raise CallError(f"{what}() takes {_count(len(arguments))} ({_listed(arguments)}), got {len(args)}")
    values: list[Any] = list(args) + [_MISSING] * (len(arguments) - len(args))
    if named:
        _bind_named(arguments, values, dict(named), what)
    missing = [argument.name for argument, value in zip(arguments, values, strict=True) if value is _MISSING]
    if missing:
        raise CallError(f"{what}() misses {', '.join(map(repr, missing))}; it takes ({_listed(arguments)})")
    return values


class _Missing:
    pass


_MISSING = _Missing()


def _bind_named(arguments: Sequence[Argument], values: list[Any], named: dict[str, Any], what: str) -> None:
    owners: dict[str, int] = {}
    for position, argument in enumerate(arguments):
        for name in {argument.name, *argument.members}:
            if owners.setdefault(name, position) != position:
                owners[name] = -1
    for argument in arguments:
        if argument.packed and argument.name not in named and all(name in named for name in argument.names):
            named[argument.members[0]] = [named.pop(name) for name in argument.names]
    for name, value in named.items():
        place = owners.get(name)
        if place is None:
            raise CallError(f"{what}() has no argument {name!r}; it takes ({_listed(arguments)})")
        if place < 0:
            raise NameClash(f"{what}() has several arguments called {name!r}; pass them by position")
        if values[place] is not _MISSING:
            raise CallError(f"{what}() got {name!r} by position and by name")
        values[place] = value


def _count(count: int) -> str:
    return f"{count} argument{'s' * (count != 1)}"


def _listed(arguments: Sequence[Argument]) -> str:
    return ", ".join(argument.name for argument in arguments)


def cast(argument: Argument, value: Any, dtype: str) -> Any:
    """A number, or an array of the program's type. Raises CallError or ShapeMismatch that names the argument."""
    if type(value) is float and not argument.packed and not argument.batched and dtype == "float64":
        return value
    array = _array(argument, value, dtype)
    if argument.packed or argument.batched:
        if array.ndim != 1:
            raise ShapeMismatch(f"{argument.name!r} must be a 1-D array, got shape {array.shape}")
        if argument.packed and len(array) != len(argument.members):
            raise ShapeMismatch(
                f"{argument.name!r} packs {len(argument.members)} numbers"
                f" ({', '.join(argument.names[:8])}{', ...' if len(argument.names) > 8 else ''}), got {len(array)}"
            )
        return array
    if array.ndim == 0:
        return float(array) if dtype == "float64" else array[()]
    return array


def _array(argument: Argument, value: Any, dtype: str) -> Any:
    try:
        array = np.asarray(value)
    except (ValueError, TypeError) as error:
        raise CallError(f"{argument.name!r} must be real numbers, got a {type(value).__name__}: {error}") from None
    if array.dtype == object:
        # Big integers, fractions, decimals, SymPy numbers; astype would let None pass as nan, and strings be parsed.
        items = array.ravel().tolist()
        if not all(hasattr(item, "__float__") for item in items):
            raise CallError(f"{argument.name!r} must be real numbers, got a {type(value).__name__}")
        try:
            array = np.array([float(item) for item in items], np.float64).reshape(array.shape)
        except (TypeError, ValueError, OverflowError) as error:
            raise CallError(f"{argument.name!r} must be real numbers that a float holds: {error}") from None
    if array.dtype.kind not in "biuf":
        raise CallError(f"{argument.name!r} must be real numbers, got {array.dtype} ({type(value).__name__})")
    return array.astype(dtype, copy=False)


def check_samples(arguments: Sequence[Argument], values: Sequence[Any]) -> None:
    """All batched arguments have one length; the others are single numbers."""
    first: tuple[str, int] | None = None
    for argument, value in zip(arguments, values, strict=True):
        if argument.batched:
            if first is None:
                first = argument.name, len(value)
            elif len(value) != first[1]:
                raise ShapeMismatch(
                    f"{argument.name!r} has {len(value)} samples and {first[0]!r} has {first[1]}; they must agree"
                )
        elif not argument.packed and np.ndim(value):
            raise ShapeMismatch(
                f"{argument.name!r} is shared by all samples and must be one number, got shape {np.shape(value)};"
                f" name it in batch=[...] if it has one value a sample"
            )
