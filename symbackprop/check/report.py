"""What a gradient check found, number by number, and as a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from symbackprop.check.rounding import ulps

VALUE = "value"
"""The name of the value among the outputs."""
# A wrong formula is off by its own size.
_DIGITS_LOST = 1e-6


@dataclass(frozen=True, slots=True)
class Component:
    """The value or one entry of the gradient at one point, by us and by each oracle (nan where one has no say).

    `output` is "value", or "d/dW" for the derivatives in an input W; `name` is the entry that this one is taken in.
    `condition` is how many times its own relative size the number changes when all inputs change by theirs; it is
    computed by accuracy checks, for numbers that are more than 4 ulp off, and nan otherwise.
    """

    point: Mapping[str, Any]
    output: str
    name: str
    ours: float
    exact: float
    central: float
    complex_step: float
    kink: bool
    passed: bool
    condition: float = math.nan

    @property
    def error(self) -> float:
        """Relative to the exact number; absolute where that is 0."""
        if self.ours == self.exact:
            return 0.0
        return abs(self.ours - self.exact) / abs(self.exact) if self.exact else abs(self.ours)

    @property
    def ulps(self) -> float:
        """The error in units in the last place of the exact number, 5e-324 in the range of denormals."""
        return 0.0 if self.kink and self.passed else ulps(self.ours, self.exact)

    @property
    def label(self) -> str:
        return VALUE if self.output == VALUE else f"d/d{self.name}"

    def as_dict(self) -> dict[str, Any]:
        """The record in plain types; None where a number is not known."""
        numbers = {"ours": self.ours, "exact": self.exact, "ulps": self.ulps, "condition": self.condition}
        return {
            "name": self.name,
            "output": self.output,
            **{key: number if number == number else None for key, number in numbers.items()},
            "kink": self.kink,
            "passed": self.passed,
            "point": {name: np.asarray(x).tolist() for name, x in self.point.items()},
        }

    @property
    def verdict(self) -> str:
        """ok, kink, INEXACT where only digits are lost, else WRONG."""
        if self.passed:
            return "kink" if self.kink else "ok"
        return "INEXACT" if self.error < _DIGITS_LOST and not self.kink else "WRONG"


@dataclass(frozen=True, slots=True)
class GradientReport:
    """What `check_grad` found: the components of the gradient, and the values. True where all passed."""

    components: tuple[Component, ...]
    backend: str
    values: tuple[Component, ...] = ()

    def __bool__(self) -> bool:
        return self.passed

    @property
    def passed(self) -> bool:
        return all(component.passed for component in (*self.values, *self.components))

    @property
    def worst(self) -> Component:
        """The component with the largest error, failures first."""
        return max((*self.components, *self._failed_values), key=lambda c: (not c.passed, _size(c.error)))

    @property
    def _failed_values(self) -> tuple[Component, ...]:
        return tuple(value for value in self.values if not value.passed or not self.components)

    @property
    def outputs(self) -> tuple[str, ...]:
        """ "value", and "d/dW" for each input W that derivatives were taken in."""
        return tuple(dict.fromkeys(c.output for c in (*self.values, *self.components)))

    def worst_of(self, output: str) -> Component:
        """The record of one output with the most ulps, failures first. Raises KeyError for an unknown output."""
        records = [c for c in (*self.values, *self.components) if c.output == output]
        if not records:
            raise KeyError(f"no output is called {output!r}; there are {', '.join(self.outputs)}")
        return max(records, key=lambda c: (not c.passed, _size(c.ulps)))

    def as_lines(self) -> list[str]:
        """The worst record of each output, on a line: ulps, the point, our number and the exact one."""
        lines = []
        for record in map(self.worst_of, self.outputs):
            point = ", ".join(f"{name} = {value!r}" for name, value in record.as_dict()["point"].items())
            kappa = f", condition {record.condition:.1e}" if record.condition == record.condition else ""
            error = "at a kink" if record.kink else f"{record.ulps:.3g} ulp{kappa}"
            numbers = f"{record.ours!r}, exact {record.exact!r}"
            lines.append(f"{record.verdict:>7}  {record.label}: {error} at {point}: {numbers}")
        return lines

    def __str__(self) -> str:
        """A table, one line a number."""
        # Point by point, the value first.
        order = {id(point): k for k, point in enumerate(c.point for c in (*self.values, *self.components)[::-1])}
        records = sorted((*self.values, *self.components), key=lambda c: -order[id(c.point)])
        conditions = any(c.condition == c.condition for c in records)
        head = ["", "ours", "exact", "central difference", "complex step", "ulps", *["condition"][:conditions], ""]
        rows = [head]
        for c in records:
            numbers = [f"{x:.12g}" if x == x else "-" for x in (c.ours, c.exact, c.central, c.complex_step)]
            error = "-" if c.kink else f"{c.ulps:.1f}"
            kappa = [f"{c.condition:.1e}" if c.condition == c.condition else "-"][:conditions]
            rows.append([c.label, *numbers, error, *kappa, c.verdict])
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def _size(error: float) -> float:
    return error if error == error else math.inf
