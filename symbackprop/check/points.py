"""Points at which gradients are checked: given by the user, or drawn where the value is real."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from symbackprop.errors import DomainError, UnboundSymbol
from symbackprop.frontend import Model
from symbackprop.ir import Graph
from symbackprop.ir.signature import Argument
from symbackprop.ops.contraction import BROADCAST, RESHAPE
from symbackprop.ops.extents import dimensions, measured
from symbackprop.ops.indexing import GATHER
from symbackprop.ops.leaves import INPUT

ATTEMPTS = 200
_INTERVALS = ((0.05, 0.95), (-1.0, 1.0), (1.05, 3.0))
# Lengths that no two dimensions of a small model share by chance.
_LENGTHS = (3, 2, 4, 5)

Point = dict[str, Any]
"""A number or an array for each input, by its identifier; without `args=` that is the symbol's name."""


def given(at: Any, arguments: Sequence[Argument]) -> list[Point]:
    """The points of `at=`. Raises UnboundSymbol where one misses an argument."""
    points = [at] if isinstance(at, Mapping) else list(at)
    result = []
    for one in points:
        point = {str(getattr(key, "name", key)): value for key, value in one.items()}
        missing = [argument.name for argument in arguments if argument.name not in point]
        if missing:
            told = ", ".join(point)
            raise UnboundSymbol(
                f"at= (AT of a model file) gives no value for {', '.join(map(repr, missing))}; it has {told}"
            )
        result.append({argument.name: _cast(argument, point[argument.name]) for argument in arguments})
    return result


def _cast(argument: Argument, value: Any) -> Any:
    if argument.dtype == "int":
        return np.asarray(value, np.int64)[()]
    return np.asarray(value, np.float64) if argument.shape else float(value)


def drawn(
    model: Model,
    samples: int,
    seed: int,
    accept: Callable[[Point], bool],
    *,
    wide: bool = False,
    attempts: int = ATTEMPTS,
    lengths: Mapping[str, int] | None = None,
) -> list[Point]:
    """Points from (0, 1), (-1, 1) or (1, 3), wherever they are accepted; [] where none is.

    With `wide`, every other one has magnitudes from 1e-9 to 1e3. Named axes are as long as `lengths` says, or short.
    """
    rng = np.random.default_rng(seed)
    arguments, lengths = model.arguments, lengths or small_lengths(model)
    limits = _limits(model.graph, lengths)
    points: list[Point] = []
    for attempt in range(attempts):
        # All symbols from one interval first; then each from one of its own.
        same = attempt % 4 < 3
        chosen = [attempt % 4] * len(arguments) if same else rng.integers(0, 3, len(arguments)).tolist()
        point: Point = {}
        for argument, k in zip(arguments, chosen, strict=True):
            draw = _magnitudes if wide and attempt % 2 else _uniform(_INTERVALS[k])
            point.update(_draw(rng, argument, lengths, limits, draw))
        if accept(point):
            points.append(point)
            if len(points) == samples:
                break
    return points


def none_found() -> DomainError:
    """What is said where `drawn` finds no point."""
    return DomainError(
        f"no point with a real, finite value was found in {ATTEMPTS} draws; give one: at={{...}}, or AT in a model file"
    )


def _uniform(interval: tuple[float, float]) -> Callable[[Any, int], Any]:
    return lambda rng, count: rng.uniform(*interval, count)


def _magnitudes(rng: Any, count: int) -> Any:
    return rng.choice([-1.0, 1.0], count) * 10 ** rng.uniform(-9, 3, count)


def _draw(
    rng: Any,
    argument: Argument,
    lengths: Mapping[str, int],
    limits: Mapping[str, int],
    draw: Callable[[Any, int], Any],
) -> Point:
    """A number or an array for every member of an argument."""
    if argument.dimension:
        return {argument.members[0]: lengths[argument.members[0]]}
    shape = tuple(measured(extent, lengths) for extent in argument.shape)
    if argument.dtype == "int":
        return {member: rng.integers(0, limits.get(member, 1), shape)[()] for member in argument.members}
    # Few digits, so that a point can be read and typed.
    size = int(np.prod(shape))
    found = {member: [float(f"{x:.4g}") for x in draw(rng, size)] for member in argument.members}
    return {member: np.array(entries).reshape(shape) if shape else entries[0] for member, entries in found.items()}


def small_lengths(model: Model) -> dict[str, int]:
    """A small length for every dimension, large enough for what the model reads."""
    names: dict[str, None] = {}
    for extents in [argument.shape for argument in model.arguments] + [(extent,) for extent, _, _ in model.at_least]:
        for extent in extents:
            names.update(dict.fromkeys(sorted(dimensions(extent))))
    names.update(dict.fromkeys(a.members[0] for a in model.arguments if a.dimension))
    for more in range(20):
        lengths = {name: _LENGTHS[k % len(_LENGTHS)] + more for k, name in enumerate(names)}
        if all(measured(extent, lengths) >= least for extent, least, _ in model.at_least):
            return lengths
    raise DomainError("no small lengths were found that the model allows; give a point with at={...}")


def _limits(graph: Graph, lengths: Mapping[str, int]) -> dict[str, int]:
    """The length of the axis that an integer input picks from."""
    limits: dict[str, int] = {}
    for node in graph.nodes:
        if node.op is GATHER:
            shape = graph.nodes[node.operands[0]].type.shape
            for operand, extent in zip(node.operands[1:], shape, strict=True):
                for name in _integer_inputs(graph, operand):
                    limits[name] = min(limits.get(name, 2**31), measured(extent, lengths))
    return limits


def _integer_inputs(graph: Graph, index: int) -> Iterable[str]:
    node = graph.nodes[index]
    while node.op in (BROADCAST, RESHAPE):
        node = graph.nodes[node.operands[0]]
    return [node.attributes] if node.op is INPUT else []
