"""Graph to graph, one file a pass; each leaves the graph well formed and its value what it was."""

from symbackprop.passes.bounds import bounds
from symbackprop.passes.contraction import contract
from symbackprop.passes.dead import dead
from symbackprop.passes.expand import expand
from symbackprop.passes.factorise import factorise
from symbackprop.passes.guard import guard
from symbackprop.passes.removable import removable
from symbackprop.passes.rewrite import Rule
from symbackprop.passes.settle import settle
from symbackprop.passes.simplify import simplify
from symbackprop.passes.stabilise import stabilise
from symbackprop.passes.strength import strength

__all__ = [
    "Rule",
    "bounds",
    "contract",
    "dead",
    "expand",
    "factorise",
    "guard",
    "removable",
    "settle",
    "simplify",
    "stabilise",
    "strength",
]
