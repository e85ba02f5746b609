"""Numbers and arrays as short as people read them, and names in the order in which people count."""

from __future__ import annotations

import re
from typing import Any

import mpmath as mp
import numpy as np

_FEW = 6
"""Arrays of so many entries are written out."""


def number(value: Any) -> str:
    """Six digits of a number; a small array in brackets, a large one by its shape and range.

    >>> number(6.0), number(1 / 3), number(np.array([1.0, 2.5])), number(np.zeros((10, 3)))
    ('6', '0.333333', '[1, 2.5]', 'array 10x3, from 0 to 0')
    """
    array = np.asarray(value)
    beyond = array.dtype == object and array.ndim == 0 and mp.isfinite(value) and value
    if beyond and not 1e-300 < abs(value) < 1e300:
        return str(mp.nstr(value, 6))
    if array.ndim == 0:
        return f"{float(array) + 0.0:.6g}"
    if array.size <= _FEW:
        return _nested(array)
    shape = "x".join(map(str, array.shape))
    return f"array {shape}, from {float(array.min()):.3g} to {float(array.max()):.3g}"


def _nested(array: Any) -> str:
    if array.ndim == 0:
        return f"{float(array) + 0.0:.4g}"
    return f"[{', '.join(_nested(entry) for entry in array)}]"


def factor(value: Any) -> str:
    """A number as a factor in a product: negative ones in brackets."""
    text = number(value)
    return f"({text})" if text.startswith("-") else text


def duration(seconds: float) -> str:
    """Three digits of a time.

    >>> duration(75.0), duration(0.0156), duration(3e-7)
    ('75 s', '15.6 ms', '300 ns')
    """
    for unit, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "us")):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds / 1e-9:.3g} ns"


def natural(name: str) -> list[Any]:
    """A key that has x2 before x10."""
    return [int(part) if position % 2 else part for position, part in enumerate(re.split(r"([0-9]+)", name))]
