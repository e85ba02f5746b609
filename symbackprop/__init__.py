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
    ShapeMismatch,
    SymbackpropError,
    SymbackpropWarning,
    UnboundSymbol,
    UnsupportedExpression,
)
from symbackprop.frontend import logistic, register, softplus
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
    "MissingDerivative",
    "ModelError",
    "NameClash",
    "OptionError",
    "ShapeMismatch",
    "SymbackpropError",
    "SymbackpropWarning",
    "UnboundSymbol",
    "UnsupportedExpression",
    "__version__",
    "check_grad",
    "compile_function",
    "compile_grad",
    "compile_hessian",
    "compile_hvp",
    "compile_jacobian",
    "compile_jvp",
    "compile_vjp",
    "emit_module",
    "lambdify",
    "logistic",
    "register",
    "softplus",
]
