"""What the user gives to `fit`, looked over once: by name, of the right shape and type, and not empty."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symbackprop.errors import CallError, OptionError, ShapeMismatch
from symbackprop.ir.signature import SAMPLES, Argument
from symbackprop.runtime.door import bound_dimensions, cast


def named(given: Any, arguments: Sequence[Argument], what: str) -> dict[str, Any]:
    """Values by the names of the arguments. Raises CallError with all that is missing, or unknown."""
    names = [argument.name for argument in arguments]
    if not isinstance(given, Mapping):
        raise CallError(f"{what} must be a dict of arrays by name ({', '.join(names)}), not a {type(given).__name__}")
    values = {_name(key): value for key, value in given.items()}
    missing = [name for name in names if name not in values]
    if missing:
        raise CallError(f"{what} miss {', '.join(map(repr, missing))}; they are {', '.join(names)}")
    unknown = [name for name in values if name not in names]
    if unknown:
        raise CallError(f"{what} have no {', '.join(map(repr, unknown))}; they are {', '.join(names)}")
    return {name: values[name] for name in names}


def _name(key: Any) -> str:
    """A name, or a symbol that has one."""
    return str(getattr(key, "name", key))


@dataclass(frozen=True, slots=True)
class Given:
    """Values in the order of the arguments, of the program's type, and the length of every named dimension."""

    values: list[Any]
    lengths: dict[str, int]


def look_over(arguments: Sequence[Argument], values: Mapping[str, Any], dtype: str) -> Given:
    """Cast and check. Raises CallError or ShapeMismatch that name the argument."""
    made = [own(_cast(argument, values[argument.name], dtype), dtype) for argument in arguments]
    for argument, value in zip(arguments, made, strict=True):
        if argument.is_scalar and np.ndim(value):
            raise ShapeMismatch(f"{argument.name!r} must be one number, got shape {np.shape(value)}")
    return Given(made, bound_dimensions(arguments, made, {}))


def _cast(argument: Argument, value: Any, dtype: str) -> Any:
    try:
        return cast(argument, value, dtype)
    except ShapeMismatch as error:
        first, *rest = (*argument.full_shape, None)
        if first != SAMPLES or not isinstance(rest[0], str) or np.ndim(value) != len(rest) - 1:
            raise
        raise ShapeMismatch(
            f"{error}; if {rest[0]} counts the samples, say so: compile_training(..., batch={rest[0]})"
        ) from None


def own(value: Any, dtype: str) -> Any:
    """A contiguous array of the very type, or a number."""
    if not isinstance(value, np.ndarray):
        return value
    array = np.ascontiguousarray(value)
    array = array if array.flags.aligned else array.copy()
    wanted = np.dtype(np.int64 if array.dtype.kind == "i" else dtype)
    return array if array.dtype is wanted else array.astype(wanted).view(wanted)


def minibatch(batch_size: Any, samples: int) -> int:
    """The size of a minibatch; None is all samples. Raises OptionError or ShapeMismatch for one that cannot be."""
    if samples == 0:
        raise ShapeMismatch("the data hold no samples")
    if batch_size is None:
        return samples
    if not isinstance(batch_size, int | np.integer) or isinstance(batch_size, bool) or batch_size < 1:
        raise OptionError(f"batch_size={batch_size!r}: a positive integer is due, or None for all samples at once")
    if batch_size > samples:
        raise OptionError(f"batch_size={batch_size} is more than the {samples} samples of the data")
    return int(batch_size)


def counted(what: str, value: Any, least: int = 0) -> int:
    """An integer option. Raises OptionError."""
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise OptionError(f"{what}={value!r}: an integer of at least {least} is due")
    return int(value)
