"""Lines for people."""

import io

import pytest

from detectors.drift.event import DriftEvent, Reaction, Watch
from flows.sinks import ConsoleSink, open_sink
from flows.sinks.console import ConsoleWriter
from flows.streams import Stream
from state.errors import SinkError

T0 = 1_767_225_600_000_000

ALERT = {
    "raised": "2026-01-01T10:05:00.000000Z", "severity": "high", "subject": "user-17", "window": "w1h",
    "tail_probability": 3e-9, "rules": ["impossible"],
    "reasons": [
        {"feature": "plays", "seen": 3101.0, "typical_own": 12.0, "typical_cohort": 9.26},
        {"feature": "skips", "seen": 0.0, "typical_own": None, "typical_cohort": None},
    ],
}  # fmt: skip


def lines(stream: str, *records: dict[str, object]) -> list[str]:
    out = io.StringIO()
    ConsoleWriter("stdout", Stream(stream), out).write(list(records))
    return out.getvalue().splitlines()


def test_an_alert_is_one_line_that_says_who_and_why() -> None:
    """Time, severity, subject, window, tail probability, rules and reasons with what is usual."""
    assert lines("alerts", ALERT) == [
        "2026-01-01 10:05  high      user-17  w1h  p 3.0e-09  impossible, plays 3101 (own 12, cohort 9.26), skips 0"
    ]


def test_a_drift_event_is_one_line_that_says_what_moved() -> None:
    """What, where, from what to what, how much, since when."""
    event = DriftEvent(Watch.MISSING, "gap_cv", "free", "w1h", "adwin", T0, T0, 0.1, 0.4, 3.0, Reaction.NOTIFY)
    assert lines("drift", event.to_record()) == [
        "2026-01-01 00:00  drift  missing gap_cv  free/w1h  0.1 -> 0.4 (+3 sd) since 2026-01-01 00:00"
    ]


@pytest.mark.parametrize(
    ("stream", "record", "line"),
    [
        ("late", {"source": "a", "offset": 3, "subject": "u", "lateness_s": 61.4}, "late  a:3  u  61 s"),
        ("late", {"subject": "u", "event_time_us": 1, "lateness_s": 2.0}, "late  :  u  2 s"),
        ("rejects", {"source": "a", "offset": 3, "reason": "nan", "detail": "x"}, "reject  a:3  nan  x"),
        ("scores", {"end": "2026-01-01T10:05:00", "subject": "u", "window": "w", "tail_probability": None},
         "2026-01-01 10:05  score  u  w  p -"),
        ("features", {"end": "2026-01-01T10:05:00", "subject": "u", "window": "w", "tail_probability": 0.5,
                      "values": {"plays": 3.0, "gap": None}}, "2026-01-01 10:05  features  u  w  p 5.0e-01  plays 3"),
    ],
)  # fmt: skip
def test_every_stream_has_its_line(stream: str, record: dict[str, object], line: str) -> None:
    """One short line per record."""
    assert lines(stream, record) == [line]


def test_ids_cannot_play_tricks_with_the_terminal() -> None:
    """Control characters in names from outside are replaced."""
    (line,) = lines("alerts", ALERT | {"subject": "evil\x1b[2J\nuser"})
    assert "evil?[2J?user" in line


def test_standard_output_is_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    """Alerts go to standard output, or to standard error when asked."""
    for spec in (ConsoleSink(), ConsoleSink("stderr")):
        sink = open_sink(spec, "late")
        sink.write([{"subject": "u"}])
        assert sink.flush() is None
        sink.close()
    captured = capsys.readouterr()
    assert captured.out == captured.err == "late  :  u  0 s\n"


def test_a_closed_pipe_and_a_wrong_word_are_sink_errors() -> None:
    """`driftnet run | head` ends with a clear message, a wrong target with the allowed words."""

    class Gone(io.StringIO):
        def write(self, s: str) -> int:
            raise BrokenPipeError(32, "Broken pipe")

        def flush(self) -> None:
            raise BrokenPipeError(32, "Broken pipe")

    sink = ConsoleWriter("stdout", Stream.LATE, Gone())
    with pytest.raises(SinkError, match="stdout is gone: Broken pipe"):
        sink.write([{"subject": "u"}])
    with pytest.raises(SinkError, match="stdout is gone"):
        sink.flush()
    with pytest.raises(SinkError, match="allowed: stdout, stderr"):
        open_sink(ConsoleSink("printer"), "late")
