"""Arrays that are done with lend their memory to later ones of the same shape.

A network's adjoints are as large as its activations and are wanted one after the other: the backward pass needs little
memory of its own. A later array is bound to the earlier one's buffer where it is first written, under its own name.
"""

from __future__ import annotations

from collections.abc import Iterable

from symbackprop.lower.doors import names_in
from symbackprop.lower.program import Allocate, Assign, Ref, Statement


def reuse(
    allocations: list[Statement], body: list[Statement], kept: Iterable[str]
) -> tuple[list[Statement], list[str]]:
    """Allocations and statements with buffers shared, in order, and the arrays that need none of their own.

    `kept` are the results. Arrays that start from a number have memory of their own.
    """
    if sum(isinstance(a, Allocate) and a.fill is None for a in allocations) < 2:
        return [*allocations, *body], []
    first: dict[str, int] = {}
    last: dict[str, int] = dict.fromkeys(kept, len(body))
    for place, statement in enumerate(body):
        for name in names_in([statement]):
            first.setdefault(name, place)
            last[name] = max(last.get(name, place), place)
    lendable = [a for a in allocations if isinstance(a, Allocate) and a.fill is None and a.name in first]
    free: dict[object, list[tuple[int, str]]] = {}
    owner: dict[str, str] = {}
    bound: dict[int, list[Statement]] = {}
    for allocation in sorted(lendable, key=lambda a: first[a.name]):
        kind = (allocation.extents, allocation.dtype)
        waiting = free.setdefault(kind, [])
        place = first[allocation.name]
        lender = next((name for end, name in waiting if end < place), None)
        if lender is not None:
            waiting[:] = [(end, name) for end, name in waiting if name != lender]
            owner[allocation.name] = lender
            note = f"{lender} is done with"
            bound.setdefault(place, []).append(Assign(Ref(allocation.name), Ref(lender), note))
        waiting.append((last[allocation.name], allocation.name))
    statements = [a for a in allocations if not (isinstance(a, Allocate) and a.name in owner)]
    for place, statement in enumerate(body):
        statements += [*bound.get(place, ()), statement]
    return statements, list(owner)
