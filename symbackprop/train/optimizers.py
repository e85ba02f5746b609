"""Update rules: one class an optimiser, whose `update` says in SymPy what a step does to one number.

A rule of one's own is such a class::

    @dataclass(frozen=True)
    class SignDescent(Optimizer):
        lr: float = 0.01

        def update(self, p, g, lr, t):
            return p - lr * sympy.sign(g)

Whatever parameters `update` has after `t` are numbers that each parameter carries from step to step; they start at 0,
and their new values are returned after that of p. Every parameter that is an array is updated entry by entry.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import sympy as sp
from sympy.codegen.cfunctions import expm1

from symbackprop.errors import OptionError
from symbackprop.keywords import TellsOptions


@dataclass(frozen=True)
class Optimizer(TellsOptions):
    """Base of all rules; `lr` is the learning rate, which a schedule may change."""

    lr: float = 0.01

    def update(self, p: Any, g: Any, lr: Any, t: Any, *state: Any) -> Any:
        """The new p and state, from p, its gradient g, the learning rate, and the number of the step, from 1 on."""
        raise NotImplementedError

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not isinstance(value, int | float) or not 0 <= value < float("inf"):
                raise OptionError(f"{type(self).__name__}({name}={value!r}): a number is due, finite and not negative")

    @property
    def slots(self) -> tuple[str, ...]:
        """The names of what each parameter carries."""
        return tuple(inspect.signature(self.update).parameters)[4:]


@dataclass(frozen=True)
class SGD(Optimizer):
    """``p - lr*g``.

    >>> SGD(lr=0.1).slots
    ()
    """

    def update(self, p: Any, g: Any, lr: Any, t: Any) -> Any:
        return p - lr * g


@dataclass(frozen=True)
class Momentum(Optimizer):
    """``v' = momentum*v + g``, then ``p - lr*v'`` (Polyak, 1964, in the form of PyTorch's SGD).

    >>> Momentum(lr=0.1).slots
    ('v',)
    """

    momentum: float = 0.9

    def update(self, p: Any, g: Any, lr: Any, t: Any, v: Any) -> Any:
        v = self.momentum * v + g
        return p - lr * v, v


@dataclass(frozen=True)
class Nesterov(Momentum):
    """``v' = momentum*v + g``, then ``p - lr*(g + momentum*v')`` (Sutskever et al., 2013, in PyTorch's form).

    >>> Nesterov().momentum
    0.9
    """

    def update(self, p: Any, g: Any, lr: Any, t: Any, v: Any) -> Any:
        v = self.momentum * v + g
        return p - lr * (g + self.momentum * v), v


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """``s' = decay*s + (1 - decay)*g**2``, then ``p - lr*g/(sqrt(s') + epsilon)`` (Tieleman and Hinton, 2012).

    >>> RMSprop().slots
    ('s',)
    """

    decay: float = 0.99
    epsilon: float = 1e-8

    def update(self, p: Any, g: Any, lr: Any, t: Any, s: Any) -> Any:
        s = self.decay * s + (1 - self.decay) * g**2
        return p - lr * g / (sp.sqrt(s) + self.epsilon), s


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """``s' = s + g**2``, then ``p - lr*g/(sqrt(s') + epsilon)`` (Duchi, Hazan and Singer, 2011).

    >>> Adagrad().lr
    0.01
    """

    epsilon: float = 1e-10

    def update(self, p: Any, g: Any, lr: Any, t: Any, s: Any) -> Any:
        s = s + g**2
        return p - lr * g / (sp.sqrt(s) + self.epsilon), s


@dataclass(frozen=True)
class Adam(Optimizer):
    """Moments of the gradient without their bias towards 0 (Kingma and Ba, 2015, algorithm 1).

    >>> Adam().slots
    ('m', 's')
    """

    lr: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def update(self, p: Any, g: Any, lr: Any, t: Any, m: Any, s: Any) -> Any:
        m = self.beta1 * m + (1 - self.beta1) * g
        s = self.beta2 * s + (1 - self.beta2) * g**2
        # In the form at the end of the paper's section 2: one division an entry, where there were three.
        spread = sp.sqrt(_grown(self.beta2, t))
        rate = lr * spread / _grown(self.beta1, t)
        return p - rate * m / (sp.sqrt(s) + self.epsilon * spread), m, s


def _grown(decay: float, t: Any) -> Any:
    """1 - decay**t, the weight of what a moving average has seen; 1 - 0.999 has no more than four digits in float32."""
    return -expm1(t * sp.log(decay)) if decay else sp.Integer(1)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam, with every parameter drawn towards 0 beside the step (Loshchilov and Hutter, 2019).

    >>> AdamW().weight_decay
    0.01
    """

    weight_decay: float = 0.01

    def update(self, p: Any, g: Any, lr: Any, t: Any, m: Any, s: Any) -> Any:
        return super().update(p * (1 - lr * self.weight_decay), g, lr, t, m, s)


@dataclass(frozen=True)
class Lion(Optimizer):
    """``p - lr*(sign(beta1*m + (1 - beta1)*g) + weight_decay*p)`` (Chen et al., 2023, algorithm 2).

    >>> Lion().slots
    ('m',)
    """

    lr: float = 0.0001
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0

    def update(self, p: Any, g: Any, lr: Any, t: Any, m: Any) -> Any:
        direction = sp.sign(self.beta1 * m + (1 - self.beta1) * g)
        return p - lr * (direction + self.weight_decay * p), self.beta2 * m + (1 - self.beta2) * g
