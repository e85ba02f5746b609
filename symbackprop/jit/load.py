"""Emitted text to functions of this process.

The text stays attached: tracebacks show its lines, and `inspect.getsource` finds them. Numba is imported by the module
that is loaded, so that nothing here pays for it before a program of target numba is run.
"""

from __future__ import annotations

import hashlib
import linecache
from typing import Any

from symbackprop.errors import JitError


def load(source: str) -> dict[str, Any]:
    """Run a module's text and return its names. Raises JitError where its imports fail."""
    filename = f"<symbackprop {hashlib.sha256(source.encode()).hexdigest()[:16]}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    scope: dict[str, Any] = {"__name__": filename, "__file__": filename}
    try:
        exec(compile(source, filename, "exec"), scope)
    except ImportError as error:
        raise JitError(f"the emitted module cannot be imported: {error}; install what it names") from error
    return scope


def elementwise_loop(scope: dict[str, Any], arguments: list[bool], leaves: list[bool], single: bool) -> Any:
    """A compiled loop that applies `value_and_grad` to each entry of 1-D arrays.

    `arguments` says of each argument whether it is one scalar an entry (True) or a packed array that all entries share;
    `leaves` whether each gradient leaf is a scalar or an array. The loop takes the length, the arguments, an array for
    the value and one for each leaf, the last two to be filled.
    """
    from numba import njit

    names = [f"a{position}" for position in range(len(arguments))]
    outs = [f"out{position}" for position in range(len(leaves))]
    given = ", ".join(f"{name}[i]" if scalar else name for name, scalar in zip(names, arguments, strict=True))
    gradient = [f"g{position}" for position in range(len(leaves))]
    unpacked = gradient[0] if single else f"({', '.join(gradient)}{',' if len(gradient) == 1 else ''})"
    lines = [
        f"def loop({', '.join(['n', *names, 'value', *outs])}):",
        "    for i in range(n):",
        f"        value[i], {unpacked} = value_and_grad({given})" if gradient else f"        value[i] = value_({given})",
        *[f"        {out}[i] = {name}" for out, name in zip(outs, gradient, strict=True)],
    ]
    inner = {"value_and_grad": scope["value_and_grad"], "value_": scope["value"]}
    exec(compile("\n".join(lines), "<symbackprop elementwise>", "exec"), inner)
    return njit(error_model="numpy", nogil=True)(inner["loop"])


def explained(error: Exception) -> JitError | None:
    """A Numba failure as our own error; None for any other exception."""
    if not type(error).__module__.startswith(("numba.", "llvmlite.")):
        return None
    first = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
    return JitError(f"Numba could not compile the emitted module: {first}; backend='numpy' runs the same program")
