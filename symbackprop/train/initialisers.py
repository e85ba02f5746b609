"""First values of weights: drawn by a seed or a generator, so that a run can be repeated.

A shape is (inputs, outputs), as `affine` has it. He's suit ReLU, Xavier's tanh and the logistic function.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from symbackprop.errors import OptionError

Seed = int | np.random.Generator


def he_normal(shape: Sequence[int], seed: Seed = 0) -> Any:
    """Normal, of variance ``2/inputs`` (He et al., 2015, equation 10).

    >>> he_normal((3, 2), seed=0).shape
    (3, 2)
    """
    return _drawn(seed).normal(0.0, math.sqrt(2.0 / _fans(shape)[0]), shape)


def he_uniform(shape: Sequence[int], seed: Seed = 0) -> Any:
    """Uniform, of variance ``2/inputs``.

    >>> bool(abs(he_uniform((3, 2), seed=0)).max() <= 2**0.5)
    True
    """
    bound = math.sqrt(6.0 / _fans(shape)[0])
    return _drawn(seed).uniform(-bound, bound, shape)


def xavier_normal(shape: Sequence[int], seed: Seed = 0) -> Any:
    """Normal, of variance ``2/(inputs + outputs)`` (Glorot and Bengio, 2010).

    >>> xavier_normal((3, 2), seed=0).shape
    (3, 2)
    """
    return _drawn(seed).normal(0.0, math.sqrt(2.0 / sum(_fans(shape))), shape)


def xavier_uniform(shape: Sequence[int], seed: Seed = 0) -> Any:
    """Uniform, of variance ``2/(inputs + outputs)`` (Glorot and Bengio, 2010, equation 16).

    >>> bool(abs(xavier_uniform((3, 3), seed=0)).max() <= 1.0)
    True
    """
    bound = math.sqrt(6.0 / sum(_fans(shape)))
    return _drawn(seed).uniform(-bound, bound, shape)


def zeros(shape: Sequence[int], seed: Seed = 0) -> Any:
    """Zeros, as biases start; the seed is not needed.

    >>> zeros((1, 2))
    array([[0., 0.]])
    """
    return np.zeros(shape)


def _fans(shape: Sequence[int]) -> tuple[int, int]:
    shape = tuple(shape)
    if len(shape) != 2 or min(shape) < 1:
        raise OptionError(f"an initialiser takes the shape (inputs, outputs), not {shape}")
    return shape[0], shape[1]


def _drawn(seed: Seed) -> np.random.Generator:
    return seed if isinstance(seed, np.random.Generator) else np.random.Generator(np.random.PCG64(seed))
