"""Window declarations and the pane they share."""

import pytest

from state.errors import ConfigError
from state.types import DAY_US, HOUR_US, MINUTE_US
from state.windows import WindowKind, WindowSpec, pane_us

FIVE = WindowSpec("w5m", WindowKind.TUMBLING, 5 * MINUTE_US)
HOUR = WindowSpec("w1h", WindowKind.SLIDING, HOUR_US, 5 * MINUTE_US)
DAY = WindowSpec("w24h", WindowKind.SLIDING, DAY_US, HOUR_US)


def session(gap_us: int) -> WindowSpec:
    return WindowSpec("session", WindowKind.SESSION, gap_us=gap_us, max_us=DAY_US)


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
