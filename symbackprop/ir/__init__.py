"""The intermediate representation: one append-only list of typed, interned nodes.

::

    graph ::= node*  outputs                      operands come before users: list order is topological order
    node  ::= op operand* attributes : type
    type  ::= dtype shape                         dtype is real or bool; a scalar has shape ()
    shape ::= (extent*)                           an extent is an integer or the name of a dimension
"""

from symbackprop.ir.graph import Graph, GraphBuilder
from symbackprop.ir.interpret import interpret
from symbackprop.ir.node import Node, Number, Type
from symbackprop.ir.text import infix, to_text
from symbackprop.ir.value import Functions, Value
from symbackprop.ir.verify import verify

__all__ = [
    "Functions",
    "Graph",
    "GraphBuilder",
    "Node",
    "Number",
    "Type",
    "Value",
    "infix",
    "interpret",
    "to_text",
    "verify",
]
