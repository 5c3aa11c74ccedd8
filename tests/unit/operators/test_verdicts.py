"""Labels that are rows: what they carry, to whom they go, and those that come late."""

import numpy as np
import orjson

from flows.config import loads
from flows.job_stages import JobStages
from flows.operators.messages import CohortInput, GroupInput, Output
from flows.operators.subject.operator import SubjectOperator
from flows.sources.base import Lines
from flows.steps import Step
from flows.streams import Stream
from state.types import SECOND_US, START_OF_TIME_US

T0_S = 1_700_000_040
JOB = loads("""
[job]
extends = "none"
key_groups = 1
[event]
id = "n"
time = { path = "t", unit = "s" }
subject = "n"
kind = "payment"
[event.columns]
terminal = { path = "place.terminal", kind = "id", required = true }
amount = { kind = "number", min = 0 }
way = { kind = "enum", values = ["chip", "web"] }
[time]
out_of_orderness = "0s"
ahead_max = "0s"
[labels]
columns = ["terminal", "amount"]
[sources.labels]
kind = "stdin"
reads = "labels"
[features]
risk = { kind = "max", column = "terminal_frauds" }
[windows.minute]
kind = "tumbling"
size = "1m"
[detectors.risk]
type = "values"
[subjects.terminal]
key = "terminal"
lends = ["frauds"]
[subjects.terminal.features]
times = { kind = "count", where = { way = "web" } }
frauds = { kind = "count", where = { verdict = "fraud" } }
lost = { kind = "sum", column = "amount", where = { verdict = "fraud" } }
[subjects.terminal.windows.minute]
kind = "tumbling"
size = "1m"
[subjects.terminal.detectors.frauds]
type = "values"
[subjects.customer]
key = "terminal"
features = { n = { kind = "count" } }
windows = { minute = { kind = "tumbling", size = "1m" } }
""").job()
STAGES = JobStages(JOB, ("events", "labels"), {"labels": "labels"})


def emitted(*labels: dict[str, object]) -> tuple[list[GroupInput], list[dict[str, object]]]:
    """The messages with verdicts, and the rejects."""
    told = STAGES.ingest("labels", resume=None)
    lines = [orjson.dumps({"at": (T0_S + i) * 1000} | label) for i, label in enumerate(labels)]
    out = [*told.process(Lines.of_text(lines, 0, "labels")), *told.finish()]
    messages = [item[1] for item in out if isinstance(item, tuple) and item[1].verdicts is not None]
    return messages, [
        r for item in out if isinstance(item, Output) and item.stream is Stream.REJECTS for r in item.records
    ]


def test_a_label_is_a_row_of_the_kinds_that_count_it() -> None:
    """With what it carries; what it does not carry is missing, and without the key it is nobody's."""
    messages, rejects = emitted(
        {"subject": 7, "label": 1, "place": {"terminal": "a"}, "amount": 5},
        {"subject": 8, "label": "genuine", "place": {"terminal": 3}},
        {"subject": 9, "label": 1, "amount": 5},
        {"subject": "b", "label": 1, "kind": "terminal", "place": {"terminal": "b"}},
    )
    assert not rejects
    (message,) = messages
    rows = message.verdicts
    assert message.stage == "terminal_subject"
    assert rows is not None
    assert rows.subject_name.tolist() == ["a", "3"]
    assert rows["verdict"].tolist() == [1, 0]
    assert np.array_equal(rows["amount"], [5.0, np.nan], equal_nan=True)
    assert rows["way"].tolist() == [-1, -1]
    assert rows.event_time_us.tolist() == [T0_S * SECOND_US, (T0_S + 1) * SECOND_US]
    assert rows["payment"].tolist() != rows.subject.tolist()


def test_what_does_not_fit_its_column_is_rejected() -> None:
    """The whole label, with the reason."""
    messages, rejects = emitted(
        {"subject": 7, "label": 1, "place": {"terminal": "a"}, "amount": -5},
        {"subject": 7, "label": 1, "place": "here"},
        {"subject": 7, "label": 1, "place": {"terminal": "a"}},
    )
    assert [r["reason"] for r in rejects] == ["out_of_range", "wrong_type"]
    assert [len(m.verdicts) for m in messages if m.verdicts is not None] == [1]


def test_one_that_comes_late_counts_from_when_it_came() -> None:
    """Its pane may have closed: a live run does not wait for labels."""
    (entry,) = (e for e in STAGES.entries if e.kind == "terminal" and e.step is Step.SUBJECT)
    stage = STAGES.operator(entry, 0, None)
    assert isinstance(stage, SubjectOperator)
    (message,), _ = emitted({"subject": 7, "label": 1, "place": {"terminal": "a"}, "amount": 5})
    at_rest = GroupInput("labels", START_OF_TIME_US, at_rest=True, stage=entry.name)
    assert not list(stage.process(at_rest))
    closed_us = (T0_S + 300) * SECOND_US
    stage.process(GroupInput("events", closed_us, stage=entry.name))
    late = GroupInput("labels", message.watermark_us, verdicts=message.verdicts, stage=entry.name, at_rest=True)
    stage.process(late)
    out = stage.process(GroupInput("events", closed_us + 60 * SECOND_US, stage=entry.name))
    rows = [
        rows
        for _, item in (m for m in out if isinstance(m, tuple))
        if isinstance(item, CohortInput)
        for rows in item.rows
    ]
    (one,) = rows
    assert (one.end_us, one.x.tolist()) == (closed_us + 60 * SECOND_US, [[0.0, 1.0, 5.0]])
