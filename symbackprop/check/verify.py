"""Whether an emitted module computes what its model says: its text is executed, and held against the oracle.

Nothing of the compiler but the front end takes part in what is expected: values and their differences come from the
model's graph as it was written. A gradient is held against differences along a random direction, in which every entry
takes part, and a few of its entries, chosen at random, against their own.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any, NoReturn

import numpy as np

from symbackprop.check.execute import executed, interpreted
from symbackprop.check.gradient import entries_of
from symbackprop.check.oracle import Entry, Oracle, one_entry
from symbackprop.check.points import ATTEMPTS, Point, drawn, small_lengths
from symbackprop.check.rounding import operations
from symbackprop.compiler import Compiled, Request
from symbackprop.errors import DomainError, EmitError
from symbackprop.frontend import Model, read_model, split_cse
from symbackprop.ir.signature import Argument
from symbackprop.ops.extents import measured, product


@dataclass(frozen=True, slots=True)
class Depth:
    """How much is verified: at how many points, of how large a model, by how many operations in all."""

    points: int
    largest: float
    budget: float
    attempts: int
    wide: bool


# A ball takes 1 to 2 us an operation, a number of mpmath 6: quick took 0.3 s for 2,200 operations (half of it reading
# the model and the text again), and 0.7 s without python-flint.
DEPTHS = {
    "quick": Depth(3, 20_000, 80_000, 40, False),
    "full": Depth(10, math.inf, math.inf, ATTEMPTS, True),
}
VERIFICATIONS = (*DEPTHS, "none")
"""What `verify=` may be."""
_MOST_ENTRIES = 8
# A wrong derivative is off by its own size. Of 16 digits (of 7) these leave 10 (4) to cancellation; see `_explained`.
_TOLERANCE = {"float64": 1e-6, "float32": 1e-3}
# All numbers on the way are between these and their inverses, so that no product of two leaves the range of doubles.
_MODERATE = {"float64": 1e150, "float32": 1e18}
_CANNOT = "Not verified when written: "


def verified(request: Request, compiled: Compiled, level: str) -> str:
    """What the header of a module says of its verification: "quick" or "full".

    Raises EmitError where the module's value or gradient is not that of the model.
    """
    depth = DEPTHS[level]
    too_many = f"{_CANNOT}more than {depth.largest:.0f} operations; see --verify full."
    if compiled.stats["operations"]["value"] > depth.largest:
        return too_many
    let, body = split_cse(request.expr)
    with warnings.catch_warnings():
        # What there is to warn of was said when the model was compiled.
        warnings.simplefilter("ignore")
        model = read_model(body, request.wrt, request.args, request.batch, let, request.shapes)
    try:
        lengths = small_lengths(model)
    except DomainError as error:
        return f"{_CANNOT}{error}."
    size = operations(model.graph, lengths) + sum(_numbers_in(argument, lengths) for argument in model.arguments)
    if size > depth.largest:
        return too_many
    oracle, dtype = Oracle(model.graph), request.options.dtype
    accept = partial(_is_moderate, oracle, dtype)
    points = drawn(model, depth.points, 0, accept, wide=depth.wide, attempts=depth.attempts)
    points = [_of_type(point, dtype) for point in points]
    if not points:
        return (
            f"{_CANNOT}no point with a real value of moderate size was found, or a function has no mpmath= reference."
        )
    # A point is found by one evaluation; the value takes one, a direction or an entry 4.
    spare = depth.budget // size // len(points) - 6 if math.isfinite(depth.budget) else math.inf
    entries = min(_MOST_ENTRIES, max(0, spare // 4)) if math.isfinite(spare) else math.inf
    return _Verification(model, request, compiled, oracle, entries).at(points)


def _numbers_in(argument: Argument, lengths: Mapping[str, int]) -> int:
    return measured(product(argument.shape), lengths) * len(argument.members)


def _is_moderate(oracle: Oracle, dtype: str, point: Point) -> bool:
    """Whether the value is real, and neither it nor anything on the way is very large or small."""
    sizes, most = oracle.sizes(_of_type(point, dtype)), _MODERATE[dtype]
    return (
        sizes is not None
        and all(1 / most < size < most for size in sizes)
        and math.isfinite(oracle.roughly(_of_type(point, dtype)))
    )


def _of_type(point: Point, dtype: str) -> Point:
    """The point, rounded to the type in which the module computes."""
    if dtype == "float64":
        return point
    reals = {name: x for name, x in point.items() if np.asarray(x).dtype.kind == "f"}
    rounded = {name: np.asarray(x, dtype).astype(np.float64) for name, x in reals.items()}
    return {**point, **{name: x if x.ndim else float(x) for name, x in rounded.items()}}


@dataclass(frozen=True, slots=True)
class _Number:
    """Our derivative in an entry, at the samples that it is the sum over."""

    entry: Entry
    ours: float
    samples: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class _Result:
    """Our value, the sum over some samples times a scale, and our derivatives."""

    samples: tuple[Point, ...]
    scale: Fraction
    value: float
    numbers: tuple[_Number, ...]


@dataclass(frozen=True, slots=True)
class _Verification:
    """A model and the module that was emitted for it."""

    model: Model
    request: Request
    compiled: Compiled
    oracle: Oracle
    entries: float

    def at(self, points: list[Point]) -> str:
        """What was verified. Raises EmitError where something is wrong."""
        options = self.request.options
        function = executed(self.compiled.source, options.target)[self.compiled.signature.value_and]
        groups = [self._samples(points)] if self.model.batched else [[point] for point in points]
        done = sum(len(group) for group in groups if self._holds(function, group))
        if not done:
            return f"{_CANNOT}Python raises at every point that was tried."
        what, against = "value", "the value"
        if self.model.wrt:
            what, against = "value and gradient", "differences of the value"
        among = "sample" if self.model.batched else "point"
        digits = f"{self._tolerance:.0e}".replace("e-0", "e-")
        return (
            f"Verified when written: {what} at {done} {among}{'s' * (done > 1)}, to {digits} beyond rounding, against"
            f" {against} in arbitrary precision."
        )

    # What the module says.

    def _results(self, function: Callable[..., Any], samples: list[Point], move: float = 0.0) -> list[_Result]:
        """What the module returns at samples of a batch, or at one point, moved by so many units in the last place."""
        if move:
            unit = float(np.finfo(self.request.options.dtype).eps)
            samples = self._shared([_nudged(sample, move * unit, k) for k, sample in enumerate(samples)])
        inputs = [self._argument(argument, samples) for argument in self.compiled.signature.arguments]
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value, leaves = function(*inputs)
        arrays = [np.asarray(a, np.float64) for a in ([leaves] if self.model.structure.kind == "leaf" else leaves)]
        if self.model.batched and self.request.options.reduce is None:
            values, *whole = (np.broadcast_to(a, (len(samples), *np.shape(a)[1:])) for a in (value, *arrays))
            return [
                _Result((sample,), Fraction(1), float(values[k]), self._entries([a[k] for a in whole], [sample]))
                for k, sample in enumerate(samples)
            ]
        scale = Fraction(1, len(samples)) if self.request.options.reduce == "mean" else Fraction(1)
        return [_Result(tuple(samples), scale, float(value), self._entries(arrays, samples))]

    def _samples(self, points: list[Point]) -> list[Point]:
        """Points as samples of one batch, as far as the model has a value there."""
        dtype = self.request.options.dtype
        return [sample for sample in self._shared(points) if _is_moderate(self.oracle, dtype, sample)]

    def _shared(self, points: list[Point]) -> list[Point]:
        """Points that agree in what the samples of a batch share."""
        if not self.model.batched:
            return points
        shared = {m: points[0][m] for a in self.model.arguments if not a.batched for m in a.members}
        return [{**point, **shared} for point in points]

    def _argument(self, argument: Argument, samples: list[Point]) -> Any:
        """An argument as the emitted functions take it."""
        each = [[sample[member] for member in argument.members] for sample in samples]
        values: list[Any] = [own if argument.packed else own[0] for own in each]
        value: Any = values if argument.batched else values[0]
        if argument.dimension:
            return int(value)
        if not np.ndim(value):
            return value.item() if isinstance(value, np.generic) else value
        array = np.asarray(value, np.int64 if argument.dtype == "int" else self.request.options.dtype)
        return array.tolist() if self.request.options.target == "python" else array

    def _entries(self, arrays: list[Any], samples: list[Point]) -> tuple[_Number, ...]:
        """The numbers of all leaves; in an input that carries samples, each is a derivative at its own."""
        in_batch = {m for a in self.model.arguments if a.batched for m in a.members}
        numbers: list[_Number] = []
        for variable, array in zip(self.model.wrt, arrays, strict=True):
            own = not in_batch.isdisjoint(variable.members) and len(samples) > 1
            parts = [(array[k], (s,)) for k, s in enumerate(samples)] if own else [(array, tuple(samples))]
            for part, at in parts:
                entries = entries_of(variable, np.shape(part))
                numbers += [_Number(e, float(x), at) for e, x in zip(entries, np.ravel(part), strict=True)]
        return tuple(numbers)

    # Whether it is true.

    def _holds(self, function: Callable[..., Any], samples: list[Point]) -> bool:
        """Whether the module could be run there, and is right. Raises EmitError where it is wrong."""
        options = self.request.options
        try:
            results = self._results(function, samples)
        except (ArithmeticError, ValueError, TypeError) as error:
            # Python raises, or has complex powers, where compiled code has nan or infinity; some raise at kinks.
            if options.target == "numba" or options.kinks == "raise":
                return False
            raise EmitError(f"the emitted module raises {error!r} where its model has a value{_ADVICE}") from error
        for k, result in enumerate(results):
            self._check(result, _Again(self, function, samples, k))
        return True

    def _check(self, result: _Result, again: _Again) -> None:
        exact = _sum(result, [self.oracle.value(sample) for sample in result.samples])
        if self._misses(result, result.value, exact) and not again.explains(_value_of, result.value, exact):
            self._refuse("value", result.samples, result.value, exact)
        rng, every = np.random.default_rng(0), range(len(result.numbers))
        count = int(min(self.entries, len(every)))
        suspects = []
        for k in sorted(int(k) for k in rng.choice(len(every), count, replace=False)) if count else []:
            if self._misses(result, result.numbers[k].ours, self._slope(result, k)):
                suspects.append(k)
        if count < len(every):
            # Lengths of 4/8 to 8/8, and signs.
            direction = [Fraction(int(k), 8) for k in rng.integers(4, 9, len(every)) * rng.choice([-1, 1], len(every))]
            ours, exact = _along(direction, result), self._exact_along(direction, result)
            largest = max(abs(number.ours) for number in result.numbers)
            wrong = math.isfinite(exact) and not abs(ours - exact) <= self._tolerance * max(abs(exact), largest)
            if wrong and not again.explains(partial(_along, direction), ours, exact):
                suspects = list(every)
        for k in suspects:
            self._confirm(result, k, again)

    @property
    def _tolerance(self) -> float:
        return _TOLERANCE[self.request.options.dtype]

    def _misses(self, result: _Result, ours: float, exact: float) -> bool:
        # What is this far below the largest number of a result is lost in the rounding of what they share.
        largest = max([abs(result.value), *(abs(number.ours) for number in result.numbers)])
        least = 64 * float(np.finfo(self.request.options.dtype).eps) * largest
        allowed = max(self._tolerance * abs(exact), least if math.isfinite(least) else 0.0)
        return math.isfinite(exact) and not abs(ours - exact) <= allowed

    def _slope(self, result: _Result, k: int) -> float:
        """The exact derivative of a result in its k-th entry."""
        number = result.numbers[k]
        slopes = []
        for sample in number.samples:
            direction = one_entry(sample, number.entry)
            slopes.append(self.oracle.along(sample, direction) / float(direction[number.entry]))
        return _sum(result, slopes)

    def _exact_along(self, direction: Sequence[Fraction], result: _Result) -> float:
        by_sample: list[dict[Entry, Fraction]] = [{} for _ in result.samples]
        for number, far in zip(result.numbers, direction, strict=True):
            for sample, entries in zip(result.samples, by_sample, strict=True):
                if any(sample is own for own in number.samples):
                    entries[number.entry] = far
        return _sum(result, [self.oracle.along(*pair) for pair in zip(result.samples, by_sample, strict=True)])

    def _confirm(self, result: _Result, k: int, again: _Again) -> None:
        """Refuse the k-th entry, unless its derivative has a kink there or rounding explains what it is."""
        number = result.numbers[k]
        slopes = [self.oracle.derivative(sample, number.entry) for sample in number.samples]
        if any(slope.is_kink for slope in slopes):
            return
        exact = _sum(result, [slope.middle for slope in slopes])
        misses = self._misses(result, number.ours, exact)
        if misses and not again.explains(lambda other: other.numbers[k].ours, number.ours, exact):
            name, place = number.entry
            self._refuse(f"d/d{name}" + (str(list(place)) if place else ""), number.samples, number.ours, exact)

    def _refuse(self, what: str, samples: Sequence[Point], ours: float, exact: float) -> NoReturn:
        point = "; ".join(
            ", ".join(f"{name} = {np.asarray(x).tolist()!r}" for name, x in sample.items()) for sample in samples
        )
        raise EmitError(
            f"the emitted module is wrong: {what} at {point} is {ours!r} where differences of the value give"
            f" {exact!r}{_ADVICE}"
        )


_ADVICE = (
    "; nothing was written. Look at the partials of functions that you registered; if there are none, this is a mistake"
    " of the compiler, please report it. verify='none' (--verify none) emits all the same"
)


def _sum(result: _Result, numbers: list[float]) -> float:
    return float(result.scale) * math.fsum(numbers) if all(map(math.isfinite, numbers)) else math.nan


def _along(direction: Sequence[Fraction], result: _Result) -> float:
    """Our derivative along a direction."""
    terms = [number.ours * float(far) for number, far in zip(result.numbers, direction, strict=True)]
    return math.fsum(terms) if all(map(math.isfinite, terms)) else math.nan


def _value_of(result: _Result) -> float:
    return result.value


@dataclass(frozen=True, slots=True)
class _Again:
    """The k-th result once more: at inputs beside these, or by the graph that the module was made of."""

    verification: _Verification
    function: Callable[..., Any]
    samples: list[Point]
    k: int

    def explains(self, part: Callable[[_Result], float], ours: float, exact: float) -> bool:
        """Whether rounding explains how far a number is from the truth.

        Either it scatters as far when its inputs move by a few units in the last place: it is ill-conditioned, or its
        computation cancels, where a wrong formula does not scatter. Or its formula is right in 256 bits, and in the
        module's own precision gives what the module gives.
        """
        dtype = self.verification.request.options.dtype
        try:
            moved = [part(self._result(self.function, move)) for move in (-4, -3, -2, -1, 1, 2, 3, 4)]
            if abs(ours - exact) <= 32 * (max(ours, *moved) - min(ours, *moved)):
                return True
            fine, coarse = (
                part(self._result(interpreted(self.verification.compiled, bits)))
                for bits in (256, None if dtype == "float64" else 24)
            )
        except (ArithmeticError, ValueError, TypeError, NotImplementedError):
            return False
        right = abs(fine - exact) <= _TOLERANCE[dtype] * abs(exact)
        alike = abs(ours - coarse) <= 1e-3 * abs(ours - exact) or not (math.isfinite(ours) or math.isfinite(coarse))
        return right and alike

    def _result(self, function: Callable[..., Any], move: float = 0.0) -> _Result:
        return self.verification._results(function, self.samples, move)[self.k]


def _nudged(point: Point, move: float, seed: int) -> Point:
    """A point whose numbers are moved by up to so much of their size, each by its own."""
    rng = np.random.default_rng(seed)
    found = dict(point)
    for name, x in point.items():
        array = np.asarray(x)
        if array.dtype.kind == "f":
            array = array * (1 + move * rng.uniform(0.5, 1.0, array.shape))
            found[name] = array if array.ndim else float(array)
    return found
