"""Layers and losses of neural networks, as functions that return SymPy expressions.

A layer takes a matrix expression with a sample a row and returns one; or a scalar, for the model of one sample, and
returns a scalar. A loss is a scalar in both cases, the mean over all rows. Whatever is returned can be combined with
SymPy's own notation: ``mse(affine(X, W, b), Y) + Trace(W.T * W)``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp
from sympy.matrices.expressions.applyfunc import ElementwiseApplyFunction
from sympy.matrices.expressions.hadamard import HadamardPower, HadamardProduct
from sympy.matrices.expressions.special import OneMatrix

from symbackprop.errors import OptionError, ShapeMismatch
from symbackprop.frontend.functions import logistic
from symbackprop.frontend.functions import softplus as softplus_of
from symbackprop.frontend.problems import short
from symbackprop.frontend.reductions import RowLogSumExp, Total


def _taken(given: Any) -> Any:
    """A matrix expression or a scalar; numbers become SymPy's, explicit matrices immutable."""
    if isinstance(given, str):
        raise OptionError(f"a layer got the string {given!r}; give it a SymPy expression")
    if isinstance(given, sp.MatrixBase):
        return given.as_immutable()
    return sp.sympify(given)


def _is_matrix(expr: Any) -> bool:
    return isinstance(expr, sp.MatrixExpr)


def _each(function: Callable[[Any], Any], x: Any) -> Any:
    """A scalar function of a scalar, or of every entry of a matrix."""
    x = _taken(x)
    if not _is_matrix(x):
        return function(x)
    entry = sp.Dummy("x", real=True)
    # Past SymPy's own constructor, which would apply the function to a matrix of one entry as if it were a scalar.
    return sp.MatrixExpr.__new__(ElementwiseApplyFunction, sp.Lambda(entry, function(entry)), x)


def _same_shape(what: str, a: Any, b: Any) -> tuple[Any, Any]:
    a, b = _taken(a), _taken(b)
    if _is_matrix(a) != _is_matrix(b):
        raise ShapeMismatch(f"{what} of a matrix and a scalar: {short(a)} and {short(b)}; repeat it by OneMatrix")
    if _is_matrix(a) and tuple(a.shape) != tuple(b.shape):
        raise ShapeMismatch(f"{what} of shapes {tuple(a.shape)} and {tuple(b.shape)}: {short(a)} and {short(b)}")
    return a, b


def _mean(x: Any) -> Any:
    return Total(x) / (x.rows * x.cols) if _is_matrix(x) else x


def _times(a: Any, b: Any) -> Any:
    return HadamardProduct(a, b) if _is_matrix(a) else a * b


def _over_rows(what: str, x: Any, row: Any) -> Any:
    """A row under every row of x, or a scalar at every entry."""
    row = _taken(row)
    if not _is_matrix(row):
        return row * OneMatrix(*x.shape)
    if tuple(row.shape) == tuple(x.shape):
        return row
    if tuple(row.shape) != (1, x.cols):
        hint = "; transpose it" if tuple(row.shape) == (x.cols, 1) else ""
        raise ShapeMismatch(f"{what} must be of shape (1, {x.cols}) or a scalar, not {tuple(row.shape)}{hint}")
    return row if x.rows == 1 else OneMatrix(x.rows, 1) * row


# Layers.


def affine(x: Any, w: Any, b: Any = None) -> Any:
    """``x*w + b``: x of shape (N, d), w (d, k), b (1, k), which goes to every row; or three scalars.

    Raises ShapeMismatch for a b of another shape.

    >>> import sympy as sp
    >>> N = sp.Symbol("N", integer=True)
    >>> X, W, b = sp.MatrixSymbol("X", N, 2), sp.MatrixSymbol("W", 2, 3), sp.MatrixSymbol("b", 1, 3)
    >>> affine(X, W, b).shape
    (N, 3)
    """
    product = _taken(x) * _taken(w)
    if b is None:
        return product
    return product + _over_rows("the b of affine", product, b) if _is_matrix(product) else product + _taken(b)


def relu(x: Any) -> Any:
    """``max(x, 0)``, of every entry; its derivative at 0 is 0 under ``kinks="zero"``.

    >>> import sympy as sp
    >>> relu(sp.Symbol("x"))
    Max(0, x)
    """
    return _each(lambda entry: sp.Max(entry, 0), x)


def leaky_relu(x: Any, slope: Any = 0.01) -> Any:
    """``x`` where it is positive, ``slope*x`` elsewhere.

    >>> import sympy as sp
    >>> leaky_relu(sp.Symbol("x"), sp.Rational(1, 5))
    Piecewise((x, x > 0), (x/5, True))
    """
    slope = sp.sympify(slope)
    return _each(lambda entry: sp.Piecewise((entry, entry > 0), (slope * entry, True)), x)


