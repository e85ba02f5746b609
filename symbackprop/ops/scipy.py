"""SciPy's modules, imported when something first asks for one of their functions.

They take 0.3 of the second that importing the package took, and a model of elementary functions needs none of them.
"""

from __future__ import annotations

import importlib
from typing import Any


class _Later:
    """A module that is imported when it is used."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(importlib.import_module(self._name), name)


special: Any = _Later("scipy.special")
linalg: Any = _Later("scipy.linalg")
