"""What a call costs at a point: measured, beside what the counts of operations and bytes let one expect.

Nothing is measured unless it is asked for: a time depends on the machine and on who else uses it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from symbackprop.compiler import Request, compile_request
from symbackprop.ops.extents import Extent, dimensions, measured
from symbackprop.show.numbers import duration
from symbackprop.show.tables import Cell, Table, Tabled
from symbackprop.statistics import additions, applications, bytes_moved

_SECONDS, _ROUNDS = 0.02, 7
"""A round of calls takes so long, and there are so many: the best of them is the figure."""
_ADDITION = 0.25e-9
"""An addition of one number; the scale of the rows' costs, see `ops.row`."""
_LANES = 8
"""So many additions are done at once in a register of AVX-512; where a program has arrays, most are."""
_NUMPY = 0.4e-9
"""An addition of one entry by NumPy, whose elementary functions run in lanes (batches of 100,000: 0.33 to 0.44 ns)."""
_INTERPRETED = 25e-9
"""One operation of Python's interpreter (Rosenbrock's function in 100 variables: 17 ns; in loops 30). On five models
and three backends the estimates were between 0.5 and 1.3 times what was measured where a call took more than 20 us,
NumPy's calls aside."""
_SMALLEST = 4096
CALLS = "calls and new memory"


@dataclass(frozen=True, slots=True, repr=False)
class Measurement(Tabled):
    """Seconds a call of the value (``value``) and of value and derivative (``both``), the best of several rounds.

    ``computing`` is what the operations at this point would take at the rates above, ``moving`` what their bytes would,
    at the speed at which this machine copied as many bytes just now; ``calling`` is the rest: the door, dispatch, calls
    of the library, the interpreter, new memory for results. ``limit`` names the largest. ``load`` is the machine's
    load, on so many ``cores``.
    """

    backend: str
    route: str
    value: float
    both: float
    operations: int
    bytes_moved: int
    computing: float
    moving: float
    calling: float
    limit: str
    load: float
    cores: int

    @property
    def estimated(self) -> float:
        """Seconds that operations and bytes explain: the longer of the two, which run at once."""
        return max(self.computing, self.moving)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "estimated": self.estimated, "caveat": self.caveat}

    @property
    def caveat(self) -> str:
        busy = " - it is busy, and times are too long" if self.load > self.cores / 2 else ""
        return f"best of {_ROUNDS} rounds; the machine's load was {self.load:.1f} on {self.cores} cores{busy}"

    @property
    def table(self) -> Table:
        ratio = self.both / self.value
        rows = [
            ("value, measured", duration(self.value), ""),
            ("value and derivative, measured", duration(self.both), f"{ratio:.2f} times the value"),
            ("computing, estimated", duration(self.computing), f"{self.operations} operations in additions"),
            ("moving, estimated", duration(self.moving), f"about {self.bytes_moved} bytes"),
            ("calling, the rest", duration(self.calling), "checks, dispatch, calls, memory for results"),
            ("limited by", self.limit, ""),
        ]
        title = f"A call on backend {self.backend} ({self.route}): {self.caveat}"
        return Table(title, ("what", "time", "by"), [tuple(map(Cell, row)) for row in rows])


def measurement(
    request: Request,
    route: str,
    value: Callable[[], Any],
    both: Callable[[], Any],
    lengths: Mapping[str, int],
    entries: int,
) -> Measurement:
    """Time two calls at a point, and hold them against the counts there. `lengths` are those of named axes; `entries`
    is how many points an array in the place of a number makes of one.
    """
    compiled = compile_request(request)
    target, dtype = request.options.target, np.dtype(request.options.dtype)

    def at(extent: Extent) -> int:
        return entries * measured(extent, {name: lengths.get(name, 1) for name in dimensions(extent)})

    operations = at(additions(compiled.graph))
    moved = at(bytes_moved(compiled.program(compiled.signature.main), compiled.signature, dtype.itemsize))
    if entries > 1:
        # Each argument and each result is an array.
        numbers = len(compiled.signature.arguments) + len(compiled.signature.leaves) + compiled.signature.value_count
        moved += entries * numbers * dtype.itemsize
    arrays = entries > 1 or any(node.type.shape for node in compiled.graph.nodes)
    if target == "python":
        computing = at(applications(compiled.graph)) * _INTERPRETED
    else:
        computing = operations * (_NUMPY if target == "numpy" else _ADDITION / (_LANES if arrays else 1))
    alone, together = best(value), best(both)
    moving = moved / _bandwidth(moved) if moved >= _SMALLEST else 0.0
    calling = max(together - max(computing, moving), 0.0)
    parts = {"computing": computing, "memory": moving, CALLS: calling}
    return Measurement(
        target,
        route,
        alone,
        together,
        operations,
        moved,
        computing,
        moving,
        calling,
        max(parts, key=parts.__getitem__),
        os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan"),
        os.cpu_count() or 1,
    )


def best(call: Callable[[], Any]) -> float:
    """Seconds a call, at its best; the first calls, which compile, do not count."""
    call()
    count, elapsed = 1, _elapsed(call, 1)
    while elapsed < _SECONDS:
        count *= 2 if elapsed > _SECONDS / 4 else 4
        elapsed = _elapsed(call, count)
    return min(_elapsed(call, count) for _ in range(_ROUNDS)) / count


def _elapsed(call: Callable[[], Any], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        call()
    return time.perf_counter() - start


def _bandwidth(size: int) -> float:
    """Bytes a second that go through memory, or the cache that holds so many, in a copy."""
    source = np.zeros(max(size // 16, 1))
    target = np.empty_like(source)
    return 2 * source.nbytes / best(lambda: np.copyto(target, source))
