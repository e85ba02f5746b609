"""The sum over paths: a derivative as the sum, over all ways from an input to the value, of products of partials.

Reverse accumulation factors that sum: what paths have in common is multiplied once. Source: Griewank and Walther,
Evaluating Derivatives, 2nd ed., SIAM 2008, section 2 (Bauer's formula).
"""

from __future__ import annotations

from symbackprop.show.derivation import Derivation, Edge

MANY = 24
"""With more paths than this they are counted, not written."""


def counts(derivation: Derivation) -> dict[int, int]:
    """How many paths lead from each active step and input to the value."""
    found = dict.fromkeys((*derivation.inputs, *derivation.steps), 0)
    found[derivation.outputs[0]] = 1
    for index in sorted(derivation.users, reverse=True):
        found[index] += sum(found[edge.step] for edge in passing(derivation, index))
    return found


def passing(derivation: Derivation, index: int) -> list[Edge]:
    """The edges out of a step that have a partial."""
    return [edge for edge in derivation.users[index] if edge.partial is not None]


def paths(derivation: Derivation, start: int) -> list[list[Edge]]:
    """Every path from a step to the value, as its edges; for graphs of few paths."""
    finished: list[list[Edge]] = []
    open_: list[tuple[int, list[Edge]]] = [(start, [])]
    while open_:
        index, edges = open_.pop()
        if index == derivation.outputs[0]:
            finished.append(edges)
            continue
        open_ += [(edge.step, [*edges, edge]) for edge in reversed(passing(derivation, index))]
    return finished
