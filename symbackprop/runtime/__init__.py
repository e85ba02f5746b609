"""What runs a compiled program: the calling convention, and the function object that users hold."""

from symbackprop.runtime.function import GradFunction

__all__ = ["GradFunction"]
