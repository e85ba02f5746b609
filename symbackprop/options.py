"""The options of a compilation, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from symbackprop.errors import OptionError

TARGETS = ("python", "numpy", "numba")
DTYPES = ("float64", "float32")
KINKS = ("zero", "left", "right", "raise")
REDUCTIONS = ("sum", "mean", None)
ROUTES = ("direct", "njit")


@dataclass(frozen=True, slots=True)
class Options:
    """How to compile, as opposed to what."""

    target: str = "numba"
    dtype: str = "float64"
    kinks: str = "zero"
    reduce: str | None = None
    route: str = "direct"
    """How programs of target numba become machine code: past Numba's front end, or through it."""
    cache: bool = True
    """Whether machine code is kept on disk."""
    parallel: bool = False
    """Whether threads share a batch."""
    contract: bool = False
    """Whether a*b + c may become one operation, which rounds once: up to some per cent faster, and the last bits are no
    longer those of the other backends."""
    fast_sums: bool = False
    """Whether sums may be added up in any order: loops that hold nothing but a sum then run in lanes as well, and their
    last bits depend on the processor."""

    def __post_init__(self) -> None:
        _one_of("backend", self.target, TARGETS)
        _one_of("dtype", self.dtype, DTYPES)
        _one_of("kinks", self.kinks, KINKS)
        _one_of("reduce", self.reduce, REDUCTIONS)
        _one_of("route", self.route, ROUTES)
        if self.target == "python" and self.dtype == "float32":
            raise OptionError("backend='python' computes with Python's floats, which are float64; use numpy or numba")
        for name in ("parallel", "contract", "fast_sums"):
            if getattr(self, name) and (self.target != "numba" or self.route != "direct"):
                raise OptionError(f"{name}=True is for machine code of our own: backend='numba', route='direct'")


def _one_of(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    if value not in choices:
        raise OptionError(f"{name}={value!r} is not one of {', '.join(map(repr, choices))}")
