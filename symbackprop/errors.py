"""Every error that symbackprop raises, each with what is wrong, where, why and what to do next.

::

    SymbackpropError
     ├── UnsupportedExpression   (NotImplementedError)  the expression holds something outside the language
     │    └── MissingDerivative                         ... a function whose derivative nobody has given
     ├── UnboundSymbol           (ValueError)           a symbol that no argument provides
     ├── NameClash               (ValueError)           two different things under one name
     ├── ShapeMismatch           (ValueError)           arrays that do not fit together
     ├── DomainError             (ValueError)           a question without a real answer
     ├── CallError               (TypeError)            a compiled function called wrongly
     ├── OutOfRange              (IndexError)           an index array that picks what is not there
     ├── OptionError             (ValueError)           an option with a value that it does not have
     ├── EmitError               (ValueError)           a target that cannot say this
     ├── ModelError              (ValueError)           a model file that cannot be used
     ├── Diverged                (RuntimeError)         a training whose loss is no longer a finite number
     ├── JitError                (RuntimeError)         Numba or LLVM refused the emitted code
     └── InternalCompilerError   (RuntimeError)         our own mistake: please report it

A class that also derives from a builtin can be caught as that builtin by callers that know nothing of us.
"""

from __future__ import annotations

from typing import Any


class SymbackpropError(Exception):
    """Base of every error that this package raises."""


class UnsupportedExpression(SymbackpropError, NotImplementedError):  # noqa: N818 - a name of the public contract
    """The expression holds something that the compiler does not take; all such places are listed."""


class MissingDerivative(UnsupportedExpression):
    """A function is differentiated in an argument for which no derivative is known."""


class UnboundSymbol(SymbackpropError, ValueError):  # noqa: N818 - a name of the public contract
    """The expression uses a symbol that ``args`` does not provide."""


class NameClash(SymbackpropError, ValueError):  # noqa: N818 - a name of the public contract
    """Two different symbols share one name, or one name is given twice."""


class ShapeMismatch(SymbackpropError, ValueError):  # noqa: N818 - a name of the public contract
    """Shapes that do not fit, in the expression or at a call."""


class DomainError(SymbackpropError, ValueError):
    """The question has no answer in the real numbers."""


class CallError(SymbackpropError, TypeError):
    """A compiled function was called with the wrong number or kind of arguments."""


class OutOfRange(SymbackpropError, IndexError):  # noqa: N818 - named like what is wrong
    """An index, computed at a call, is outside its array."""


class OptionError(SymbackpropError, ValueError):
    """An option was given a value that it does not take."""


class EmitError(SymbackpropError, ValueError):
    """The target has no way to say something that the program needs, or the file cannot be written."""


class ModelError(SymbackpropError, ValueError):
    """A model file is missing, fails to run, or does not define the name asked for."""


class Diverged(SymbackpropError, RuntimeError):  # noqa: N818 - named like what is wrong
    """The loss of a training became infinite, or not a number; `run` is what was reached before that epoch, and `found`
    says where that was, without advice.
    """

    run: Any = None
    found: str = ""


class JitError(SymbackpropError, RuntimeError):
    """Numba could not compile an emitted module."""


class InternalCompilerError(SymbackpropError, RuntimeError):
    """An invariant of the compiler itself is broken; never the caller's fault."""


class SymbackpropWarning(UserWarning):
    """Something that is well defined but probably not meant, such as a ``wrt`` that does not occur."""
