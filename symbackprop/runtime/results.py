"""The results of emitted functions, as they nest them and in one list."""

from __future__ import annotations

from typing import Any, NamedTuple

from symbackprop.ir.signature import Signature


class Nesting(NamedTuple):
    """How an emitted function returns what it computes: values, and with a derivative its leaves; one of a group stands
    bare.
    """

    values: int
    derivative: bool
    bare_value: bool
    bare_leaf: bool

    @classmethod
    def of(cls, signature: Signature, derivative: bool) -> Nesting:
        bare = signature.values.kind == "leaf", signature.structure.kind == "leaf"
        return cls(signature.value_count, derivative, *bare)

    def flat(self, results: Any) -> list[Any]:
        """What an emitted function returned, as one list: values, then leaves."""
        values, leaves = results if self.derivative else (results, ())
        leaves = [leaves] if self.derivative and self.bare_leaf else list(leaves)
        return [*([values] if self.bare_value else values), *leaves]

    def nested(self, flat: list[Any]) -> Any:
        """The inverse of `flat`."""
        values = flat[0] if self.bare_value else flat[: self.values]
        if not self.derivative:
            return values
        return values, flat[self.values] if self.bare_leaf else flat[self.values :]
