"""What goes into a compiled function and what comes out: the agreement between all stages."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

SAMPLES = "samples"
"""The named dimension of a batch."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One positional argument: a scalar, or several scalars packed into one 1-D array; with a batch axis or not.

    ``members`` are identifiers of graph inputs; ``names`` are the user's names for them.
    """

    name: str
    members: tuple[str, ...]
    names: tuple[str, ...]
    packed: bool = False
    batched: bool = False


@dataclass(frozen=True, slots=True)
class Leaf:
    """One number or array of a derivative; its entries are consecutive outputs of the graph, row by row.

    ``what`` says in the user's names what the derivative is taken in, ``members`` by identifiers of inputs.
    """

    name: str
    what: str
    shape: tuple[int, ...] = ()
    members: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        return math.prod(self.shape)


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

    @property
    def value_count(self) -> int:
        return len(self.values.items) if self.values.kind != "leaf" else 1

    @property
    def primal_arguments(self) -> tuple[Argument, ...]:
        return self.arguments[: len(self.arguments) - self.directions]

    @property
    def value_and(self) -> str:
        """The name of the emitted function that gives value and derivative."""
        return f"value_and_{self.mode}"
