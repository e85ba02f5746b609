"""The compiled loop against a loop written by hand, on every route."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp

from symbackprop import SGD, Momentum, compile_training

ROUTES = [{"backend": "numpy"}, {"backend": "numba"}, {"backend": "numba", "route": "njit"}]
w, b, x, y = sp.symbols("w b x y")
POINTS = np.linspace(-1.0, 2.0, 11)
LINE = {"x": POINTS, "y": 3.0 * POINTS - 1.0 + np.cos(7.0 * POINTS)}


def by_hand(epochs: int, batch_size: int, shuffle: bool, rate: float = 0.05) -> tuple[list[float], list[float], Any]:
    """Linear regression by gradient descent with momentum; orders as documented, from PCG64(seed)."""
    rng, n = np.random.Generator(np.random.PCG64(3)), len(POINTS)
    p, v, losses, norms = np.array([0.5, 0.25]), np.zeros(2), [], []
    for _ in range(epochs):
        order = rng.permutation(n) if shuffle else np.arange(n)
        total, largest = 0.0, 0.0
        for start in range(0, n, batch_size):
            xs, ys = (LINE[name][order[start : start + batch_size]] for name in ("x", "y"))
            error = p[0] * xs + p[1] - ys
            g = 2.0 * np.array([np.mean(error * xs), np.mean(error)])
            total += np.sum(error**2)
            largest = max(largest, float(np.linalg.norm(g)))
            v = 0.9 * v + g
            p = p - rate * v
        losses.append(total / n)
        norms.append(largest)
    return losses, norms, p


@pytest.mark.parametrize("options", ROUTES, ids=lambda options: "-".join(options.values()))
def test_minibatches_are_those_of_a_loop_by_hand(options: dict[str, str]) -> None:
    """Of 11 samples in fours, the last batch has 3: its loss is the mean over these."""
    t = compile_training((w * x + b - y) ** 2, [w, b], [x, y], optimizer=Momentum(lr=0.05), **options)
    assert t.route == options.get("route", {"numpy": "numpy", "numba": "direct"}[options["backend"]])
    for batch_size, shuffle in ((4, True), (4, False), (11, True), (1, True)):
        run = t.fit({"w": 0.5, "b": 0.25}, LINE, epochs=7, batch_size=batch_size, shuffle=shuffle, seed=3)
        losses, norms, p = by_hand(7, batch_size, shuffle)
        np.testing.assert_allclose(run.history.loss, losses, rtol=1e-12)
        np.testing.assert_allclose(run.history.grad_norm, norms, rtol=1e-12)
        np.testing.assert_allclose([run.params["w"], run.params["b"]], p, rtol=1e-12)
        assert isinstance(run.params["w"], float)


def test_what_a_run_is_does_not_depend_on_its_blocks() -> None:
    """With a callback every block is one epoch; without, they grow."""
    t = compile_training((w * x + b - y) ** 2, [w, b], [x, y], optimizer=Momentum(lr=0.05))
    seen: list[int] = []
    one = t.fit({"w": 0.0, "b": 0.0}, LINE, epochs=40, batch_size=4, callback=lambda epoch, run: seen.append(epoch))
    many = t.fit({"w": 0.0, "b": 0.0}, LINE, epochs=40, batch_size=4)
    assert seen == list(range(40))
    assert one.params == many.params
    assert np.array_equal(one.history.loss, many.history.loss)


def test_matrices_over_a_symbolic_batch_agree_on_all_routes(network: Any) -> None:
    runs = [
        compile_training(
            network.loss, network.params, network.data, optimizer=SGD(lr=0.1), batch=network.N, **options
        ).fit(network.start, network.given, epochs=30, batch_size=8)
        for options in ROUTES
    ]
    assert runs[0].history.loss[-1] < runs[0].history.loss[0] / 2
    for other in runs[1:]:
        for name, value in runs[0].params.items():
            np.testing.assert_allclose(other.params[name], value, rtol=1e-10)


def test_a_float32_loop_stays_in_float32(network: Any) -> None:
    runs = []
    for options in ROUTES[:2]:
        t = compile_training(
            network.loss,
            network.params,
            network.data,
            optimizer=Momentum(),
            batch=network.N,
            dtype="float32",
            **options,
        )
        runs.append(t.fit(network.start, network.given, epochs=20, batch_size=8))
        assert {np.asarray(value).dtype for value in runs[-1].params.values()} == {np.dtype("float32")}
        assert runs[-1].history.loss.dtype == np.float32
    np.testing.assert_allclose(runs[1].history.loss, runs[0].history.loss, rtol=1e-4)


def test_the_arguments_of_a_fit_are_left_alone(network: Any) -> None:
    t = compile_training(network.loss, network.params, network.data, batch=network.N)
    before = {name: np.array(value) for name, value in {**network.start, **network.given}.items()}
    t.fit(network.start, network.given, epochs=3, batch_size=8)
    for name, value in {**network.start, **network.given}.items():
        assert np.array_equal(before[name], value)


@pytest.mark.parametrize("options", ROUTES[:2], ids=lambda options: options["backend"])
def test_long_steps_are_cut_into_parts(options: dict[str, str]) -> None:
    """Rosenbrock's function in 150 numbers of one array, and in 20 that stand alone, by the loop by hand."""
    q = sp.symbols("q:150")
    for params, size in (([q], 150), (list(q[:20]), 20)):
        loss = sum(100 * (q[i + 1] - q[i] ** 2) ** 2 + (1 - q[i]) ** 2 for i in range(size - 1))
        t = compile_training(loss, params, [], batch=None, optimizer=SGD(lr=1e-4), **options)
        start = np.linspace(-0.5, 0.5, size)
        run = t.fit({"q": start} if len(params) == 1 else dict(zip(t.params, start, strict=True)), {}, epochs=5)
        p = start.copy()
        for _ in range(5):
            slope = np.zeros(size)
            apart = p[1:] - p[:-1] ** 2
            slope[:-1] += -400 * apart * p[:-1] - 2 * (1 - p[:-1])
            slope[1:] += 200 * apart
            p -= 1e-4 * slope
        found = run.params["q"] if len(params) == 1 else [run.params[name] for name in t.params]
        np.testing.assert_allclose(found, p, rtol=1e-12)


