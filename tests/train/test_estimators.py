"""The estimators: scikit-learn's own checks, models of every form, weights, and what is told where they do not fit."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sympy as sp
from scipy.optimize import curve_fit

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.datasets import make_classification, make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from threadpoolctl import threadpool_limits

from symbackprop import (
    Adam,
    Network,
    OptionError,
    SymbolicClassifier,
    SymbolicRegressor,
    affine,
    binary_cross_entropy,
    hinge,
    huber,
    mae,
    softplus,
    tanh,
)
from symbackprop.train import estimators

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.3 + 0.1 * RNG.normal(size=60)
T = np.linspace(0.0, 3.0, 30)[:, None]
DECAY = 2.5 * np.exp(-1.3 * T[:, 0]) + 0.2 + 0.01 * np.sin(40 * T[:, 0])
x, a, k, c = sp.symbols("x a k c", real=True)


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """SciPy's L-BFGS on vectors of ten: BLAS threads that wait for each other took twice the time on a busy machine."""
    with threadpool_limits(1):
        yield


@parametrize_with_checks([SymbolicRegressor(), SymbolicClassifier()])  # type: ignore[untyped-decorator, unused-ignore]
@pytest.mark.filterwarnings("default")  # scikit-learn's own, of what it skips
def test_scikit_learns_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def decay(x: Any, a: Any, k: Any = 0.5, c: Any = 0.0) -> Any:
    return a * sp.exp(-k * x[0]) + c


def hidden(x: Any, W: Any, b: Any, v: Any) -> Any:
    return affine(tanh(affine(x, W, b)), v)


