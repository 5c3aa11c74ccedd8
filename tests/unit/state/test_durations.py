"""Durations and moments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from state.durations import format_duration, format_moment, parse_duration_us, parse_moment_us


@pytest.mark.parametrize(
    ("text", "us"),
    [("250ms", 250_000), ("30s", 30_000_000), ("5m", 300_000_000), ("1h30m", 5_400_000_000), ("30d", 2_592_000_000_000),
     ("1.5 h", 5_400_000_000), ("7us", 7), (90, 90_000_000), (0.5, 500_000), (0, 0)],
)  # fmt: skip
def test_duration_forms(text: object, us: int) -> None:
    """A duration is a text in one or more units, or a number of seconds."""
    assert parse_duration_us(text) == us


@pytest.mark.parametrize("value", ["5", "m5", "5 minutes", "-5m", "", "5m!", -1, True, None, float("nan"), [5]])
def test_duration_refusals(value: object) -> None:
    """What is no duration is refused with a list of what would be."""
    with pytest.raises(ValueError, match='such as "250ms"'):
        parse_duration_us(value)


@given(st.integers(0, 10**16))
def test_duration_round_trip(us: int) -> None:
    """The text of a duration reads back as the same microseconds, whatever they are."""
    assert parse_duration_us(format_duration(us)) == us


@pytest.mark.parametrize(("us", "text"), [(0, "0s"), (86_400_000_000, "1d"), (5_400_000_000, "90m"), (1, "1us")])
def test_duration_text(us: int, text: str) -> None:
    """A duration is shown in the largest unit that divides it."""
    assert format_duration(us) == text


def test_moments() -> None:
    """A moment without an offset is UTC; one with an offset is converted."""
    assert parse_moment_us("1970-01-02") == 86_400_000_000
    assert parse_moment_us("1970-01-01T02:00:00+02:00") == 0
    assert format_moment(parse_moment_us("2024-05-01T12:00:00Z")) == "2024-05-01T12:00:00Z"
    with pytest.raises(ValueError, match="a moment such as"):
        parse_moment_us("yesterday")
