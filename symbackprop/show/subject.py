"""The model behind a compiled function, ready to be explained and drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from symbackprop.compiler import Request
from symbackprop.frontend import Variable
from symbackprop.ir import Graph
from symbackprop.show.batch import Batch
from symbackprop.show.derivation import Derivation
from symbackprop.show.explanation import Explanation
from symbackprop.show.measure import Measurement, measurement
from symbackprop.show.picture import Binding, Picture
from symbackprop.show.provenance import traced
from symbackprop.show.trace import Traces


class Subject:
    """A graph as the front end made it, and what it is differentiated in. Nothing is done before something is shown."""

    def __init__(
        self,
        graph: Graph,
        wrt: Sequence[Variable],
        kinks: str,
        name: str,
        request: Request | None = None,
        batch: Batch | None = None,
    ) -> None:
        """`request` is what was compiled, for what needs it compiled again; `batch` says what carries samples."""
        self._given = (graph, wrt, kinks, name)
        self._batch = batch
        self._request = request
        self._traces: Traces | None = None

    @cached_property
    def derivation(self) -> Derivation:
        return Derivation(*self._given)

    def explanation(
        self,
        inputs: Sequence[Mapping[str, Any]],
        compiled: Mapping[str, Any] | None = None,
        samples: int | None = None,
    ) -> Explanation:
        """The tables at a point, which is the first of `inputs`; of a batch of so many `samples` these are the first of
        them. `compiled` are results of the compiled program by what they are, to stand beside.
        """
        batch = self._batch.of(inputs, samples) if self._batch is not None and samples is not None else None
        return Explanation(self.derivation, inputs[0], compiled, batch)

    def traces(self, source: str) -> Traces:
        """The lines of the emitted module, and where they come from; found when it is first asked for."""
        if self._traces is None:
            assert self._request is not None
            self._traces = traced(self._request, source)
        return self._traces

    def measurement(self, *how: Any) -> Measurement:
        """Two calls at a point timed; see `show.measure`."""
        assert self._request is not None
        return measurement(self._request, *how)

    def picture(self, bind: Binding) -> Picture:
        """The graph, ready to be drawn; `bind` makes inputs of a point."""
        return Picture(self.derivation, bind, self._batch)
