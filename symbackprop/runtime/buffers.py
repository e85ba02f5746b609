"""`out=`: results written into arrays that the caller keeps."""

from __future__ import annotations

from typing import Any

import numpy as np

from symbackprop.errors import CallError, ShapeMismatch
from symbackprop.ir.signature import Structure


def write(out: Any, result: Any, where: str = "out") -> Any:
    """Copy `result` into the arrays of `out`, which has its structure, and return `out`.

    Raises CallError where a place holds no array that can be written, ShapeMismatch for an array of another shape;
    then nothing is written.
    """
    pairs = list(_pairs(out, result, where))
    for array, value in pairs:
        array[...] = value
    return out


def places(out: Any, structure: Structure) -> list[Any] | None:
    """What stands in the places of a structure, in order; None where `out` has another structure."""
    if structure.kind == "leaf":
        return [out]
    if structure.kind == "dict":
        if not isinstance(out, dict) or set(out) != set(structure.keys):
            return None
        items = [out[key] for key in structure.keys]
    else:
        if not isinstance(out, list | tuple) or len(out) != len(structure.items):
            return None
        items = list(out)
    inner = [places(item, own) for item, own in zip(items, structure.items, strict=True)]
    return None if any(found is None for found in inner) else [place for found in inner for place in found or ()]


def _pairs(out: Any, result: Any, where: str) -> list[tuple[Any, Any]]:
    """Arrays and what goes into them, checked."""
    if isinstance(result, dict):
        if not isinstance(out, dict) or set(out) != set(result):
            raise CallError(f"{where} must be a dict with the keys {', '.join(map(repr, result))}")
        return [pair for key, value in result.items() for pair in _pairs(out[key], value, f"{where}[{key!r}]")]
    if isinstance(result, list | tuple):
        if not isinstance(out, list | tuple) or len(out) != len(result):
            raise CallError(f"{where} must hold {len(result)} arrays")
        numbered = enumerate(zip(out, result, strict=True))
        return [pair for k, (inner, value) in numbered for pair in _pairs(inner, value, f"{where}[{k}]")]
    if not isinstance(out, np.ndarray) or not out.flags.writeable or out.dtype.kind != "f":
        raise CallError(f"{where} must be an array of floats that can be written, got {type(out).__name__}")
    if out.shape != np.shape(result):
        raise ShapeMismatch(f"{where} has shape {out.shape}, and the result has shape {np.shape(result)}")
    return [(out, result)]
