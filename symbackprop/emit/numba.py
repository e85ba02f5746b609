"""Target numba: scalar code and loops for `numba.njit`."""

from __future__ import annotations

from symbackprop.emit.spell import Dialect, shape_text
from symbackprop.lower.program import Function
from symbackprop.ops import Spelling


class Numba(Dialect):
    target = "numba"

    def imports(self, body: str) -> list[str]:
        standard = ["import math", ""] if "math." in body else []
        return [*standard, *(["import numpy as np"] if "np." in body else []), "from numba import njit"]

    def decorator(self, function: Function) -> str:
        # NumPy's error model: a division by zero is an infinity and not an exception.
        return '@njit(error_model="numpy")'

    def allocate(self, name: str, extents: tuple[int | str, ...]) -> str:
        return f"np.empty({shape_text(extents)}, np.{self.dtype})"

    def cast(self, name: str, array: bool) -> str:
        if array:
            return f"np.asarray({name}, np.{self.dtype})"
        return f"float({name})" if self.dtype == "float64" else f"np.float32({name})"

    def literal(self, text: str, argument: bool) -> str:
        # A bare literal is a float64 to Numba and would lift everything to it.
        return f"np.float32({text})" if self.dtype == "float32" else text

    def result_of_call(self, text: str, spelling: Spelling) -> str:
        lifted = self.dtype == "float32" and spelling.helper is not None
        return f"np.float32({text})" if lifted else text
