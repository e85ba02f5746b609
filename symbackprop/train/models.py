"""Models of estimators: a prediction in features and parameters, and the loss of it, as one problem to train.

A problem is written over all samples at once where the model is a function of rows (`Network`) and the loss is one of
ours: then a batch needs no axis more (two moons: 10 us a step, as the model of one row 18). What users write
is the model of one sample.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import sympy as sp
from sympy.matrices.expressions.hadamard import HadamardPower, HadamardProduct
from sympy.matrices.expressions.special import OneMatrix

from symbackprop.errors import OptionError
from symbackprop.frontend import layers
from symbackprop.frontend.atoms import name_of
from symbackprop.frontend.reductions import Total
from symbackprop.frontend.variables import symbol_in
from symbackprop.train.initialisers import he_normal, xavier_normal, zeros

First = Callable[[np.random.Generator], Any]
"""What gives a parameter's first value."""


@dataclass(frozen=True)
class Network:
    """Affine layers with so many units, and `activation` between them: ``Network((10, 8))``; without any, linear.

    Weights start by He's rule where the activation is `relu`, else by Xavier's; those of a linear model at 0.

    >>> Network((10, 8))
    Network((10, 8), relu)
    """

    hidden: tuple[int, ...] = ()
    activation: Callable[[Any], Any] = layers.relu

    def __post_init__(self) -> None:
        if not isinstance(self.hidden, tuple | list) or any(not isinstance(k, int) or k < 1 for k in self.hidden):
            raise OptionError(f"Network(hidden={self.hidden!r}): positive numbers of units are due, as in (10, 8)")
        if not callable(self.activation):
            raise OptionError(f"Network(activation={self.activation!r}): a function is due, such as relu or tanh")
        object.__setattr__(self, "hidden", tuple(self.hidden))

    def __repr__(self) -> str:
        return f"Network({self.hidden}, {getattr(self.activation, '__name__', self.activation)})"

    def applied(self, x: Any, outputs: int) -> tuple[Any, dict[Any, First]]:
        """What the network makes of the rows of x, and how its parameters start."""
        start: dict[Any, First] = {}
        drawn = zeros if not self.hidden else he_normal if self.activation is layers.relu else xavier_normal
        inputs = int(x.cols)
        for number, units in enumerate((*self.hidden, outputs), 1):
            w, b = sp.MatrixSymbol(f"W{number}", inputs, units), sp.MatrixSymbol(f"b{number}", 1, units)
            start |= {w: partial(drawn, (inputs, units)), b: partial(zeros, (1, units))}
            x = layers.affine(x if number == 1 else self.activation(x), w, b)
            inputs = units
        return x, start


@dataclass(frozen=True)
class Problem:
    """What is trained, and what predicts: ``batch`` is True where all is of one sample, else what counts samples.

    The features are one matrix, or a symbol a column.
    """

    loss: Any
    prediction: Any
    start: dict[Any, First]
    features: tuple[Any, ...]
    target: Any
    weight: Any
    batch: Any

    @property
    def width(self) -> int:
        """How many numbers a prediction is."""
        return width_of(self.prediction)

    def first_values(self, given: Mapping[str, Any], seed: int) -> dict[str, Any]:
        """Those given, and the others drawn, by name."""
        rng = np.random.Generator(np.random.PCG64(seed))
        drawn = {name_of(symbol): first(rng) for symbol, first in self.start.items()}
        return {**drawn, **given}

    def columns(self, x: Any) -> dict[str, Any]:
        """The features by name, of samples in rows."""
        first = self.features[0]
        if not isinstance(first, sp.MatrixSymbol):
            return {name_of(symbol): x[:, k] for k, symbol in enumerate(self.features)}
        return {name_of(first): self._rows(x)}

    def data(self, x: Any, y: Any, weights: Any) -> dict[str, Any]:
        """What is trained on: features, targets in rows, and what each sample weighs."""
        target = self._rows(y) if isinstance(self.target, sp.MatrixSymbol) else y[:, 0]
        weight = weights if self.batch is True else weights[:, None]
        return {**self.columns(x), name_of(self.target): target, name_of(self.weight): weight}

    def _rows(self, array: Any) -> Any:
        return array[:, None, :] if self.batch is True else array


