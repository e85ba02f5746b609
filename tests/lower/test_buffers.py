"""Arrays that borrow the memory of others: never while these are read, never that of a result."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop import affine, compile_grad, mse, relu
from symbackprop.compiler import Request, compile_request
from symbackprop.lower import lower
from symbackprop.lower.buffers import reuse
from symbackprop.lower.program import (
    Accumulate,
    Allocate,
    Assign,
    Effect,
    For,
    Invoke,
    Item,
    Literal,
    Program,
    Ref,
    Section,
    Statement,
)
from symbackprop.options import Options

N = (Ref("n"),)


def copied(source: str, target: str) -> Effect:
    return Effect(Invoke("copy", (Ref(source), Ref(target))))


def test_an_array_borrows_from_one_that_is_read_no_more() -> None:
    allocations: list[Any] = [Allocate(name, N) for name in "abc"]
    body: list[Any] = [copied("x", "a"), copied("a", "b"), copied("b", "c")]
    statements, borrowing = reuse(allocations, body, ["c"])
    assert borrowing == ["c"]
    assert statements == [*allocations[:2], *body[:2], Assign(Ref("c"), Ref("a"), "a is done with"), body[2]]


@pytest.mark.parametrize(
    ("allocations", "body", "kept"),
    [
        # Still read where the other is written.
        ([Allocate("a", N), Allocate("b", N)], [copied("x", "a"), copied("a", "b")], ["b"]),
        # A result.
        ([Allocate("a", N), Allocate("b", N)], [copied("x", "a"), copied("x", "b")], ["a", "b"]),
        # Of another length, of another type, starting from zeros.
        ([Allocate("a", N), Allocate("b", (Literal(3),))], [copied("x", "a"), copied("x", "b")], ["b"]),
        ([Allocate("a", N), Allocate("b", N, None, "int")], [copied("x", "a"), copied("x", "b")], ["b"]),
        ([Allocate("a", N), Allocate("b", N, 0)], [copied("x", "a"), copied("x", "b")], ["b"]),
    ],
)
def test_arrays_that_keep_memory_of_their_own(allocations: list[Any], body: list[Any], kept: list[str]) -> None:
    assert reuse(allocations, body, kept) == ([*allocations, *body], [])


def at(array: str, *place: str) -> Item:
    return Item(array, tuple(map(Ref, place)))


def nest(*body: Statement, counters: str = "i") -> Statement:
    for counter in reversed(counters):
        body = (For(counter, Ref("n"), body),)
    return body[0]


def borrows(statement: Statement, rank: int = 1) -> bool:
    """Whether b, first written by this statement, borrows from a, which nobody reads after it."""
    allocations: list[Any] = [Allocate(name, N * rank) for name in "ab"]
    statements, borrowing = reuse(allocations, [copied("x", "a"), statement], ["b"])
    assert (Assign(Ref("b"), Ref("a"), "in the place of a") in statements) == (borrowing == ["b"])
    return bool(borrowing)


def test_an_array_takes_the_place_of_one_that_the_same_loop_is_done_with() -> None:
    assert borrows(nest(Assign(at("b", "i"), at("a", "i"))))
    assert borrows(nest(Assign(at("a", "i"), at("x", "i")), Assign(at("b", "i"), at("a", "i"))))
    assert borrows(nest(Assign(at("b", "i", "j"), at("a", "i", "j")), counters="ij"), rank=2)


@pytest.mark.parametrize(
    "statement",
    [
        # Another entry, of another place, or of the same one at another turn.
        nest(Assign(at("b", "i"), Item("a", (Literal(0),)))),
        nest(Assign(at("b", "i", "j"), at("a", "j", "i")), counters="ij"),
        nest(Accumulate(at("b", "i"), at("a", "i")), counters="ij"),
        # Read once more after it is written over.
        nest(Assign(at("b", "i"), at("x", "i")), Accumulate(Ref("s"), at("a", "i"))),
        # Not there at all, but in a comment.
        nest(Assign(at("c", "i"), at("a", "i"), "b")),
        # As a whole, by a library.
        For("i", Ref("n"), (copied("a", "b"),)),
        nest(Assign(at("b", "i"), at("a", "i")), Assign(Ref("s"), Ref("a"))),
    ],
)
def test_arrays_that_do_not_meet_place_by_place_are_two(statement: Statement) -> None:
    rank = 2 if "j" in str(statement) and "Accumulate" not in str(statement) else 1
    assert not borrows(statement, rank)


@pytest.mark.parametrize("backend", ["numba", "python"])
def test_a_deep_network_needs_little_memory_for_its_adjoints(backend: str) -> None:
    n, k = sp.symbols("n k", integer=True, positive=True)
    x, y = sp.MatrixSymbol("X", n, k), sp.MatrixSymbol("Y", n, k)
    weights = [sp.MatrixSymbol(f"W{layer}", k, k) for layer in range(6)]
    out: Any = x
    for w in weights:
        out = relu(affine(out, w))
    g = compile_grad(mse(out, y), weights, backend=backend)
    reference = compile_grad(mse(out, y), weights, backend="numpy")
    rng = np.random.default_rng(0)
    data = {"X": rng.normal(size=(4, 3)), "Y": rng.normal(size=(4, 3))}
    data |= {w.name: rng.normal(size=(3, 3)) for w in weights}
    for ours, theirs in zip(g(**data), reference(**data), strict=True):
        # The same products, summed in another order.
        np.testing.assert_allclose(ours, theirs, rtol=1e-12, atol=1e-13)
    # Two arrays a layer on the way forward, and two or three in all on the way back.
    assert g.source.count("is done with") >= 8
    assert g.stats["bytes"] <= 8 * (6 * 2 + 4 + 6) * 1000**2


def test_comments_and_headings_name_nothing() -> None:
    words: list[Any] = [Section("a, once more"), Assign(Ref("y"), Ref("x"), "adjoint of a")]
    allocations: list[Any] = [Allocate(name, N) for name in "ab"]
    body: list[Any] = [copied("x", "a"), *words, copied("x", "b"), *words]
    assert reuse(allocations, body, ["b"])[1] == ["b"]


@pytest.mark.parametrize("target", ["numpy", "numba", "python"])
def test_a_program_without_comments_computes_alike(target: str) -> None:
    # What is shown is the program with comments, what becomes machine code the one without.
    x, w = sp.MatrixSymbol("X", 6, 3), sp.MatrixSymbol("W", 3, 4)
    b, c = sp.MatrixSymbol("b", 1, 4), sp.Symbol("c")
    layer = relu(affine(x, w, b))
    compiled = compile_request(Request(mse(layer, 2 * layer) + c**2, [w, b, c], options=Options(target)))
    shown, silent = (lower(compiled.graph, compiled.signature, target, silent=silent) for silent in (False, True))
    assert without_comments(shown) == without_comments(silent)
    assert "adjoint of" in str(shown)
    assert "adjoint of" not in str(silent)


def without_comments(program: Program) -> list[Any]:
    def bare(statement: Any) -> Any:
        if isinstance(statement, For):
            return statement._replace(body=tuple(map(bare, statement.body)))
        return statement._replace(note="") if isinstance(statement, Assign | Accumulate) else statement

    return [[bare(statement) for statement in function.body] for function in program.functions]
