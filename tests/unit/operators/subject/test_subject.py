"""The subject stage's own late records."""

import re
from collections import Counter
from pathlib import Path

import orjson
import pytest

from flows.config import loads
from flows.counters import Counts
from flows.evolution.layout import form_of
from flows.operators.ingest.operator import Ingest
from flows.operators.messages import GroupInput, Output
from flows.operators.subject.operator import SubjectOperator
from flows.sinks import SqliteSink, open_sink
from flows.sinks.sqlite import open_read_only
from flows.sources.base import Lines
from flows.streams import Stream
from state.chunks import Bundle
from state.types import END_OF_TIME_US, HOUR_US, SECOND_US

T0_MS = 1_772_409_600_000

CONFIG = """
[job]
extends = "none"
key_groups = 1
[event]
id = "event_id"
subject = "user_id"
time = { path = "event_time", unit = "ms" }
[features.events]
kind = "count"
[windows.w5m]
kind = "tumbling"
size = "5m"
"""


def test_late_rows_of_one_user_and_moment_stay_apart(tmp_path: Path) -> None:
    """Two late events that differ in their id alone are two records with two keys, and two rows in the store."""
    job = loads(CONFIG).job()
    events = [{"event_id": name, "user_id": "ann", "event_time": T0_MS} for name in ("a", "b")]
    lines = Lines([orjson.dumps(e) for e in events], range(2), "events.jsonl")
    ingest = Ingest(job.stream, job.columns, "p")
    sent = [*ingest.process(lines), *ingest.finish()]  # one subject alone is believed at the end
    batch = next(m[1].batch for m in sent if isinstance(m, tuple))
    subjects = SubjectOperator(job.stream, job.judgement.audience, form_of(job), 0, ("p",))
    after_us = T0_MS * 1000 + HOUR_US
    subjects.process(GroupInput("p", after_us, None))
    emitted = [o for o in subjects.process(GroupInput("p", after_us, batch)) if isinstance(o, Output)]
    late = [record for o in emitted if o.stream is Stream.LATE for record in o.records]
    assert [(r["subject"], r["lateness_s"]) for r in late] == [("ann", HOUR_US / SECOND_US)] * 2
    assert all(re.fullmatch("[0-9a-f]{16}", r["event_key"]) for r in late)
    assert late[0]["event_key"] != late[1]["event_key"]
    sink = open_sink(SqliteSink(str(tmp_path / "late.db")), "late")
    sink.write(late)
    sink.close()
    with open_read_only(str(tmp_path / "late.db")) as db:
        assert db.execute("SELECT count(*) FROM late").fetchone() == (2,)


@pytest.mark.parametrize("restart", [False, True])
def test_rows_that_were_folded_before_their_pane_closed_are_counted(restart: bool) -> None:
    """One user with a thousand rows in a pane that keeps sixteen: each has one fate, or is open, at every moment."""
    job = loads(CONFIG + '[state]\nrows_per_pane_max = 16\n[time]\nahead_max = "0s"\n').job()
    ingest, subjects = (
        Ingest(job.stream, job.columns, "p"),
        SubjectOperator(job.stream, job.judgement.audience, form_of(job), 0, ("p",)),
    )
    counted: Counter[str] = Counter()
    for start in range(0, 2000, 100):
        texts = [
            {"event_id": f"e{i % 1000}", "user_id": "ann", "event_time": T0_MS + i} for i in range(start, start + 100)
        ]
        lines = Lines([orjson.dumps(e) for e in texts], range(100), "events.jsonl")
        for group, message in (m for m in ingest.process(lines) if isinstance(m, tuple)):
            for item in subjects.process(message) if group == 0 or message.batch is not None else ():
                if isinstance(item, Counts):
                    counted.update(item.added)
        if restart:
            subjects = SubjectOperator(
                job.stream, job.judgement.audience, form_of(job), 0, ("p",), Bundle.open(Bundle.of(subjects))
            )
        assert counted["accepted"] + counted["duplicate"] + subjects.rows_waiting == start + 100
    for item in subjects.process(GroupInput("p", END_OF_TIME_US)):
        if isinstance(item, Counts):
            counted.update(item.added)
    assert (counted["accepted"], counted["duplicate"], subjects.rows_waiting) == (1000, 1000, 0)


@pytest.mark.parametrize("first", ["events", "labels"])
def test_windows_end_with_the_events_whichever_partition_ends_first(first: str) -> None:
    """Labels that are dated long after the last event make no silence out of the end of a file."""
    job = loads(CONFIG.replace('"tumbling"', '"sliding"\nslide = "1m"')).job()
    subjects = SubjectOperator(job.stream, job.judgement.audience, form_of(job), 0, ("p", "l"), reads={"l": "labels"})
    ingest = Ingest(job.stream, job.columns, "p")
    texts = [{"event_id": f"e{i}", "user_id": "ann", "event_time": T0_MS + i * 1000} for i in range(90)]
    events = [*ingest.process(Lines([orjson.dumps(e) for e in texts], range(90), "f")), *ingest.finish()]
    messages = {
        "events": [m for _, m in (sent for sent in events if isinstance(sent, tuple))],
        "labels": [GroupInput("l", T0_MS * 1000 + 3 * 60 * SECOND_US), GroupInput("l", END_OF_TIME_US)],
    }
    out = [
        o for name in sorted(messages, key=lambda n: n != first) for m in messages[name] for o in subjects.process(m)
    ]
    ends = [rows.end_us for _, message in (o for o in out if isinstance(o, tuple)) for rows in message.rows]
    assert [end // (60 * SECOND_US) - T0_MS // 60_000 for end in ends] == [1, 2]
