"""What runs a compiled program: the calling convention, and the function object that users hold."""

from symbackprop.runtime.function import CompiledFunction

__all__ = ["CompiledFunction"]
