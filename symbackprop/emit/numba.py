"""Target numba: scalar code and loops for `numba.njit`."""

from __future__ import annotations

from symbackprop.emit.spell import Dialect, scipy_imports, shape_text
from symbackprop.lower.program import Cast, Function
from symbackprop.ops import Op


class Numba(Dialect):
    target = "numba"

    def imports(self, body: str) -> list[str]:
        standard = ["import math", ""] if "math." in body else []
        return [
            *standard,
            *(["import numpy as np"] if "np." in body else []),
            "from numba import njit",
            *scipy_imports(body),
        ]

    def decorator(self, function: Function) -> str:
        # NumPy's error model: a division by zero is an infinity and not an exception.
        return '@njit(error_model="numpy")'

    def allocate(self, name: str, extents: tuple[str, ...], fill: str | None, kind: str) -> str:
        if fill is None:
            return f"np.empty({shape_text(extents)}, np.{kind})"
        if fill == "0.0":
            return f"np.zeros({shape_text(extents)}, np.{kind})"
        return f"np.full({shape_text(extents)}, {fill}, np.{kind})"

    def cast(self, cast: Cast) -> str:
        if cast.rank:
            # Contiguous, for BLAS and for the cache; what is contiguous already is not copied.
            return (
                f"np.ascontiguousarray({cast.name}).astype(np.int64)"
                if cast.dtype == "int"
                else (f"np.ascontiguousarray(np.asarray({cast.name}, np.{self.dtype}))")
            )
        if cast.dtype == "int":
            return f"int({cast.name})"
        return f"float({cast.name})" if self.dtype == "float64" else f"np.float32({cast.name})"

    def literal(self, text: str, argument: bool) -> str:
        # A bare literal is a float64 to Numba and would lift everything to it.
        return f"np.float32({text})" if self.dtype == "float32" else text

    def result_of_call(self, text: str, op: Op) -> str:
        # Helpers over numbers compute with float64 literals; those over arrays keep the type of these.
        helped = op.numba is not None and op.numba.helper is not None
        lifted = self.dtype == "float32" and helped and op.elementwise and op.result == "real"
        return f"np.float32({text})" if lifted else text
