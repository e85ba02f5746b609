"""A source-to-source symbolic differentiation compiler: a SymPy model in, readable gradient code out.

>>> import sympy as sp
>>> from symbackprop import compile_grad
>>> a, b = sp.symbols("a b")
>>> compile_grad((a + b)*(b + 1), [a, b], backend="python")(2, 1)
[2.0, 5.0]
"""

from typing import TYPE_CHECKING as _TYPE_CHECKING
from typing import Any as _Any

from symbackprop.api import (
    compile_function,
    compile_grad,
    compile_hessian,
    compile_hvp,
    compile_jacobian,
    compile_jvp,
    compile_vjp,
    emit_module,
    explain,
    lambdify,
)
from symbackprop.check import GradientReport, check_grad
from symbackprop.errors import (
    CallError,
    Diverged,
    DomainError,
    EmitError,
    InternalCompilerError,
    JitError,
    MissingDerivative,
    ModelError,
    NameClash,
    OptionError,
    OutOfRange,
    ShapeMismatch,
    SymbackpropError,
    SymbackpropWarning,
    UnboundSymbol,
    UnsupportedExpression,
)
from symbackprop.frontend import logistic, register
from symbackprop.frontend.extremes import MaxOver, MinOver
from symbackprop.frontend.layers import (
    affine,
    batch_norm,
    binary_cross_entropy,
    cross_entropy,
    gelu,
    hinge,
    huber,
    leaky_relu,
    log_softmax,
    mae,
    mse,
    relu,
    sigmoid,
    softmax,
    softplus,
    tanh,
)
from symbackprop.frontend.reductions import RowLogSumExp, Total
from symbackprop.frontend.scan import Scan, recurrence
from symbackprop.runtime import CompiledFunction
from symbackprop.show import Explanation
from symbackprop.train import (
    LBFGS,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    Average,
    FullBatch,
    History,
    Lion,
    Momentum,
    Nesterov,
    Network,
    Optimizer,
    RMSprop,
    Run,
    Runs,
    State,
    Training,
    batch_statistics,
    compile_training,
    constant,
    cosine,
    exponential,
    he_normal,
    he_uniform,
    plateau,
    plot_decision_boundary,
    step,
    warmup,
    xavier_normal,
    xavier_uniform,
    zeros,
)
from symbackprop.version import __version__

if _TYPE_CHECKING:
    from symbackprop.train.estimators import SymbolicClassifier as SymbolicClassifier
    from symbackprop.train.estimators import SymbolicRegressor as SymbolicRegressor

__all__ = [
    "LBFGS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Average",
    "CallError",
    "CompiledFunction",
    "Diverged",
    "DomainError",
    "EmitError",
    "Explanation",
    "FullBatch",
    "GradientReport",
    "History",
    "InternalCompilerError",
    "JitError",
    "Lion",
    "MaxOver",
    "MinOver",
    "MissingDerivative",
    "ModelError",
    "Momentum",
    "NameClash",
    "Nesterov",
    "Network",
    "Optimizer",
    "OptionError",
    "OutOfRange",
    "RMSprop",
    "RowLogSumExp",
    "Run",
    "Runs",
    "Scan",
    "ShapeMismatch",
    "State",
    "SymbackpropError",
    "SymbackpropWarning",
    "Total",
    "Training",
    "UnboundSymbol",
    "UnsupportedExpression",
    "__version__",
    "affine",
    "batch_norm",
    "batch_statistics",
    "binary_cross_entropy",
    "check_grad",
    "compile_function",
    "compile_grad",
    "compile_hessian",
    "compile_hvp",
    "compile_jacobian",
    "compile_jvp",
    "compile_training",
    "compile_vjp",
    "constant",
    "cosine",
    "cross_entropy",
    "emit_module",
    "explain",
    "exponential",
    "gelu",
    "he_normal",
    "he_uniform",
    "hinge",
    "huber",
    "lambdify",
    "leaky_relu",
    "log_softmax",
    "logistic",
    "mae",
    "mse",
    "plateau",
    "plot_decision_boundary",
    "recurrence",
    "register",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
    "step",
    "tanh",
    "warmup",
    "xavier_normal",
    "xavier_uniform",
    "zeros",
]


def __getattr__(name: str) -> _Any:
    """The estimators, imported when they are asked for: they need scikit-learn, an extra."""
    if name not in ("SymbolicClassifier", "SymbolicRegressor"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from symbackprop.train import estimators
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "sklearn":
            raise
        raise OptionError(f"{name} needs scikit-learn: pip install 'symbackprop[sklearn]'") from None
    return getattr(estimators, name)
