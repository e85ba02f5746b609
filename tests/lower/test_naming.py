"""No name, however hostile, reaches emitted code unsanitised; readable ones survive."""

from __future__ import annotations

import ast
import keyword
import unicodedata

import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import symbackprop as sb
from symbackprop.lower.naming import RESERVED, Namer, readable

HOSTILE = [
    "lambda",
    "np",
    "math",
    "value",
    "grad",
    "value_and_grad",
    "work",
    "i",
    "samples",
    "result",
    "v1",
    "x_bar",
    "None",
    "print",
    "match",
    "__import__",
    "_div",
    r"\theta_{1}",
    "x'",
    "α",
    "𝐱",
    "ﬁ",
    "x0; import os",
    "x\nimport os",
    '"""',
    "'; raise SystemExit; '",
    "a b",
    "1x",
    "",
    " ",
    "#",
    "\\",
    "\u202ereversed",
    "<script>",
    "x" * 500,
    "变量",
    "🙂",
]


@pytest.mark.parametrize("target", ["python", "numpy", "numba"])
@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_any_name_works_and_can_be_passed_by_it(name: str, target: str) -> None:
    symbol, other = sp.Symbol(name), sp.Symbol("x")
    expr = sp.sin(symbol) * other**2 / (1 + symbol**2) if name != "x" else symbol
    g = sb.compile_grad(expr, [symbol, other], args=[symbol, other], backend=target)
    tree = ast.parse(g.source)
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    assert all(found.isascii() and found.isidentifier() and not keyword.iskeyword(found) for found in names)
    hidden = {"Cf", "Cc", "Zl", "Zp"}
    assert not any(unicodedata.category(char) in hidden for char in g.source if char != "\n")
    assert not any(unicodedata.bidirectional(char) in ("R", "AL", "RLE", "RLO", "LRO") for char in g.source)
    assert all(len(line) < 300 for line in g.source.splitlines()[8:])
    if target != "numba":
        assert g(**{name: 0.5, "x": 2.0}) == g(0.5, 2.0)


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.lists(st.text(max_size=12), unique=True, min_size=2, max_size=6))
def test_identifiers_are_unique_whatever_the_names(names: list[str]) -> None:
    namer = Namer()
    found = [namer.allocate(name) for name in names]
    assert len(set(found)) == len(found)
    assert all(name.isascii() and name.isidentifier() and name not in RESERVED for name in found)


def test_readable_names_stay_readable() -> None:
    assert readable("learning_rate") == "learning_rate"
    assert readable(r"\alpha_{12}") == "alpha_12"
    assert readable("Δt") == "Deltat"
    assert readable("_x") == "x"


def test_dummies_of_one_name_need_positions() -> None:
    a, b = sp.Dummy("u"), sp.Dummy("u")
    with pytest.raises(sb.NameClash):
        sb.compile_grad(a * b, backend="python")
    g = sb.compile_grad(a * b**2, [a, b], args=[a, b], backend="python")
    assert g(2.0, 3.0) == [9.0, 12.0]
    with pytest.raises(sb.NameClash, match="by position"):
        g(u=1.0)
