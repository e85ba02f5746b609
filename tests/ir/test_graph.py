"""Graph, verifier, text and evaluator."""

from __future__ import annotations

from fractions import Fraction

import mpmath as mp
import numpy as np
import pytest

from symbackprop.errors import InternalCompilerError, ShapeMismatch
from symbackprop.ir import Functions, Graph, GraphBuilder, Node, Type, infix, interpret, to_text, verify
from symbackprop.ir.node import BOOL, REAL, to_float
from symbackprop.ops import REGISTRY


def test_equal_nodes_are_one_node() -> None:
    f = Functions(GraphBuilder())
    x = f.input("x")
    assert (f.sin(x) + 1).index == (f.sin(x) + 1).index
    assert f.const(1).index == f.const(1.0).index == f.const((2, 2)).index
    assert f.const(True).index != f.const(1).index
    assert len(f.builder.nodes) == 5


def test_a_builder_owns_its_intern_table() -> None:
    first, second = GraphBuilder(), GraphBuilder()
    first.input("a")
    assert second.input("b") == 0


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        ([Node(REGISTRY["sin"], (0,), None, REAL)], "does not come before"),
        ([Node(REGISTRY["sin"], (5,), None, REAL)], "does not come before"),
        ([Node(REGISTRY["input"], (), "x", REAL), Node(REGISTRY["add"], (0,), None, REAL)], "operands instead of 2"),
        ([Node(REGISTRY["input"], (), "x", REAL), Node(REGISTRY["sin"], (0,), None, BOOL)], "and not the real"),
        ([Node(REGISTRY["const"], (), True, BOOL), Node(REGISTRY["sin"], (0,), None, REAL)], "takes a real"),
        ([Node(REGISTRY["input"], (), "x", REAL), Node(REGISTRY["input"], (), "x", REAL)], "the same as %0"),
        (
            [Node(REGISTRY["input"], (), "x", Type("real", ("n",))), Node(REGISTRY["sin"], (0,), None, REAL)],
            "shape that its operands",
        ),
    ],
)
def test_the_verifier_names_what_is_wrong(nodes: list[Node], words: str) -> None:
    with pytest.raises(InternalCompilerError, match=words):
        verify(Graph(nodes, (0,)))
    with pytest.raises(InternalCompilerError, match="after fold"):
        verify(Graph(nodes, (0,)), after="fold")


def test_the_verifier_checks_outputs() -> None:
    with pytest.raises(InternalCompilerError, match="no node %3"):
        verify(Graph([Node(REGISTRY["input"], (), "x", REAL)], (3,)))


def test_shapes_must_agree() -> None:
    builder = GraphBuilder()
    a, b = builder.input("a", Type("real", ("n",))), builder.input("b", Type("real", ("m",)))
    with pytest.raises(ShapeMismatch):
        builder.add(REGISTRY["add"], (a, b))


@pytest.mark.parametrize("arithmetic", ["numpy", "mpmath"])
def test_the_evaluator_works_on_floats_and_arrays(arithmetic: str) -> None:
    builder = GraphBuilder()
    f = Functions(builder)
    xs = f.wrap(builder.input("xs", Type("real", ("n",))))
    w = f.input("w")
    outputs = [f.reduce_sum(xs * w).index, (xs + w).index, f.broadcast(w, ("n",)).index, builder.length("n")]
    total, shifted, repeated, length = interpret(builder.graph(outputs), {"xs": [1.0, 2.0], "w": 3.0}, arithmetic)
    assert total == 9 and list(shifted) == [4, 5] and list(repeated) == [3, 3] and length == 2


def test_mpmath_keeps_every_digit() -> None:
    f = Functions(GraphBuilder())
    graph = f.builder.graph([(f.const("pi") * f.const((1, 3))).index])
    with mp.workdps(50):
        assert interpret(graph, {}, "mpmath")[0] == mp.pi / 3


def test_numbers_round_correctly() -> None:
    assert to_float(Fraction(2**53 + 1)) == 2.0**53
    assert to_float(Fraction(1, 10)) == 0.1
    assert to_float(-(Fraction(10) ** 400)) == -np.inf


def test_infix_is_bounded_whatever_the_graph() -> None:
    f = Functions(GraphBuilder())
    value = x = f.input("x")
    for _ in range(50_000):
        value = f.sin(value) + x
    graph = f.builder.graph([value.index])
    assert len(infix(graph, graph.outputs[0], width=40)) < 400
    assert to_text(graph).count("\n") == len(graph)


def test_infix_brackets_as_mathematics_does() -> None:
    f = Functions(GraphBuilder())
    x, y = f.input("x"), f.input("y")
    cases = {
        "x - (y + x)": x - (y + x),
        "x/(y*x)": x / (y * x),
        "(-x)**2": f.pow(-x, f.const(2)),
        "-x*y": -(x * y),
        "x**(y + 1)": f.pow(x, y + 1),
        "(x**y)**2": f.pow(f.pow(x, y), f.const(2)),
        "(1/3)*x": f.const((1, 3)) * x,
    }
    for text, value in cases.items():
        assert infix(f.builder.graph([value.index]), value.index) == text
