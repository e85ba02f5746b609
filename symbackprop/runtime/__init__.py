"""What runs a compiled program: the calling convention, and the function object that users hold."""

from symbackprop.runtime.blocks import Blocks
from symbackprop.runtime.direct import Direct, direct_route
from symbackprop.runtime.function import CompiledFunction

__all__ = ["Blocks", "CompiledFunction", "Direct", "direct_route"]
