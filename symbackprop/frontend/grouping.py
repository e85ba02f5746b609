"""What a family of sums, or of products, has in common.

Two things are recovered:

- containment: a product all of whose factors occur in a longer one is a factor of it. The largest such product is
  taken, which restores prefix chains: the logistic map of n steps costs O(n) operations and not O(n**2);
- pairing: the pair of operands that occurs together most often becomes one, greedily, until none is repeated.
"""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

# Pairs of one group are counted over at most so many operands: the count is quadratic in it. Groups longer than this
# still take part in containment.
_PAIRED = 64
# Containment tries the largest candidates first and gives up after so many.
_TRIED = 64

Token = Any
"""What a sum or product is made of: a node, or for roots in products (node, exponent); pairs get negative numbers."""
Item = tuple[Token, int]
"""A token with its multiplicity."""


@dataclass(slots=True)
class Group:
    """A sum's terms or a product's factors, with multiplicity; then the group inside it, and the rest."""

    tokens: dict[Token, int]
    inside: int | None = None
    rest: list[Item] = field(default_factory=list)


class Family:
    """All groups of one kind. Pair number k stands as the item (-k - 1, 1) in the rest of a group."""

    def __init__(self) -> None:
        self.groups: list[Group] = []
        self.pairs: list[tuple[Item, Item]] = []
        self._known: dict[tuple[Item, ...], int] = {}

    def add(self, tokens: dict[Token, int]) -> int:
        """The group of these tokens, which may be known already."""
        key = tuple(tokens.items())
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = len(self.groups)
            self.groups.append(Group(tokens))
        return known

    def recover(self) -> None:
        """Decide for every group what it is made of."""
        count = Counter(token for group in self.groups for token in group.tokens)
        shared = [group for group in self.groups if sum(count[token] > 1 for token in group.tokens) > 1]
        self._contain(count)
        for group in self.groups:
            smaller = self.groups[group.inside].tokens if group.inside is not None else {}
            group.rest = [
                (token, times - smaller.get(token, 0))
                for token, times in group.tokens.items()
                if times > smaller.get(token, 0)
            ]
        self._pair([group.rest for group in shared])

    def _contain(self, count: Counter[Token]) -> None:
        # A group is looked up by its rarest token, which every group around it holds too.
        by_rarest: dict[Token, list[int]] = {}
        size = [sum(group.tokens.values()) for group in self.groups]
        for index, group in enumerate(self.groups):
            if len(group.tokens) > 1 and min(count[token] for token in group.tokens) > 1:
                by_rarest.setdefault(min(group.tokens, key=count.__getitem__), []).append(index)
        for index, group in enumerate(self.groups):
            tokens = group.tokens
            candidates = [other for token in tokens for other in by_rarest.get(token, ()) if size[other] < size[index]]
            for other in heapq.nlargest(_TRIED, candidates, key=lambda other: (size[other], -other)):
                if all(tokens.get(token, 0) >= times for token, times in self.groups[other].tokens.items()):
                    group.inside = other
                    break

    def _pair(self, rests: list[list[Item]]) -> None:
        """Greedy pairing. Items are numbered in order of appearance, which breaks every tie the same way."""
        count = Counter(item for rest in rests for item in rest)
        items = list(count)
        number = {item: position for position, item in enumerate(items)}
        members: list[set[int]] = []
        places: dict[tuple[int, int], set[int]] = {}
        for place, rest in enumerate(rests):
            repeated = sorted((number[item] for item in rest if count[item] > 1), key=lambda n: (-count[items[n]], n))
            members.append(set(repeated[:_PAIRED]))
            for pair in combinations(sorted(members[-1]), 2):
                places.setdefault(pair, set()).add(place)
        heap = [(-len(where), *pair) for pair, where in places.items() if len(where) > 1]
        heapq.heapify(heap)
        while heap:
            negative, low, high = heapq.heappop(heap)
            where = places.get((low, high), set())
            if len(where) != -negative:
                if len(where) > 1:
                    heapq.heappush(heap, (-len(where), low, high))
                continue
            del places[low, high]
            fresh = len(items)
            self.pairs.append((items[low], items[high]))
            items.append((-len(self.pairs), 1))
            for place in sorted(where):
                rest = rests[place]
                rest[min(rest.index(items[low]), rest.index(items[high]))] = items[fresh]
                for old in (low, high):
                    if items[old] in rest:
                        rest.remove(items[old])
                    members[place].discard(old)
                for other in members[place]:
                    for old in (low, high):
                        places.get((min(other, old), max(other, old)), set()).discard(place)
                    places.setdefault((other, fresh), set()).add(place)
                members[place].add(fresh)
            for other in sorted({other for place in where for other in members[place]} - {fresh}):
                if len(places[other, fresh]) > 1:
                    heapq.heappush(heap, (-len(places[other, fresh]), other, fresh))
