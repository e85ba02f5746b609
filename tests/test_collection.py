"""The garbage of many compilations is collected, as without pauses."""

from __future__ import annotations

import gc

import pytest

from symbackprop.collection import collection_paused


class _Cycle:
    alive = 0

    def __init__(self) -> None:
        self.own = self
        _Cycle.alive += 1

    def __del__(self) -> None:
        _Cycle.alive -= 1


@pytest.mark.parametrize("kept", [0, 1, 5])
def test_garbage_of_many_pauses_does_not_stay(kept: int) -> None:
    """Two million objects in 2,000 pauses, of which the last few are in use when the next ends; all of them stayed
    once.
    """
    gc.collect()
    _Cycle.alive = 0
    held, most = [], 0
    for _ in range(2_000):
        with collection_paused():
            held = [*held, [_Cycle() for _ in range(500)]][-kept - 1 :]
        held = held[len(held) - kept :]
        most = max(most, _Cycle.alive)
    assert most < 500_000


def test_frozen_objects_and_a_collector_that_is_off_stay_so() -> None:
    gc.freeze()
    try:
        with collection_paused():
            pass
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()
    gc.disable()
    try:
        with collection_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
