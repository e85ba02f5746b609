"""Target python: the standard library's math module, floats and lists."""

from __future__ import annotations

from symbackprop.emit.spell import Dialect


class Python(Dialect):
    target = "python"

    def imports(self) -> list[str]:
        return ["import math"]

    def allocate(self, name: str, extent: int | str) -> str:
        return f"[0.0] * {extent}"

    def cast(self, name: str, array: bool) -> str:
        return f"[float(item) for item in {name}]" if array else f"float({name})"
