"""What benchmarks share: C by gcc, through ctypes, and the best of several runs."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def library(source: str, *more: str) -> Any:
    """The functions of a text in C, compiled for this processor; None, with a word, where gcc is missing."""
    gcc = shutil.which("gcc")
    if gcc is None:
        print("no gcc: C is left out")
        return None
    folder = Path(tempfile.mkdtemp())
    (folder / "rivals.c").write_text(source)
    options = ["-O3", "-march=native", *more, "-shared", "-fPIC", "-o", "rivals.so", "rivals.c", "-lm"]
    subprocess.run([gcc, *options], cwd=folder, check=True)
    found = ctypes.CDLL(str(folder / "rivals.so"))
    shutil.rmtree(folder)
    return found


def caller(found: Any, name: str, sizes: list[int], given: list[Any], wrt: list[int]) -> Callable[[], Any]:
    """A call of ``double name(long..., const double *..., double *...)``: its value, and what it writes, in arrays that
    it is given once. A number is passed as such.
    """
    function = getattr(found, name)
    results = [np.empty_like(given[place]) if np.ndim(given[place]) else np.empty(()) for place in wrt]
    arguments: list[Any] = [ctypes.c_long(size) for size in sizes]
    arguments += [ctypes.c_void_p(v.ctypes.data) if np.ndim(v) else ctypes.c_double(v) for v in given]
    arguments += [ctypes.c_void_p(result.ctypes.data) for result in results]
    function.restype = ctypes.c_double
    return lambda: (function(*arguments), results)


def race(calls: dict[str, Callable[[], Any]], rounds: int = 25) -> dict[str, float]:
    """Seconds a call, the best of rounds in which all take turns: a busy moment strikes all of them."""
    counts = {name: max(1, int(0.01 / max(1e-7, timeit.timeit(call, number=2) / 2))) for name, call in calls.items()}
    found = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            found[name] = min(found[name], timeit.timeit(call, number=counts[name]) / counts[name])
    return found
