"""The timetable: open loop, so that a stall is felt by everyone behind it."""

import numpy as np
import pytest

from bench.measure.latency import Timetable, latency
from bench.scenarios import SCENARIOS
from flows.drive.local import Progress

_DONE = Progress(0, None, 0)


class Clock:
    """Time that passes by sleeping alone."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def _table(clock: Clock, events: int, rate: float) -> Timetable:
    return Timetable([b"%d" % i for i in range(events)], rate, clock, clock.sleep)


def test_gives_what_is_due_and_waits_for_the_next() -> None:
    """At 10 events/s the first comes at once; after 0.35 s three more are due; then the reader waits for the fifth."""
    clock = Clock()
    table = _table(clock, 5, 10.0)
    given = []
    for pause_s in (0.0, 0.35, 0.0):
        clock.sleep(pause_s)
        lines = table.read(100)
        assert lines is not None
        given.append(list(lines.lines))
    assert given == [[b"0"], [b"1", b"2", b"3"], [b"4"]]
    assert clock.now_s == pytest.approx(100.4)
    assert table.read(100) is None


def test_a_stall_hurts_everyone_behind_it() -> None:
    """A batch that takes 1 s delays what came due meanwhile, by what was left of it.

    due    0 1 2 3 4 5 6 7 8 9         tenths of a second
    batch  |0: 1 s             |1..9   done at 1.0 s, at once
    """
    clock = Clock()
    table = _table(clock, 10, 10.0)
    table.read(100)
    clock.sleep(1.0)
    table.stamp(_DONE)
    table.read(100)
    table.stamp(_DONE)
    table.stamp(_DONE)  # the end of the input brings nothing new
    assert table.latencies_s() == pytest.approx(1.0 - np.arange(10) / 10)


def test_a_batch_has_at_most_the_lines_asked_for() -> None:
    """What is due and does not fit comes with the next read, and its wait goes on."""
    clock = Clock()
    table = _table(clock, 6, 1000.0)
    table.read(1)
    table.stamp(_DONE)
    clock.sleep(1.0)
    sizes = []
    while (lines := table.read(2)) is not None:
        sizes.append(len(lines.lines))
        clock.sleep(0.5)
        table.stamp(_DONE)
    assert sizes == [2, 2, 1]
    assert table.latencies_s() == pytest.approx([0.0, 1.499, 1.498, 1.997, 1.996, 2.495])


def test_quantiles_of_a_real_run_are_in_order() -> None:
    """Each load has its rate, and p50 <= p99 <= p99.9 <= max."""
    scenario = SCENARIOS["uniform"]
    found = latency(scenario.job(), scenario.lines(4_000), 50_000.0, seconds_max=0.02)
    assert [(f["load"], f["rate"]) for f in found] == [(0.5, 25_000.0), (0.7, 35_000.0), (0.9, 45_000.0)]
    for f in found:
        assert 0 < f["p50_us"] <= f["p99_us"] <= f["p999_us"] <= f["max_us"]
