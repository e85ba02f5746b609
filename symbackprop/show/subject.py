"""The model behind a compiled function, ready to be explained and drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from symbackprop.frontend import Variable
from symbackprop.ir import Graph
from symbackprop.show.derivation import Derivation
from symbackprop.show.explanation import Explanation
from symbackprop.show.picture import Binding, Picture


class Subject:
    """A graph as the front end made it, and what it is differentiated in. Nothing is done before something is shown."""

    def __init__(self, graph: Graph, wrt: Sequence[Variable], kinks: str, name: str) -> None:
        self._given = (graph, wrt, kinks, name)

    @cached_property
    def derivation(self) -> Derivation:
        return Derivation(*self._given)

    def explanation(self, inputs: Mapping[str, Any], compiled: Mapping[str, Any] | None = None) -> Explanation:
        """The tables at a point; `compiled` are results of the compiled program by what they are, to stand beside."""
        return Explanation(self.derivation, inputs, compiled)

    def picture(self, bind: Binding) -> Picture:
        """The graph, ready to be drawn; `bind` makes inputs of a point."""
        return Picture(self.derivation, bind)
