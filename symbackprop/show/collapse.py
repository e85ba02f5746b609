"""Large graphs on one screen: steps are gathered into groups until few enough are left.

First arithmetic that only one other step uses joins it, so that sub-expressions stand as wholes; the user's own
let-bound steps stay, and so do functions: the activations of a network. Then groups that are equally far from the
inputs and made of the same operations become one: of a network, its layers. Last, bands of neighbouring layers do.
Every way leads from lower to higher, so that no cycle arises.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from typing import NamedTuple

from symbackprop.show.derivation import Derivation

_ARITHMETIC = frozenset({"add", "sub", "mul", "div", "neg", "pow"})


class Group(NamedTuple):
    """Steps that are drawn as one: its `roots` are what others use; there are `size` steps or inputs in it."""

    roots: tuple[int, ...]
    size: int
    is_input: bool = False


def collapse(derivation: Derivation, limit: int | None) -> tuple[list[Group], dict[int, int]]:
    """Groups, at most about `limit` of them, and the group of each step and input."""
    inputs, steps = derivation.inputs, derivation.steps
    owner = {index: index for index in (*inputs, *steps)}
    if limit is None or len(owner) <= limit:
        return _groups(derivation, owner, {index: index for index in owner})
    owner = _folded(derivation)
    found = _groups(derivation, owner, {index: index for index in owner})
    if len(found[0]) <= limit:
        return found
    rank = _ranks(derivation, owner)
    made_of: dict[int, Counter[str]] = {root: Counter() for root in owner.values()}
    for index in steps:
        made_of[owner[index]][derivation.graph.nodes[index].op.name] += 1
    layer: dict[int, Hashable] = {
        root: (rank[root], frozenset(operations.items())) if operations else root
        for root, operations in made_of.items()
    }
    _join_inputs(derivation, owner, layer)
    found = _groups(derivation, owner, layer)
    if len(found[0]) <= limit:
        return found
    band = -(-(max(rank.values()) + 1) // max(limit // 2, 1))
    layer = {root: ("band", rank[root] // band) if operations else root for root, operations in made_of.items()}
    _join_inputs(derivation, owner, layer)
    if len(set(layer.values())) > limit:
        layer.update(dict.fromkeys(inputs, "inputs"))
    return _groups(derivation, owner, layer)


def _folded(derivation: Derivation) -> dict[int, int]:
    """For each step the one that it stands in."""
    users: dict[int, set[int]] = {}
    for edge in derivation.edges:
        users.setdefault(edge.source, set()).add(edge.step)
    owner = {index: index for index in derivation.inputs}
    for index in reversed(derivation.steps):
        into = users.get(index, set())
        stays = index in derivation.outputs or index in derivation.graph.labels or len(into) != 1
        arithmetic = derivation.graph.nodes[index].op.name in _ARITHMETIC
        owner[index] = index if stays or not arithmetic else owner[next(iter(into))]
    return owner


def _ranks(derivation: Derivation, owner: dict[int, int]) -> dict[int, int]:
    """How far each group is from the inputs."""
    sources: dict[int, set[int]] = {}
    for edge in derivation.edges:
        if owner[edge.source] != owner[edge.step]:
            sources.setdefault(owner[edge.step], set()).add(owner[edge.source])
    rank: dict[int, int] = {}
    for root in sorted(set(owner.values())):
        rank[root] = 1 + max((rank[source] for source in sources.get(root, ())), default=-1)
    return rank


def _join_inputs(derivation: Derivation, owner: dict[int, int], layer: dict[int, Hashable]) -> None:
    """Inputs that go into the same groups are one, those that are differentiated in apart from the others."""
    goes: dict[int, set[Hashable]] = {index: set() for index in derivation.inputs}
    for edge in derivation.edges:
        if edge.source in goes:
            goes[edge.source].add(layer[owner[edge.step]])
    moving = set(derivation.variables.values())
    layer.update({index: ("input", index in moving, frozenset(into)) for index, into in goes.items()})


def _groups(
    derivation: Derivation, owner: dict[int, int], layer: dict[int, Hashable] | dict[int, int]
) -> tuple[list[Group], dict[int, int]]:
    number: dict[Hashable, int] = {}
    roots: list[list[int]] = []
    count: list[int] = []
    group_of: dict[int, int] = {}
    for index in sorted(owner):
        place = number.setdefault(layer[owner[index]], len(roots))
        if place == len(roots):
            roots.append([])
            count.append(0)
        count[place] += 1
        group_of[index] = place
        if owner[index] == index:
            roots[place].append(index)
    inputs = set(derivation.inputs)
    return [Group(tuple(r), n, r[0] in inputs) for r, n in zip(roots, count, strict=True)], group_of
