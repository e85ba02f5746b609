"""The exact value of a model and of its derivatives, rounded to doubles once.

The oracle knows nothing of differentiation: it evaluates the value's own graph, as the user wrote it, at points that
are moved by steps far below the spacing of doubles, and takes differences. Numbers are balls: Arb's where python-flint
is installed, else mpmath's, evaluated at two precisions whose difference is the radius. Precision is raised until both
ends of the ball round to the same double, and two steps agree.
Source: F. Johansson, Arb: efficient arbitrary-precision midpoint-radius interval arithmetic, IEEE Trans. Comp. 66,
2017.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from symbackprop.check.engines import Engine, engines
from symbackprop.ir import Graph

# Bits of precision, and of the step: x moves by 2**-step of its size. A central difference errs by step**2 of its
# size, relatively; the ball holds 2**-(bits - step) of cancellation. The last level reaches below the denormals, so
# that a derivative that is exactly 0 is told from one that is small.
LEVELS = ((256, 64), (640, 160), (2048, 512), (4608, 1152), (9216, 1536))
# Two steps give the same derivative: their truncation errors, of order 2**-128 and 2**-320, are far below.
_AGREE = 2.0**-52
# What is too large for a double is compared over this power of two.
_BEYOND = 1100
# Left and right differ by more than this at a kink. Where they differ by less, two steps tell.
_SIDES = 1e-8

Entry = tuple[str, tuple[int, ...]]
"""One number of one input: its identifier, and its place in the array, () of a scalar."""

Direction = Mapping[Entry, Fraction]
"""How far each entry goes."""


@dataclass(frozen=True, slots=True)
class Derivative:
    """A derivative as a double, from both sides; nan where it cannot be told."""

    middle: float
    left: float
    right: float

    @property
    def is_kink(self) -> bool:
        """Whether the sides differ."""
        if self.left == self.right or self.left != self.left or self.right != self.right:
            return False
        larger = max(abs(self.left), abs(self.right))
        return math.isinf(larger) or abs(self.left - self.right) > _SIDES * larger


class Oracle:
    """Values and derivatives of the first output of a graph, at points of doubles.

    >>> from symbackprop.ir import Functions, GraphBuilder
    >>> f = Functions(GraphBuilder()); x = f.input("x")
    >>> oracle = Oracle(f.builder.graph([((f.exp(x) - 1) / x).index]))
    >>> oracle.value({"x": 1e-9}), oracle.derivative({"x": 1e-9}, ("x", ())).middle
    (1.0000000005, 0.5000000003333334)
    >>> oracle.value({"x": 0.0}), oracle.derivative({"x": 0.0}, ("x", ())).middle
    (1.0, 0.5)
    """

    def __init__(self, graph: Graph, arithmetics: tuple[Engine, ...] | None = None) -> None:
        self.graph = graph
        self.engines = arithmetics or engines()

    def value(self, point: Mapping[str, Any]) -> float:
        """The value; its limit where it has none, but sides that agree; nan where it is not real."""
        for engine in self.engines:
            for bits, _ in LEVELS:
                number = engine.evaluate(self.graph, point, bits)
                if number is None:
                    break
                rounded = engine.rounded(number, bits)
                if rounded is not None:
                    return rounded
        return _limit(self._around(point))

    def roughly(self, point: Mapping[str, Any], bits: int = LEVELS[0][0]) -> float:
        """The value as so many bits tell it, by the first arithmetic that can; nan where none can.

        No middles are taken: Arb's sinc of what is no number is the ball from -1 to 1.
        """
        for engine in self.engines:
            number = engine.evaluate(self.graph, point, bits)
            rounded = None if number is None else engine.rounded(number, bits)
            if rounded is not None:
                return rounded
        return math.nan

    def sizes(self, point: Mapping[str, Any]) -> list[float] | None:
        """The absolute values of all numbers on the way that are not 0; None where there is no value."""
        found = (engine.sizes(self.graph, point) for engine in self.engines)
        return next((sizes for sizes in found if sizes is not None), None)

    def _around(self, point: Mapping[str, Any]) -> Iterator[float]:
        """The value ever nearer to the point, all inputs moved at once; nan where the two sides differ."""
        direction = _all_entries(point)
        for bits, step in LEVELS[:3]:
            above, below = (self.roughly(moved(point, direction, sign, step), bits) for sign in (1, -1))
            yield above if _agree(above, below, 2.0 ** (1 - step // 2)) else math.nan

    def derivative(self, point: Mapping[str, Any], entry: Entry) -> Derivative:
        """The derivative in one entry of one input."""
        for engine in self.engines:
            found = self._central(engine, point, one_entry(point, entry), -exponent(point, entry))
            if found is not None:
                middle, level = found
                return Derivative(middle, *self._sides(engine, point, entry, level, middle))
        return self._from_inside(point, entry)

    def along(self, point: Mapping[str, Any], direction: Direction) -> float:
        """The derivative along a direction; nan where it cannot be told. At a kink, the middle of both sides."""
        for engine in self.engines:
            found = self._central(engine, point, direction, 0)
            if found is not None:
                return found[0]
        return math.nan

    def _central(
        self, engine: Engine, point: Mapping[str, Any], direction: Direction, scale: int
    ) -> tuple[float, int] | None:
        """The central difference along a direction times 2**scale, and its level; None where it cannot be told."""
        before = math.nan
        for level, (bits, step) in enumerate(LEVELS):
            above, below = (engine.evaluate(self.graph, moved(point, direction, s, step), bits) for s in (1, -1))
            if above is None or below is None:
                return None
            number = engine.combined(((1, above), (-1, below)), step - 1 + scale, bits)
            middle, rounded = engine.middle(number), engine.rounded(number, bits)
            if math.isinf(middle):
                # Too large for a double. Still told from what grows from step to step: the steepness of a jump.
                middle = engine.middle(engine.combined(((1, number),), -_BEYOND, bits))
            if rounded is not None and (_agree(before, middle) or rounded == before == 0.0):
                return rounded, level
            before = middle
        return None

    def second(self, point: Mapping[str, Any], first: Entry, other: Entry) -> float:
        """A second derivative, by central differences of central differences; nan where it cannot be told."""
        one, two = one_entry(point, first), one_entry(point, other)
        for engine in self.engines:
            before = math.nan
            for bits, step in LEVELS:
                ends = [moved(point, one, sign, step) for sign in (1, -1)]
                corners = [moved(end, two, sign, step) for end in ends for sign in (1, -1)]
                a, b, c, d = (engine.evaluate(self.graph, corner, 2 * bits) for corner in corners)
                if a is None or b is None or c is None or d is None:
                    break
                scale = 2 * (step - 1) - exponent(point, first) - exponent(point, other)
                number = engine.combined(((1, a), (-1, b), (-1, c), (1, d)), scale, 2 * bits)
                middle, rounded = engine.middle(number), engine.rounded(number, bits)
                if rounded is not None and (_agree(before, middle) or rounded == before == 0.0):
                    return rounded
                before = middle
        return math.nan

    def _sides(
        self, engine: Engine, point: Mapping[str, Any], entry: Entry, level: int, middle: float
    ) -> tuple[float, float]:
        """The derivatives from the left and from the right, or twice the middle where they tend to the same."""
        left, right = self._slopes(engine, point, entry, LEVELS[level])
        gap = abs(left - right)
        if gap <= _SIDES * max(abs(left), abs(right)):
            return middle, middle
        # Each errs by its step times the second derivative: a gap that shrinks with the step is no kink.
        finer_left, finer_right = self._slopes(engine, point, entry, LEVELS[min(level + 1, len(LEVELS) - 1)])
        return (middle, middle) if abs(finer_left - finer_right) <= gap / 2 else (finer_left, finer_right)

    def _slopes(
        self, engine: Engine, point: Mapping[str, Any], entry: Entry, level: tuple[int, int]
    ) -> tuple[float, float]:
        """One-sided differences; nan where the point or its neighbour has no value."""
        bits, step = level
        here = engine.evaluate(self.graph, point, bits)
        direction = one_entry(point, entry)
        slopes = []
        for sign in (-1, 1):
            there = engine.evaluate(self.graph, moved(point, direction, sign, step), bits)
            if here is None or there is None:
                slopes.append(math.nan)
            else:
                terms = ((sign, there), (-sign, here))
                slopes.append(engine.middle(engine.combined(terms, step - exponent(point, entry), bits)))
        return slopes[0], slopes[1]

    def _from_inside(self, point: Mapping[str, Any], entry: Entry) -> Derivative:
        """At the end of a domain: the derivative from inside, infinite where differences grow without bound."""
        slopes = [self._slopes(self.engines[-1], point, entry, level) for level in LEVELS[:3]]
        sides = [_limit(iter(side)) for side in zip(*slopes, strict=True)]
        known = [slope for slope in sides if slope == slope]
        middle = known[0] if known and all(slope == known[0] for slope in known) else math.nan
        return Derivative(middle, *sides)


def _limit(numbers: Iterator[float]) -> float:
    """What three numbers tend to: 0 or infinity where they go by powers of the step; nan where it cannot be told."""
    a, b, c = numbers
    if _agree(b, c):
        return c
    if abs(c) > 64 * abs(b) > 4096 * abs(a) and a * c > 0:
        return math.copysign(math.inf, c)
    return 0.0 if 4096 * abs(c) < 64 * abs(b) < abs(a) else math.nan


def _agree(a: float, b: float, tolerance: float = _AGREE) -> bool:
    return a == b or abs(a - b) <= tolerance * max(abs(a), abs(b))


# Points.


def exponent(point: Mapping[str, Any], entry: Entry) -> int:
    """About the size of an entry, as a power of two; 0 of a 0, from which steps are absolute."""
    name, place = entry
    number = float(np.asarray(point[name])[place])
    return math.frexp(number)[1] if number else 0


def one_entry(point: Mapping[str, Any], entry: Entry) -> Direction:
    """The direction in which one entry goes as far as it is large."""
    return {entry: Fraction(2) ** exponent(point, entry)}


def _all_entries(point: Mapping[str, Any]) -> Direction:
    """The direction in which all real entries go, each as far as it is large."""
    reals = [name for name, value in point.items() if np.asarray(value).dtype.kind == "f"]
    entries = [(name, place) for name in reals for place in np.ndindex(np.shape(point[name]))]
    return {entry: step for entry in entries for step in one_entry(point, entry).values()}


def moved(inputs: Mapping[str, Any], direction: Direction, sign: int, step: int) -> dict[str, Any]:
    """The inputs, moved by 2**-step along a direction, exactly."""
    found = dict(inputs)
    small = Fraction(sign, 2**step)
    arrays: dict[str, Any] = {}
    for (name, place), far in direction.items():
        array = arrays.setdefault(name, np.array(inputs[name], object))
        array[place] = Fraction(array[place]) + small * far
    found.update((name, array[()]) for name, array in arrays.items())
    return found
