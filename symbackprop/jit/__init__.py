"""Emitted modules to callables. The only place where Numba is imported, and then only when something is run on it."""

from symbackprop.jit.load import elementwise_loop, explained, load

__all__ = ["elementwise_loop", "explained", "load"]
