"""Arguments at the door: counted, named, checked and cast, before any emitted code sees them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from symbackprop.errors import CallError, NameClash, ShapeMismatch
from symbackprop.ir.signature import SAMPLES, Argument
from symbackprop.ops.extents import Extent, bound_by, dimensions, extent_text, measured, shape_text


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
    if type(value) is float and dtype == "float64" and argument.is_scalar and argument.dtype == "real":
        return value
    value = unmasked(argument, value)
    if argument.dtype == "int":
        return _integers(argument, value)
    array = _array(argument, value, dtype)
    if argument.packed:
        if array.ndim != 1:
            raise ShapeMismatch(f"{argument.name!r} must be a 1-D array, got shape {array.shape}")
        if len(array) != len(argument.members):
            raise ShapeMismatch(
                f"{argument.name!r} packs {len(argument.members)} numbers"
                f" ({', '.join(argument.names[:8])}{', ...' if len(argument.names) > 8 else ''}), got {len(array)}"
            )
        return array
    if argument.full_shape:
        _check_rank(argument, array)
        return array
    if array.ndim == 0:
        return float(array) if dtype == "float64" else array[()]
    return array


def unmasked(argument: Argument, value: Any) -> Any:
    """The entries of a masked array that masks none. Raises CallError for one that does: what stands behind the mask
    would be computed with.
    """
    # Whoever has one has imported `numpy.ma`, for which a first answer would wait 13 ms.
    if "numpy.ma" not in sys.modules or not isinstance(value, np.ma.MaskedArray):
        return value
    if np.ma.is_masked(value):
        masked = int(np.sum(np.ma.getmaskarray(value)))
        raise CallError(
            f"{argument.name!r} is a masked array, {masked} of {value.size} entries of which are masked: leave these"
            " out (value.compressed()), or fill them (value.filled(0))"
        )
    return np.ma.getdata(value)


def _check_rank(argument: Argument, array: Any) -> None:
    shape = argument.full_shape
    if array.ndim != len(shape):
        hint = ""
        if array.ndim == 1 and len(shape) == 2 and 1 in shape:
            hint = "; a column is array[:, None], a row is array[None, :]"
        wanted = f"a {len(shape)}-D array of shape {shape_text(shape)}"
        raise ShapeMismatch(f"{argument.name!r} must be {wanted}, got shape {array.shape}{hint}")


def _integers(argument: Argument, value: Any) -> Any:
    array = np.asarray(value)
    if array.size and array.dtype.kind not in "iu":
        wanted = "integers" if argument.full_shape else "an integer"
        raise CallError(f"{argument.name!r} must be {wanted}, got {array.dtype} ({type(value).__name__})")
    array = array.astype(np.int64)
    if argument.dimension:
        if array.ndim or array < 0:
            raise CallError(f"{argument.name!r} is a length: one integer, not negative, got {value!r}")
        return int(array)
    _check_rank(argument, array)
    return array if array.ndim else int(array)


def bound_dimensions(arguments: Sequence[Argument], values: Sequence[Any], given: Mapping[str, Any]) -> dict[str, int]:
    """The length of every named dimension; `given` are those that the caller names besides.

    Raises ShapeMismatch that names the dimension, the arguments and both lengths where two do not agree.
    """
    known: dict[str, int] = {}
    told_by: dict[str, str] = {}
    for argument, value in zip(arguments, values, strict=True):
        if argument.dimension:
            known[argument.members[0]], told_by[argument.members[0]] = value, f"{argument.name!r}"
    for name, value in given.items():
        if int(value) != value:
            raise CallError(f"{name!r} is a length: an integer, got {value!r}")
        known.setdefault(name, int(value))
        told_by.setdefault(name, f"the argument {name!r}")
    axes = [
        (argument, axis, extent, np.shape(value)[axis])
        for argument, value in zip(arguments, values, strict=True)
        if not argument.packed
        for axis, extent in enumerate(argument.full_shape)
    ]
    progress = True
    while progress:
        progress = False
        for argument, axis, extent, length in axes:
            found = bound_by(extent, length, known)
            if found is not None:
                known[found[0]], progress = found[1], True
                told_by[found[0]] = f"axis {axis} of {argument.name!r}"
    for argument, axis, extent, length in axes:
        if measured(extent, known) != length:
            raise ShapeMismatch(_mismatch(argument, axis, extent, length, known, told_by))
    return known


def _mismatch(
    argument: Argument, axis: int, extent: Extent, length: int, known: dict[str, int], told_by: dict[str, str]
) -> str:
    names = sorted(dimensions(extent))
    where = f"axis {axis} of {argument.name!r} has length {length}"
    if not names:
        return (
            f"{where}, but must have length {extent}: {argument.name!r} is of shape {shape_text(argument.full_shape)}"
        )
    told = ", ".join(f"{name} is {known[name]} by {told_by[name]}" for name in names)
    if extent == SAMPLES:
        return f"{argument.name!r} has {length} samples, where {told_by[extent]} has {known[extent]}"
    if isinstance(extent, str):
        return f"{where}, where the dimension {extent} is {known[extent]} by {told_by[extent]}"
    return f"{where}, but must have length {extent_text(extent)} = {measured(extent, known)}, where {told}"


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


def check_lists(arguments: Sequence[Argument], values: Sequence[Any], lengths: Mapping[str, int]) -> None:
    """Refuse a length that lists do not tell: an empty list says nothing of the axes after it."""
    told: dict[str, int] = {}
    for argument, value in zip(arguments, values, strict=True):
        if argument.dimension:
            told[argument.members[0]] = value
        elif not argument.packed:
            shape = np.shape(value)
            whole = shape.index(0) + 1 if 0 in shape else len(shape)
            for extent in argument.full_shape[:whole]:
                told.update({name: lengths[name] for name in dimensions(extent)})
    lost = [name for name, length in lengths.items() if length and name not in told]
    if lost:
        raise CallError(
            f"backend 'python' works on lists, and empty ones do not tell that {lost[0]} is {lengths[lost[0]]};"
            " take another backend for arrays without entries"
        )


def check_samples(arguments: Sequence[Argument], values: Sequence[Any]) -> None:
    """What a batch shares is single numbers, where it is no array."""
    for argument, value in zip(arguments, values, strict=True):
        if argument.is_scalar and np.ndim(value):
            raise ShapeMismatch(
                f"{argument.name!r} is shared by all samples and must be one number, got shape {np.shape(value)};"
                f" name it in batch=[...] if it has one value a sample"
            )
