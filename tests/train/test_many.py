"""Many fits in one call: each bit for bit that of `fit` alone, whatever else is there, and however many threads."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop import (
    SGD,
    Adam,
    CallError,
    Diverged,
    Momentum,
    OptionError,
    OutOfRange,
    Run,
    Runs,
    ShapeMismatch,
    SymbackpropError,
    SymbackpropWarning,
    Training,
    batch_statistics,
    compile_training,
    cosine,
    plateau,
)
from symbackprop.runtime.blocks import ended

w, b, x, y = sp.symbols("w b x y")
RNG = np.random.default_rng(5)
COUNT = 7
X = RNG.normal(size=(COUNT, 12))
Y = RNG.normal(size=(COUNT, 1)) * X + 0.1 * RNG.normal(size=(COUNT, 12))
START = {"w": 0.5, "b": -0.25}
LINE: dict[str, Any] = {"optimizer": Momentum(lr=0.05), "schedule": cosine(0.001)}


def training(**options: Any) -> Training:
    return compile_training((w * x + b - y) ** 2, [w, b], [x, y], **{**LINE, **options})


def same(runs: Runs, series: int, run: Run) -> None:
    """Bit for bit: parameters, history, and all that the run goes on from."""
    found = runs[series]
    for name, value in run.params.items():
        assert np.array_equal(found.params[name], value)
        assert np.shape(found.params[name]) == np.shape(value)
        assert np.asarray(found.params[name]).dtype == np.asarray(value).dtype
    for name, values in found.history.items():
        assert np.array_equal(values, run.history[name])
    assert all(np.array_equal(found.state.slots[name], value) for name, value in run.state.slots.items())
    states = [(s.steps, s.epochs, s.generator) for s in (found.state, run.state)]
    assert states[0] == states[1]


ROUTES = [{}, {"dtype": "float32"}, {"backend": "numpy"}]


@pytest.mark.parametrize("options", ROUTES, ids=str)
@pytest.mark.parametrize("batch_size", [None, 5])
def test_each_is_that_of_fit_alone(options: dict[str, Any], batch_size: int | None) -> None:
    t = training(**options)
    starts = {"w": np.linspace(-1.0, 1.0, COUNT), "b": 0.5}
    runs = t.fit_many(starts, {"x": X, "y": Y}, epochs=40, batch_size=batch_size, seed=3)
    assert len(runs) == COUNT
    assert runs.history.loss.shape == (COUNT, 40)
    assert runs.params["w"].shape == (COUNT,)
    for k in range(COUNT):
        start = {"w": starts["w"][k], "b": 0.5}
        same(runs, k, t.fit(start, {"x": X[k], "y": Y[k]}, epochs=40, batch_size=batch_size, seed=3))


def test_threads_do_not_change_a_bit() -> None:
    t = training()
    found = [t.fit_many(START, {"x": X, "y": Y}, epochs=30, batch_size=5, threads=k) for k in (1, 2, 16)]
    for other in found[1:]:
        assert all(np.array_equal(other.params[name], found[0].params[name]) for name in found[0].params)
        assert np.array_equal(other.history.loss, found[0].history.loss)


def test_series_may_be_of_different_lengths_and_seeds() -> None:
    """Of 3 and 4 samples a minibatch of 4 is all, of 9 it is not: the one in no order, the other in one of its own."""
    t = training()
    lengths = [3, 9, 4, 9, 12, 3, 10]
    data = {"x": [X[k, :n] for k, n in enumerate(lengths)], "y": [Y[k, :n] for k, n in enumerate(lengths)]}
    with pytest.raises(OptionError, match="batch_size=4 is more than the 3 samples"):
        t.fit_many(START, data, batch_size=4)
    lengths = [4 if n == 3 else n for n in lengths]
    data = {"x": [X[k, :n] for k, n in enumerate(lengths)], "y": [list(Y[k, :n]) for k, n in enumerate(lengths)]}
    seeds = [1, 1, 2, 2, 3, 3, 4]
    runs = t.fit_many(START, data, epochs=25, batch_size=4, seed=seeds)
    for k, seed in enumerate(seeds):
        own = {name: values[k] for name, values in data.items()}
        same(runs, k, t.fit(START, own, epochs=25, batch_size=4, seed=seed))


def test_one_series_may_be_fitted_from_many_seeds_and_starts() -> None:
    t = training()
    runs = t.fit_many(START, {"x": X[0], "y": Y[0]}, epochs=9, batch_size=5, seed=range(3))
    assert len(set(runs.params["w"])) == 3
    same(runs, 2, t.fit(START, {"x": X[0], "y": Y[0]}, epochs=9, batch_size=5, seed=2))


def test_matrices_frozen_parameters_packs_and_averages() -> None:
    n = sp.Symbol("n", integer=True, positive=True)
    P, V, F, m, v = (sp.MatrixSymbol(name, *s) for name, s in zip("PVFmv", [(n, 2), (2, 1), (2, 1), (1, 1), (1, 1)]))  # noqa: B905
    a, c = sp.symbols("a c")
    scores = P * (V + F)
    centred = scores - sp.OneMatrix(n, 1) * m
    loss = sp.Trace(centred.T * centred) / n + (a - c * v[0, 0]) ** 2 + (a - 1) ** 2
    averages = batch_statistics(scores, m, v)
    t = compile_training(loss, [V, (a, c)], [P], frozen=[F], batch=n, averages=averages, optimizer=Adam(lr=0.1))
    points, frozen = RNG.normal(size=(3, 8, 2)), RNG.normal(size=(3, 2, 1))
    pack = t.params[1]
    start = {"V": np.ones((2, 1)), pack: RNG.normal(size=(3, 2)), "F": frozen}
    runs = t.fit_many(start, {"P": points}, epochs=15, batch_size=4)
    assert runs.params["V"].shape == (3, 2, 1)
    assert runs.params[pack].shape == (3, 2)
    for k in range(3):
        own = {"V": start["V"], pack: start[pack][k], "F": frozen[k]}
        same(runs, k, t.fit(own, {"P": points[k]}, epochs=15, batch_size=4))


@pytest.mark.parametrize("backend", ["numba", "numpy"])
def test_a_series_that_goes_wrong_stops_no_other(backend: str) -> None:
    """One has a nan in its data, one runs below 0 after some epochs, one has no finite loss at all."""
    t = compile_training(sp.log(w * x), [w], [x], optimizer=SGD(lr=0.1), backend=backend)
    data, starts = np.ones((5, 4)), np.array([1.0, 9.0, 1.2, -1.0, 9.0])
    data[4, 2] = np.nan
    runs = t.fit_many({"w": starts}, {"x": data}, epochs=8, batch_size=2)
    assert sorted(runs.errors) == [0, 2, 3, 4]
    assert "4 of them went wrong" in repr(runs)
    same(runs, 1, t.fit({"w": 9.0}, {"x": data[1]}, epochs=8, batch_size=2))
    for k in runs.errors:
        with pytest.raises(Diverged) as told:
            t.fit({"w": starts[k]}, {"x": data[k]}, epochs=8, batch_size=2)
        assert str(runs.errors[k]) == str(told.value)
        same(runs, k, told.value.run)
        assert np.all(np.isnan(runs.history.loss[k, runs.epochs[k] :]))
        assert runs[k].stopped == "diverged"
    assert 0 < runs.epochs[0] < 8


def test_a_label_out_of_range_stops_no_other() -> None:
    n = sp.Symbol("n", integer=True, positive=True)
    k = sp.Symbol("k", integer=True)
    scores, labels = sp.IndexedBase("scores", shape=(3,)), sp.IndexedBase("labels", shape=(n,), integer=True)
    loss = sp.Sum((scores[labels[k]] - 1) ** 2, (k, 0, n - 1)) / n
    t = compile_training(loss, [scores], [labels], batch=n, optimizer=SGD())
    runs = t.fit_many({"scores": np.zeros(3)}, {"labels": np.array([[0, 1, 2], [0, 3, 1]])}, epochs=3, batch_size=2)
    assert isinstance(runs.errors[1], OutOfRange)
    assert list(runs.epochs) == [3, 0]
    assert runs.params["scores"][0, 0] > 0.0


def test_a_series_goes_on_alone() -> None:
    t = training(schedule=None)
    data = {"x": X[1], "y": Y[1]}
    part = t.fit_many(START, {"x": X, "y": Y}, epochs=6, batch_size=5)[1]
    rest = t.fit(part.params, data, epochs=4, batch_size=5, state=part.state)
    whole = t.fit(START, data, epochs=10, batch_size=5)
    assert rest.params == whole.params
    assert rest.state.generator == whole.state.generator


def test_what_is_given_is_left_alone() -> None:
    starts, data = {"w": np.linspace(0, 1, COUNT), "b": np.zeros(COUNT)}, {"x": X.copy(), "y": Y.copy()}
    training().fit_many(starts, data, epochs=20)
    assert np.array_equal(starts["w"], np.linspace(0, 1, COUNT))
    assert np.array_equal(data["x"], X)
    none = training().fit_many(starts, data, epochs=0)
    assert np.array_equal(none.params["w"], starts["w"])
    assert not np.shares_memory(none.params["w"], starts["w"])


def test_ctrl_c_returns_what_has_been_reached() -> None:
    t = training(schedule=None)
    options: dict[str, Any] = {"batch_size": 2, "shuffle": False}
    t.fit_many(START, {"x": X, "y": Y}, epochs=1, **options)
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    runs = t.fit_many(START, {"x": X, "y": Y}, epochs=10**6, **options)
    timer.join()
    assert runs.stopped == "interrupted"
    assert len(set(runs.epochs)) == 1
    assert 0 < runs.epochs[0] < 10**6
    assert runs.history.loss.shape == (COUNT, runs.epochs[0])
    assert np.all(np.isfinite(runs.history.loss))


def test_an_explosion_is_warned_of() -> None:
    t = training(optimizer=SGD(lr=5.0), schedule=None)
    with pytest.warns(SymbackpropWarning, match="explodes in 1 of 2 series, the first of them 1"):
        t.fit_many(START, {"x": np.stack([0 * X[0], X[0]]), "y": np.stack([0 * Y[0] - 0.25, Y[0]])}, epochs=30)


def test_threads_are_waited_for_through_an_interrupt() -> None:
    """They write into arrays that would be gone: this was a crash."""

    class Late(Future[None]):
        interrupts = 2

        def exception(self, timeout: float | None = None) -> BaseException | None:
            self.interrupts -= 1
            if self.interrupts >= 0:
                raise KeyboardInterrupt
            return None

    late = Late()
    assert [type(error) for error in ended([late])] == [KeyboardInterrupt, type(None)]
    assert late.interrupts == -1


Trouble = tuple[type[SymbackpropError], str, Callable[[Training], Any]]
TROUBLE: dict[str, Trouble] = {
    "no series": (ShapeMismatch, "nothing says how many", lambda t: t.fit_many(START, {"x": X[0], "y": Y[0]})),
    "none at all": (ShapeMismatch, "'x' has no series", lambda t: t.fit_many(START, {"x": X[:0], "y": Y[:0]})),
    "not as many": (
        ShapeMismatch,
        "'y' has 3 series, where 'x' has",
        lambda t: t.fit_many(START, {"x": X, "y": Y[:3]}),
    ),
    "seeds": (ShapeMismatch, "'seed' has 2 series", lambda t: t.fit_many(START, {"x": X, "y": Y}, seed=[1, 2])),
    "a seed": (OptionError, "seed=-1", lambda t: t.fit_many(START, {"x": X, "y": Y}, seed=-1)),
    "samples": (ShapeMismatch, "has 11 samples", lambda t: t.fit_many(START, {"x": X, "y": Y[:, :11]})),
    "a ragged one": (
        ShapeMismatch,
        "has 2 samples",
        lambda t: t.fit_many(START, {"x": [X[0], X[1, :3]], "y": [Y[0], Y[1, :2]]}),
    ),
    "missing": (CallError, "data miss 'y'", lambda t: t.fit_many(START, {"x": X})),
    "no dict": (CallError, "params must be a dict", lambda t: t.fit_many([0, 0], {"x": X, "y": Y})),  # type: ignore[arg-type]
    "no threads": (OptionError, "threads=0", lambda t: t.fit_many(START, {"x": X, "y": Y}, threads=0)),
    "words": (CallError, "'w' must be real", lambda t: t.fit_many({**START, "w": ["a", "b"]}, {"x": X, "y": Y})),
    "axes": (ShapeMismatch, "'w' must be a 1-D", lambda t: t.fit_many({**START, "w": [[1]]}, {"x": X, "y": Y})),
}


@pytest.fixture(scope="module")
def line() -> Training:
    return training(backend="numpy")


@pytest.mark.parametrize("trouble", TROUBLE)
def test_trouble_is_one_clear_error(line: Training, trouble: str) -> None:
    kind, words, call = TROUBLE[trouble]
    with pytest.raises(kind, match=words):
        call(line)


def test_what_needs_a_pause_between_epochs_is_refused() -> None:
    for options in ({"schedule": plateau()}, {"metrics": {"w": w}}):
        with pytest.raises(OptionError, match="a plateau and metrics need fit"):
            training(backend="numpy", **options).fit_many(START, {"x": X, "y": Y})
