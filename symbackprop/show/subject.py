"""The model behind a compiled function, ready to be explained and drawn."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from symbackprop.compiler import Request, read
from symbackprop.errors import SymbackpropWarning
from symbackprop.show.batch import Batch
from symbackprop.show.derivation import Derivation
from symbackprop.show.explanation import Explanation
from symbackprop.show.measure import Measurement, measurement
from symbackprop.show.picture import Binding, Picture
from symbackprop.show.provenance import traced
from symbackprop.show.trace import Traces


class Subject:
    """What was compiled, and what carries samples. Nothing is kept of it but the request, and nothing is done, before
    something is shown: then the front end reads the expression once more.
    """

    def __init__(self, request: Request, batch: Batch | None = None) -> None:
        self._request, self._batch = request, batch
        self._traces: Traces | None = None

    @cached_property
    def derivation(self) -> Derivation:
        request = self._request
        with warnings.catch_warnings():
            # What is to be warned of was when the expression was compiled.
            warnings.simplefilter("ignore", SymbackpropWarning)
            model = read(request)
        return Derivation(model.graph, model.wrt, request.options.kinks, request.name or "")

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
            self._traces = traced(self._request, source)
        return self._traces

    def measurement(self, *how: Any) -> Measurement:
        """Two calls at a point timed; see `show.measure`."""
        return measurement(self._request, *how)

    def picture(self, bind: Binding) -> Picture:
        """The graph, ready to be drawn; `bind` makes inputs of a point."""
        return Picture(self.derivation, bind, self._batch)
