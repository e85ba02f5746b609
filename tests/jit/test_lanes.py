"""Which loops may run in lanes, on programs that a wrong answer would be told by."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb
from symbackprop.emit.llvm_registers import FEW, MANY, registers
from symbackprop.lower.lanes import in_lanes
from symbackprop.lower.program import (
    Accumulate,
    Allocate,
    Apply,
    Assign,
    Expr,
    For,
    Function,
    Item,
    Literal,
    Ref,
    Statement,
)
from symbackprop.ops import REGISTRY

ADD, SIN = REGISTRY["int_add"], REGISTRY["sin"]
i, j, n, total, t, s = (Ref(name) for name in ("i", "j", "n", "total", "t", "s"))
NEXT = Apply(ADD, (i, Literal(1)))


def a(*place: Expr) -> Item:
    return Item("a", place)


def b(*place: Expr) -> Item:
    return Item("b", place)


def marked(*body: Statement, after: tuple[Statement, ...] = (), results: tuple[Expr, ...] = (total,)) -> bool:
    """Whether a loop of this body over i is marked."""
    statements: list[Statement] = [
        Allocate("a", (n,)),
        Allocate("b", (n,)),
        Assign(total, Literal(0)),
        For("i", n, body),
        *after,
    ]
    found = next(s for s in in_lanes(Function("f", ["a", "b"], statements, list(results))).body if isinstance(s, For))
    return found.lanes


SAFE: dict[str, tuple[Statement, ...]] = {
    "a sum": (Accumulate(total, a(i)),),
    "two sums": (Accumulate(total, a(i)), Accumulate(s, b(i)), Accumulate(total, b(i))),
    "the largest and the smallest": (Accumulate(total, a(i), symbol="max"), Accumulate(s, a(i), symbol="min")),
    "own entries": (Assign(a(i), Apply(SIN, (b(i),))),),
    "own entries read again": (Assign(a(i), b(i)), Accumulate(a(i), b(i)), Accumulate(total, a(i))),
    "own names": (Assign(t, a(i)), Assign(b(i), t)),
    "others' entries of what is only read": (Assign(a(i), b(NEXT)),),
    "a place that every turn computes": (Assign(t, b(i)), Assign(a(t, i), t)),
}
UNSAFE: dict[str, tuple[Statement, ...]] = {
    "the next entry of what is written": (Assign(a(i), a(NEXT)),),
    "the first entry of what is written": (Assign(a(i), a(Literal(0))),),
    "scatter": (Accumulate(a(b(i)), t),),
    "one entry for all": (Assign(a(Literal(0)), b(i)),),
    "an entry of the next turn": (Assign(a(NEXT), b(i)),),
    "a diagonal": (Assign(a(i, i), b(i)),),
    "two places of one array": (Assign(a(i), b(i)), Assign(a(NEXT), b(i))),
    "a name of the turn before": (Assign(a(i), t), Assign(t, b(i))),
    "a name assigned twice": (Assign(t, a(i)), Assign(t, b(i))),
    "a running sum": (Accumulate(total, a(i)), Assign(b(i), total)),
    "a sum of itself": (Accumulate(total, Apply(REGISTRY["mul"], (total, a(i)))),),
    "a running product": (Accumulate(total, a(i), symbol="*"),),
    "a running largest": (Accumulate(total, a(i), symbol="max"), Assign(b(i), total)),
    "a sum and the largest in one": (Accumulate(total, a(i)), Accumulate(total, b(i), symbol="max")),
    "a sum that restarts": (Assign(total, Literal(0)), Accumulate(total, a(i))),
    "an array written by another name": (Assign(t, Ref("a")), Assign(a(i), b(i))),
    "a place read from what is written": (Assign(a(i), t), Assign(b(a(Literal(0)), i), t)),
    "a loop inside": (For("j", n, (Accumulate(total, a(j)),)),),
}


@pytest.mark.parametrize("name", SAFE)
def test_turns_of_their_own_run_in_lanes(name: str) -> None:
    assert marked(*SAFE[name])


@pytest.mark.parametrize("name", UNSAFE)
def test_turns_that_meet_do_not(name: str) -> None:
    assert not marked(*UNSAFE[name])


def test_names_that_are_read_behind_the_loop_keep_it_out_of_lanes() -> None:
    body = (Assign(t, a(i)), Assign(b(i), t))
    assert not marked(*body, after=(Assign(s, t),))
    assert not marked(*body, after=(Assign(b(t), Literal(0)),))
    assert not marked(*body, results=(t,))
    assert marked(*body, after=(Assign(s, total),))


@cache
def log_sum_exp(dtype: str) -> tuple[sb.CompiledFunction, ...]:
    m, k = sp.symbols("m k", integer=True)
    values = sp.IndexedBase("x", shape=(m,))
    loss = sp.log(sp.Sum(sp.exp(values[k]), (k, 0, m - 1)))
    routes = ({"backend": "numba"}, {"backend": "numba", "route": "njit"}, {"backend": "numpy"})
    routes += ({"backend": "python"},) * (dtype == "float64")
    return tuple(sb.compile_grad(loss, values, dtype=dtype, **route) for route in routes)  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("size", [1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 65])
def test_the_largest_of_lanes(size: int, dtype: str) -> None:
    """Every remainder of entries; the largest first, last, infinite either way, or beside a nan, which passes on."""
    drawn = np.random.default_rng(size).normal(size=size).astype(dtype)
    for number, place in ((300.0, 0), (300.0, -1), (-300.0, 0), (np.inf, -1), (-np.inf, 0), (np.nan, -1), (np.nan, 0)):
        point = drawn.copy()
        point[place] = number
        direct, *others = (function.value_and_grad(point) for function in log_sum_exp(dtype))
        assert np.isnan(direct[0]) == np.isnan(number)
        for value, slopes in others:
            # Sums of up to 65 terms in another order.
            np.testing.assert_allclose(direct[0], value, rtol=1e-14 if dtype == "float64" else 1e-6)
            np.testing.assert_allclose(direct[1], slopes, rtol=1e-14 if dtype == "float64" else 2e-6, atol=1e-300)


@cache
def mixture() -> tuple[sb.CompiledFunction, sb.CompiledFunction]:
    """A model whose lanes each have a matrix for themselves."""
    n, m, p, q, k = sp.symbols("n m p q k", integer=True)
    weights, x = sp.IndexedBase("W", shape=(m, m)), sp.IndexedBase("x", shape=(n, m))
    inner = sp.Sum(weights[p, q] * (x[k, q] - weights[q, p]), (q, 0, p - 1))
    loss = sp.Sum(sp.log(sp.Sum(sp.exp(-(inner**2)), (p, 0, m - 1))), (k, 0, n - 1))
    return sb.compile_grad(loss, [weights]), sb.compile_grad(loss, [weights], backend="numpy")


@pytest.mark.parametrize(("samples", "size"), [(3, 4), (40, 4), (9, 260), (40, 260), (10, 760)])
def test_lanes_with_memory_of_their_own(samples: int, size: int) -> None:
    """Few turns, many, too few for the memory that they would take (more than 256 KiB a turn), enough for it, and more
    memory than lanes may have.
    """
    drawn = np.random.default_rng(size)
    point = {"W": drawn.normal(size=(size, size)) / size, "x": drawn.normal(size=(samples, size))}
    own, other = (function.value_and_grad(**point) for function in mixture())
    # Sums of up to 40 terms in another order.
    np.testing.assert_allclose(own[0], other[0], rtol=1e-13)
    np.testing.assert_allclose(own[1][0], other[1][0], rtol=1e-10, atol=1e-15)


def test_registers_follow_what_a_turn_is_made_of() -> None:
    """Chains of functions wait for themselves, and have four; products between few functions fill two."""
    add, mul, tanh = (REGISTRY[name] for name in ("add", "mul", "tanh"))
    product = Accumulate(total, Apply(mul, (a(i), b(j))))
    few = For("i", n, (For("j", Literal(100), (product,)), Assign(t, Apply(tanh, (a(i),)))))
    assert registers(few) == FEW
    functions = Accumulate(total, Apply(add, (Apply(tanh, (a(i),)), Apply(tanh, (b(j),)))))
    assert registers(few._replace(body=(*few.body, For("j", Literal(10), (functions,))))) == MANY
    # Loops of unknown length keep their values in memory.
    assert registers(For("i", n, (For("j", n, (product,)),))) == MANY
    assert registers(For("i", n, (product,))) == MANY
