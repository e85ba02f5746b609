"""Target python: the standard library's math module, floats and lists."""

from __future__ import annotations

from symbackprop.emit.spell import Dialect
from symbackprop.lower.program import Cast


class Python(Dialect):
    target = "python"

    def imports(self, body: str) -> list[str]:
        return ["import math"] if "math." in body else []

    def allocate(self, name: str, extents: tuple[str, ...], fill: str | None, kind: str) -> str:
        text = f"[{fill or '0.0'}] * {_factor(extents[-1])}"
        for extent in reversed(extents[:-1]):
            text = f"[{text} for _ in range({extent})]"
        return text

    def item(self, array: str, place: list[str]) -> str:
        return "".join([array, *[f"[{index}]" for index in place]])

    def cast(self, cast: Cast) -> str:
        number = "int" if cast.dtype == "int" else "float"
        if not cast.rank:
            return f"{number}({cast.name})"
        text = f"{number}(item)"
        names = [*[f"row{depth or ''}" for depth in range(cast.rank - 1)], "item"]
        owners = [cast.name, *names[:-1]]
        for name, owner in zip(reversed(names), reversed(owners), strict=True):
            text = f"[{text} for {name} in {owner}]"
        return text

    def axis_length(self, array: str, axis: int) -> str:
        if not axis:
            return f"len({array})"
        first = array + "[0]" * axis
        return f"(len({first}) if {array + '[0]' * (axis - 1)} else 0)"

    def wrong_shape(self, array: str, shape: list[str]) -> str:
        conditions = [f"len({array}) != {shape[0]}"]
        loops, owner = "", array
        for depth, extent in enumerate(shape[1:]):
            name = f"row{depth or ''}"
            loops += f" for {name} in {owner}"
            owner = name
            conditions.append(f"any(len({name}) != {extent}{loops})")
        return " or ".join(conditions)


def _factor(extent: str) -> str:
    return extent if extent.isalnum() or extent.isidentifier() else f"({extent})"
