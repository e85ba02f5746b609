"""What a row of the registry holds: everything that the compiler knows about one operation.

A row is data. The front end, differentiation, the passes, the targets, the tests and the documentation iterate over
rows and have no knowledge of single operations, so that a new elementwise function is one row and nothing else.

Mathematics in a row is written once, over handles with operators: ``f`` is the function namespace of the graph that
is being built (``f.sin(x)``), ``z`` is the row's own result, and the operands follow. A partial is either a number
or such a function; VJP and JVP both come from it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

from symbackprop.ops.extents import Extent, Shape

DType = Literal["real", "bool", "int"]
Partial = int | Callable[..., Any] | None
"""The derivative of a row in one operand: a number, a function ``(f, z, *operands)``, or None where there is none."""

Interval = tuple[float, float]

# What one operation costs in units of one addition; the scale was read off scalar libm timings on x86-64, where an
# addition takes 0.25 ns, a division or root 1 to 1.5 ns, exp and sin 5 to 8 ns, jv or digamma 50 ns and more.
ARITHMETIC, DIVISION, ELEMENTARY, SPECIAL = 1, 4, 20, 200


@dataclass(frozen=True, slots=True)
class Spelling:
    """How one target writes an operation.

    ``callee`` is a function to call (``math.sin``), or, where ``operator`` is set, an infix or prefix operator with
    its binding strength. A callee that starts with an underscore is a helper: ``helper`` is the Python function whose
    text is pasted into the emitted module.
    """

    callee: str
    operator: bool = False
    helper: Callable[..., Any] | None = None
    binding: str = ""
    """What the callee is bound to at the top of the module, where ``helper`` makes it rather than is it."""
    trailing: str = ""
    """A last argument that the callee wants besides the operands."""
    uses: tuple[Callable[..., Any], ...] = ()
    """Functions whose texts go into the module because the helper calls them."""


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Op:
    """One operation. Rows are compared by identity."""

    name: str
    doc: str
    arity: int | None = 1
    """Number of operands; None for any number."""
    partials: tuple[Partial, ...] = ()
    missing: str = ""
    """Why a partial that is None cannot be had; empty where it is zero by nature (a comparison, a floor)."""
    sympy: tuple[str, ...] = ()
    """Dotted names of the SymPy classes that mean this row, operand for operand."""
    python: Spelling | None = None
    numpy: Spelling | None = None
    numba: Spelling | None = None
    define: Callable[..., Any] | None = None
    """``(f, *operands)``: the row in terms of others, for targets that have no spelling of their own."""
    mpmath: Callable[..., Any] | None = None
    """The reference in arbitrary precision."""
    ball: Callable[..., Any] | None = None
    """The reference over balls, objects that have the methods of `flint.arb`; where there is none, `define` is taken,
    and where that is missing, too, `mpmath` alone is the reference."""
    result: DType = "real"
    operands: DType | tuple[DType, ...] = "real"
    cost: int = ARITHMETIC
    work: Callable[..., Extent] | None = None
    """``(attributes, *types)``: how often `cost` is paid by a row that is not elementwise; once for each entry of the
    result, where it is not given."""
    domain: tuple[Interval, ...] = ()
    """One interval an operand, from which the tests sample."""
    rational: Callable[..., Fraction | None] | None = None
    """The row over rationals, exactly; it returns None where it has no value."""
    commutative: bool = False
    analytic: bool = True
    """Whether the mpmath reference is the analytic function off the real line, so that a complex step may be taken."""
    swift: bool = False
    """Of a special function: whether its reference takes well below a millisecond for a complex number of 130 digits,
    so that `passes.series` may ask for it on circles."""
    elementwise: bool = True
    infer: Callable[..., tuple[DType, Shape]] | None = None
    """The shape rule of a row that is not elementwise: ``(attributes, *types)`` to dtype and shape."""
    trivial: Callable[..., bool] | None = None
    """``(attributes, *shapes)``: whether the row gives its first operand back."""
    linear: Literal["", "each", "all"] | tuple[int, ...] = ""
    """Whether the row is linear in each operand alone (a product), in all of them together (a concatenation), or in
    the operands at these positions."""
    transpose: Callable[..., Any] | None = None
    """For a linear row: ``(f, cotangent, position, attributes, operands)`` to the cotangent of one operand; None
    where that operand has no derivative (an index)."""
    tangent: Callable[..., Any] | None = None
    """For a row neither elementwise nor linear: ``(f, z, dot, position, attributes, operands)`` to the tangent of the
    result, linear in ``dot``; both modes come from it."""
    evaluate: Callable[..., Any] | None = None
    """The reference over NumPy arrays, of doubles or of mpmath numbers: ``(attributes, *arrays)``."""
    batch: Callable[..., Any] | None = None
    """``(f, attributes, operands, batched)``: the row over operands of which some carry a leading axis of samples."""
    kink: str = ""
    """For the documentation: where the row has no derivative, and what it answers there."""

    def operand_dtype(self, position: int) -> DType:
        return self.operands if isinstance(self.operands, str) else self.operands[position]

    def is_linear(self, position: int) -> bool:
        """Whether the row is linear in this operand, the others held."""
        return position in self.linear if isinstance(self.linear, tuple) else bool(self.linear)

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(f"rows are not pickled; refer to {self.name!r} by name")


@dataclass(slots=True)
class Registry:
    """The rows by name and by SymPy class, in the order in which the families declare them."""

    rows: dict[str, Op] = field(default_factory=dict)
    by_sympy: dict[str, Op] = field(default_factory=dict)

    def add(self, *rows: Op) -> None:
        for row in rows:
            if row.name in self.rows:
                raise ValueError(f"two rows are called {row.name!r}")
            self.rows[row.name] = row
            for name in row.sympy:
                if name in self.by_sympy:
                    raise ValueError(f"two rows claim the SymPy class {name!r}")
                self.by_sympy[name] = row

    def __getitem__(self, name: str) -> Op:
        return self.rows[name]

    def __iter__(self) -> Any:
        return iter(self.rows.values())

    def __len__(self) -> int:
        return len(self.rows)


def call(callee: str) -> Spelling:
    """Spell a row as a call of a function of an imported module."""
    return Spelling(callee)


def infix(symbol: str) -> Spelling:
    """Spell a row as an operator."""
    return Spelling(symbol, operator=True)


def helper(function: Callable[..., Any], *uses: Callable[..., Any]) -> Spelling:
    """Spell a row as a call of ``function``, whose source text goes into the emitted module, and what it uses."""
    return Spelling(function.__name__, helper=function, uses=uses)