def width_of(prediction: Any) -> int:
    """How many numbers a prediction of one sample is."""
    return int(prediction.cols) if isinstance(prediction, sp.MatrixBase | sp.MatrixExpr) else 1


Loss = Callable[[Any, Any], Any]


def posed(model: Any, columns: int, outputs: int, features: Any, start: Mapping[str, Any], loss: Loss) -> Problem:
    """The problem of a model (None: linear) over so many features, which predicts so many numbers; the parameters in
    `start`, by name, have the shapes of its values.

    Raises OptionError for a model that does not fit them.
    """
    model = Network() if model is None else model
    if isinstance(model, Network):
        if features is not None or start:
            raise OptionError("a Network has features and first values of its own: features= and start= are for others")
        if loss in OVER_ROWS:
            return _over_rows(model, columns, outputs, OVER_ROWS[loss])
        x = sp.MatrixSymbol("x", 1, columns)
        return _of_one(*_applied(model, x, outputs), (x,), loss)
    if callable(model) and not isinstance(model, sp.Basic):
        if features is not None:
            raise OptionError("a function takes the features as its first argument: features= is for an expression")
        x = sp.MatrixSymbol(next(iter(inspect.signature(model).parameters), "x"), 1, columns)
        return _of_one(*_called(model, x, start), (x,), loss)
    prediction, symbols = _one(model), _features(features, columns)
    return _of_one(prediction, _started(prediction, symbols, start), symbols, loss)


def _applied(model: Network, x: Any, outputs: int) -> tuple[Any, dict[Any, First]]:
    prediction, start = model.applied(x, outputs)
    return (prediction if outputs > 1 else prediction[0, 0]), start


# Over all samples.


def _squares(prediction: Any, target: Any) -> Any:
    return HadamardPower(prediction - target, 2)


def _entropies(logits: Any, target: Any) -> Any:
    if logits.cols == 1:
        return layers.softplus(logits) - HadamardProduct(target, logits)
    return -HadamardProduct(target, layers.log_softmax(logits))


def squared_error(prediction: Any, target: Any) -> Any:
    """The loss of regressors, of one sample."""
    return layers.mse(prediction, target)


def entropy(prediction: Any, target: Any) -> Any:
    """The loss of classifiers, of one sample: of a logit and 0 or 1, or of logits and a one-hot row."""
    if width_of(prediction) == 1:
        return layers.binary_cross_entropy(prediction, target, from_logits=True)
    return layers.cross_entropy(prediction, target)


OVER_ROWS: dict[Any, Loss] = {squared_error: _squares, layers.mse: _squares, entropy: _entropies}
"""The entries of losses, that samples may be weighed one by one."""


def _over_rows(model: Network, columns: int, outputs: int, entries: Loss) -> Problem:
    n = sp.Symbol("n", integer=True, positive=True)
    x, y, weight = (sp.MatrixSymbol(name, n, k) for name, k in (("X", columns), ("Y", outputs), ("weight", 1)))
    prediction, start = model.applied(x, outputs)
    each = entries(prediction, y)
    weighed = HadamardProduct(weight if outputs == 1 else weight * OneMatrix(1, outputs), each)
    # A mean over numbers that are predicted, but a sum over classes.
    per = n if entries is _entropies else n * outputs
    return Problem(Total(weighed) / per, prediction, start, (x,), y, weight, n)


# One sample.


