"""Constants are computed once: integers stay integers, and what is an error stays one."""

from __future__ import annotations

from fractions import Fraction

import pytest

from symbackprop.ir import Graph, GraphBuilder, verify
from symbackprop.ir.node import INT, REAL
from symbackprop.ops import REGISTRY
from symbackprop.passes import simplify


def of_constants(name: str, *operands: int | bool) -> Graph:
    builder = GraphBuilder()
    nodes = [builder.const(o) if isinstance(o, bool) else builder.integer(o) for o in operands]
    return verify(simplify(builder.graph([builder.add(REGISTRY[name], tuple(nodes))])))


@pytest.mark.parametrize(
    ("name", "operands", "expected"),
    [
        ("int_add", (7, -2), 5),
        ("int_sub", (2, 7), -5),
        ("int_mul", (3, -4), -12),
        ("int_floordiv", (-7, 2), -4),
        ("int_mod", (-7, 2), 1),
        ("int_select", (True, 3, 4), 3),
        ("int_select", (False, 3, 4), 4),
        ("in_range", (3, 5), 3),
    ],
)
def test_integers_fold_to_integers(name: str, operands: tuple[int, ...], expected: int) -> None:
    graph = of_constants(name, *operands)
    result = graph.nodes[graph.outputs[0]]
    assert (result.op.name, result.attributes, result.type) == ("const", Fraction(expected), INT)


def test_an_integer_becomes_a_real_constant() -> None:
    graph = of_constants("to_real", 3)
    result = graph.nodes[graph.outputs[0]]
    assert (result.op.name, result.attributes, result.type) == ("const", Fraction(3), REAL)


@pytest.mark.parametrize(
    ("name", "operands"),
    [("in_range", (5, 5)), ("in_range", (-1, 5)), ("int_floordiv", (1, 0)), ("int_mul", (2**40, 2**40))],
)
def test_what_is_an_error_or_no_index_is_left_to_the_call(name: str, operands: tuple[int, ...]) -> None:
    graph = of_constants(name, *operands)
    assert graph.nodes[graph.outputs[0]].op.name == name