def sigmoid(x: Any) -> Any:
    """``1/(1 + exp(-x))``, right in both tails.

    >>> import sympy as sp
    >>> sigmoid(sp.Symbol("x"))
    logistic(x)
    """
    return _each(logistic, x)


def tanh(x: Any) -> Any:
    """The hyperbolic tangent of every entry.

    >>> import sympy as sp
    >>> tanh(sp.MatrixSymbol("X", 4, 3)).shape
    (4, 3)
    """
    return _each(sp.tanh, x)


def softplus(x: Any) -> Any:
    """``log(1 + exp(x))``, without overflow. Of a scalar this is the function of that name itself.

    >>> import sympy as sp
    >>> softplus(sp.Symbol("x"))
    softplus(x)
    """
    return _each(softplus_of, x)


def gelu(x: Any, approximate: bool = False) -> Any:
    """``x*Phi(x)``, Phi the standard normal distribution (Hendrycks and Gimpel, 2016).

    `approximate` takes their ``x/2*(1 + tanh(sqrt(2/pi)*(x + 0.044715*x**3)))`` instead.

    >>> import sympy as sp
    >>> gelu(sp.Symbol("x"))
    x*erfc(-sqrt(2)*x/2)/2
    """
    if approximate:
        # (1 + tanh(u))/2 = logistic(2u), which does not cancel for negative u.
        cubic = sp.Rational(44715, 10**6)
        return _each(lambda entry: entry * logistic(2 * sp.sqrt(2 / sp.pi) * (entry + cubic * entry**3)), x)
    # Not 1 + erf, which cancels for negative x, and nor 2 - erfc, which SymPy would make of it.
    return _each(lambda entry: entry * sp.erfc(-entry / sp.sqrt(2), evaluate=False) / 2, x)


def softmax(x: Any) -> Any:
    """``exp(x)/sum(exp(x))`` over each row, exact at any size of the entries.

    x is a matrix expression, or a list of scalars, the logits of one sample, for which a list is returned.

    >>> import sympy as sp
    >>> softmax(sp.MatrixSymbol("X", 4, 3)).shape
    (4, 3)
    >>> len(softmax(sp.symbols("a b c")))
    3
    """
    if isinstance(x, list | tuple | sp.Tuple):
        return [sp.exp(entry - RowLogSumExp(sp.Matrix([list(x)]))[0, 0]) for entry in x]
    return _each(sp.exp, log_softmax(x))


def log_softmax(x: Any) -> Any:
    """The logarithm of `softmax`: ``x - log(sum(exp(x)))`` over each row of a matrix expression.

    >>> import sympy as sp
    >>> log_softmax(sp.MatrixSymbol("X", 4, 3)).shape
    (4, 3)
    """
    x = _matrix("softmax", x)
    return x - RowLogSumExp(x) * OneMatrix(1, x.cols)


def _matrix(what: str, x: Any) -> Any:
    x = _taken(x)
    if not _is_matrix(x):
        raise ShapeMismatch(f"{what} works on rows: give it a matrix expression or a list of scalars, not {short(x)}")
    return x


def batch_norm(
    x: Any,
    gamma: Any = 1,
    beta: Any = 0,
    mean: Any = None,
    variance: Any = None,
    epsilon: Any = 1e-5,
) -> Any:
    """``gamma*(x - mean)/sqrt(variance + epsilon) + beta``, column by column (Ioffe and Szegedy, 2015, algorithm 1).

    x has the shape (N, k); gamma, beta, mean and variance (1, k), or are scalars. Training form: without mean and
    variance, those of the N rows are taken, the variance with divisor N. Inference form: give both.

    Raises OptionError where only one of mean and variance is given.

    >>> import sympy as sp
    >>> X, g, b = sp.MatrixSymbol("X", 8, 3), sp.MatrixSymbol("g", 1, 3), sp.MatrixSymbol("b", 1, 3)
    >>> batch_norm(X, g, b).shape
    (8, 3)
    """
    if (mean is None) != (variance is None):
        raise OptionError("batch_norm takes mean and variance (inference), or neither of them (training)")
    x = _taken(x)
    if not _is_matrix(x):
        if mean is None:
            raise OptionError("batch_norm of one scalar has no variance; give mean and variance, or a matrix")
        return _taken(gamma) * (x - _taken(mean)) / sp.sqrt(_taken(variance) + sp.sympify(epsilon)) + _taken(beta)
    averaging = OneMatrix(1, x.rows) / x.rows
    centred = x - _over_rows("the mean of batch_norm", x, averaging * x if mean is None else mean)
    spread = averaging * HadamardPower(centred, 2) if variance is None else _taken(variance)
    epsilon = sp.sympify(epsilon)
    deviation = _each(lambda entry: 1 / sp.sqrt(entry + epsilon), spread)
    scaled = HadamardProduct(centred, _over_rows("the variance of batch_norm", x, deviation))
    if _taken(gamma) != 1:
        scaled = HadamardProduct(scaled, _over_rows("the gamma of batch_norm", x, gamma))
    return scaled if _taken(beta) == 0 else scaled + _over_rows("the beta of batch_norm", x, beta)


