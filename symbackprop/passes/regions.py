"""Expressions in one variable inside a graph: a node, and all between it and another node that it goes through."""

from __future__ import annotations

from symbackprop.ir import Node
from symbackprop.ops import REGISTRY
from symbackprop.ops.leaves import CONST, LENGTH
from symbackprop.ops.row import SPECIAL
from symbackprop.passes.limits import RATIONAL, Step

_DIV, _ABS, _LOG = (REGISTRY[name] for name in ("div", "abs", "log"))
MOST_NODES = 40
"""An expression is looked at no deeper: identities that users write have 3 to 15 operations."""
MOST_ARGUMENTS = 4
"""So many nodes on the way to the inputs are tried as the variable, the furthest first."""


def regions_of(nodes: list[Node], site: int, dominators: list[int]) -> list[tuple[int, tuple[int, ...]]]:
    """The nodes that a site depends on alone, the furthest first, each with the nodes up to the site."""
    regions: list[tuple[int, tuple[int, ...]]] = []
    argument = dominators[site]
    while argument >= 0 and len(regions) < MOST_ARGUMENTS:
        inner = between(nodes, site, argument)
        if inner is None:
            break
        # A length is a whole number, and no variable that something cancels in.
        if nodes[argument].op is LENGTH:
            break
        if nodes[site].op is _DIV or any(nodes[index].op not in RATIONAL for index in inner):
            regions.append((argument, inner))
        argument = dominators[argument]
    return regions[::-1]


def between(nodes: list[Node], site: int, argument: int) -> tuple[int, ...] | None:
    """The nodes from an argument up to a site, in order; None where they are many, or not all analytic."""
    stack, inner = [site], {site}
    while stack:
        user = nodes[stack.pop()]
        for operand in user.operands:
            if operand == argument or operand in inner:
                continue
            node = nodes[operand]
            # Most special functions of complex numbers take seconds.
            op = node.op
            analytic = op.elementwise and op.analytic and op.mpmath is not None and (op.cost < SPECIAL or op.swift)
            analytic = analytic or (op is _ABS and user.op is _LOG)
            if (op is not CONST and not analytic) or len(inner) >= MOST_NODES:
                return None
            inner.add(operand)
            stack.append(operand)
    return tuple(sorted(inner))


def steps_of(nodes: list[Node], argument: int, inner: tuple[int, ...]) -> tuple[Step, ...]:
    """The expression by itself: the same for all sites that are made alike."""
    place = {index: position for position, index in enumerate(inner)} | {argument: -1}
    chosen = [nodes[index] for index in inner]
    return tuple((node.op, node.attributes, *(place[operand] for operand in node.operands)) for node in chosen)
