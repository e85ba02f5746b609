"""Machine code called for many sets of arguments in one call: what a thread does of many small fits."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from symbackprop.emit.llvm import Assembly

_BLOCK = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4, ctypes.c_int64)


def block_text(assembly: Assembly) -> str:
    """The function ``name_block(in, shapes, out, status, count)``: `count` calls, each with the following slots.

    The code is not written out once more in its place, which would take LLVM as long again.
    """
    name = assembly.name
    lines = [
        f"define void @{name}_block(ptr %in, ptr %shapes, ptr %out, ptr %status, i64 %count) {{",
        "entry:",
        "  br label %head",
        "head:",
        "  %k = phi i64 [ 0, %entry ], [ %next, %turn ]",
        "  %more = icmp slt i64 %k, %count",
        "  br i1 %more, label %turn, label %end",
        "turn:",
    ]
    for array, size in zip(("in", "shapes", "out"), _sizes(assembly), strict=True):
        lines += [
            f"  %{array}_start = mul i64 %k, {size}",
            f"  %{array}_own = getelementptr i64, ptr %{array}, i64 %{array}_start",
        ]
    lines += [
        f"  %found = call i64 @{name}(ptr %in_own, ptr %shapes_own, ptr %out_own) noinline",
        "  %place = getelementptr i64, ptr %status, i64 %k",
        "  store i64 %found, ptr %place",
        "  %next = add i64 %k, 1",
        "  br label %head",
        "end:",
        "  ret void",
        "}",
    ]
    return "\n".join(lines)


def _sizes(assembly: Assembly) -> tuple[int, int, int]:
    """The slots of a call: arguments, extents, results."""
    parameters = assembly.parameters
    return len(parameters), sum(parameter.rank for parameter in parameters), len(assembly.results)


class InBlocks:
    """A function of a program over tables of slots, a row a call; all its results are arrays.

    An array stands in its slot by its address, and must be contiguous and of the program's type. Python's lock is
    released.
    """

    def __init__(self, assembly: Assembly, loaded: Any) -> None:
        self.assembly, self._loaded = assembly, loaded
        self._run = _BLOCK(loaded.address(f"{assembly.name}_block"))

    def __call__(self, inputs: Any, shapes: Any, results: Any) -> Any:
        """The status of each call: 0, or the number of an error from 1 on."""
        status = np.zeros(len(inputs), np.int64)
        tables = [np.ascontiguousarray(table) for table in (inputs, shapes, results)]
        self._run(*[table.ctypes.data for table in tables], status.ctypes.data, len(status))
        return status
