"""What goes into a compiled function and what comes out: the agreement between all stages."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from symbackprop.ops import DType
from symbackprop.ops.extents import Extent, Shape

SAMPLES = "samples"
"""The named dimension of a batch."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One positional argument: a number, an array, or several scalars packed into one 1-D array.

    ``members`` are identifiers of graph inputs, ``names`` the user's names for them. ``shape`` is that of one sample;
    what is ``batched`` has an axis of samples before it. ``dimension`` marks an integer that is a length itself.
    """

    name: str
    members: tuple[str, ...]
    names: tuple[str, ...]
    packed: bool = False
    batched: bool = False
    shape: Shape = ()
    dtype: DType = "real"
    dimension: bool = False

    @property
    def full_shape(self) -> Shape:
        """The shape of what the caller passes."""
        own = (len(self.members),) if self.packed else self.shape
        return (SAMPLES, *own) if self.batched else own

    @property
    def is_scalar(self) -> bool:
        """Whether a plain number is passed, for which an array broadcasts."""
        return not self.packed and not self.batched and not self.shape and not self.dimension


@dataclass(frozen=True, slots=True)
class Leaf:
    """One number or array of a derivative. An array of the graph is one output; otherwise the entries are consecutive
    outputs, row by row.

    ``what`` says in the user's names what the derivative is taken in, ``members`` by identifiers of inputs.
    """

    name: str
    what: str
    shape: Shape = ()
    members: tuple[str, ...] = ()
    whole: bool = False

    @property
    def count(self) -> int:
        """How many outputs of the graph it takes."""
        return 1 if self.whole else math.prod(extent for extent in self.shape if isinstance(extent, int))


@dataclass(frozen=True, slots=True)
class Structure:
    """The nesting of a `wrt`, which results mirror: a leaf, or a list, tuple or dict of structures."""

    kind: Literal["leaf", "list", "tuple", "dict"]
    items: tuple[Structure, ...] = ()
    keys: tuple[Any, ...] = ()

    def rebuild(self, leaves: Iterator[Any]) -> Any:
        """Leaves in order, nested as the structure is.

        >>> Structure("dict", (Structure("leaf"), Structure("leaf")), ("w", "b")).rebuild(iter([1.0, 2.0]))
        {'w': 1.0, 'b': 2.0}
        """
        if self.kind == "leaf":
            return next(leaves)
        items = [item.rebuild(leaves) for item in self.items]
        if self.kind == "dict":
            return dict(zip(self.keys, items, strict=True))
        return items if self.kind == "list" else tuple(items)


@dataclass(frozen=True, slots=True)
class Signature:
    """Arguments in call order, then what comes back: values, and the leaves of their derivative.

    The last ``directions`` arguments are tangents or cotangents, which `value` does without.
    """

    mode: str
    arguments: tuple[Argument, ...]
    leaves: tuple[Leaf, ...] = ()
    structure: Structure = Structure("leaf")
    values: Structure = Structure("leaf")
    directions: int = 0
    at_least: tuple[tuple[Extent, int, str], ...] = ()
    """Lengths that a model needs to be so big, and why."""
    value_shapes: tuple[Shape, ...] = ()
    """Those of the values, of one sample where there is a batch."""
    numbers_alone: bool = False
    """Whether the program has no array, neither outside nor inside: NumPy's broadcasting then works entry by entry."""

    @property
    def value_count(self) -> int:
        return len(self.values.items) if self.values.kind != "leaf" else 1

    @property
    def primal_arguments(self) -> tuple[Argument, ...]:
        return self.arguments[: len(self.arguments) - self.directions]

    @property
    def main(self) -> str:
        """The name of the emitted function that computes most."""
        return "value" if self.mode == "function" else self.value_and

    @property
    def value_and(self) -> str:
        """The name of the emitted function that gives value and derivative."""
        return f"value_and_{self.mode}"
