"""A point to be shown: the arguments of a call by the inputs of the model's graph, of a batch sample by sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from symbackprop.errors import ShapeMismatch
from symbackprop.ir.signature import SAMPLES, Argument
from symbackprop.runtime.door import bind, bound_dimensions, cast

SHOWN = 8
"""So many samples of a batch are shown."""


def points(
    arguments: Sequence[Argument], told: set[str], dtype: str, args: tuple[Any, ...], named: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], int | None]:
    """The inputs of the first samples, and how many samples there are: None where one sample is given, without the
    axis that counts them. `told` are names of lengths, which may be given besides. Raises CallError, ShapeMismatch.
    """
    lengths = {name: named[name] for name in told & set(named)}
    values = bind(arguments, args, {name: value for name, value in named.items() if name not in lengths})
    counted = [a for a, value in zip(arguments, values, strict=True) if a.batched and np.ndim(value) > len(a.shape)]
    alone = [a.name for a in arguments if a.batched and a not in counted]
    if counted and alone:
        raise ShapeMismatch(
            f"{', '.join(map(repr, alone))} is one sample and {counted[0].name!r} a batch; give the axis of samples to"
            " all of them or to none"
        )
    own = arguments if counted else [replace(argument, batched=False) for argument in arguments]
    values = [_cast(argument, value, dtype) for argument, value in zip(own, values, strict=True)]
    if not counted:
        return [_inputs(own, values, lengths, None)], None
    count = bound_dimensions(own, values, lengths)[SAMPLES]
    if not count:
        raise ShapeMismatch("the batch has no samples: there is nothing to show")
    return [_inputs(own, values, lengths, k) for k in range(min(count, SHOWN))], count


def _cast(argument: Argument, value: Any, dtype: str) -> Any:
    number = cast(argument, value, dtype)
    if argument.is_scalar and np.ndim(number):
        raise ShapeMismatch(f"{argument.name!r} must be a number here, got shape {np.shape(number)}")
    return number


def _inputs(
    arguments: Sequence[Argument], values: Sequence[Any], lengths: Mapping[str, Any], sample: int | None
) -> dict[str, Any]:
    inputs = dict(lengths)
    for argument, value in zip(arguments, values, strict=True):
        own = value[sample] if argument.batched and sample is not None else value
        inputs.update(zip(argument.members, own if argument.packed else [own], strict=True))
    return inputs
