"""What surrounds the loop: history, validation, early stopping, going on, interrupts, files, and trouble."""

from __future__ import annotations

import os
import re
import signal
import threading
from collections.abc import Callable
from pathlib import Path
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
    NameClash,
    OptionError,
    OutOfRange,
    Run,
    ShapeMismatch,
    SymbackpropError,
    SymbackpropWarning,
    Training,
    UnboundSymbol,
    compile_grad,
    compile_training,
    cosine,
    emit_module,
)

w, b, x, y = sp.symbols("w b x y")
POINTS = np.linspace(-1.0, 2.0, 12)
LINE = {"x": POINTS, "y": 2.0 * POINTS + 1.0 + 0.1 * np.sin(9 * POINTS)}
START = {"w": 0.0, "b": 0.0}


@pytest.fixture(scope="module", params=["numpy", "numba"])
def line(request: pytest.FixtureRequest) -> Training:
    return compile_training(
        (w * x + b - y) ** 2,
        [w, b],
        [x, y],
        optimizer=Momentum(lr=0.05),
        schedule=cosine(0.001),
        metrics={"error": sp.Abs(w * x + b - y)},
        backend=request.param,
    )


def same(a: Run, b: Run) -> None:
    """Bit for bit."""
    assert a.params == b.params
    assert all(np.array_equal(a.state.slots[name], b.state.slots[name]) for name in b.state.slots)
    assert (a.state.steps, a.state.epochs, a.state.generator) == (b.state.steps, b.state.epochs, b.state.generator)


def test_the_history_has_an_entry_an_epoch(line: Training) -> None:
    run = line.fit(START, LINE, epochs=6, batch_size=5, validation=LINE)
    assert set(run.history) == {"loss", "grad_norm", "lr", "seconds", "val_loss", "error"}
    assert {len(values) for values in run.history.values()} == {6}
    error = run.params["w"] * LINE["x"] + run.params["b"] - LINE["y"]
    assert run.history.val_loss[-1] == pytest.approx(np.mean(error**2), rel=1e-12)
    assert run.history.error[-1] == pytest.approx(np.mean(np.abs(error)), rel=1e-12)
    assert np.all(run.history.seconds > 0.0)
    with pytest.raises(AttributeError, match="it has loss, grad_norm"):
        _ = run.history.accuracy


def test_a_run_goes_on_bit_for_bit(line: Training, tmp_path: Path) -> None:
    whole = line.fit(START, LINE, epochs=20, batch_size=5)
    # Interrupted after 7 epochs of 20: the schedule knows of all of them.
    part = line.fit(START, LINE, epochs=20, batch_size=5, callback=lambda epoch, run: epoch == 6)
    assert (part.stopped, part.state.epochs) == ("callback", 7)
    part.save(tmp_path / "run.npz")
    loaded = Run.load(tmp_path / "run.npz")
    same(loaded, part)
    rest = line.fit(loaded.params, LINE, epochs=13, batch_size=5, state=loaded.state)
    same(rest, whole)
    assert np.array_equal(np.concatenate([loaded.history.loss, rest.history.loss]), whole.history.loss)
    assert [path.name for path in tmp_path.iterdir()] == ["run.npz"]


def test_seeds_order_the_samples_alike_everywhere() -> None:
    runs = {
        (backend, seed): compile_training(
            (w * x + b - y) ** 2, [w, b], [x, y], optimizer=SGD(lr=0.05), backend=backend
        ).fit(START, LINE, epochs=3, batch_size=5, seed=seed)
        for backend in ("numpy", "numba")
        for seed in (0, 1)
    }
    np.testing.assert_allclose(runs["numba", 0].history.loss, runs["numpy", 0].history.loss, rtol=1e-12)
    assert abs(runs["numpy", 1].history.loss[0] - runs["numpy", 0].history.loss[0]) > 1e-6


def test_patience_ends_a_run_and_keeps_the_best(line: Training) -> None:
    other = {"x": LINE["x"], "y": LINE["y"] + np.where(np.arange(12) < 6, 3.0, 0.0)}
    run = line.fit(START, LINE, epochs=500, batch_size=5, validation=other, patience=5)
    assert run.stopped == "patience"
    best = int(np.argmin(run.history.val_loss))
    assert run.best_epoch == best
    assert len(run.history.loss) == best + 6
    error = run.params["w"] * other["x"] + run.params["b"] - other["y"]
    assert np.mean(error**2) == pytest.approx(run.history.val_loss[best], rel=1e-12)


