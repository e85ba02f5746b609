"""Moving averages beside the parameters: batch normalisation as PyTorch has it, resumed, validated, and in source."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop import (
    LBFGS,
    SGD,
    Adam,
    Average,
    OptionError,
    Run,
    ShapeMismatch,
    affine,
    batch_norm,
    batch_statistics,
    compile_function,
    compile_training,
    mse,
    tanh,
)

RNG = np.random.default_rng(6)
N = sp.Symbol("N", integer=True, positive=True)
X, Y = sp.MatrixSymbol("X", N, 2), sp.MatrixSymbol("Y", N, 1)
SHAPES = {
    "W1": (2, 4), "b1": (1, 4), "g1": (1, 4), "c1": (1, 4),
    "W2": (4, 1), "b2": (1, 1), "g2": (1, 1), "c2": (1, 1),
}  # fmt: skip
P = {name: sp.MatrixSymbol(name, *shape) for name, shape in SHAPES.items()}
RUNNING = [sp.MatrixSymbol(name, 1, k) for name, k in (("m1", 4), ("v1", 4), ("m2", 1), ("v2", 1))]


@pytest.fixture(scope="module")
def normed() -> Any:
    """2-4-1 with both layers normalised: the second statistics are of what the first make; 20 samples."""
    m1, v1, m2, v2 = RUNNING
    first = affine(X, P["W1"], P["b1"])
    second = affine(tanh(batch_norm(first, P["g1"], P["c1"], m1, v1)), P["W2"], P["b2"])
    output = batch_norm(second, P["g2"], P["c2"], m2, v2)
    rng = np.random.default_rng(2)
    points = rng.normal(size=(20, 2)) * [1.0, 3.0] + [0.0, 2.0]
    # Smooth enough that roundings do not grow: with points[:, 1:]**2 the paths part by 1e-6 within 100 steps.
    start = {name: rng.normal(size=shape) for name, shape in SHAPES.items()}
    return SimpleNamespace(
        loss=mse(output, Y),
        output=output,
        averages={**batch_statistics(second, m2, v2, momentum=0.2), **batch_statistics(first, m1, v1)},
        start=start | {name: np.ones(SHAPES[name]) for name in ("g1", "g2")},
        given={"X": points, "Y": np.sin(points[:, :1]) + 0.2 * points[:, 1:]},
    )


def compiled(normed: Any, **options: Any) -> Any:
    settings = {"optimizer": SGD(lr=0.05), "cache": False, **options}
    return compile_training(normed.loss, [*P.values()], [X, Y], batch=N, averages=normed.averages, **settings)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_hundred_steps_are_those_of_torch(normed: Any, backend: str) -> None:
    torch = pytest.importorskip("torch")
    nn = torch.nn
    run = compiled(normed, backend=backend).fit(normed.start, normed.given, epochs=34, batch_size=8, shuffle=False)

    model = nn.Sequential(
        nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 1), nn.BatchNorm1d(1, momentum=0.2)
    ).double()
    first, norm1, _, second, norm2 = model
    places = {"W1": first.weight, "b1": first.bias, "g1": norm1.weight, "c1": norm1.bias}
    places |= {"W2": second.weight, "b2": second.bias, "g2": norm2.weight, "c2": norm2.bias}
    with torch.no_grad():
        for name, place in places.items():
            place.copy_(torch.tensor(normed.start[name].T.reshape(place.shape)))
    rule = torch.optim.SGD(model.parameters(), lr=0.05)
    points, targets = (torch.tensor(normed.given[name]) for name in ("X", "Y"))
    for _ in range(34):
        for begin in range(0, 20, 8):
            rule.zero_grad()
            torch.mean((model(points[begin : begin + 8]) - targets[begin : begin + 8]) ** 2).backward()
            rule.step()
    places |= {"m1": norm1.running_mean, "v1": norm1.running_var, "m2": norm2.running_mean, "v2": norm2.running_var}
    assert set(places) == set(run.params)
    for name, place in places.items():
        expected = place.detach().numpy()
        np.testing.assert_allclose(run.params[name].T.reshape(expected.shape), expected, rtol=1e-10, atol=1e-10)
    # The very expression of the loss predicts afterwards, from the averages.
    predict = compile_function(normed.output, cache=False, backend=backend)
    inference = model.eval()(points).detach().numpy()
    used = {name: run.params[name] for name in predict.args if name != "X"}
    np.testing.assert_allclose(predict(X=normed.given["X"], **used), inference, rtol=1e-9)


def test_validation_and_metrics_take_the_averages(normed: Any) -> None:
    t = compiled(normed, backend="numpy", metrics={"again": normed.loss, "mean": RUNNING[2][0, 0]})
    seen: list[Run] = []
    run = t.fit(normed.start, normed.given, epochs=3, batch_size=10, validation=normed.given, callback=keep(seen))
    assert np.array_equal(run.history.val_loss, run.history.again)
    assert [r.params["m2"][0, 0] for r in seen] == list(run.history["mean"])
    # In training rows are normalised by their own statistics.
    assert abs(run.history.loss[-1] - run.history.val_loss[-1]) > 1e-3


def keep(seen: list[Run]) -> Any:
    return lambda epoch, run: seen.append(run)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_run_goes_on_bit_for_bit(normed: Any, backend: str, tmp_path: Path) -> None:
    t = compiled(normed, backend=backend, optimizer=Adam(lr=0.02))
    whole = t.fit(normed.start, normed.given, epochs=20, batch_size=6)
    part = t.fit(normed.start, normed.given, epochs=20, batch_size=6, callback=lambda epoch, run: epoch == 7)
    part.save(tmp_path / "run.npz")
    loaded = Run.load(tmp_path / "run.npz")
    rest = t.fit(loaded.params, normed.given, epochs=12, batch_size=6, state=loaded.state)
    assert not any(name.startswith("m1") for name in t.slots)
    for name, value in whole.params.items():
        assert np.array_equal(rest.params[name], value)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_the_source_keeps_them_as_well(normed: Any, backend: str, tmp_path: Path) -> None:
    t = compiled(normed, backend=backend)
    assert (" m1_new = " if backend == "numpy" else " m1[0, j] = ") in t.source
    assert "v1, averaged = N/(N - 1)*" in t.source
    spec = importlib.util.spec_from_file_location("loop", t.save(tmp_path / "loop.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    values = [normed.start[name] for name in P] + [t.averages.first(a.name) for a in t.moved[len(P) :]]
    order = np.array([np.arange(20)] * 4)
    _, moved = module.train(*values, normed.given["X"], normed.given["Y"], order, 0.05, 4.0, 4, 8, 0, 0)
    run = t.fit(normed.start, normed.given, epochs=4, batch_size=8, shuffle=False)
    for name, value in zip(t.params, moved, strict=True):
        np.testing.assert_allclose(value, run.params[name], rtol=1e-12)


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_anything_may_be_averaged(backend: str, dtype: str) -> None:
    """Numbers, of the data or of parameters, also such as the loss does not know."""
    w, level, slow = sp.symbols("w level slow")
    x = sp.MatrixSymbol("x", N, 1)
    mean = sp.Sum(x[sp.Symbol("i", integer=True), 0], (sp.Symbol("i", integer=True), 0, N - 1)) / N
    t = compile_training(
        (w - level) ** 2,
        [w],
        [x],
        optimizer=SGD(lr=0.25),
        batch=N,
        averages={level: mean, slow: Average(w, momentum=0.5, start=4.0)},
        backend=backend,
        dtype=dtype,
    )
    assert t.params == ("w", "level", "slow")
    points = np.array([[1.0], [2.0], [3.0], [6.0]])
    run = t.fit({"w": 0.0, "level": 8.0}, {"x": points}, epochs=1, batch_size=2, shuffle=False)
    # Minibatches of mean 1.5 and 4.5; w goes half way, its average half way to where it was.
    found = [run.params[name] for name in t.params]
    np.testing.assert_allclose(found, [2.625, (8 * 0.9 + 0.15) * 0.9 + 0.45, (4 / 2 + 0) / 2 + 0.375], rtol=1e-6)
    assert {np.asarray(value).dtype for value in found} == {np.dtype(dtype)}


def test_an_average_may_be_called_like_a_slot_and_losses_be_let_bound() -> None:
    """Adam carries m_w beside w; the loss comes as `sympy.cse` gives it."""
    w, half, average = sp.symbols("w half m_w")
    x = sp.MatrixSymbol("x", N, 1)
    mean = sp.Trace(sp.OneMatrix(N, 1).T * x) / N
    cse = ([(half, (w - average) / 2)], [half**2])
    options: dict[str, Any] = {"batch": N, "optimizer": Adam(lr=0.1), "averages": {average: Average(mean, start=5.0)}}
    points = RNG.normal(size=(3, 8, 1))
    for backend in ("numpy", "numba"):
        t = compile_training(cse, [w], [x], backend=backend, **options)
        plain = compile_training((w - average) ** 2 / 4, [w], [x], backend=backend, **options)
        runs = t.fit_many({"w": 1.0}, {"x": points}, epochs=5, batch_size=3)
        for k in range(3):
            run = plain.fit({"w": 1.0}, {"x": points[k]}, epochs=5, batch_size=3)
            assert run.params == runs[k].params
            assert len({*t.params, *t.slots}) == len(t.params) + len(t.slots)
            assert run.state.slots == runs[k].state.slots


def test_what_cannot_be_averaged_is_told(normed: Any) -> None:
    m1 = RUNNING[0]
    w, x, level, other = sp.symbols("w x level other")
    options: dict[str, Any] = {"batch": N}
    with pytest.raises(OptionError, match="batch_size=19: the last minibatch has 1 of the 20 samples"):
        compiled(normed).fit(normed.start, normed.given, batch_size=19)
    with pytest.raises(OptionError, match="with batch=N"):
        compile_training((w * x - level) ** 2, [w], [x], averages={level: w * x})
    with pytest.raises(OptionError, match="need each other"):
        compile_training(w * level * other, [w], [X], averages={level: other, other: level}, **options)
    with pytest.raises(OptionError, match="averages names 'level', a str"):
        compile_training(w, [w], [X], averages={"level": w}, **options)
    with pytest.raises(ShapeMismatch, match=r"m1 has the shape \(1, 4\), what it averages \(1, 2\)"):
        compile_training(w, [w], [X], averages={m1: sp.OneMatrix(1, N) * X}, **options)
    with pytest.raises(OptionError, match="momentum=2"):
        Average(w, momentum=2)
    with pytest.raises(OptionError, match="LBFGS takes no"):
        compiled(normed, optimizer=LBFGS())
