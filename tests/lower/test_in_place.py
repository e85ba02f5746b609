"""New arrays written where those are that they replace: only where nobody still reads these, or has yet to decide."""

# Matrices have upper-case names here, as in the models.
# ruff: noqa: N806

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Lion,
    Momentum,
    Nesterov,
    RMSprop,
    affine,
    compile_training,
    cross_entropy,
    mse,
    relu,
)
from symbackprop.lower.in_place import VERDICT, in_place
from symbackprop.lower.program import Accumulate, Apply, Assign, Expr, For, Invoke, Item, Literal, Ref, Statement
from symbackprop.ops import REGISTRY

ROUTES = [{"backend": "numpy"}, {"backend": "numba"}, {"backend": "numba", "route": "njit"}]
RULES = [SGD, Momentum, Nesterov, RMSprop, Adagrad, Adam, AdamW, Lion]
HERE, BACKWARDS = (Ref("i"),), (Apply(REGISTRY["int_sub"], (Ref("n"), Ref("i"))),)


def minus(a: Expr, b: Expr) -> Expr:
    return Apply(REGISTRY["sub"], (a, b))


def over(*statements: Statement) -> For:
    return For("i", Ref("n"), statements)


DECISION = Assign(Ref("loss"), Literal(1))
UPDATE = over(Assign(Item("w_new", HERE), minus(Item("w", HERE), Item("g", HERE))))
IN_PLACE = over(Assign(Item("w", HERE), minus(Item("w", HERE), Item("g", HERE))))
READ = over(Accumulate(Ref("norm"), Item("w", HERE)))
START = Assign(Ref("norm"), Literal(0))
MIRRORED = over(Assign(Item("w_new", HERE), minus(Item("w", BACKWARDS), Item("g", HERE))))
TWICE = over(Assign(Item("w_new", HERE), Item("g", HERE)), Accumulate(Ref("norm"), Item("w", HERE)))
REPEATED = over(For("j", Ref("n"), (Assign(Item("w_new", HERE), minus(Item("w", HERE), Item("g", (Ref("j"),)))),)))


def landed(*statements: Statement) -> tuple[list[Statement], dict[str, str]]:
    return in_place(statements, {"w_new": "w"}, {"loss"})


def test_an_update_is_written_where_it_reads_after_the_verdict() -> None:
    assert landed(DECISION, UPDATE) == ([DECISION, VERDICT, IN_PLACE], {"w_new": "w"})
    assert landed(DECISION, READ, UPDATE)[0] == [DECISION, READ, VERDICT, IN_PLACE]
    # The start of what the loop sums up stays before it; who reads the new array reads it in its place.
    behind = over(Accumulate(Ref("norm"), Item("w_new", HERE)))
    assert landed(DECISION, START, UPDATE, behind)[0] == [DECISION, VERDICT, START, IN_PLACE, READ]


@pytest.mark.parametrize(
    "statements",
    [
        (UPDATE, DECISION),  # not decided yet
        (DECISION, UPDATE, READ),  # the old one is read afterwards,
        (DECISION, MIRRORED),  # at another place,
        (DECISION, TWICE),  # after the entry has been written,
        (DECISION, REPEATED),  # or again in another turn,
        (DECISION, over(Assign(Item("w_new", HERE), Invoke("sum", (Ref("w"),))))),  # or whole.
        (DECISION, Assign(Ref("w_new"), Ref("w"))),  # There is no loop: this may be cut into parts.
    ],
)
def test_it_is_not_where_that_could_be_seen(statements: tuple[Statement, ...]) -> None:
    assert landed(*statements) == (list(statements), {})


@pytest.fixture(scope="module")
def classifier() -> Any:
    N = sp.Symbol("N", integer=True, positive=True)
    X, T = sp.MatrixSymbol("X", N, 3), sp.MatrixSymbol("T", N, 2)
    params = [sp.MatrixSymbol(name, *shape) for name, shape in (("W", (3, 4)), ("b", (1, 4)), ("V", (4, 2)))]
    W, b, V = params
    return N, cross_entropy(relu(affine(X, W, b)) * V, T), params, [X, T]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_what_optimisers_carry_is_not_copied(rule: Any, classifier: Any) -> None:
    N, loss, params, data = classifier
    t = compile_training(loss, params, data, optimizer=rule(), batch=N, backend="numba")
    assert "_new" not in t.source
    assert t.source.index("break") < t.source.index("The update: each array in its own place.")


@pytest.mark.parametrize("options", ROUTES, ids=lambda options: "-".join(options.values()))
@pytest.mark.parametrize("rule", [SGD, Adam, Lion], ids=lambda rule: rule.__name__)
def test_a_step_whose_loss_is_no_number_changes_nothing(rule: Any, options: Any) -> None:
    """Of three minibatches the last is too large to be squared: what is carried is as after two."""
    N = sp.Symbol("N", integer=True, positive=True)
    X, Y, W, b = (sp.MatrixSymbol(*it) for it in (("X", N, 3), ("Y", N, 2), ("W", 3, 2), ("b", 1, 2)))
    t = compile_training(mse(affine(X, W, b), Y), [W, b], [X, Y], optimizer=rule(), batch=N, **options)
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(12, 3)), rng.normal(size=(12, 2))
    x[10] = 1e200
    start = [rng.normal(size=(3, 2)), rng.normal(size=(1, 2))]
    start += [np.zeros_like(value) for _ in rule().slots for value in start]
    train = t.loop(False)
    stopped, whole = (train(*start, x[:n], y[:n], 0.1, 1.0, 1, 4, 0, 0) for n in (12, 8))
    assert stopped[3][0] == whole[3][0] == 2
    for kept, wanted in zip(stopped[4:], whole[4:], strict=True):
        assert np.array_equal(kept, wanted)
        assert np.all(np.isfinite(kept))
