"""Spans, from what processes tell."""

from typing import Any

import pytest

from flows.metrics.happening import Happening, What, trace_of_alert
from flows.metrics.observation import Observation
from flows.metrics.traces import Span, Traces


def part(stage: str, began_s: float, took_s: float, n: int, what: What = What.CHECKPOINT) -> Happening:
    return Happening(what, stage, began_s, began_s + took_s, {"bytes": n})


class Run:
    """Of some processes, whose store says that the checkpoint `saved` is complete."""

    def __init__(self, processes: int = 1) -> None:
        self.spans: list[Span] = []
        self.traces = Traces("r", self.spans.append)
        self.saved: tuple[int, float] | None = None
        self.latest = {n: Observation(0.0) for n in range(processes)}

    def tell(self, at_s: float, *happened: Happening, process: int = 0) -> None:
        self.latest[process] = seen = Observation(at_s, happened=list(happened))
        self.traces.take(process, seen, self.latest, lambda: self.saved)


def test_a_checkpoint_is_a_span_when_it_is_complete() -> None:
    """From its first part to when it was written; with what each process did in each stage."""
    run = Run()
    run.tell(11.0, part("subject", 10.0, 0.2, 7), part("subject", 10.25, 0.1, 8), part("alerts", 10.5, 0.1, 1))
    assert run.spans == [], "it is not complete"
    run.saved = 4, 10.8
    run.tell(12.0)
    (span,) = run.spans
    assert (span.name, span.began_s, span.ended_s, span.trace, span.error) == ("checkpoint", 10.0, 10.8, None, "")
    told = dict(span.attributes)
    assert told.pop("driftnet.checkpoint.seconds") == pytest.approx(0.4)
    assert told == {
        "driftnet.checkpoint.epoch": 4,
        "driftnet.checkpoint.bytes": 16,
        "driftnet.checkpoint.parts": 3,
        "driftnet.processes": 1,
    }
    alerts, subject = span.children
    assert (subject.name, subject.began_s, subject.ended_s) == ("checkpoint subject", 10.0, pytest.approx(10.35))
    assert subject.attributes["driftnet.checkpoint.bytes"] == 15
    assert alerts.attributes["driftnet.stage"] == "alerts"
    run.tell(13.0)
    assert len(run.spans) == 1, "it is told once"


def test_a_checkpoint_has_the_parts_of_all_processes() -> None:
    """Also of one that tells later; and none of the next checkpoint."""
    run = Run(processes=2)
    run.saved = 4, 10.5
    run.tell(11.0, part("subject", 10.0, 0.2, 7), part("subject", 10.7, 0.2, 100))
    assert run.spans == []
    run.tell(11.5, part("subject", 9.9, 0.2, 8), process=1)
    (span,) = run.spans
    assert span.began_s == 9.9
    assert span.attributes["driftnet.checkpoint.bytes"] == 15
    assert span.attributes["driftnet.processes"] == 2
    run.saved = 5, 11.9
    run.tell(12.0)
    run.tell(12.1, process=1)
    assert run.spans[1].attributes["driftnet.checkpoint.bytes"] == 100


def test_what_never_was_complete_is_no_checkpoint() -> None:
    """Its processes died; what was written before is told nevertheless."""
    run = Run(processes=2)
    run.tell(11.0, part("subject", 10.0, 0.2, 7))
    run.traces.gone(12.0, lambda: None, well=False)
    assert run.spans == []
    run.tell(13.0, part("subject", 12.5, 0.2, 8))
    run.traces.gone(14.0, lambda: (5, 13.0), well=True)
    assert [span.attributes["driftnet.checkpoint.bytes"] for span in run.spans] == [8]


def test_a_restore_ends_with_the_last_operator() -> None:
    """It begins with the processes."""
    run = Run()
    run.traces.started(100.0, 5, 2, (9, 90.0))
    run.saved = 9, 90.0
    run.tell(102.0, part("subject", 101.0, 0.5, 40, What.RESTORE), part("alerts", 101.1, 0.1, 2, What.RESTORE))
    run.traces.restored()
    run.traces.restored()
    (span,) = run.spans
    assert (span.name, span.began_s, span.ended_s, span.error) == ("restore", 100.0, 101.5, "")
    assert span.attributes["driftnet.restore.operators"] == 5
    assert span.attributes["driftnet.restore.epoch"] == 9
    assert span.attributes["driftnet.restore.bytes"] == 42
    assert span.attributes["driftnet.restarts"] == 2
    assert [child.name for child in span.children] == ["restore alerts", "restore subject"]


def test_a_restore_that_came_to_nothing() -> None:
    """Says so; a start without saved state is none."""
    run = Run()
    run.traces.started(100.0, 5, 0, (9, 90.0))
    run.traces.gone(103.0, lambda: (9, 90.0), well=False)
    (span,) = run.spans
    assert (span.began_s, span.ended_s) == (100.0, 103.0)
    assert "before all state was restored" in span.error
    run.traces.started(104.0, 0, 1, None)
    run.traces.restored()
    assert len(run.spans) == 1


@pytest.mark.parametrize(
    ("what", "told", "name"),
    [
        (What.ROUND, {"round.window": "w1h", "round.rows": 7}, "slow round"),
        (What.ALERT, {"alert.id": "a1", "alert.severity": "high"}, "alert"),
    ],
)
def test_what_is_told_at_once(what: What, told: dict[str, Any], name: str) -> None:
    """With all that is known of it; an alert's trace is known by its id."""
    run = Run()
    run.tell(12.0, Happening(what, "somewhere", 10.0, 11.5, told))
    (span,) = run.spans
    assert (span.name, span.began_s, span.ended_s) == (name, 10.0, 11.5)
    assert span.attributes == {
        "driftnet.process": 0,
        "driftnet.stage": "somewhere",
        **{f"driftnet.{key}": value for key, value in told.items()},
    }
    assert span.trace == (trace_of_alert("r", "a1") if name == "alert" else None)


def test_traces_of_alerts_are_told_apart() -> None:
    """By the run and by the id; each is a number of 128 bits."""
    found = {trace_of_alert(run, alert) for run in ("r1", "r2") for alert in ("a1", "a2")}
    assert len(found) == 4
    assert all(0 < trace < 1 << 128 for trace in found)
