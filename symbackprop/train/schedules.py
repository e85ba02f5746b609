"""Learning rates that change: each a function from the rate, the step and the epoch to the rate that holds, in SymPy.

A schedule of one's own is any function of (lr, t, epoch, epochs): the rate of the optimiser, the number of the step
from 1 on, of the epoch from 0 on, and how many epochs there are in all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sympy as sp

from symbackprop.errors import OptionError

Schedule = Callable[[Any, Any, Any, Any], Any]


def constant() -> Schedule:
    """The rate as it is.

    >>> constant()(0.1, 1, 0, 10)
    0.1
    """
    return lambda lr, t, epoch, epochs: lr


def step(every: int, factor: float = 0.1) -> Schedule:
    """The rate times `factor` after every so many epochs.

    >>> step(10, 0.5)(1.0, 1, 25, 100)
    0.250000000000000
    """
    _positive("step", every=every, factor=factor)
    return lambda lr, t, epoch, epochs: lr * factor ** sp.floor(epoch / sp.Integer(every))


def exponential(factor: float) -> Schedule:
    """The rate times `factor` after every epoch.

    >>> exponential(0.5)(1.0, 1, 3, 100)
    0.125
    """
    _positive("exponential", factor=factor)
    return lambda lr, t, epoch, epochs: lr * factor**epoch


def cosine(lowest: float = 0.0, epochs: int | None = None) -> Schedule:
    """From the rate down to `lowest` along half a cosine, over all epochs or so many (Loshchilov and Hutter, 2017).

    >>> float(cosine()(1.0, 1, 50, 100))
    0.5
    """
    if epochs is not None:
        _positive("cosine", epochs=epochs)

    def rate(lr: Any, t: Any, epoch: Any, all_epochs: Any) -> Any:
        length = all_epochs if epochs is None else sp.Integer(epochs)
        return lowest + (lr - lowest) * (1 + sp.cos(sp.pi * sp.Min(epoch / length, 1))) / 2

    return rate


def warmup(steps: int, then: Schedule | None = None) -> Schedule:
    """The rate grows linearly over the first so many steps; after them, and beside, it is what `then` says.

    >>> float(warmup(10)(1.0, 5, 0, 100))
    0.5
    """
    _positive("warmup", steps=steps)
    after = then or constant()
    return lambda lr, t, epoch, epochs: after(lr, t, epoch, epochs) * sp.Min(t / sp.Integer(steps), 1)


@dataclass(frozen=True)
class Plateau:
    """See `plateau`."""

    factor: float
    patience: int
    threshold: float


def plateau(factor: float = 0.1, patience: int = 10, threshold: float = 1e-4) -> Plateau:
    """The rate times `factor` whenever more than `patience` epochs have not brought the loss down by the part
    `threshold` of the best one: of the validation data where there are such, and decided between epochs.

    >>> plateau(0.5).patience
    10
    """
    _positive("plateau", factor=factor)
    if not isinstance(patience, int) or patience < 0 or not 0 <= threshold < 1:
        raise OptionError(f"plateau(patience={patience!r}, threshold={threshold!r}): neither may be negative")
    return Plateau(factor, patience, threshold)


def _positive(what: str, **numbers: float) -> None:
    for name, number in numbers.items():
        if not isinstance(number, int | float) or not 0 < number < float("inf"):
            raise OptionError(f"{what}({name}={number!r}): a positive number is due")
