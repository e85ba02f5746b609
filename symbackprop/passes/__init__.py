"""Graph to graph, one file a pass; each leaves the graph well formed and its value what it was."""

from symbackprop.passes.dead import dead
from symbackprop.passes.expand import expand
from symbackprop.passes.guard import guard
from symbackprop.passes.rewrite import Rule
from symbackprop.passes.simplify import simplify
from symbackprop.passes.stabilise import stabilise
from symbackprop.passes.strength import strength

__all__ = ["Rule", "dead", "expand", "guard", "simplify", "stabilise", "strength"]