@pytest.mark.parametrize("options", ROUTES[:2], ids=lambda options: options["backend"])
def test_symbols_may_be_called_as_the_loop_calls_its_own(options: dict[str, str]) -> None:
    """Rate, step, order and the like are names that a user may have taken, and no identifier may meet another."""
    taken = sp.symbols("lr t epoch all_epochs e step")
    order, losses = sp.symbols("order losses")
    loss = (sum(symbol * order**k for k, symbol in enumerate(taken)) - losses) ** 2
    names = [symbol.name for symbol in taken]
    plain = sp.symbols("a:6")
    u, v = sp.symbols("u v")
    other = loss.subs(dict(zip([*taken, order, losses], [*plain, u, v], strict=True)))
    data = {"order": POINTS, "losses": LINE["y"]}
    rule = Momentum(lr=1e-3)
    run = compile_training(loss, taken, [order, losses], optimizer=rule, **options).fit(
        dict.fromkeys(names, 0.1), data, epochs=5, batch_size=4
    )
    same = compile_training(other, plain, [u, v], optimizer=rule, **options).fit(
        {symbol.name: 0.1 for symbol in plain}, {"u": POINTS, "v": LINE["y"]}, epochs=5, batch_size=4
    )
    np.testing.assert_allclose([*run.params.values()], [*same.params.values()], rtol=1e-13)


@pytest.mark.parametrize("options", ROUTES[:2], ids=lambda options: "-".join(options.values()))
@pytest.mark.parametrize("rule", [SGD(lr=0.02), Momentum(lr=0.02)], ids=["sgd", "momentum"])
def test_the_example_that_a_module_shows_runs(rule: Any, options: dict[str, str]) -> None:
    """Word for word, over arguments that begin as its docstring says; long lists of arguments are filled in."""
    t = compile_training((w * x + b - y) ** 2, [w, b], [x, y], optimizer=rule, **options)
    scope: dict[str, Any] = {"w_start": 0.0, "b_start": 0.0, **{f"{name}_all": value for name, value in LINE.items()}}
    exec(compile(t.source, "loop", "exec"), scope)
    told = scope["__doc__"].splitlines()
    scope |= {line.split()[0]: 0.0 for line in told if line.endswith(", zeros at first")}
    names = [
        line.split()[0] for line in told if line.startswith("    ") and line.split()[0].endswith(("_start", "_all"))
    ]
    start = told.index("For example, 20 epochs from the start, 32 samples a step:")
    lines = [line.strip() for line in told[start + 1 : start + 3]]
    exec("\n".join(lines).replace("w_start, ..., order", ", ".join([*names, "order"])), scope)
    wanted = t.fit({"w": 0.0, "b": 0.0}, LINE, epochs=20, shuffle=False)
    assert scope["steps"][0] == 20
    assert scope["rates"] == pytest.approx([0.02] * 20)
    # One minibatch an epoch: its order is that of a sum of 11 squares.
    np.testing.assert_allclose(scope["losses"], wanted.history.loss, rtol=1e-12)
