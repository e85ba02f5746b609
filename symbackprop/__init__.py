"""A source-to-source symbolic differentiation compiler: a SymPy model in, readable gradient code out.

>>> import sympy as sp
>>> from symbackprop import compile_grad
>>> a, b = sp.symbols("a b")
>>> compile_grad((a + b)*(b + 1), [a, b], backend="python")(2, 1)
[2.0, 5.0]
"""

from symbackprop.api import (
    compile_function,
    compile_grad,
    compile_hessian,
    compile_hvp,
    compile_jacobian,
    compile_jvp,
    compile_vjp,
    emit_module,
    lambdify,
)
from symbackprop.check import GradientReport, check_grad
from symbackprop.errors import (
    CallError,
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
from symbackprop.version import __version__

__all__ = [
    "CallError",
    "CompiledFunction",
    "DomainError",
    "EmitError",
    "GradientReport",
    "InternalCompilerError",
    "JitError",
    "MaxOver",
    "MinOver",
    "MissingDerivative",
    "ModelError",
    "NameClash",
    "OptionError",
    "OutOfRange",
    "RowLogSumExp",
    "Scan",
    "ShapeMismatch",
    "SymbackpropError",
    "SymbackpropWarning",
    "Total",
    "UnboundSymbol",
    "UnsupportedExpression",
    "__version__",
    "affine",
    "batch_norm",
    "binary_cross_entropy",
    "check_grad",
    "compile_function",
    "compile_grad",
    "compile_hessian",
    "compile_hvp",
    "compile_jacobian",
    "compile_jvp",
    "compile_vjp",
    "cross_entropy",
    "emit_module",
    "gelu",
    "hinge",
    "huber",
    "lambdify",
    "leaky_relu",
    "log_softmax",
    "logistic",
    "mae",
    "mse",
    "recurrence",
    "register",
    "relu",
    "sigmoid",
    "softmax",
    "softplus",
    "tanh",
]
