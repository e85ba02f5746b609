"""Points that a search found, at which naive code is wrong or not finite: right here, on every backend.

The table is written by tests/benchmarks/search_failures.py, with the truth to the last bit and the condition of each
number. Right is within 4 ulp, or within 8*n*kappa*2**-53 of a model of n operations where the condition kappa is more.
"""

from __future__ import annotations

import importlib.util
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sympy as sp

from symbackprop import compile_grad, compile_jacobian
from symbackprop.check.rounding import EPSILON, operations, ulps
from symbackprop.frontend import read_model

HERE = Path(__file__).resolve().parent
_spec = importlib.util.spec_from_file_location("forms", HERE / "forms.py")
assert _spec is not None and _spec.loader is not None
_forms = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_forms)
FORMS: dict[str, Any] = {name: expr for family in _forms.FORMS.values() for name, expr in family.items()}
TABLE: dict[str, list[dict[str, Any]]] = json.loads((HERE / "hard_points.json").read_text(encoding="utf-8"))

# What is not right, and why. A form that becomes right has to leave this table.
KNOWN = {
    "asinh(x)-log(2x)": "two logarithms of large numbers, whose arguments have no term in common",
    "logistic growth": "1 + (q - 1)*exp(-x) cancels near q = 0, x = 0, and so does its derivative in q for large q",
    "x*exp(x**2)*erfc(x)": "the product of x and erfcx(x) tends to a constant, and its derivative cancels",
    "Lennard-Jones": "powers that overflow where their reciprocals are denormal",
    "tanh(20+x)": "the rounding of 20 + x, which no later operation can take back: 7 ulp",
}
PER_MODULE = 16


def symbols_of(name: str) -> list[Any]:
    return sorted(FORMS[name].free_symbols, key=lambda symbol: symbol.name)


def wrong(name: str, point: dict[str, Any], got: list[float]) -> Iterator[str]:
    """What is further from the truth than it may be."""
    count = operations(read_model(FORMS[name], symbols_of(name), None, None, ()).graph, {})
    for what, ours, truth in zip(["value", *point["at"]], got, point["truth"], strict=True):
        exact = float.fromhex(truth["exact"])
        allowed = 8 * count * truth["kappa"] * EPSILON * abs(exact)
        if ulps(ours, exact) > 4 and not abs(ours - exact) <= allowed:
            yield f"{what} at {point['at']}: {ours!r} and not {exact!r}, {ulps(ours, exact):.3g} ulp"


def test_there_are_enough_points() -> None:
    assert sum(map(len, TABLE.values())) >= 300
    assert all(name in FORMS for name in TABLE)


@pytest.mark.parametrize("name", TABLE)
def test_value_and_gradient(name: str) -> None:
    symbols, failed = symbols_of(name), []
    for backend in ("numpy", "python"):
        try:
            function = compile_grad(FORMS[name], symbols, args=symbols, backend=backend)
        except Exception as error:
            if backend == "python" and "target 'python' cannot compute" in str(error):
                continue
            raise
        for point in TABLE[name]:
            value, gradient = function.value_and_grad(*point["at"].values())
            failed += [f"{backend} {w}" for w in wrong(name, point, [float(value), *map(float, gradient)])]
    if name in KNOWN:
        assert failed, f"{name} is right now: take it out of KNOWN"
        pytest.skip(KNOWN[name])
    assert not failed, "\n".join(failed)


def modules() -> list[list[str]]:
    """Forms in the same symbols, a few to a module: Numba compiles for a second whatever the size."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for name in TABLE:
        if name not in KNOWN:
            groups.setdefault(tuple(map(str, symbols_of(name))), []).append(name)
    return [names[k : k + PER_MODULE] for names in groups.values() for k in range(0, len(names), PER_MODULE)]


@pytest.mark.parametrize("names", modules(), ids=lambda names: names[0])
def test_numba(names: list[str]) -> None:
    symbols = symbols_of(names[0])
    function = compile_jacobian([FORMS[name] for name in names], symbols, args=symbols, backend="numba")
    failed = []
    for row, name in enumerate(names):
        for point in TABLE[name]:
            values, jacobian = function.value_and_derivative(*point["at"].values())
            failed += [f"{name}: {w}" for w in wrong(name, point, [float(values[row]), *map(float, jacobian[row])])]
    assert not failed, "\n".join(failed)


def test_the_criterion_can_fail() -> None:
    name, (point, *_) = next(iter(TABLE.items()))
    exact = [float.fromhex(truth["exact"]) for truth in point["truth"]]
    assert not list(wrong(name, point, exact))
    assert list(wrong(name, point, [exact[0], exact[1] * (1 + 1e-10)]))
    assert list(wrong(name, point, [math.nan, exact[1]]))


def test_the_forms_are_real() -> None:
    assert all(symbol.is_real for expr in FORMS.values() for symbol in sp.sympify(expr).free_symbols)
