"""Target numpy: whole arrays, no loops; scalars broadcast as in a ufunc."""

from __future__ import annotations

from symbackprop.emit.spell import Dialect, shape_text
from symbackprop.lower.program import Cast, Function
from symbackprop.lower.split import WORK


class Numpy(Dialect):
    target = "numpy"
    constants = "np"

    def imports(self, body: str) -> list[str]:
        return ["import numpy as np", *(["from scipy import special"] if "special." in body else [])]

    def decorator(self, function: Function) -> str:
        # An infinity or a nan is an answer here, not an accident.
        return "" if function.part else '@np.errstate(all="ignore")'

    def allocate(self, name: str, extents: tuple[int | str, ...]) -> str:
        return f"[None] * {extents[0]}" if name == WORK else f"np.empty({shape_text(extents)}, np.{self.dtype})"

    def cast(self, name: str, array: bool) -> str:
        return f"np.asarray({name}, np.{self.dtype})"

    def door(self, cast: Cast, indent: str) -> list[str]:
        lines = [f"{indent}{cast.name} = {self.cast(cast.name, cast.array)}"]
        if cast.length is not None:
            problem = (
                f"np.shape({cast.name}) != ({cast.length},)",
                f"must be 1-D and hold {cast.length} numbers",
            )
        elif cast.array:
            problem = f"np.ndim({cast.name}) != 1", "must be 1-D, with one number a sample"
        elif cast.shared:
            problem = f"np.ndim({cast.name}) != 0", "must be one number, which all samples share"
        else:
            return lines
        return [*lines, f"{indent}if {problem[0]}:", f'{indent}    raise ValueError("{cast.name} {problem[1]}")']

    def total(self, operand: str) -> str:
        return f"np.sum({operand})"

    def fill(self, operand: str, extent: str) -> str:
        return f"np.full({extent}, {operand}, np.{self.dtype})"

    def literal(self, text: str, argument: bool) -> str:
        # As an operand a Python float takes the array's type; two of them in np.where would make a float64.
        return f"np.float32({text})" if argument and self.dtype == "float32" else text
