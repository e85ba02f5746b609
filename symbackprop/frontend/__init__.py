"""The front end: SymPy in, graph and signature out. The only place where SymPy is imported."""

from symbackprop.frontend.functions import logistic, softplus
from symbackprop.frontend.model import Model, Variable, read_model, split_cse
from symbackprop.frontend.registered import register

__all__ = ["Model", "Variable", "logistic", "read_model", "register", "softplus", "split_cse"]
