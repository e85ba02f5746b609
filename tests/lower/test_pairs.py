"""Sines beside cosines, on programs that a wrong answer would be told by."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb
from symbackprop.lower.pairs import COS, SIN, pair, paired
from symbackprop.lower.program import Apply, Assign, Expr, For, Function, Item, Literal, Ref, Statement
from symbackprop.ops import REGISTRY

MUL, SELECT, LT = (REGISTRY[name] for name in ("mul", "select", "lt"))
x, y, z, w = (Ref(name) for name in "xyzw")
FIRST = Item("p", (Literal(0),))


def sin(of: Expr) -> Apply:
    return Apply(SIN, (of,))


def cos(of: Expr) -> Apply:
    return Apply(COS, (of,))


def after(*body: Statement) -> list[Statement]:
    return paired(Function("f", ["x", "p"], list(body), [z])).body


def moved(body: list[Statement]) -> list[int]:
    """Where two stand beside each other."""
    return [position for position in range(len(body) - 1) if pair(body[position], body[position + 1])]


@pytest.mark.parametrize("first", [sin, cos])
@pytest.mark.parametrize("of", [x, FIRST])
def test_the_later_one_comes_to_the_earlier_one(first: object, of: Expr) -> None:
    one, other = (sin, cos) if first is sin else (cos, sin)
    body = after(Assign(y, one(of)), Assign(w, Apply(MUL, (y, y))), Assign(z, Apply(MUL, (w, other(of)))))
    assert len(body) == 5
    assert moved(body) == [0]
    assert body[2] == Assign(y, Ref(f"{one(of).op.name}.0"))
    assert body[4] == Assign(z, Apply(MUL, (w, Ref(f"{other(of).op.name}.1"))))


def test_two_in_one_statement_and_one_used_twice() -> None:
    body = after(Assign(y, Apply(MUL, (sin(x), cos(x)))), Assign(z, Apply(MUL, (y, cos(x)))))
    assert moved(body) == [0]
    assert body[2:] == [Assign(y, Apply(MUL, (Ref("sin.0"), Ref("cos.1")))), Assign(z, Apply(MUL, (y, Ref("cos.1"))))]


UNMOVED: dict[str, tuple[Statement, ...]] = {
    "of two numbers": (Assign(y, sin(x)), Assign(z, cos(y))),
    "one alone": (Assign(y, sin(x)), Assign(z, sin(x))),
    "in an arm that may not be taken": (
        Assign(y, Apply(SELECT, (Apply(LT, (x, Literal(1))), sin(x), Literal(0)))),
        Assign(z, cos(x)),
    ),
    "of an entry that is written": (Assign(y, sin(FIRST)), Assign(FIRST, y), Assign(z, cos(FIRST))),
    "beside a loop": (Assign(y, sin(x)), For("i", Literal(3), (Assign(w, y),)), Assign(z, cos(x))),
}


@pytest.mark.parametrize("name", UNMOVED)
def test_what_stays_where_it_is(name: str) -> None:
    assert after(*UNMOVED[name]) == list(UNMOVED[name])


def test_in_the_condition_of_a_choice() -> None:
    choice = Apply(SELECT, (Apply(LT, (sin(x), Literal(0))), Literal(1), Literal(2)))
    assert moved(after(Assign(y, choice), Assign(z, cos(x)))) == [0]


@pytest.mark.parametrize("depth", [1, 7, 400])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_chains_in_one_function_and_in_parts(depth: int, dtype: str) -> None:
    """The slope of sin(cos(sin(...))) is a product of the partners, whatever part of the code they stand in."""
    symbol = sp.Symbol("x")
    value: sp.Expr = symbol
    for k in range(depth):
        value = (sp.sin, sp.cos)[k % 2](value, evaluate=False)
    found, slope = sb.compile_grad(value, symbol, dtype=dtype).value_and_grad(0.7)
    number, expected = 0.7, 1.0
    for k in range(depth):
        expected *= -math.sin(number) if k % 2 else math.cos(number)
        number = math.cos(number) if k % 2 else math.sin(number)
    # Every step rounds, and the chain contracts; its slope loses a rounding a step.
    unit = 2.0**-52 if dtype == "float64" else 2.0**-23
    np.testing.assert_allclose(found, number, rtol=8 * unit)
    np.testing.assert_allclose(slope, expected, rtol=4 * depth * unit, atol=0 if dtype == "float64" else 1e-37)
