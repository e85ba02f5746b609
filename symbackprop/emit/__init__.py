"""Emission: programs to the text of modules. It spells; all decisions are made before it."""

from symbackprop.emit.module import DIALECTS, MARK, Header, checked, emit

__all__ = ["DIALECTS", "MARK", "Header", "checked", "emit"]
