"""The registry of operations: one row each, collected from the families in this folder.

>>> from symbackprop.ops import REGISTRY
>>> REGISTRY["sin"].doc
'sine'
"""

from __future__ import annotations

from symbackprop.ops import (
    arithmetic,
    array_norms,
    bessel,
    beta,
    binding,
    binet,
    compound,
    contraction,
    control,
    cylinder,
    differences,
    divergence,
    exponential,
    factors,
    free_energies,
    gamma,
    hyperbolic,
    indexing,
    lambert,
    leaves,
    linalg,
    logic,
    nonsmooth,
    norms,
    poles,
    polynomial,
    ratios,
    reduction,
    rising,
    scaled_rising,
    shares,
    smooth_maxima,
    special,
    sums_of_exponentials,
    tails,
    trigonometric,
)
from symbackprop.ops.row import DType, Op, Registry, Spelling

__all__ = ["FAMILIES", "REGISTRY", "DType", "Op", "Registry", "Spelling"]

FAMILIES = (
    leaves,
    arithmetic,
    exponential,
    trigonometric,
    hyperbolic,
    special,
    cylinder,
    lambert,
    bessel,
    gamma,
    beta,
    binet,
    binding,
    poles,
    rising,
    scaled_rising,
    differences,
    divergence,
    polynomial,
    ratios,
    compound,
    shares,
    smooth_maxima,
    norms,
    tails,
    nonsmooth,
    logic,
    control,
    reduction,
    sums_of_exponentials,
    free_energies,
    array_norms,
    contraction,
    indexing,
    linalg,
    factors,
)
REGISTRY = Registry()
for _family in FAMILIES:
    REGISTRY.add(*_family.ROWS)