def test_an_epoch_without_a_validation_loss_is_never_the_best() -> None:
    # Samples for validation take the root of w: nan until w is positive.
    loss = (w + b - x) ** 2 + sp.Piecewise((sp.sqrt(w), y > 0), (0, True))
    t = compile_training(loss, [w, b], [x, y], optimizer=SGD(lr=0.05), backend="numpy")
    one = {"x": np.ones(4), "y": np.zeros(4)}
    run = t.fit({"w": -0.3, "b": 0.0}, one, epochs=6, validation={"x": [1.0], "y": [1.0]}, patience=3)
    assert np.isnan(run.history.val_loss[0])
    assert run.stopped == ""
    assert run.best_epoch == int(np.nanargmin(run.history.val_loss))


@pytest.mark.parametrize("epochs", [0, 2])
def test_a_run_shares_no_memory_with_what_it_was_given(epochs: int) -> None:
    trained, frozen = sp.MatrixSymbol("T", 3, 1), sp.MatrixSymbol("F", 3, 1)
    t = compile_training(((trained + frozen).T * trained)[0, 0] * x, [trained], [x], frozen=[frozen], backend="numpy")
    given = {"T": np.ones((3, 1)), "F": np.ones((3, 1))}
    seen = []
    run = t.fit(given, {"x": np.ones(4)}, epochs=epochs, callback=lambda epoch, run: seen.append(run))
    for own in (run, *seen):
        assert not any(np.shares_memory(own.params[name], given[name]) for name in given)


