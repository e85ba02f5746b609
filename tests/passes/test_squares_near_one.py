"""(1 + x)**2 - 1, alone and under a root, near x = 0 and near x = -2: the only power that lost digits there."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
import sympy as sp

_path = Path(__file__).with_name("accuracy.py")
_spec = importlib.util.spec_from_file_location("accuracy", _path)
assert _spec is not None and _spec.loader is not None
accuracy = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(accuracy)

x = sp.Symbol("x", real=True)
y = sp.Symbol("y", positive=True)
FORMS = {
    "growth": ((1 + x) ** 2 - 1, (-1e-12, 1e-6, 0.3, -2 + 1e-9, -1.0)),
    "shell": (y * ((1 + x * y) ** 2 - 1), (-1e-12, 1e-6, 0.3)),
    "loss": (1 - (1 - x) ** 2, (-1e-12, 1e-6, 0.3, 2 - 1e-9)),
    "half chord": (sp.sqrt(1 - (1 - x) ** 2), (1e-12, 1e-6, 0.3)),
    "slowness": (1 / sp.sqrt(1 - (1 - x) ** 2) - 1, (1e-12, 1e-6, 0.3)),
    "acosh": (sp.log(1 + x + sp.sqrt((1 + x) ** 2 - 1)), (1e-12, 1e-6, 0.3)),
    "beside others": (((1 + x) ** 2 - 1) / (x + 3), (1e-12, 1e-6, 0.3)),
}


@pytest.mark.parametrize("name", FORMS)
def test_near_one(name: str) -> None:
    """The value at 1e-6 was off by 8e-11, the root at 1e-12 by 1e-5."""
    expr, points = FORMS[name]
    others = {y: 1.7} if expr.has(y) else {}
    accuracy.assert_right_at(expr, [{x: point, **others} for point in points], "numpy")
