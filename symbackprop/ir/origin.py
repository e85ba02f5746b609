"""Where nodes come from: sub-expressions of the user's, and the rules that made nodes of them.

Nobody pays for this unless a front end was asked to record: then every graph carries an origin a node, which passes
hand on as they hand on names, and `complete` gives one to what a stage made besides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from symbackprop.ir.node import Node

_MOST = 4
"""So many sub-expressions a node is said to come from; one that stands for more is common to all of the model."""
PART, JOINED = "a part of that", "made of these"
_LONGEST = 12
"""So many rules are told of a node, the last ones."""


class Origin(NamedTuple):
    """`of` are sub-expressions as the user wrote them, `how` what was done to them, in order; `op` is the row that the
    node was when it was last looked at.
    """

    of: tuple[Any, ...]
    how: tuple[str, ...]
    op: str

    def then(self, how: Sequence[str], op: str) -> Origin:
        """The origin of what such steps make of this."""
        return Origin(self.of, (*self.how, *[step for step in how if step not in self.how])[-_LONGEST:], op)

    def joined(self, other: Origin | None) -> Origin:
        """The origin of a node that is two in one: both expressions where nothing was done to them, else what takes the
        fewest rules.
        """
        if other is None or len(self.how) < len(other.how):
            return self
        if self.how or other.how:
            return other
        of = [*other.of, *[expr for expr in self.of if all(expr is not known for known in other.of)]]
        return Origin(tuple(of[:_MOST]), (), other.op)


def complete(nodes: Sequence[Node], origins: dict[int, Origin], step: str, rules: Mapping[int, Sequence[str]]) -> None:
    """Give every node an origin after a step: `rules` made some nodes, the step itself what became another row; what is
    new besides comes from where its first user does, or where its operands do.
    """
    from_users: dict[int, int] = {}
    for index in range(len(nodes) - 1, -1, -1):
        node, origin = nodes[index], origins.get(index)
        name = node.op.name
        if origin is None and index in from_users:
            user = origins[from_users[index]]
            origins[index] = user.then((*rules.get(index, ()), PART), name)
        elif origin is not None and index in rules:
            origins[index] = origin.then(rules[index], name)
        elif origin is not None and step and origin.op != name:
            origins[index] = origin.then((step,), name)
        if index in origins:
            for operand in node.operands:
                if operand not in origins or operand in from_users:
                    from_users[operand] = index
    for index, node in enumerate(nodes):
        # What only results are made of: a mean over samples, the states of a step side by side.
        known = [origins[operand] for operand in node.operands if operand in origins]
        if index not in origins and known:
            of = tuple(dict.fromkeys(expr for origin in known for expr in origin.of))[:_MOST]
            origins[index] = known[0]._replace(of=of).then((step or JOINED,), node.op.name)
