"""What is shown while a run goes on."""

import logging
import sys

import pytest

from flows.cli.display import Bar, StatusLines, display, event_time
from state.types import END_OF_TIME_US, START_OF_TIME_US


def test_status_lines_come_at_their_interval(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line is logged once per interval, however often the run reports; it has events, share, speed and the note."""
    now = [100.0]
    monkeypatch.setattr("flows.cli.display.time.monotonic", lambda: now[0])
    lines = StatusLines(every_s=10.0)
    with caplog.at_level(logging.INFO, "driftnet"):
        for second, read in ((1, 10), (9, 90), (10, 1000), (11, 1100), (20, 4000)):
            now[0] = 100.0 + second
            lines.update(read, 0.5, "3 alerts")
    assert [r.getMessage() for r in caplog.records] == [
        "1,000 events (50%), 100 events/s, 3 alerts",
        "4,000 events (50%), 200 events/s, 3 alerts",
    ]


def test_speed_is_that_of_this_run(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines that earlier runs on the same state read are in the number of events, and not in their speed."""
    now = [100.0]
    monkeypatch.setattr("flows.cli.display.time.monotonic", lambda: now[0])
    lines = StatusLines(every_s=10.0)
    now[0] = 110.0
    with caplog.at_level(logging.INFO, "driftnet"):
        lines.update(1_000_500, None, before=1_000_000)
    assert caplog.messages == ["1,000,500 events, 50 events/s"]


def test_no_bar_where_there_is_no_terminal() -> None:
    """Standard error that is a file gets lines; a live run gets lines always; a quiet run gets nothing."""
    with display() as shown:
        assert isinstance(shown, StatusLines)
    with display(live=True) as shown:
        assert isinstance(shown, StatusLines)
    with display(quiet=True) as shown:
        shown.update(1, None)


def test_bar_in_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal gets a bar, with and without a known size of the input."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with display() as shown:
        assert isinstance(shown, Bar)
        shown.update(12_345, None)
        shown.update(23_456, 0.5, "7 alerts")
    assert capsys.readouterr().out == ""


def test_watermarks_for_people() -> None:
    """A watermark is a moment; before the first event and after the last there is none."""
    assert event_time(0) == "at 1970-01-01 00:00"
    assert event_time(START_OF_TIME_US) == ""
    assert event_time(END_OF_TIME_US) == ""