def _of_one(prediction: Any, start: dict[Any, First], features: tuple[Any, ...], loss: Loss) -> Problem:
    taken = {name_of(symbol) for symbol in (*features, *start)}
    k = width_of(prediction)
    target = sp.Symbol(_free("y", taken)) if k == 1 else sp.MatrixSymbol(_free("Y", taken), 1, k)
    weight = sp.Symbol(_free("weight", taken), nonnegative=True)
    of_one = loss(prediction, target)
    if not start:
        raise OptionError("the model has no parameters: there is nothing to train")
    if isinstance(of_one, sp.MatrixExpr | sp.MatrixBase) and tuple(of_one.shape) != (1, 1):
        raise OptionError(f"the loss is a matrix of shape {tuple(of_one.shape)}: a number is due, for one sample")
    return Problem(weight * of_one, prediction, start, features, target, weight, True)


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _one(given: Any) -> Any:
    """A prediction: an expression, or a row of them, also as a list."""
    if isinstance(given, list | tuple | sp.Tuple):
        given = sp.Matrix([list(given)])
    if isinstance(given, sp.MatrixBase):
        given = given.as_immutable()
    elif not isinstance(given, sp.Basic):
        try:
            given = sp.sympify(given, strict=True)
        except sp.SympifyError:
            raise OptionError(f"the model is a {type(given).__name__}: give an expression, or a function") from None
    if not isinstance(given, sp.MatrixBase | sp.MatrixExpr):
        return given
    if given.rows != 1:
        raise OptionError(f"the model predicts a matrix of shape {tuple(given.shape)}: one row is due, for one sample")
    return given[0, 0] if given.cols == 1 else given


def _called(model: Callable[..., Any], x: Any, start: Mapping[str, Any]) -> tuple[Any, dict[Any, First]]:
    """What a function of features and parameters returns, and where its parameters start: at their default, or 1."""
    _, *parameters = inspect.signature(model).parameters.values()
    _check_names(start, [p.name for p in parameters])
    first: dict[Any, First] = {}
    for p in parameters:
        value = np.array(start.get(p.name, 1.0 if p.default is p.empty else p.default), np.float64)
        if value.ndim not in (0, 2):
            raise OptionError(f"{p.name} starts from an array of {value.ndim} axes: a number or a matrix is due")
        symbol = sp.MatrixSymbol(p.name, *value.shape) if value.ndim else sp.Symbol(p.name, real=True)
        first[symbol] = partial(_given, value)
    try:
        prediction = model(x, *first)
    except IndexError as error:
        raise OptionError(
            f"the model takes a feature that is not there, where X has {_counted(int(x.cols), 'feature')}: {error}"
        ) from error
    return _one(prediction), first


def _given(value: Any, rng: np.random.Generator) -> Any:
    return value


def _check_names(start: Mapping[str, Any], names: Sequence[str]) -> None:
    unknown = sorted(set(start) - set(names))
    if unknown:
        raise OptionError(f"start names {', '.join(unknown)}; the parameters are {', '.join(names)}")


def _features(features: Any, columns: int) -> tuple[Any, ...]:
    """The symbols of the features: one row, or one a column. Raises OptionError where they are not so many."""
    if features is None:
        raise OptionError("a model that is an expression needs features=[...], its symbols for the columns of X")
    if isinstance(features, sp.MatrixSymbol):
        if tuple(features.shape) != (1, columns):
            raise OptionError(f"features has the shape {tuple(features.shape)}, where a sample has {columns} features")
        return (features,)
    symbols: Sequence[Any] = list(features) if isinstance(features, list | tuple) else [features]
    for symbol in symbols:
        symbol_in(symbol, "features")
    if len(symbols) != columns:
        raise OptionError(f"features names {len(symbols)} symbols, where X has {_counted(columns, 'feature')}")
    return tuple(symbols)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"


def _started(prediction: Any, features: Sequence[Any], start: Mapping[str, Any]) -> dict[Any, First]:
    """First values of all else that a prediction depends on: 1, of rows and columns 0, of matrices by Xavier's rule."""
    symbols = sorted((s for s in prediction.free_symbols if s not in features), key=name_of)
    _check_names(start, [name_of(symbol) for symbol in symbols])
    return {symbol: _first(symbol) for symbol in symbols}


def _first(symbol: Any) -> First:
    if not isinstance(symbol, sp.MatrixSymbol):
        return partial(_given, 1.0)
    shape = tuple(int(extent) for extent in symbol.shape)
    return partial(zeros if 1 in shape else xavier_normal, shape)
