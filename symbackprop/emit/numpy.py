"""Target numpy: whole arrays, no loops; scalars broadcast as in a ufunc."""

from __future__ import annotations

from symbackprop.emit.spell import Dialect, scipy_imports, shape_text
from symbackprop.lower.program import Apply, Cast, Expr, Function, Invoke, Literal, Ref
from symbackprop.lower.split import WORK
from symbackprop.ops import REGISTRY, Op

_DIV = REGISTRY["div"]


class Numpy(Dialect):
    target = "numpy"
    constants = "np"

    def imports(self, body: str) -> list[str]:
        return ["import numpy as np", *scipy_imports(body)]

    def decorator(self, function: Function) -> str:
        # An infinity or a nan is an answer here, not an accident.
        return "" if function.part else '@np.errstate(all="ignore")'

    def allocate(self, name: str, extents: tuple[str, ...], fill: str | None, kind: str) -> str:
        if name == WORK:
            return f"[None] * {extents[0]}"
        return f"np.{'empty' if fill is None else 'zeros'}({shape_text(extents)}, np.{kind})"

    def cast(self, cast: Cast) -> str:
        return f"np.asarray({cast.name}, np.{'int64' if cast.dtype == 'int' else self.dtype})"

    def door(self, cast: Cast, indent: str) -> list[str]:
        if cast.dtype == "int" and not cast.rank:
            return [f"{indent}{cast.name} = int({cast.name})"]
        lines = [f"{indent}{cast.name} = {self.cast(cast)}"]
        if cast.length is not None:
            problem = (
                f"np.shape({cast.name}) != ({cast.length},)",
                f"must be 1-D and hold {cast.length} numbers",
            )
        elif cast.rank:
            problem = (
                f"np.ndim({cast.name}) != {cast.rank}",
                f"must have {cast.rank} {'axes' if cast.rank > 1 else 'axis'}",
            )
        elif cast.shared:
            problem = f"np.ndim({cast.name}) != 0", "must be one number, which all samples share"
        else:
            return lines
        return [*lines, f"{indent}if {problem[0]}:", f'{indent}    raise ValueError("{cast.name} {problem[1]}")']

    def _apply(self, op: Op, operands: tuple[Expr, ...]) -> tuple[str, int]:
        if op is _DIV and all(self._is_python(operand) for operand in operands):
            # Python's own numbers, of which it refuses a division by zero: a mean over no samples is nan.
            return self._text(Invoke("np.divide", operands))
        return super()._apply(op, operands)

    def _is_python(self, expr: Expr) -> bool:
        """Whether a value is a Python number: made of literals and lengths alone."""
        if isinstance(expr, Apply):
            return all(self._is_python(operand) for operand in expr.operands)
        return isinstance(expr, Literal) or (isinstance(expr, Ref) and expr.name in self.integers)

    def literal(self, text: str, argument: bool) -> str:
        # As an operand a Python float takes the array's type; two of them in np.where would make a float64.
        return f"np.float32({text})" if argument and self.dtype == "float32" else text