FORMS: dict[str, Any] = {
    "function": SymbolicRegressor(decay),
    "expression": SymbolicRegressor(a * sp.exp(-k * x) + c, features=[x], start={k: 0.5}),
    "row": SymbolicRegressor(
        a * sp.exp(-k * sp.MatrixSymbol("r", 1, 1)[0, 0]) + c, features=sp.MatrixSymbol("r", 1, 1)
    ),
    "names": SymbolicRegressor(
        sp.Symbol("y") * sp.exp(-sp.Symbol("weight") * sp.Symbol("Y")) + sp.Symbol("n"), features=[sp.Symbol("Y")]
    ),
    "numpy": SymbolicRegressor(decay, backend="numpy"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_curve_is_that_of_scipy(form: str) -> None:
    model = clone(FORMS[form]).fit(T, DECAY)
    theirs, _ = curve_fit(lambda t, a, k, c: a * np.exp(-k * t) + c, T[:, 0], DECAY)
    np.testing.assert_allclose(sorted(model.params_.values()), sorted(theirs), rtol=1e-5)
    np.testing.assert_allclose(model.predict(T), theirs[0] * np.exp(-theirs[1] * T[:, 0]) + theirs[2], rtol=1e-5)
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict(T), model.predict(T))


def test_linear_models_are_those_of_scikit_learn() -> None:
    both = np.stack([Y, X[:, 0] - Y], axis=1)
    for target in (Y, both):
        own, theirs = (model.fit(X, target) for model in (SymbolicRegressor(), LinearRegression()))
        np.testing.assert_allclose(own.predict(X), theirs.predict(X), atol=1e-7)
    for classes in (2, 3):
        points, labels = make_classification(150, 4, n_informative=3, n_redundant=0, n_classes=classes, random_state=1)
        probabilities = SymbolicClassifier(epochs=500).fit(points, labels).predict_proba(points)
        reference = LogisticRegression(C=np.inf, tol=1e-10, max_iter=500).fit(points, labels)
        np.testing.assert_allclose(probabilities, reference.predict_proba(points), atol=1e-6)


def test_a_function_may_take_matrices_and_predict_rows() -> None:
    start = {"W": RNG.normal(size=(3, 4)), "b": np.zeros((1, 4)), "v": RNG.normal(size=(4, 2))}
    both = np.stack([np.tanh(Y), np.cos(X[:, 0])], axis=1)
    network = SymbolicRegressor(hidden, start=start, epochs=300, optimizer=Adam(lr=0.03)).fit(X, both)
    assert network.params_["W"].shape == (3, 4)
    by_hand = np.tanh(X @ network.params_["W"] + network.params_["b"]) @ network.params_["v"]
    np.testing.assert_allclose(network.predict(X), by_hand, rtol=1e-12)
    assert network.score(X, both) > 0.8
    listed = SymbolicRegressor([a * x + c, k * x], features=[x], epochs=50).fit(T, np.stack([DECAY, -DECAY], axis=1))
    assert listed.predict(T).shape == (30, 2)


@pytest.mark.parametrize("loss", [None, huber, mae, lambda p, y: softplus(p - y) + softplus(y - p)])
def test_a_weight_is_so_many_samples_and_none_no_sample(loss: Any) -> None:
    weights = RNG.integers(0, 4, size=60).astype(float)
    bad = np.where(weights[:, None] > 0, X, 1e200)  # what weighs nothing is not even computed
    options = {"loss": loss, "optimizer": Adam(lr=0.05), "epochs": 50}
    weighed = SymbolicRegressor(**options).fit(bad, Y, sample_weight=3 * weights)
    times = weights.astype(int)
    repeated = SymbolicRegressor(**options).fit(np.repeat(X, times, axis=0), np.repeat(Y, times))
    np.testing.assert_allclose(weighed.predict(X), repeated.predict(X), rtol=1e-8)


def test_networks_learn_in_pipelines_and_searches() -> None:
    points, labels = make_moons(200, noise=0.1, random_state=0)
    names = np.array(["left", "right"])[labels]
    model = SymbolicClassifier(
        Network((8,)), optimizer=Adam(lr=0.05), epochs=100, batch_size=32, patience=30, random_state=0
    )
    search = GridSearchCV(
        make_pipeline(StandardScaler(), model), {"symbolicclassifier__model": [Network((2,)), Network((8,))]}, cv=2
    ).fit(points, names)
    assert search.best_params_["symbolicclassifier__model"] == Network((8,))
    assert search.score(points, names) > 0.95
    rates = GridSearchCV(model, {"optimizer__lr": [1e-6, 0.05], "model__hidden": [(8,)]}, cv=2).fit(points, names)
    assert rates.best_estimator_.optimizer == Adam(lr=0.05) and model.optimizer == Adam(lr=0.05)
    assert rates.best_params_ == {"optimizer__lr": 0.05, "model__hidden": (8,)}
    margin = SymbolicClassifier(
        Network((8,)), loss=lambda z, y: hinge(z, 2 * y - 1), optimizer=Adam(lr=0.05), random_state=0
    ).fit(points, names)
    assert margin.score(points, names) > 0.95
    pair = SymbolicClassifier(lambda x, W, b: affine(x, W, b), start={"W": np.zeros((2, 2)), "b": np.zeros((1, 2))})
    assert pair.fit(points, names).predict_proba(points).shape == (200, 2)
    single = SymbolicClassifier().fit(points, names)
    np.testing.assert_allclose(pair.predict_proba(points), single.predict_proba(points), atol=1e-6)


def test_a_training_is_compiled_once_for_models_and_shapes() -> None:
    estimators._cached.cache_clear()
    for target in (Y, 2 * Y):
        for start in (1.0, 2.0):
            SymbolicRegressor(lambda_model, start={"a": start}, epochs=20).fit(X, target)
    assert estimators._cached.cache_info().misses == 1


def lambda_model(x: Any, a: Any, c: Any) -> Any:
    return a * x[0] + c * x[2]


def test_what_does_not_fit_is_told() -> None:
    for model, words in (
        (SymbolicRegressor(a * x), r"features=\[\.\.\.\]"),
        (SymbolicRegressor(a * x, features=[x]), "features names 1 symbols, where X has 3 features"),
        (SymbolicRegressor(decay, start={"q": 1}), "start names q; the parameters are a, k, c"),
        (SymbolicRegressor(decay, features=[x]), "features as its first argument"),
        (SymbolicRegressor(Network(), start={"W1": 1}), "of its own"),
        (SymbolicRegressor([a * x, c], features=[x, k, sp.Symbol("z")]), "predicts 2 numbers, where y has 1"),
        (SymbolicRegressor("a*x"), "the model is a str"),
        (SymbolicRegressor(batch_size=10), "takes no batch_size: give optimizer="),
        (SymbolicRegressor(options={"l3": 1}), "has no option 'l3'; it has optimizer, batch"),
        (SymbolicClassifier(loss=binary_cross_entropy), "models predict logits"),
        (SymbolicRegressor(options={"l2": 1}), "LBFGS takes no"),
        (SymbolicRegressor(a * x, features=["x"]), "features holds 'x', a str; give SymPy symbols"),
        (SymbolicRegressor(lambda x, a: a * x[3]), "a feature that is not there, where X has 3 features"),
        (SymbolicRegressor(lambda x: x[0]), "the model has no parameters"),
    ):
        with pytest.raises((OptionError, TypeError), match=words):
            model.fit(X, Y > 0 if isinstance(model, SymbolicClassifier) else Y)
    with pytest.raises(ValueError, match="not negative"):
        SymbolicRegressor().fit(X, Y, sample_weight=-np.ones(60))
    with pytest.warns(ConvergenceWarning, match="2 iterations of L-BFGS"):
        SymbolicRegressor(epochs=2).fit(X, Y)
    for hidden in ((0,), 8):
        with pytest.raises(OptionError, match="positive numbers of units"):
            Network(hidden)  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="a function is due, such as relu"):
        Network((8,), "relu")  # type: ignore[arg-type]
    with pytest.raises(OptionError, match="optimizer__lr: optimizer is None, which has no options"):
        SymbolicRegressor().set_params(optimizer__lr=0.1)
