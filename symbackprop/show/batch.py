"""A batch as it is shown: what carries samples, what is made of them, and the first of them side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from symbackprop.ir.signature import Signature


@dataclass(frozen=True, slots=True)
class Batch:
    """`members` are the inputs that have one entry a sample; `reduce` is "sum", "mean" or None, as in `compile_grad`.
    At a point there are `count` samples, of which `points` are the first.
    """

    members: frozenset[str]
    reduce: str | None
    count: int | None = None
    points: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def in_(cls, signature: Signature, reduce: str | None) -> Batch | None:
        """The batch of a compiled function, if it is for one."""
        members = frozenset(m for argument in signature.arguments if argument.batched for m in argument.members)
        return cls(members, reduce) if members else None

    def of(self, points: Sequence[Mapping[str, Any]], count: int) -> Batch:
        return replace(self, points=points, count=count)

    def told(self, value: str) -> str:
        """What the results are of the values of the samples."""
        return f"{self.reduce} of {value} over the samples" if self.reduce else f"{value}, one a sample"
