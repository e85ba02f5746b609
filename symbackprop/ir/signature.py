"""What goes into a compiled function and what comes out: the agreement between all stages."""

from __future__ import annotations

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
    """One array or number of the gradient: the derivative in the given inputs."""

    name: str
    members: tuple[str, ...]
    packed: bool = False


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
    """Arguments in call order, gradient leaves in the order of `wrt`, and how they are nested."""

    arguments: tuple[Argument, ...]
    leaves: tuple[Leaf, ...]
    structure: Structure = Structure("leaf")

    @property
    def single(self) -> bool:
        """Whether the gradient is the one leaf itself and not a tuple of leaves."""
        return self.structure.kind == "leaf"
