"""Estimators for scikit-learn: `SymbolicRegressor` and `SymbolicClassifier`, around any model and any loss.

scikit-learn is an extra, and imported only here. A training is compiled once for a model and the shapes of its data.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
import sympy as sp
from scipy.special import expit, softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from symbackprop.compiler import Request
from symbackprop.errors import OptionError
from symbackprop.frontend.atoms import name_of
from symbackprop.frontend.layers import binary_cross_entropy
from symbackprop.keywords import TellsOptions
from symbackprop.options import Options
from symbackprop.runtime import CompiledFunction
from symbackprop.train.compilation import compile_training
from symbackprop.train.evaluation import compiled_function
from symbackprop.train.lbfgs import LBFGS, FullBatch
from symbackprop.train.models import Problem, entropy, posed, squared_error
from symbackprop.train.training import Training

_KEPT = 64
"""So many compiled trainings are kept: a search over hyperparameters has few models."""


@dataclass(frozen=True)
class Recipe:
    """All that decides what is compiled; `options` are those of `compile_training`, `start` those given."""

    model: Any
    columns: int
    outputs: int
    features: Any
    start: tuple[tuple[Any, Any], ...]
    loss: Callable[[Any, Any], Any]
    optimizer: Any
    options: tuple[tuple[str, Any], ...]

    @property
    def shapes(self) -> Recipe:
        """The recipe without what is no part of the code: of first values only their shapes count."""
        start = tuple((name, np.shape(value)) for name, value in self.start)
        return replace(self, start=start)


@dataclass(frozen=True)
class Made:
    """A problem, its training, and the function that predicts."""

    problem: Problem
    training: Training | FullBatch
    predicted: CompiledFunction


def _made(recipe: Recipe) -> Made:
    """What a recipe compiles to, from the cache where one like it was compiled before."""
    shapes = recipe.shapes
    try:
        hash(shapes)
    except TypeError:  # an option, or a model, that is mutable: compiled anew
        return _compiled(shapes)
    return _cached(shapes)


def _compiled(recipe: Recipe) -> Made:
    like = {name: np.zeros(shape) for name, shape in recipe.start}
    problem = posed(recipe.model, recipe.columns, recipe.outputs, recipe.features, like, recipe.loss)
    options, params, features = dict(recipe.options), list(problem.start), list(problem.features)
    training = compile_training(
        problem.loss,
        params,
        [*features, problem.target, problem.weight],
        optimizer=recipe.optimizer,
        batch=problem.batch,
        **options,
    )
    chosen = Options(options["backend"], options["dtype"], options.get("kinks", "zero"))
    batch = features if problem.batch is True else None
    request = Request(problem.prediction, None, [*features, *params], batch, "function", chosen)
    return Made(problem, training, compiled_function(request))


_cached = functools.lru_cache(_KEPT)(_compiled)


def _has_options(part: Any) -> bool:
    """Whether it is an optimiser, or a network: what has options of its own."""
    return is_dataclass(part) and not isinstance(part, type)


class _Estimator(TellsOptions, BaseEstimator):  # type: ignore[misc]
    """What both estimators do."""

    def __init__(
        self,
        model: Any = None,
        *,
        features: Any = None,
        start: Mapping[Any, Any] | None = None,
        loss: Callable[[Any, Any], Any] | None = None,
        optimizer: Any = None,
        epochs: int = 200,
        batch_size: int | None = None,
        patience: int | None = None,
        options: Mapping[str, Any] | None = None,
        backend: str = "numba",
        dtype: str = "float64",
        random_state: Any = None,
    ) -> None:
        self.model = model
        self.features = features
        self.start = start
        self.loss = loss
        self.optimizer = optimizer
        self.epochs = epochs
        self.batch_size = batch_size
        self.patience = patience
        self.options = options
        self.backend = backend
        self.dtype = dtype
        self.random_state = random_state

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The options by name; with `deep` also those of `optimizer` and `model`, as ``optimizer__lr``."""
        found: dict[str, Any] = super().get_params(deep)
        parts = [(name, part) for name, part in found.items() if deep and _has_options(part)]
        return found | {f"{name}__{f.name}": getattr(part, f.name) for name, part in parts for f in fields(part)}

    def set_params(self, **params: Any) -> _Estimator:
        """Set options by name, also ``optimizer__lr`` or ``model__hidden``, which a search may go through."""
        of_parts = [name for name in params if "__" in name]
        super().set_params(**{name: value for name, value in params.items() if name not in of_parts})
        for name in of_parts:
            whose, _, option = name.partition("__")
            part: Any = getattr(self, whose, None)
            if not _has_options(part):
                raise OptionError(f"{name}: {whose} is {part!r}, which has no options; give it as Adam(), or Network()")
            # A new one: estimators share theirs.
            setattr(self, whose, replace(part, **{option: params[name]}))
        return self

    _loss: Callable[[Any, Any], Any] = staticmethod(squared_error)

    def _recipe(self, columns: int, outputs: int) -> Recipe:
        if self.loss is binary_cross_entropy:
            raise OptionError("loss=binary_cross_entropy takes probabilities, and models predict logits: leave it out")
        start = tuple((name_of(k) if isinstance(k, sp.Basic) else str(k), v) for k, v in (self.start or {}).items())
        several = isinstance(self.features, list | tuple)
        return Recipe(
            tuple(self.model) if isinstance(self.model, list) else self.model,
            columns,
            outputs,
            tuple(self.features) if several else self.features,
            start,
            self.loss or type(self)._loss,
            LBFGS() if self.optimizer is None else self.optimizer,
            (*(self.options or {}).items(), ("backend", self.backend), ("dtype", self.dtype)),
        )

    def _trained(self, x: Any, outputs: int, targets: Callable[[int], Any], sample_weight: Any) -> None:
        """Train, from targets that depend on how many numbers are predicted."""
        weights = _check_sample_weight(sample_weight, x, dtype=np.float64)
        if np.any(weights < 0.0) or not np.sum(weights) > 0.0:
            raise ValueError("sample_weight: numbers that are not negative are due, and not all of them 0")
        # What weighs nothing is left out: 0 times an infinite loss were nan.
        own = weights > 0.0
        weights = weights[own] * (np.count_nonzero(own) / np.sum(weights[own]))
        recipe = self._recipe(x.shape[1], outputs)
        made = _made(recipe)
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        start = made.problem.first_values(dict(recipe.start), seed)
        data = made.problem.data(x[own], targets(made.problem.width)[own], weights)
        run = made.training.fit(start, data, epochs=self.epochs, **self._chosen(made.training, seed))
        self.recipe_, self.run_, self.params_ = recipe, run, run.params
        self.n_epochs_ = len(run.history["loss"])
        if isinstance(made.training, FullBatch) and not run.stopped and self.epochs:
            warnings.warn(
                f"{self.epochs} iterations of L-BFGS have not brought the gradient below"
                f" {made.training.optimizer.tolerance}: raise epochs=, or scale the features",
                ConvergenceWarning,
                stacklevel=3,
            )

    def _chosen(self, training: Training | FullBatch, seed: int) -> dict[str, Any]:
        """The options of `fit` beside `epochs`."""
        given = {"batch_size": self.batch_size, "patience": self.patience}
        if isinstance(training, Training):
            return {**given, "seed": seed, "progress": False}
        wrong = [name for name, value in given.items() if value is not None]
        if wrong:
            raise OptionError(f"L-BFGS, the default, takes no {', '.join(wrong)}: give optimizer=Adam(lr=0.01), say")
        return {}

    def _predicted(self, x: Any) -> Any:
        """The numbers that the model predicts, a row a sample."""
        check_is_fitted(self)
        x = validate_data(self, x, reset=False, dtype=(np.float64, np.float32))
        made = _made(self.recipe_)
        found = made.predicted(**made.problem.columns(x), **self.params_)
        return np.broadcast_to(
            np.asarray(found, np.float64).reshape(-1, made.problem.width), (len(x), made.problem.width)
        )


class SymbolicRegressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """A regressor around a SymPy model, with scikit-learn's interface.

    `model` predicts a number (or a row, for several targets) of one sample:

    - a function of the features and parameters, ``f(x, a, k)``, like those of `scipy.optimize.curve_fit`: x is a row
      matrix, of which ``x[0]`` is the first feature, and a parameter starts at its default value, or 1, or as `start`
      says: ``{"a": 2.0, "W": an array}``, where a matrix makes it a `MatrixSymbol`;
    - an expression, with ``features=[t, s]``, its symbols for the columns of X; all others are parameters;
    - a `Network`. None, the default, is a linear model.

    `loss` is a function of prediction and target, such as `huber`, or one of your own, that gives a SymPy expression;
    the default is `mse`. The default `optimizer` is `LBFGS`, of at most so many `epochs`; any other takes minibatches
    (`batch_size`) and ends early where the loss has not fallen for so many epochs (`patience`); a search may go through
    ``optimizer__lr``. `options` are passed to `compile_training`: ``{"l2": 1e-4}``. `random_state` draws first values
    and the order of the samples. A training is compiled once for a model and the shapes of its data.

    Attributes: ``params_`` by name, ``run_`` (see `Run`), ``n_epochs_``. Samples may be weighed.

    >>> import numpy as np, sympy as sp
    >>> t = np.linspace(0.0, 3.0, 20)[:, None]
    >>> decay = SymbolicRegressor(lambda x, a, k: a*sp.exp(-k*x[0])).fit(t, 2.5*np.exp(-1.3*t[:, 0]))
    >>> print(f"{decay.params_['a']:.3f} {decay.params_['k']:.3f}")
    2.500 1.300
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SymbolicRegressor:  # noqa: N803 - its name there
        """Train on samples X, of shape (n, features), and targets y, (n,) or (n, targets)."""
        x, y = validate_data(self, X, y, dtype=(np.float64, np.float32), multi_output=True, y_numeric=True)
        target = np.asarray(y, np.float64).reshape(len(x), -1)
        self._flat = y.ndim == 1

        def targets(width: int) -> Any:
            if width != target.shape[1]:
                raise OptionError(f"the model predicts {width} numbers, where y has {target.shape[1]} a sample")
            return target

        self._trained(x, target.shape[1], targets, sample_weight)
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        """Predictions, in the shape of the y that was trained on."""
        found = self._predicted(X)
        return found[:, 0].copy() if self._flat else found.copy()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = True
        return tags


class SymbolicClassifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """A classifier around a SymPy model, with scikit-learn's interface; see `SymbolicRegressor` for the arguments.

    The model predicts logits: of two classes the one of the second, or both; of more a row, one a class. `loss` is a
    function of logits and target, which is 0 or 1 for a single logit, else a one-hot row; the default is the cross
    entropy. Probabilities are the logistic function, or the softmax, of the logits.

    >>> from sklearn.datasets import make_moons
    >>> from symbackprop import Network
    >>> X, y = make_moons(200, noise=0.1, random_state=0)
    >>> moons = SymbolicClassifier(Network((8,)), random_state=1, epochs=300).fit(X, y)
    >>> moons.score(X, y) > 0.97
    True
    """

    _loss = staticmethod(entropy)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> SymbolicClassifier:  # noqa: N803
        """Train on samples X, of shape (n, features), and their classes y."""
        x, y = validate_data(self, X, y, dtype=(np.float64, np.float32))
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        count = len(self.classes_)
        if count < 2:
            raise ValueError(
                f"a classifier needs samples of at least 2 classes; y has one class, {self.classes_.tolist()[0]!r}"
            )

        def targets(width: int) -> Any:
            if width != count and (width, count) != (1, 2):
                raise OptionError(f"the model predicts {width} logits, where y has {count} classes")
            return np.eye(count)[labels] if width > 1 else labels[:, None].astype(np.float64)

        self._trained(x, 1 if count == 2 else count, targets, sample_weight)
        return self

    def decision_function(self, X: Any) -> Any:  # noqa: N803
        """Logits, a row a sample; of two classes one number, above 0 for the second."""
        found = self._predicted(X)
        if len(self.classes_) > 2:
            return found.copy()
        return found[:, 0].copy() if found.shape[1] == 1 else found[:, 1] - found[:, 0]

    def predict_proba(self, X: Any) -> Any:  # noqa: N803
        """The probability of each class, a row a sample."""
        logits = self.decision_function(X)
        return softmax(logits, axis=1) if logits.ndim > 1 else np.stack([expit(-logits), expit(logits)], axis=1)

    def predict(self, X: Any) -> Any:  # noqa: N803
        """The most probable class of each sample."""
        logits = self.decision_function(X)
        return self.classes_[np.argmax(logits, axis=1) if logits.ndim > 1 else (logits > 0.0).astype(int)]
