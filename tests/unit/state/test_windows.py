"""Window declarations and the pane they share."""

import numpy as np
import pytest

from state.errors import ConfigError
from state.types import DAY_US, END_OF_TIME_US, HOUR_US, MINUTE_US
from state.windows import Fire, WindowKind, WindowSpec, pane_us

FIVE = WindowSpec("w5m", WindowKind.TUMBLING, 5 * MINUTE_US)
HOUR = WindowSpec("w1h", WindowKind.SLIDING, HOUR_US, 5 * MINUTE_US)
DAY = WindowSpec("w24h", WindowKind.SLIDING, DAY_US, HOUR_US)


def session(gap_us: int) -> WindowSpec:
    return WindowSpec("session", WindowKind.SESSION, gap_us=gap_us, max_us=DAY_US)


TIMES = np.array([100.0, 50.0]), np.array([170.0, 50.0])
"""First and last rows of two subjects."""


@pytest.mark.parametrize(
    ("spec", "bounds", "lengths"),
    [
        (WindowSpec("w", WindowKind.TUMBLING, 200), ([0, 0], [200, 200]), [200.0, 200.0]),
        (WindowSpec("w", WindowKind.SLIDING, 300, 100), ([-100, -100], [200, 200]), [300.0, 300.0]),
        (WindowSpec("w", WindowKind.SESSION, gap_us=20, max_us=90), ([100, 50], [170, 50]), [1e6, 1e6]),
    ],
    ids=lambda value: str(value.kind) if isinstance(value, WindowSpec) else "",
)
def test_bounds(spec: WindowSpec, bounds: tuple[list[int], list[int]], lengths: list[float]) -> None:
    """Of windows that close at 200: on the grid the same for all, of a session its rows' and a second at least."""
    start_us, stop_us = spec.bounds(200, *TIMES)
    assert (start_us.tolist(), stop_us.tolist()) == bounds
    assert (start_us.dtype, stop_us.dtype) == (np.int64, np.int64)
    assert spec.length_us(200, *TIMES).tolist() == lengths


@pytest.mark.parametrize(
    ("spec", "since_us", "whole"),
    [
        (WindowSpec("w", WindowKind.TUMBLING, 200), 0, [True, True]),
        (WindowSpec("w", WindowKind.TUMBLING, 200), 1, [False, False]),
        (WindowSpec("w", WindowKind.SESSION, gap_us=20, max_us=90), 31, [True, False]),
        (WindowSpec("w", WindowKind.SESSION, gap_us=20, max_us=90), 81, [False, False]),
    ],
)
def test_window_that_began_before_rows_count_is_not_whole(spec: WindowSpec, since_us: int, whole: list[bool]) -> None:
    """A session might have begun up to a gap before its first row."""
    assert spec.whole(since_us, 200, TIMES[0]).tolist() == whole


def test_fresh_windows_share_no_row() -> None:
    """Of sliding windows one per size; all others are."""
    assert [us for us in range(0, 61 * MINUTE_US, 5 * MINUTE_US) if HOUR.is_fresh(us)] == [0, HOUR_US]
    assert all(w.is_fresh(us) for w in (FIVE, session(30)) for us in (1, 5 * MINUTE_US))
    assert [w.cadence_us for w in (FIVE, HOUR, session(30))] == [5 * MINUTE_US, HOUR_US, 5 * MINUTE_US]


def test_whom_a_window_tells_of() -> None:
    """For the active only, all are told of once per size; only rows of everybody take the place of those before."""
    active = WindowSpec("w1h", WindowKind.SLIDING, HOUR_US, 5 * MINUTE_US, fire=Fire.ACTIVE)
    ends = range(5 * MINUTE_US, 125 * MINUTE_US, 5 * MINUTE_US)
    assert [us for us in ends if active.tells_all(us)] == [us for us in ends if active.replaces(us)] == [
        HOUR_US, 2 * HOUR_US,
    ]  # fmt: skip
    assert all(w.tells_all(us) for w in (FIVE, HOUR, session(30)) for us in ends)
    assert all(HOUR.replaces(us) and not FIVE.replaces(us) for us in ends)


def test_how_long_a_row_is_evidence() -> None:
    """Of a window that holds a day until the next one, or for a day where there may be none."""
    active = WindowSpec("w24h", WindowKind.SLIDING, DAY_US, HOUR_US, fire=Fire.ACTIVE)
    assert [w.evidence_us for w in (DAY, active, HOUR)] == [HOUR_US, DAY_US, DAY_US]


def test_last_end() -> None:
    """The first end after the last event on the grid; a session may close at any boundary."""
    assert FIVE.last_end_us(5 * MINUTE_US) == 10 * MINUTE_US
    assert HOUR.last_end_us(5 * MINUTE_US - 1) == 5 * MINUTE_US
    assert session(30).last_end_us(7) == END_OF_TIME_US


def test_pane_is_the_greatest_common_slide() -> None:
    """5-minute, hourly-by-5 and daily-by-hour windows share 5-minute panes."""
    assert pane_us((FIVE, HOUR, DAY, session(30 * MINUTE_US))) == 5 * MINUTE_US


@pytest.mark.parametrize(("gap_us", "expected"), [(2 * MINUTE_US, 100_000_000), (MINUTE_US, MINUTE_US), (7, 6)])
def test_pane_is_never_wider_than_a_session_gap(gap_us: int, expected: int) -> None:
    """A short session gap cuts the pane into the fewest equal parts that fit into the gap."""
    assert pane_us((FIVE, session(gap_us))) == expected
    assert 5 * MINUTE_US % expected == 0


def test_sessions_alone_use_their_gap() -> None:
    """Without a grid window the pane is the smallest gap."""
    assert pane_us((session(30), session(50))) == 30


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": WindowKind.SLIDING, "size_us": 10, "slide_us": 3},
        {"kind": WindowKind.SLIDING, "size_us": 10},
        {"kind": WindowKind.TUMBLING},
        {"kind": WindowKind.SESSION, "gap_us": 5, "max_us": 5},
    ],
)
def test_impossible_windows_are_refused(fields: dict[str, int]) -> None:
    """A window that cannot be built from panes is a configuration error that names it."""
    with pytest.raises(ConfigError, match="'bad'"):
        WindowSpec("bad", **fields)  # type: ignore[arg-type]
