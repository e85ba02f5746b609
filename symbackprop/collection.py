"""The garbage collector's part in a compilation: none."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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
            # Not where a program has frozen objects of its own.
            if not gc.get_freeze_count():
                gc.freeze()
                gc.unfreeze()
            gc.enable()