def test_ctrl_c_returns_what_has_been_reached(line: Training) -> None:
    # Nothing is done between epochs: a block of them takes a while, and machine code hears no signals.
    t = compile_training((w * x + b - y) ** 2, [w, b], [x, y], optimizer=Momentum(lr=0.05), backend=line.backend)
    t.fit(START, LINE, epochs=1, batch_size=5)
    timer = threading.Timer(0.4, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    run = t.fit(START, LINE, epochs=10**8, batch_size=5)
    timer.join()
    assert run.stopped == "interrupted"
    assert 1 <= len(run.history.loss) == run.state.epochs < 10**8
    assert len(t.fit(run.params, LINE, epochs=3, batch_size=5, state=run.state).history.loss) == 3


def test_a_loss_that_is_no_number_names_epoch_and_batch() -> None:
    t = compile_training(sp.log(w * x), [w], [x], optimizer=SGD(lr=0.1))
    data = {"x": np.array([1.0, 1.0, 1.0, 1.0])}
    # d log(w*x)/dw is 1/w: from 1 the weight sinks, by 0.1/w a step, below 0 in the sixth.
    reached = [1.0]
    while reached[-1] > 0.0:
        reached.append(reached[-1] - 0.1 / reached[-1])
    bad = len(reached) - 1
    words = rf"epoch {bad // 2}, batch {bad % 2} \(both from 0\): there log\(.*\) is nan"
    with pytest.raises(Diverged, match=words) as caught:
        t.fit({"w": 1.0}, data, epochs=100, batch_size=2)
    run = caught.value.run
    assert len(run.history.loss) == run.state.epochs == bad // 2
    assert run.params["w"] == pytest.approx(reached[bad // 2 * 2], rel=1e-12)


def test_an_exploding_gradient_is_warned_of() -> None:
    t = compile_training((w * x - y) ** 2, [w], [x, y], optimizer=SGD(lr=3.0))
    with pytest.warns(SymbackpropWarning, match=r"grew from .* in epoch \d+ \(from 0\): it explodes") as caught:
        t.fit({"w": 0.0}, LINE, epochs=30)
    assert caught[0].filename == __file__


def test_progress_is_told_on_stderr_where_it_is_asked_for(line: Training, capsys: pytest.CaptureFixture[str]) -> None:
    line.fit(START, LINE, epochs=3, batch_size=5)
    assert capsys.readouterr().err == ""
    line.fit(START, LINE, epochs=3, batch_size=5, progress=True)
    assert re.search(r"epoch 3/3   loss \S+ +", capsys.readouterr().err)


def test_no_epochs_are_no_change(line: Training) -> None:
    run = line.fit({"w": 1.5, "b": -1.0}, LINE, epochs=0)
    assert run.params == {"w": 1.5, "b": -1.0}
    assert len(run.history.loss) == 0


def test_frozen_parameters_stay(line: Training) -> None:
    t = compile_training((w * x + b - y) ** 2, [w], [x, y], frozen=[b], optimizer=Adam(lr=0.1))
    assert t.params == ("w", "b")
    run = t.fit({"w": 0.0, "b": 1.0}, LINE, epochs=300)
    assert run.params["b"] == 1.0
    assert run.params["w"] == pytest.approx(np.sum((LINE["y"] - 1.0) * POINTS) / np.sum(POINTS**2), abs=1e-6)


def test_a_loss_may_take_its_data_as_they_are() -> None:
    c = sp.Symbol("c")
    t = compile_training((w - c) ** 2, [w], [c], batch=None, optimizer=SGD(lr=0.25))
    assert t.fit({"w": 0.0}, {"c": 3.0}, epochs=60).params["w"] == pytest.approx(3.0)


def test_sums_over_a_minibatch() -> None:
    mean = compile_training((w * x - y) ** 2, [w], [x, y], optimizer=SGD(lr=0.01))
    total = compile_training((w * x - y) ** 2, [w], [x, y], optimizer=SGD(lr=0.01 / 12), reduce="sum")
    a, s = (t.fit({"w": 0.0}, LINE, epochs=9) for t in (mean, total))
    np.testing.assert_allclose(12 * a.history.loss, s.history.loss, rtol=1e-12)


def test_packed_parameters_are_one_array() -> None:
    a, c = sp.symbols("a c")
    t = compile_training((a * x + c - y) ** 2, [(a, c)], [x, y], optimizer=Adam(lr=0.1))
    one = compile_training((w * x + b - y) ** 2, [w, b], [x, y], optimizer=Adam(lr=0.1)).fit(START, LINE, epochs=5)
    (name,) = t.params
    run = t.fit({name: [0.0, 0.0]}, LINE, epochs=5)
    np.testing.assert_allclose(run.params[name], [one.params["w"], one.params["b"]], rtol=1e-13)


def test_labels_out_of_range_are_told() -> None:
    n = sp.Symbol("n", integer=True, positive=True)
    k = sp.Symbol("k", integer=True)
    scores = sp.IndexedBase("scores", shape=(3,))
    labels = sp.IndexedBase("labels", shape=(n,), integer=True)
    t = compile_training(-sp.Sum(scores[labels[k]], (k, 0, n - 1)) / n, [scores], [labels], batch=n, optimizer=SGD())
    t.fit({"scores": np.zeros(3)}, {"labels": np.array([0, 1, 2, 2])}, epochs=2, batch_size=2)
    with pytest.raises(OutOfRange, match="label"):
        t.fit({"scores": np.zeros(3)}, {"labels": np.array([0, 1, 3, 2])}, epochs=2, batch_size=2)


Trouble = tuple[type[SymbackpropError], str, Callable[[Training], Any]]
TROUBLE: dict[str, Trouble] = {
    "a parameter is missing": (CallError, "params miss 'b'", lambda t: t.fit({"w": 0}, LINE)),
    "an unknown parameter": (CallError, "params have no 'c'", lambda t: t.fit({**START, "c": 0}, LINE)),
    "data are missing": (CallError, "data miss 'y'", lambda t: t.fit(START, {"x": POINTS})),
    "params are no dict": (CallError, "params must be a dict", lambda t: t.fit([0, 0], LINE)),  # type: ignore[arg-type]
    "no samples": (ShapeMismatch, "no samples", lambda t: t.fit(START, {"x": [], "y": []})),
    "lengths that differ": (ShapeMismatch, "has 3 samples", lambda t: t.fit(START, {**LINE, "y": [1, 2, 3]})),
    "another rank": (ShapeMismatch, "must be a 1-D array", lambda t: t.fit(START, {**LINE, "y": np.ones((12, 1))})),
    "an array for a number": (ShapeMismatch, "must be one number", lambda t: t.fit({**START, "w": [1, 2]}, LINE)),
    "words": (CallError, "must be real numbers", lambda t: t.fit({**START, "w": "one"}, LINE)),
    "a batch larger than the set": (
        OptionError,
        "more than the 12 samples",
        lambda t: t.fit(START, LINE, batch_size=13),
    ),
    "a batch of nothing": (OptionError, "batch_size=0", lambda t: t.fit(START, LINE, batch_size=0)),
    "an option that it does not have": (
        CallError,
        r"fit\(\) has no option 'epoch' \(did you mean epochs\?\); it has epochs, batch_size",
        lambda t: t.fit(START, LINE, epoch=3),  # type: ignore[call-arg]
    ),
    "masked data": (
        CallError,
        "'x' is a masked array, 1 of 12 entries",
        lambda t: t.fit(START, {**LINE, "x": np.ma.masked_less(POINTS, -0.9)}),
    ),
    "epochs below 0": (OptionError, "epochs=-1", lambda t: t.fit(START, LINE, epochs=-1)),
    "patience of 0": (OptionError, "patience=0", lambda t: t.fit(START, LINE, patience=0)),
    "validation misses data": (
        CallError,
        "validation data miss 'y'",
        lambda t: t.fit(START, LINE, validation={"x": POINTS}),
    ),
    "a seed that is none": (OptionError, "seed='a': an integer", lambda t: t.fit(START, LINE, seed="a")),
    "data with a hole": (
        Diverged,
        "y is nan in 12 of 12 entries; the data must be finite",
        lambda t: t.fit(START, {**LINE, "y": LINE["y"] * np.nan}),
    ),
    "a first value that is none": (
        Diverged,
        "there w is nan; the first values must be finite",
        lambda t: t.fit({**START, "w": np.nan}, LINE, batch_size=5),
    ),
    "validation on no samples": (
        ShapeMismatch,
        "the validation data hold no samples",
        lambda t: t.fit(START, LINE, validation={"x": [], "y": []}, epochs=1),
    ),
    "a state of another optimizer": (
        CallError,
        "carries v_w, v_b",
        lambda t: t.fit(START, LINE, state=_other_state()),
    ),
}


def _other_state() -> Any:
    t = compile_training((w * x + b - y) ** 2, [w, b], [x, y], optimizer=SGD(), backend="numpy")
    return t.fit(START, LINE, epochs=1).state


@pytest.mark.parametrize("trouble", TROUBLE)
def test_trouble_with_a_fit_is_one_clear_error(line: Training, trouble: str) -> None:
    kind, words, call = TROUBLE[trouble]
    with pytest.raises(kind, match=words):
        call(line)


def test_trouble_with_a_training_is_one_clear_error(network: Any) -> None:
    n = network.N
    with pytest.raises(UnboundSymbol, match="'b'"):
        compile_training((w * x + b - y) ** 2, [w], [x, y])
    with pytest.raises(OptionError, match="nothing to train"):
        compile_training(w**2, [], [w])
    with pytest.raises(OptionError, match="no backend 'python'"):
        compile_training(w**2, [w], [], batch=None, backend="python")
    with pytest.raises(OptionError, match="reduce='max'"):
        compile_training((w * x) ** 2, [w], [x], reduce="max")
    with pytest.raises(OptionError, match="params holds 'w', a str"):
        compile_training((w * x) ** 2, "w", [x])
    with pytest.raises(OptionError, match=r"data holds 1\.0, a float"):
        compile_training((w * x) ** 2, [w], {x: 1.0})
    with pytest.raises(CallError, match=r"emit_module\(\) has no option 'backed'; it has path, target"):
        emit_module(w**2, w, backed="numpy")  # type: ignore[call-arg]
    with pytest.raises(OptionError, match="target='c' is not one of 'python'"):
        emit_module(w**2, w, target="c")
    with pytest.raises(CallError, match=r"compile_grad\(\) has no option 'backed' \(did you mean backend\?\); it has"):
        compile_grad(w**2, w, backed="numpy")  # type: ignore[call-arg]
    with pytest.raises(
        CallError, match=r"compile_training\(\) has no option 'lr'; it has optimizer, batch, reduce, back"
    ):
        compile_training((w * x) ** 2, [w], [x], lr=0.1)  # type: ignore[call-overload]
    for options, where in (
        ({"frozen": [b]}, "b is both in params and in frozen"),
        ({"frozen": [x]}, "x is both in frozen and in data"),
        ({"batch": n, "averages": {b: w}}, "b is both in params and in averages"),
    ):
        with pytest.raises(NameClash, match=where):
            compile_training((w * x + b) ** 2, [w, b], [x], **options)
    with pytest.raises(NameClash, match="w is twice in params"):
        compile_training((w * x) ** 2, [(w, b), w], [x])
    with pytest.raises(OptionError, match="schedule='cosine': a function"):
        compile_training((w * x) ** 2, [w], [x], schedule="cosine")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="clip_norm=-1"):
        compile_training((w * x) ** 2, [w], [x], clip_norm=-1)
    for options, said in (
        ({"batch": "N"}, "batch='N': True is due, or the symbol"),
        ({"metrics": [w]}, "metrics must be a dict of expressions by name"),
        ({"metrics": {"lr": w}}, "metrics names 'lr', which a history has anyway"),
        ({"metrics": {"bias": lambda run: 1.0}}, r"metrics\['bias'\] is a function"),
    ):
        with pytest.raises(OptionError, match=said):
            compile_training((w * x) ** 2, [w], [x], **options)
    columns = sp.MatrixSymbol("C", 2, n)
    with pytest.raises(ShapeMismatch, match=r"C has the shape \(2, N\): the samples N must run along its first axis"):
        compile_training(sp.Trace(columns.T * columns) * w, [w], [columns], batch=n)
    of_one = compile_training(network.loss, network.params, network.data, backend="numpy")
    with pytest.raises(ShapeMismatch, match=r"\(samples, N, 2\), got shape \(5, 2\); if N counts the samples, say so"):
        of_one.fit(network.start, {"X": np.ones((5, 2)), "Y": np.ones((5, 1))})
    with pytest.raises(OptionError, match="none of the data has samples along M"):
        compile_training(network.loss, network.params, network.data, batch=sp.Symbol("M", integer=True))


def test_a_run_is_shown_in_one_line(line: Training) -> None:
    assert re.fullmatch(
        r"<run of w, b: 300 epochs, 300 steps in all, loss \S+ -> \S+>", repr(line.fit(START, LINE, epochs=300))
    )
    assert repr(line.fit(START, LINE, epochs=0)) == "<run of w, b: 0 epochs, 0 steps in all>"


def test_files_that_are_no_runs_are_refused(tmp_path: Path, line: Training) -> None:
    path = tmp_path / "other.npz"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(SymbackpropError, match="is no npz file"):
        Run.load(path)
    np.savez(path, a=np.zeros(2))
    with pytest.raises(SymbackpropError, match="is no run"):
        Run.load(path)
    with pytest.raises(SymbackpropError, match="there is no folder"):
        line.fit(START, LINE, epochs=1).save(tmp_path / "nowhere" / "run.npz")


def test_the_source_is_the_loop_and_runs_alone(line: Training, tmp_path: Path) -> None:
    path = line.save(tmp_path / "loop.py")
    text = path.read_text(encoding="utf-8")
    assert text == line.source
    assert "symbackprop" not in re.sub(r"Written by symbackprop.*", "", text)
    if line.backend == "numpy":
        scope: dict[str, Any] = {}
        exec(compile(text, str(path), "exec"), scope)
        order = np.array([np.arange(12)] * 4)
        (losses, *_), (w1, b1, *_) = scope["train"](0.0, 0.0, 0.0, 0.0, POINTS, LINE["y"], order, 0.05, 4.0, 4, 5, 0, 0)
        run = line.fit(START, LINE, epochs=4, batch_size=5, shuffle=False)
        assert np.array_equal(losses, run.history.loss)
        assert (w1, b1) == (run.params["w"], run.params["b"])
