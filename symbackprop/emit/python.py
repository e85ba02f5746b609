"""Target python: the standard library's math module, floats and lists."""

from __future__ import annotations

from symbackprop.emit.spell import Dialect


class Python(Dialect):
    target = "python"

    def imports(self, body: str) -> list[str]:
        return ["import math"] if "math." in body else []

    def allocate(self, name: str, extents: tuple[int | str, ...]) -> str:
        row = f"[0.0] * {extents[-1]}"
        return row if len(extents) == 1 else f"[{row} for _ in range({extents[0]})]"

    def item(self, array: str, index: str | int | tuple[int, ...]) -> str:
        return "".join([array, *[f"[{i}]" for i in (index if isinstance(index, tuple) else (index,))]])

    def cast(self, name: str, array: bool) -> str:
        return f"[float(item) for item in {name}]" if array else f"float({name})"
