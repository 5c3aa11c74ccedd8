"""What a wall clock that jumps gives rise to."""

import threading
import time

import pytest

from flows.engine.clock import watching_clock


@pytest.mark.parametrize(
    ("readings_s", "told_s"),
    [
        ([0.0, 5.0, -4.0, 3.0], []),
        ([0.0, 7200.0, 7200.0], []),
        ([0.0, -3600.0, -3600.0], [3600]),
        ([0.0, 7200.0, 3600.0, 3600.0], [3600]),
        ([0.0, -6.0, -12.0, -18.0], [12]),
        ([0.0, -3600.0, -3600.0, -7200.0], [3600, 3600]),
    ],
    ids=["small steps", "forward", "back", "forward, then back", "bit by bit", "twice"],
)
def test_set_back(monkeypatch: pytest.MonkeyPatch, readings_s: list[float], told_s: list[int]) -> None:
    """What counts is how far the clock is behind where it would be by the furthest it has been."""
    read = threading.Event()
    left = iter(readings_s)

    def wall_s() -> float:
        offset_s = next(left, None)
        if offset_s is None:
            read.set()
            return time.time() + readings_s[-1]
        return time.time() + offset_s

    monkeypatch.setattr("flows.engine.clock.wall_s", wall_s)
    told: list[int] = []
    with watching_clock(lambda by_s: told.append(round(by_s)), tick_s=0.001):
        assert read.wait(10)
    assert told == told_s
