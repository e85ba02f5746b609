"""The garbage collector's part in a compilation: none."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_MOST = 200_000
"""Objects that go to the oldest generation unseen between two collections of it: 30 MB or so."""


@contextmanager
def collection_paused() -> Iterator[None]:
    """No garbage collection while graphs grow: they hold no cycles, and collecting cost 30 % on 20,000 nodes.

    What was made then goes to the oldest generation without being looked at: the first collection of the young would
    go through all of it, a tenth of the time that a gradient of 20,000 nodes takes.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            _unseen.moved()
            gc.enable()


class _Unseen:
    """How many objects have gone to the oldest generation unseen since it was last collected.

    Python collects it when enough has come to it through the younger ones. It does not count these, so that a program
    that compiles one function after the other kept all of them (1.2 MB each, of 30 terms): after so many they take the
    usual way, until Python has collected the oldest.
    """

    def __init__(self) -> None:
        self.count, self.collections = 0, 0

    def moved(self) -> None:
        """Move the young there, where that may be."""
        collections = gc.get_stats()[2]["collections"]
        if collections != self.collections:
            self.count, self.collections = 0, collections
        # Not where a program has frozen objects of its own.
        if self.count > _MOST or gc.get_freeze_count():
            return
        made, middle, _ = gc.get_count()
        self.count += made + middle * gc.get_threshold()[0]
        gc.freeze()
        gc.unfreeze()


_unseen = _Unseen()
