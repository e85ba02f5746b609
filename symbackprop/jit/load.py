"""Emitted text to functions of this process.

The text stays attached: tracebacks show its lines, and `inspect.getsource` finds them. Numba is imported by the module
that is loaded, so that nothing here pays for it before a program of target numba is run.
"""

from __future__ import annotations

import hashlib
import linecache
from typing import Any

from symbackprop.emit import checked
from symbackprop.errors import JitError


def load(source: str) -> dict[str, Any]:
    """Check and run a module's text, and return its names. Raises JitError where its imports fail."""
    filename = _remembered(source)
    scope: dict[str, Any] = {"__name__": filename, "__file__": filename}
    try:
        exec(compile(checked(source), filename, "exec"), scope)
    except ImportError as error:
        raise JitError(f"the emitted module cannot be imported: {error}; install what it names") from error
    return scope


def _remembered(text: str) -> str:
    """The name of a text that runs here, under which tracebacks find its lines."""
    filename = f"<symbackprop {hashlib.sha256(text.encode()).hexdigest()[:16]}>"
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    return filename


def elementwise_loop(
    function: Any,
    arguments: list[bool],
    results: list[bool],
    values: int,
    derivative: bool,
    bare: tuple[bool, bool],
) -> Any:
    """A compiled loop that applies an emitted function to each entry of 1-D arrays.

    `arguments` says of each argument whether it is one scalar an entry (True) or an array that all entries share,
    `results` of each result whether it is a scalar; the first `values` of these are values, the others leaves of the
    derivative, and `bare` says whether each of the two groups comes without a tuple. The loop takes the length, the
    arguments, and an array for each result, to be filled.
    """
    from numba import njit

    names = [f"a{position}" for position in range(len(arguments))]
    outs = [f"out{position}" for position in range(len(results))]
    given = ", ".join(f"{name}[i]" if scalar else name for name, scalar in zip(names, arguments, strict=True))
    found = [f"r{position}" for position in range(len(results))]
    groups = [_target(found[:values], bare[0])]
    if derivative:
        groups.append(_target(found[values:], bare[1]))
    text = [
        f"def loop({', '.join(['n', *names, *outs])}):",
        "    for i in range(n):",
        f"        {', '.join(groups)} = function({given})",
        *[f"        {out}[i] = {name}" for out, name in zip(outs, found, strict=True)],
    ]
    scope = {"function": function}
    source = "\n".join(text)
    exec(compile(source, _remembered(source), "exec"), scope)
    return njit(error_model="numpy", nogil=True)(scope["loop"])


def _target(names: list[str], bare: bool) -> str:
    return names[0] if bare else f"({', '.join(names)}{',' * (len(names) == 1)})"


def explained(error: Exception) -> JitError | None:
    """A Numba failure as our own error; None for any other exception."""
    if not type(error).__module__.startswith(("numba.", "llvmlite.")):
        return None
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return JitError(f"Numba could not compile the emitted module: {first}; backend='numpy' runs the same program")
