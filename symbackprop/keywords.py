"""Options by name: whoever misspells one is told which there are."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from inspect import signature
from typing import Any, ParamSpec, TypeVar

from symbackprop.errors import CallError

_P = ParamSpec("_P")
_R = TypeVar("_R")
_GIVEN = ("self", "loss", "params", "data", "kwargs")
"""Parameters that are no options."""


def tells_options(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """The function, which raises a CallError that lists its options where it is given one that it does not have.

    >>> tells_options(lambda loss, epochs=1: epochs)(0, epoch=3)
    Traceback (most recent call last):
        ...
    symbackprop.errors.CallError: <lambda>() has no option 'epoch' (did you mean epochs?); it has epochs
    """
    names = tuple(signature(function).parameters)

    @functools.wraps(function)
    def checked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        check_options(function.__name__, kwargs, names)
        return function(*args, **kwargs)

    return checked


def check_options(whose: str, given: Iterable[str], names: Iterable[str]) -> None:
    """Raise CallError for names that are none of these."""
    names = tuple(names)
    unknown = [name for name in given if name not in names]
    if unknown:
        options = [name for name in names if name not in _GIVEN]
        near = [match for name in unknown for match in get_close_matches(name, options, 1)]
        meant = f" (did you mean {' and '.join(near)}?)" if near else ""
        known = ", ".join(options) or "none"
        raise CallError(f"{whose}() has no option {', '.join(map(repr, unknown))}{meant}; it has {known}")


class TellsOptions:
    """Base of dataclasses whose constructor does so."""

    def __new__(cls, *args: Any, **options: Any) -> Any:
        check_options(cls.__name__, options, tuple(signature(cls.__init__).parameters))
        return super().__new__(cls)