# Losses.


def mse(prediction: Any, target: Any) -> Any:
    """The mean of ``(prediction - target)**2`` over all entries.

    >>> import sympy as sp
    >>> mse(*sp.symbols("p y"))
    (p - y)**2
    >>> mse(sp.MatrixSymbol("P", 4, 1), sp.MatrixSymbol("Y", 4, 1))
    Total(HadamardPower(P - Y, 2))/4
    """
    prediction, target = _same_shape("mse", prediction, target)
    difference = prediction - target
    return _mean(HadamardPower(difference, 2) if _is_matrix(difference) else difference**2)


def mae(prediction: Any, target: Any) -> Any:
    """The mean of ``|prediction - target|`` over all entries; its derivative at 0 is 0 under ``kinks="zero"``.

    >>> import sympy as sp
    >>> mae(*sp.symbols("p y"))
    Abs(p - y)
    """
    prediction, target = _same_shape("mae", prediction, target)
    return _mean(_each(sp.Abs, prediction - target))


def huber(prediction: Any, target: Any, delta: Any = 1) -> Any:
    """The mean of ``e**2/2`` where ``|e| <= delta``, of ``delta*(|e| - delta/2)`` elsewhere, e the difference.

    >>> import sympy as sp
    >>> huber(sp.Symbol("p"), 0, 2)
    Piecewise((p**2/2, Abs(p) <= 2), (2*Abs(p) - 2, True))
    """
    prediction, target = _same_shape("huber", prediction, target)
    delta = sp.sympify(delta)

    def penalty(e: Any) -> Any:
        return sp.Piecewise((e**2 / 2, sp.Abs(e) <= delta), (delta * (sp.Abs(e) - delta / 2), True))

    return _mean(_each(penalty, prediction - target))


def binary_cross_entropy(prediction: Any, target: Any, from_logits: bool = False) -> Any:
    """The mean of ``-y*log(p) - (1 - y)*log(1 - p)`` over all entries, y the target.

    The prediction is the probability p, or, with ``from_logits=True``, the z with ``p = sigmoid(z)``: then the loss is
    ``softplus(z) - y*z``, which is right however far z is from 0.

    >>> import sympy as sp
    >>> binary_cross_entropy(*sp.symbols("z y"), from_logits=True)
    -y*z + softplus(z)
    """
    prediction, target = _same_shape("binary_cross_entropy", prediction, target)
    if from_logits:
        return _mean(softplus(prediction) - _times(target, prediction))
    one = OneMatrix(*prediction.shape) if _is_matrix(prediction) else sp.S.One
    hit = _times(target, _each(sp.log, prediction))
    miss = _times(one - target, _each(lambda entry: sp.log(1 - entry), prediction))
    return _mean(-hit - miss)


def cross_entropy(prediction: Any, target: Any, from_logits: bool = True) -> Any:
    """The mean over rows of ``-sum(y*log(p))``, y a row of target: one-hot, or probabilities.

    The prediction holds logits, ``p = softmax(z)``, and the loss is right at any size of them; or, with
    ``from_logits=False``, the probabilities themselves. Both are matrix expressions of shape (N, k), or lists of
    scalars, one sample's.

    >>> import sympy as sp
    >>> loss = cross_entropy(sp.MatrixSymbol("Z", 4, 3), sp.MatrixSymbol("Y", 4, 3))
    >>> loss.is_commutative
    True
    """
    if isinstance(prediction, list | tuple | sp.Tuple):
        prediction, target = sp.Matrix([list(prediction)]), sp.Matrix([list(target)])
    prediction, target = _same_shape("cross_entropy", prediction, target)
    logarithms = log_softmax(prediction) if from_logits else _each(sp.log, _matrix("cross_entropy", prediction))
    return -Total(HadamardProduct(target, logarithms)) / prediction.rows


def hinge(prediction: Any, target: Any) -> Any:
    """The mean of ``max(0, 1 - y*prediction)`` over all entries, y the target, -1 or 1.

    >>> import sympy as sp
    >>> hinge(*sp.symbols("p y"))
    Max(0, -p*y + 1)
    """
    prediction, target = _same_shape("hinge", prediction, target)
    one = OneMatrix(*prediction.shape) if _is_matrix(prediction) else sp.S.One
    return _mean(relu(one - _times(target, prediction)))
