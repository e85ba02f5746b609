"""How fast a model is, beside other systems: each in a process of its own, at one point, with the answers compared."""

from symbackprop.bench.contest import Contest, Entry, contenders, entered
from symbackprop.bench.problem import Problem, posed

__all__ = ["Contest", "Entry", "Problem", "contenders", "entered", "posed"]
