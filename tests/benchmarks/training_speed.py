"""Whole trainings beside JAX, PyTorch and NumPy by hand: microseconds a step, and seconds from a cold process.

    python tests/benchmarks/training_speed.py [moons] [digits] [large]

All start from the same parameters and see the same data; the last losses are compared before anything is said of time.
A step is that of the best of many trainings, the contenders taking turns, in one process and in one thread each. Then
each gets processes of its own: from the interpreter's start, through imports and compilation, to the last loss of one
training; a figure is the best of three. Bytecode is kept between these, as of installed packages, and machine code of
ours only where it says "from the cache".
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from typing import Any

import one_core  # noqa: F401  isort: skip
import numpy as np
import training_layers
import training_moons

CONTESTS: dict[str, Any] = {
    "moons": training_moons,
    "digits": training_layers.DIGITS,
    "large": training_layers.LARGE,
}
NEEDED = {"JAX, step": "optax", "JAX, epoch": "optax", "JAX, all": "optax", "JAX": "jax", "PyTorch": "torch"}
ROUNDS, SECONDS = 15, 20.0


def can_run(name: str) -> bool:
    package = next((package for start, package in NEEDED.items() if name.startswith(start)), "numpy")
    return importlib.util.find_spec(package) is not None


def steps_timed(contest: Any) -> dict[str, tuple[float, float]]:
    """Seconds of the best training by each, and its last loss."""
    trainings = {name: make() for name, make in contest.CONTENDERS.items() if can_run(name)}
    losses = {name: train() for name, train in trainings.items()}
    (reference, *_) = losses.values()
    for name, loss in losses.items():
        np.testing.assert_allclose(loss, reference, rtol=contest.RTOL, err_msg=name)
    best = dict.fromkeys(trainings, float("inf"))
    begin = time.perf_counter()
    for _ in range(ROUNDS):
        for name, train in trainings.items():
            start = time.perf_counter()
            train()
            best[name] = min(best[name], time.perf_counter() - start)
        if time.perf_counter() - begin > SECONDS:
            break
    return {name: (best[name], loss) for name, loss in losses.items()}


def cold(key: str, name: str, wanted: float) -> float:
    """Seconds of the best of three processes that do one training each."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, __file__, "--once", key, name], capture_output=True, text=True, check=True
        )
        times.append(time.perf_counter() - start)
        np.testing.assert_allclose(float(done.stdout), wanted, rtol=CONTESTS[key].RTOL, err_msg=name)
    return min(times)


def main(keys: list[str]) -> None:
    if keys[:1] == ["--once"]:
        print(repr(CONTESTS[keys[1]].CONTENDERS[keys[2]]()()))
        return
    for key in keys or CONTESTS:
        contest = CONTESTS[key]
        print(contest.TITLE, flush=True)
        with tempfile.TemporaryDirectory() as folder:
            # Machine code and bytecode, as who has trained before, or installed a package, has them.
            os.environ |= {"SYMBACKPROP_CACHE": f"{folder}/code", "PYTHONPYCACHEPREFIX": f"{folder}/bytecode"}
            os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
            found = steps_timed(contest)
            ours = found["ours, numba"][0]
            for name, (seconds, loss) in found.items():
                figures = f"{seconds / contest.STEPS * 1e6:8.1f} us a step, {seconds / ours:5.1f} times ours"
                print(f"  {name:<22}{figures}; cold {cold(key, name, loss):5.2f} s; loss {loss:.9f}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
