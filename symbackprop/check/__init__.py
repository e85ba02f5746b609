"""Checks of gradients against independent oracles."""

from symbackprop.check.gradient import Component, GradientReport, check_grad

__all__ = ["Component", "GradientReport", "check_grad"]
