"""Differentiation: graphs to graphs, in both modes, from the rows' partials."""

from symbackprop.ad.forward import jvp
from symbackprop.ad.reverse import vjp

__all__ = ["jvp", "vjp"]
