"""Through which single node all of an expression goes: the dominators of a graph, from its inputs."""

from __future__ import annotations

from symbackprop.ir import Node
from symbackprop.ops.leaves import CONST


def dominators_of(nodes: list[Node]) -> list[int]:
    """For each node the nearest one through which all of it goes; -1 where there is none, -2 for constants.

    Source: Cooper, Harvey and Kennedy, A simple, fast dominance algorithm, 2001, on a graph without cycles.
    """
    dominators: list[int] = []
    extend(dominators, nodes)
    return dominators


def extend(dominators: list[int], nodes: list[Node]) -> None:
    """Append what is missing."""
    for node in nodes[len(dominators) :]:
        common = -2 if node.op is CONST else -1
        first = True
        for operand in node.operands:
            if dominators[operand] == -2:
                continue
            common = operand if first else _meet(dominators, common, operand)
            first = False
        dominators.append(-2 if first and node.operands else common)


def _meet(dominators: list[int], one: int, other: int) -> int:
    """The nearest node that both go through: dominators come earlier in the list, so the later one steps back."""
    while one != other:
        if one < 0 or other < 0:
            return -1
        if one > other:
            one = dominators[one]
        else:
            other = dominators[other]
    return one


def chain_of(dominators: list[int], index: int) -> list[int]:
    """A node and those that it goes through, the nearest first."""
    chain = []
    while index >= 0 and dominators[index] != -2:
        chain.append(index)
        index = dominators[index]
    return chain
