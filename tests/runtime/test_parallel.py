"""`parallel=True`: threads share a batch, and the result does not tell how many."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symbackprop as sb
from symbackprop.errors import DomainError, OutOfRange
from symbackprop.runtime import Blocks, blocks

x, y, w, b = sp.symbols("x y w b", real=True)
k, m = sp.symbols("k m", integer=True)
V, W = sp.MatrixSymbol("V", 3, 1), sp.MatrixSymbol("W", 2, 3)
table, row = sp.IndexedBase("table", shape=(m,)), sp.Symbol("row", integer=True)
rng = np.random.default_rng(0)

COUNT = 1000
MODELS: dict[str, tuple[Any, Any, list[Any], dict[str, Any]]] = {
    # The loss of a sample, wrt, batch, and a point.
    "numbers": (
        (sp.sin(w * x) * sp.exp(-b * x) - y) ** 2,
        {"w": w, "own": x, "b": b},
        [x, y],
        {"x": rng.normal(size=COUNT), "y": rng.normal(size=COUNT), "w": 0.7, "b": 0.2},
    ),
    "arrays": (
        sb.Total((W * V).applyfunc(sp.tanh)) ** 2,
        [W, V],
        [V],
        {"V": rng.normal(size=(COUNT, 3, 1)), "W": rng.normal(size=(2, 3))},
    ),
}
every_model = pytest.mark.parametrize("name", MODELS)
every_reduction = pytest.mark.parametrize("reduce", ["sum", "mean", None])


def flat(nested: Any) -> list[Any]:
    if isinstance(nested, dict):
        nested = list(nested.values())
    return [leaf for item in nested for leaf in flat(item)] if isinstance(nested, (tuple, list)) else [nested]


def in_blocks(name: str, reduce: str | None, samples: int = 96, **options: Any) -> sb.CompiledFunction:
    loss, wrt, batch, _ = MODELS[name]
    g = sb.compile_grad(loss, wrt, batch=batch, reduce=reduce, parallel=True, **options)
    assert g.route == "direct"
    g._runner.blocks = Blocks(samples, reduce)
    return g


@every_model
@every_reduction
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_blocks_give_what_the_whole_gives(name: str, reduce: str | None, dtype: str) -> None:
    loss, wrt, batch, point = MODELS[name]
    whole = sb.compile_grad(loss, wrt, batch=batch, reduce=reduce, dtype=dtype)
    g = in_blocks(name, reduce, dtype=dtype)
    wanted = flat(whole.value_and_grad(**point))
    # Sums of 1,000 terms in another order; no term is larger than 30 of the sums are small.
    rtol = 1e-12 if dtype == "float64" else 2e-4
    for found, own in zip(flat(g.value_and_grad(**point)), wanted, strict=True):
        np.testing.assert_allclose(found, own, rtol=rtol, atol=rtol)
        assert np.shape(found) == np.shape(own) and np.asarray(found).dtype == np.asarray(own).dtype
    np.testing.assert_allclose(g.value(**point), whole.value(**point), rtol=rtol)


@every_model
@every_reduction
def test_any_number_of_threads_gives_the_same_bits(
    name: str, reduce: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    g, point = in_blocks(name, reduce), MODELS[name][3]
    seen = set()
    for threads in (1, 2, 3, 16):
        monkeypatch.setattr(blocks, "threads", lambda threads=threads: threads)
        seen |= {tuple(np.asarray(leaf).tobytes() for leaf in flat(g.value_and_grad(**point))) for _ in range(3)}
    assert len(seen) == 1


@every_reduction
@pytest.mark.parametrize("count", [0, 1, 95, 96, 97, 192])
def test_batches_of_every_length(reduce: str | None, count: int) -> None:
    loss, wrt, batch, point = MODELS["numbers"]
    short = {name: value[:count] if np.ndim(value) else value for name, value in point.items()}
    whole = sb.compile_grad(loss, wrt, batch=batch, reduce=reduce)
    for found, own in zip(
        flat(in_blocks("numbers", reduce).value_and_grad(**short)), flat(whole.value_and_grad(**short)), strict=True
    ):
        np.testing.assert_allclose(found, own, rtol=1e-12, atol=1e-12)


def test_values_alone() -> None:
    loss, _, batch, point = MODELS["numbers"]
    f = sb.compile_function(loss, batch=batch, reduce="sum", parallel=True)
    f._runner.blocks = Blocks(96, "sum")
    assert np.isclose(f(**point), sb.compile_function(loss, batch=batch, reduce="sum")(**point), rtol=1e-13)


def test_errors_come_through() -> None:
    g = in_blocks("numbers", "sum", kinks="raise")
    assert g.value(**MODELS["numbers"][3])
    kinked = sb.compile_grad(abs(w * x), w, batch=[x], reduce="sum", kinks="raise", parallel=True)
    kinked._runner.blocks = Blocks(10, "sum")
    at = np.ones(100)
    kinked(w=1.0, x=at)
    at[57] = 0.0
    with pytest.raises(DomainError, match="no derivative"):
        kinked(w=1.0, x=at)
    picked = sb.compile_grad(w * table[row], w, batch=[row], reduce="sum", parallel=True)
    picked._runner.blocks = Blocks(10, "sum")
    places = np.zeros(100, int)
    picked(w=1.0, row=places, table=np.ones(3))
    places[99] = 3
    with pytest.raises(OutOfRange):
        picked(w=1.0, row=places, table=np.ones(3))


def test_pickles_keep_their_blocks() -> None:
    g, point = in_blocks("numbers", "mean"), MODELS["numbers"][3]
    again = pickle.loads(pickle.dumps(g))
    assert [leaf.tobytes() for leaf in map(np.asarray, flat(again(**point)))] == [
        leaf.tobytes() for leaf in map(np.asarray, flat(g(**point)))
    ]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_threads_of_its_own() -> None:
    code = (
        "import os, numpy as np, sympy as sp, symbackprop as sb\n"
        "from symbackprop.runtime import Blocks, blocks\n"
        "blocks.threads = lambda: 3\n"
        "x, w = sp.symbols('x w')\n"
        "g = sb.compile_grad(sp.sin(w*x), w, batch=[x], reduce='sum', parallel=True)\n"
        "g._runner.blocks = Blocks(96, 'sum')\n"
        "at = np.linspace(0, 1, 1000)\n"
        "wanted = g(2.0, at)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0 if g(2.0, at) == wanted else 1)\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr


def test_blocks_follow_the_work_of_a_sample() -> None:
    sizes = [Blocks.of(operations, "sum").samples for operations in (1, 10, 100, 1e4, 1e9)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] == 131072 and sizes[-1] == 256


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"batch": None, "reduce": None}, "needs batch="),
        ({"route": "njit"}, "is for machine code"),
        ({"backend": "numpy"}, "is for machine code"),
    ],
)
def test_where_threads_cannot_share_a_batch_they_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(sb.OptionError, match=words):
        sb.compile_grad(x * w, w, **({"batch": [x], "reduce": "sum", "parallel": True} | options))
