"""Checks against an oracle of arbitrary precision: of gradients, and of modules when they are emitted."""

from symbackprop.check.gradient import check_grad
from symbackprop.check.report import Component, GradientReport
from symbackprop.check.verify import VERIFICATIONS, verified

__all__ = ["VERIFICATIONS", "Component", "GradientReport", "check_grad", "verified"]
