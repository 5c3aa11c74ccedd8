"""How partitions wait for each other, by a clock that is turned by hand."""

from dataclasses import dataclass

from flows.engine.pace import Pace
from state.types import SECOND_US, START_OF_TIME_US

WALL_US = 1_700_000_000 * SECOND_US


@dataclass
class Clock:
    now_us: int = 0
    jumped_us: int = 0

    def monotonic_us(self) -> int:
        return self.now_us

    def wall_us(self) -> int:
        return WALL_US + self.now_us + self.jumped_us


def pace_of(clock: Clock, idle_s: int | None = None, bound_s: int | None = None) -> Pace:
    idle_us, bound_us = (None if s is None else s * SECOND_US for s in (idle_s, bound_s))
    pace = Pace(100, idle_us, bound_us, clock.monotonic_us, clock.wall_us)
    pace.join("a", START_OF_TIME_US)
    pace.join("b", START_OF_TIME_US)
    return pace


def test_leader_waits_for_the_slowest() -> None:
    """A partition more than the lead ahead waits; the slowest never does; nobody waits for one that has ended."""
    pace = pace_of(Clock())
    pace.heard("a", 1000)
    assert pace.waits_for("a") == "b"
    assert pace.waits_for("b") is None
    pace.heard("b", 900)
    assert pace.waits_for("a") is None
    pace.heard("a", 1001)
    assert pace.waits_for("a") == "b"
    pace.leave("b")
    assert pace.waits_for("a") is None


def test_live_partitions_wait_for_active_ones_alone() -> None:
    """One that is days ahead would only fill memory; one that is ahead of a silent one has nobody to wait for."""
    clock, ahead_us = Clock(), 30 * SECOND_US + 100
    pace = pace_of(clock, idle_s=30)
    pace.join("labels", START_OF_TIME_US, awaited=False)
    pace.heard("a", 1000 + ahead_us + 1)
    assert pace.waits_for("a") is None  # b has not begun
    pace.heard("b", 1000)
    assert (pace.waits_for("a"), pace.waits_for("b"), pace.waits_for("labels")) == ("b", None, None)
    pace.heard("b", 1001)
    assert pace.waits_for("a") is None
    pace.heard("a", 10**15)
    assert pace.waits_for("a") == "b"
    clock.now_us += 30 * SECOND_US
    assert pace.waits_for("a") is None


def test_bounded_partition_is_never_idle() -> None:
    """Without an idle time-out, however long the silence, time moves by rows only."""
    clock = Clock()
    pace = pace_of(clock)
    pace.heard("a", 1000)
    clock.now_us += 10**12
    assert pace.idle_watermark_us("a") is None


def test_silent_partition_follows_the_active_one() -> None:
    """After the time-out, and not before, a silent partition's watermark is the slowest active one's."""
    clock = Clock()
    pace = pace_of(clock, idle_s=30)
    pace.heard("b", 500)
    clock.now_us += 29 * SECOND_US
    pace.heard("a", 7000)
    assert pace.idle_watermark_us("b") is None
    clock.now_us += 1 * SECOND_US
    assert pace.idle_watermark_us("b") == 7000
    assert pace.idle_watermark_us("a") is None


def test_unheard_active_partition_holds_time() -> None:
    """A partition that has just started, and has had no row yet, is waited for until it is silent too."""
    clock = Clock()
    pace = pace_of(clock, idle_s=30)
    clock.now_us += 31 * SECOND_US
    pace.heard("a", 7000)
    pace.join("c", START_OF_TIME_US)
    assert pace.idle_watermark_us("b") is None
    clock.now_us += 29 * SECOND_US
    pace.heard("a", 8000)
    clock.now_us += 1 * SECOND_US
    assert pace.idle_watermark_us("b") == 8000


def test_all_silent_time_goes_on_from_the_last_row() -> None:
    """When all are silent, event time goes on as fast as the clock: a slow producer of old data is not made late."""
    clock = Clock()
    pace = pace_of(clock, idle_s=30)
    pace.heard("a", 5_000)
    clock.now_us += 10 * SECOND_US
    pace.heard("b", 9_000)
    clock.now_us += 20 * SECOND_US
    assert pace.idle_watermark_us("a") == 9_000
    clock.now_us += 20 * SECOND_US
    assert pace.idle_watermark_us("a") == pace.idle_watermark_us("b") == 9_000 + 40 * SECOND_US


def test_a_partition_ahead_takes_no_other_with_it() -> None:
    """When all fall silent together, time goes on from the slowest of them."""
    clock = Clock()
    pace = pace_of(clock, idle_s=30)
    pace.heard("a", 5_000)
    pace.heard("b", 5_000 + 86_400 * SECOND_US)
    clock.now_us += 40 * SECOND_US
    assert pace.idle_watermark_us("a") == pace.idle_watermark_us("b") == 5_000 + 40 * SECOND_US


def test_first_row_is_waited_for() -> None:
    """A job that never had a row stays where it is; one process of a cluster takes the wall clock, for the others."""
    alone, member = Clock(), Clock()
    paces = pace_of(alone, idle_s=30), pace_of(member, idle_s=30, bound_s=5)
    alone.now_us = member.now_us = 60 * SECOND_US
    assert [p.idle_watermark_us("a") for p in paces] == [None, WALL_US + 55 * SECOND_US]


def test_jumps_of_the_wall_clock_are_not_seen() -> None:
    """Once there was a row, event time goes on at the speed of a clock that nobody sets."""
    clock, moved = Clock(), []
    pace = pace_of(clock, idle_s=30, bound_s=5)
    pace.heard("a", 9_000)
    for jump_s in (0, 3_600, -86_400):
        clock.now_us += 40 * SECOND_US
        clock.jumped_us += jump_s * SECOND_US
        moved.append(pace.idle_watermark_us("a"))
    assert moved == [9_000 + s * SECOND_US for s in (40, 80, 120)]


def test_what_people_tell_is_never_waited_for() -> None:
    """A partition beside the events is taken for silent from the beginning, and after each line that it gives."""
    clock = Clock()
    pace = pace_of(clock, idle_s=30)
    pace.join("labels", START_OF_TIME_US, awaited=False)
    pace.heard("a", 7000)
    pace.heard("b", 500)
    assert pace.idle_watermark_us("labels") == 500
    pace.heard("labels", 400)
    assert pace.idle_watermark_us("labels") == 500


def test_time_of_labels_is_not_that_of_events() -> None:
    """When all events are silent, time goes on from them, whatever people tell meanwhile."""
    clock = Clock()
    pace = pace_of(clock, idle_s=30)
    pace.join("labels", START_OF_TIME_US, awaited=False)
    pace.heard("a", 7000)
    pace.heard("b", 500)
    clock.now_us += 100 * SECOND_US
    pace.heard("labels", WALL_US)
    assert pace.idle_watermark_us("a") == 500 + 100 * SECOND_US
    assert pace.idle_watermark_us("labels") == 500 + 100 * SECOND_US


def test_only_labels_are_left() -> None:
    """Where no partition of events is, the clock tells the time, if there is a bound."""
    pace = Pace(100, 0, 5, lambda: 0, lambda: WALL_US)
    pace.join("labels", START_OF_TIME_US, awaited=False)
    assert pace.idle_watermark_us("labels") == WALL_US - 5
