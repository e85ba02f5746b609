"""L-BFGS: SciPy's loop around the compiled gradient, against SciPy's own on a loss by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sympy as sp
from scipy.optimize import minimize

from symbackprop import LBFGS, CallError, Diverged, OptionError, compile_training

w, b, x, y = sp.symbols("w b x y")
POINTS = np.linspace(-1.0, 2.0, 12)
LINE = {"x": POINTS, "y": np.exp(0.5 * POINTS) + 0.1}


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_a_curve_is_fitted(backend: str) -> None:
    loss = (sp.exp(w * x) + b - y) ** 2
    t = compile_training(loss, [w, b], [x, y], optimizer=LBFGS(), backend=backend)
    run = t.fit({"w": 0.0, "b": 0.0}, LINE, epochs=100)
    assert run.stopped == "tolerance"
    np.testing.assert_allclose([run.params["w"], run.params["b"]], [0.5, 0.1], atol=1e-7)
    assert len(run.history.loss) == len(run.history.grad_norm) == run.state.epochs < 30
    assert np.all(np.diff(run.history.loss) < 0.0)
    with pytest.raises(OptionError, match="LBFGS takes no schedule"):
        compile_training(loss, [w, b], [x, y], optimizer=LBFGS(), l2=0.1)


def test_iterations_are_scipys(network: Any) -> None:
    t = compile_training(network.loss, network.params, network.data, optimizer=LBFGS(memory=5), batch=network.N)
    run = t.fit(network.start, network.given, epochs=15)
    X, Y = network.given["X"], network.given["Y"]

    def loss(flat: Any) -> float:
        W1, b1, W2, b2 = flat[:6].reshape(2, 3), flat[6:9], flat[9:12].reshape(3, 1), flat[12]
        return float(np.mean((np.tanh(X @ W1 + b1) @ W2 + b2 - Y) ** 2))

    start = np.concatenate([np.ravel(value) for value in network.start.values()])
    assert (run.stopped, run.state.epochs) == ("", 15)
    theirs = minimize(loss, start, jac="3-point", method="L-BFGS-B", options={"maxiter": 15, "maxcor": 5})
    # Their gradient is a difference: the paths part slowly.
    assert run.history.loss[-1] == pytest.approx(theirs.fun, rel=1e-3)
    reached = loss(np.concatenate([np.ravel(run.params[name]) for name in t.params]))
    assert run.history.loss[-1] == pytest.approx(reached, rel=1e-13)


def test_frozen_parameters_and_a_bad_start() -> None:
    t = compile_training((w * x + b - y) ** 2, [w], [x, y], frozen=[b], optimizer=LBFGS())
    run = t.fit({"w": 0.0, "b": 1.0}, LINE)
    assert run.params["b"] == 1.0
    assert run.params["w"] == pytest.approx(np.sum((LINE["y"] - 1.0) * POINTS) / np.sum(POINTS**2))
    with pytest.raises(Diverged, match="start elsewhere"):
        compile_training(sp.log(w * x), [w], [x], optimizer=LBFGS()).fit({"w": -1.0}, {"x": [1.0]})
    hole = {"x": list(POINTS), "y": [*LINE["y"][:-1], float("nan")]}
    with pytest.raises(Diverged, match="y is nan in 1 of 12 entries; the data must be finite"):
        t.fit({"w": 0.0, "b": 1.0}, hole)
    with pytest.raises(CallError, match=r"fit\(\) has no option 'batch_size'; it has epochs"):
        t.fit({"w": 0.0, "b": 1.0}, LINE, batch_size=4)  # type: ignore[call-arg]
    with pytest.raises(CallError, match="L-BFGS has no fit_many"):
        t.fit_many({"w": 0.0, "b": 1.0}, LINE)
    with pytest.raises(CallError, match=r"LBFGS\(\) has no option 'lr'; it has memory, tolerance"):
        LBFGS(lr=0.1)  # type: ignore[call-arg]


def test_results_have_the_type_of_the_program() -> None:
    V = sp.MatrixSymbol("V", 1, 2)
    loss = (sp.exp(w * x) + V[0, 0] + V[0, 1] ** 2 - y) ** 2
    t = compile_training(loss, [w, V], [x, y], optimizer=LBFGS(), dtype="float32")
    run = t.fit({"w": 0.0, "V": np.zeros((1, 2))}, LINE, epochs=20)
    results = [*run.params.values(), run.history.loss, run.history.grad_norm]
    assert {np.asarray(value).dtype for value in results} == {np.dtype("float32")}
    assert run.params["w"] == pytest.approx(0.5, abs=1e-2)
