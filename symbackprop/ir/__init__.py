"""The intermediate representation: one append-only list of typed, interned nodes.

::

    graph ::= node*  outputs                      operands come before users: list order is topological order
    node  ::= op operand* attributes : type
    type  ::= dtype shape                         dtype is real, bool or int; a scalar has shape ()
    shape ::= (extent*)                           an extent is an integer, the name of a dimension, or made of such
"""

from symbackprop.ir.body import Body, map_bodies
from symbackprop.ir.graph import Graph, GraphBuilder
from symbackprop.ir.interpret import interpret
from symbackprop.ir.node import Node, Number, Type
from symbackprop.ir.text import infix, to_text
from symbackprop.ir.value import Functions, Kinked, Value
from symbackprop.ir.verify import verify

__all__ = [
    "Body",
    "Functions",
    "Graph",
    "GraphBuilder",
    "Kinked",
    "Node",
    "Number",
    "Type",
    "Value",
    "infix",
    "interpret",
    "map_bodies",
    "to_text",
    "verify",
]
