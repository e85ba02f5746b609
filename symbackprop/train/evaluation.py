"""Compiled functions beside the loop: losses and metrics of whole data, and the gradient for SciPy."""

from __future__ import annotations

from symbackprop.compiler import Request, compile_request
from symbackprop.runtime import CompiledFunction, direct_route


def compiled_function(request: Request) -> CompiledFunction:
    """The function of a request, on its backend."""
    made, options = compile_request(request), request.options
    direct = direct_route(made.program, made.signature, options)
    title = request.name or ""
    return CompiledFunction(
        lambda: made.source, made.signature, options.target, options.dtype, made.stats, title, None, direct
    )
