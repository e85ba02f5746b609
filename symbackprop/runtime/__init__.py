"""What runs a compiled program: the calling convention, and the function object that users hold."""

from symbackprop.runtime.direct import Direct, direct_route
from symbackprop.runtime.function import CompiledFunction

__all__ = ["CompiledFunction", "Direct", "direct_route"]
