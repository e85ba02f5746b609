"""Straight-line code is made in haste, and again with effort when it is called often."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb
from symbackprop.jit import native

OFTEN = 7
xs = sp.symbols("x:30", real=True)
at = np.linspace(0.7, 1.3, len(xs))


def hasty(**options: Any) -> sb.CompiledFunction:
    loss = sp.Mul(*xs) + sp.Add(*[sp.sin(a * b) for a, b in pairwise(xs)])
    g = sb.compile_grad(loss, [xs], args=[xs], **options)
    assert g.route == "direct"
    return g


@pytest.fixture(autouse=True)
def _often_from_few_calls_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "_LINES", 0)
    monkeypatch.setattr(native, "_OFTEN", OFTEN)


def the_native(g: sb.CompiledFunction, name: str = "value_and_grad") -> native.Native:
    assert g._runner.direct is not None
    return g._runner.direct.natives[name]


def test_the_answers_of_both_are_the_same_bits() -> None:
    g = hasty(cache=False)
    made = []
    for _ in range(3 * OFTEN):
        value, (gradient,) = g.value_and_grad(at)
        made.append((value, gradient.tobytes(), the_native(g)._hasty))
    assert [h for _, _, h in made] == sorted((h for _, _, h in made), reverse=True)
    assert made[0][2]
    assert not made[-1][2]
    assert len({(value, gradient) for value, gradient, _ in made}) == 1


def test_every_kind_of_call_counts_and_answers() -> None:
    g = hasty(cache=False)
    wanted = g.value(at), g(at)[0].tobytes()
    for _ in range(3 * OFTEN):
        assert (g.value(at), g(at)[0].tobytes()) == wanted
    assert not the_native(g)._hasty
    assert not the_native(g, "value")._hasty


def test_calls_that_take_the_long_way_count_too() -> None:
    """By name, with arguments to cast, or from SciPy: none of them goes through an entry that counts."""
    by_name, cast, objective = (hasty(cache=False) for _ in range(3))
    fun, pack = objective.as_scipy()
    start = pack(**{objective.args[0]: at})
    for _ in range(3 * OFTEN):
        by_name(**{by_name.args[0]: at})
        cast(list(at))
        fun(start)
    assert not any(the_native(g)._hasty for g in (by_name, cast, objective))


def test_arrays_for_results_are_filled_by_code_made_with_effort() -> None:
    g = hasty(cache=False)
    out = [np.empty(len(xs))]
    g(at, out=out)
    assert not the_native(g)._hasty
    assert np.array_equal(out[0], g(at)[0])


def test_a_builtin_of_before_passes_the_call_on() -> None:
    g = hasty(cache=False)
    g(at)
    old = g._quick["derivative"]
    for _ in range(2 * OFTEN):
        g(at)
    assert old(at) is NotImplemented
    assert g._quick["derivative"] is not old


def test_what_was_made_with_effort_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYMBACKPROP_CACHE", str(tmp_path))
    first = hasty()
    first(at)
    assert the_native(first)._hasty
    second = hasty()
    second(at)
    assert the_native(second)._hasty
    for _ in range(2 * OFTEN):
        first(at)
    assert not the_native(first)._hasty
    third = hasty()
    third(at)
    assert not the_native(third)._hasty
    assert third(at)[0].tobytes() == first(at)[0].tobytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_loops_are_made_once() -> None:
    z, i, n = sp.IndexedBase("z"), sp.Symbol("i", integer=True), sp.Symbol("n", integer=True)
    loops = sb.compile_grad(sp.Sum(sp.exp(-(z[i] ** 2)), (i, 0, n - 1)), [z], args=[z], cache=False)
    loops(at)
    assert not the_native(loops)._hasty


def test_threads_may_find_code_due_at_one_moment() -> None:
    def calls(g: sb.CompiledFunction) -> list[bytes]:
        return [g(at)[0].tobytes() for _ in range(5 * OFTEN)]

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(6) as pool:
            for _ in range(4):
                g = hasty(cache=False)
                wanted = g(at)[0].tobytes()
                found = [future.result() for future in [pool.submit(calls, g) for _ in range(6)]]
                assert {answer for answers in found for answer in answers} == {wanted}
                assert not the_native(g)._hasty
    finally:
        sys.setswitchinterval(interval)


def test_short_code_is_called_more_often_before_it_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many calls as run through so many lines of the program's own: elementary functions are the module's."""
    monkeypatch.setattr(native, "_LINES", 5_000)
    u, v = xs[:2]
    g = sb.compile_grad(sp.erf(u) * sp.tan(v) + u**v, [u, v], cache=False)
    g(0.5, 0.7)
    calls = 1
    while the_native(g)._hasty:
        g(0.5, 0.7)
        calls += 1
        assert calls < 5_000
    own = native._length(the_native(g)._assembly.text)
    assert the_native(g)._assembly.text.count("\n") > 3 * own
    assert calls >= 5_000 // own > OFTEN
