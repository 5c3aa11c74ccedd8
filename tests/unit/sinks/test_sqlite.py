"""The embedded store: writing and reading it."""

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from detectors.alerting.alert import Alert, Candidate, Reason
from flows.sinks import SqliteSink, open_sink
from flows.sinks.base import Patience
from flows.sinks.sqlite import SqliteWriter
from flows.sinks.store import AlertStore, Run, prune, record_run
from flows.streams import STREAMS, TABLES, Stream
from state.errors import SinkError
from state.types import HOUR_US

T0 = 1_767_225_600_000_000
RUN = Run("run-1", "2026-01-02T00:00:00Z", "user-fraud", "d1", "0.1.0", "[job]\nname='x'", '["data/*.jsonl"]')


def alert(subject: int, hour: int = 0, severity: str = "high", p: float = 1e-8, digest: str = "d1") -> dict[str, Any]:
    end = T0 + hour * HOUR_US
    reasons = (Reason("plays", 310.0, None, 9.0, 1.0, "population"),)
    c = Candidate(
        subject, f"user-{subject}", "free", 0, "w1h", end - HOUR_US, end, end, end - HOUR_US, end, p, reasons=reasons
    )
    return Alert("job", digest, c, severity, p, (), end, 0, end - HOUR_US, end).to_record()


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "new folder" / "driftnet.db")


def fill(path: str, *records: dict[str, Any], stream: str = "alerts", run_id: str = "") -> None:
    sink = open_sink(SqliteSink(path), stream, run_id=run_id)
    sink.write(list(records))
    sink.close()


def test_there_is_a_table_for_every_stream_with_records() -> None:
    """Each output stream but those that say why not, and a table has its columns from the fields of the records."""
    assert set(TABLES) == {s for s in STREAMS if "sqlite" not in s.records.refuses}
    with pytest.raises(SinkError, match=r"no table for the stream features; there are: alerts, drift"):
        open_sink(SqliteSink("unused.db"), "features")


def test_an_alert_emitted_twice_is_stored_once(path: str) -> None:
    """After a crash the same alert comes again: the row is replaced, not doubled."""
    fill(path, alert(1), alert(2))
    fill(path, alert(1) | {"suppressed_repeats": 7})
    store = AlertStore(path)
    assert store.counts()["alerts"] == 2
    found = store.get(alert(1)["alert_id"])
    assert found is not None
    assert found["suppressed_repeats"] == 7


@pytest.mark.parametrize(
    ("stream", "record"),
    [
        (
            "late",
            {"source": "a.jsonl", "offset": 17, "subject": "u", "event_time": "2026-01-01T00:00:00Z", "raw": "{}"},
        ),
        ("rejects", {"source": "a.jsonl", "offset": 17, "reason": "not_json", "detail": "", "raw": "\x00"}),
        ("scores", {"subject": "u", "window": "w1h", "end": "2026", "tail_probability": None, "scores": {"x": 1.5}}),
        (
            "drift",
            {"event_id": "ab", "at": "2026", "what": "score", "name": "x", "cohort": "c", "window": "w", "size": 2},
        ),
    ],
)
def test_every_stream_is_stored_whole_and_once(path: str, stream: str, record: dict[str, Any]) -> None:
    """The record comes back as it went in; written again it is still one; another one is another."""
    other = record | {"event_id": "cd", "offset": 18}
    fill(path, record, stream=stream)
    fill(path, record, other, stream=stream)
    assert AlertStore(path).records(stream) == [other, record]


def test_written_alerts_can_be_read_while_the_run_goes_on(path: str) -> None:
    """An alert is visible as soon as it was written, to another connection."""
    sink = open_sink(SqliteSink(path), "alerts")
    sink.write([alert(1)])
    assert len(AlertStore(path).list_alerts()) == 1
    assert sink.flush() == {"rows": 1}
    sink.close()


def test_alerts_are_listed_latest_first_and_filtered(path: str) -> None:
    """By severity, by subject, by time raised (from inclusive, to exclusive), at most `limit`."""
    fill(path, alert(1, 0), alert(2, 1, "low", 5e-5), alert(3, 1, "high", 1e-8), alert(1, 2, "critical", 1e-12))
    store = AlertStore(path)

    def listed(**filters: Any) -> list[str]:
        return [f"{r['subject']}@{r['raised'][11:13]}" for r in store.list_alerts(**filters)]

    assert listed() == ["user-1@02", "user-3@01", "user-2@01", "user-1@00"]
    assert listed(limit=2) == ["user-1@02", "user-3@01"]
    assert listed(severity="high") == ["user-3@01", "user-1@00"]
    assert listed(subject="user-1") == ["user-1@02", "user-1@00"]
    assert listed(since_us=T0 + HOUR_US, until_us=T0 + 2 * HOUR_US) == ["user-3@01", "user-2@01"]
    counts = {**dict.fromkeys(TABLES, 0), "runs": 0, "alerts": 4}
    assert store.counts() == counts | {"alerts.critical": 1, "alerts.high": 2, "alerts.low": 1}


def test_an_alert_is_found_by_the_beginning_of_its_id(path: str) -> None:
    """A unique prefix is enough; one that fits several names them; one that fits none gives None."""
    rows = [alert(1) | {"alert_id": id_} for id_ in ("abc1", "abc2", "abf3", "ab`x")]
    fill(path, *rows)
    store = AlertStore(path)
    assert store.get("abc2") == rows[1] | {"run_id": ""}
    assert store.get("abf") == rows[2] | {"run_id": ""}
    assert store.get("x") is None
    with pytest.raises(SinkError, match="'abc' is not unique: abc1, abc2"):
        store.get("abc")
    with pytest.raises(SinkError, match="not unique"):
        store.get("")


def test_the_run_of_an_alert_is_the_one_that_stored_it(path: str) -> None:
    """By run id where the sink knew it, else the latest run of the same configuration, else None."""
    later = Run("run-2", "2026-01-03T00:00:00Z", "user-fraud", "d1", "0.1.0", "", "[]")
    for run in (RUN, later, RUN):
        record_run(path, run)
    fill(path, alert(1), run_id="run-1")
    fill(path, alert(2), alert(3, digest="unknown"))
    store = AlertStore(path)
    assert store.runs() == [later, RUN]
    of = {a["subject"]: store.run_of(a) for a in store.list_alerts()}
    assert of == {"user-1": RUN, "user-2": later, "user-3": None}


def test_runs_of_other_configurations_leave_each_other_alone(path: str) -> None:
    """The same alert of another configuration is a row of its own; of the same, it stays that of the run that was
    first.  Each can be listed and pruned without the other.
    """
    replay = Run("b-2", "2026-01-03T00:00:00Z", "user-fraud", "d2", "0.1.0", "", "[]")
    for run in (RUN, replay):
        record_run(path, run)
    fill(path, alert(1), alert(2), run_id="run-1")
    for _ in range(2):
        fill(path, alert(1, digest="d2"), alert(3, digest="d2"), run_id="b-2")
    fill(path, alert(2) | {"suppressed_repeats": 7}, run_id="b-3")
    fill(path, {"source": "x", "offset": 1}, stream="rejects", run_id="b-2")
    store = AlertStore(path)

    def listed(run_id: str | None) -> list[str]:
        return sorted(f"{a['subject']} {a['config_digest']}" for a in store.list_alerts(run_id=run_id))

    assert listed("run-1") == ["user-1 d1", "user-2 d1"]
    assert listed("b-2") == ["user-1 d2", "user-3 d2"]
    assert listed(None) == ["user-1 d1", "user-1 d2", "user-2 d1", "user-3 d2"]
    same = alert(1)["alert_id"]
    of_run = {run_id: store.get(same, run_id) for run_id in (None, "run-1", "b-2", "b-3")}
    assert {k: v and v["config_digest"] for k, v in of_run.items()} == {
        None: "d2",
        "run-1": "d1",
        "b-2": "d2",
        "b-3": None,
    }
    assert store.alerts_by_run() == {"run-1": 2, "b-2": 2}
    assert [store.run_named(text) for text in ("run", "last")] == [RUN, replay]
    with pytest.raises(SinkError, match="no run is called 'x'"):
        store.run_named("x")
    deleted = prune(path, "b-2")
    assert {table: n for table, n in deleted.items() if n} == {"alerts": 2, "rejects": 1, "runs": 1}
    assert listed(None) == ["user-1 d1", "user-2 d1"]
    assert store.runs() == [RUN]


def test_what_is_old_can_be_pruned(path: str) -> None:
    """By event time, in all tables that have one; the runs stay."""
    record_run(path, RUN)
    fill(path, alert(1, 0), alert(2, 1), alert(3, 2), run_id="run-1")
    assert prune(path, before_us=T0 + HOUR_US)["alerts"] == 1
    assert [a["subject"] for a in AlertStore(path).list_alerts()] == ["user-3", "user-2"]
    assert AlertStore(path).runs() == [RUN]
    with pytest.raises(SinkError, match="there is no such file"):
        prune(path + "x", before_us=0)


def drift(event_id: str = "ab", size: float = 2.0, at: str = "2026-01-01T00:00:00.000000Z") -> dict[str, Any]:
    about = {"what": "score", "name": "x", "cohort": "c", "window": "w"}
    return {"event_id": event_id, "audit_id": event_id, "at": at, **about, "size": size}


@pytest.mark.parametrize("stream", ["drift", "audit"])
def test_records_of_other_runs_are_not_replaced(path: str, stream: str) -> None:
    """What another configuration says under the same id is a row of its own, and so is what another run of the same
    one says otherwise; a replay adds nothing.
    """
    runs = {"live": "d1", "again": "d1", "other": "d2"}
    for run_id, digest in runs.items():
        record_run(path, replace(RUN, run_id=run_id, digest=digest))
    told = [("live", 2.0), ("again", 2.0), ("other", 2.0), ("again", 3.0), ("again", 4.0)]
    for _ in range(2):
        for run_id, size in told:
            fill(path, drift(size=size), stream=stream, run_id=run_id)
    with closing(sqlite3.connect(path)) as db:
        found = db.execute(f"SELECT id, run_id, record FROM {stream} ORDER BY rowid").fetchall()
    assert [(row[1], json.loads(row[2])["size"]) for row in found] == [told[0], *told[2:]]
    assert [row[0][:6] for row in found] == ["ab", "ab.d2", "ab.d1", "ab.d1."]


def test_records_of_before_are_read_and_kept(path: str) -> None:
    """A store in which no run of them is known: they stay, and what comes stands beside them."""
    fill(path, drift(), stream="drift", run_id="old")
    record_run(path, RUN)
    fill(path, drift(size=5.0), drift("cd"), stream="drift", run_id=RUN.run_id)
    assert [(r["event_id"], r["size"]) for r in AlertStore(path).records("drift")] == [
        ("cd", 2.0),
        ("ab", 5.0),
        ("ab", 2.0),
    ]


def kept(path: str, stream: str, records: list[dict[str, Any]], keep_h: int = 24, run_id: str = "") -> None:
    """Writes them one by one, each followed by a checkpoint."""
    sink = open_sink(SqliteSink(path, keep_h * HOUR_US), stream, run_id=run_id)
    for record in records:
        sink.write([record])
        sink.flush()
    sink.close()


def test_what_is_old_leaves_as_the_job_goes(path: str) -> None:
    """By event time, counted from the newest record of the stream; other streams and their runs are not touched."""
    fill(path, drift(), stream="drift")
    fill(path, alert(9, hour=-500), run_id="another")
    kept(path, "alerts", [alert(1, hour) for hour in range(73)])
    assert [a["raised"][8:13] for a in AlertStore(path).list_alerts()] == [
        f"{1 + hour // 24:02}T{hour % 24:02}" for hour in range(72, 47, -1)
    ]
    assert AlertStore(path).counts()["drift"] == 1


def test_nothing_leaves_without_being_told(path: str) -> None:
    """Without keep a store keeps everything, and so does one whose records are all new."""
    kept(path, "alerts", [alert(1, hour) for hour in range(0, 4000, 100)], keep_h=0)
    assert AlertStore(path).counts()["alerts"] == 40
    kept(path, "alerts", [alert(2, 0)])
    assert AlertStore(path).counts()["alerts"] == 41


@pytest.mark.parametrize(
    ("stream", "time"), [("drift", "at"), ("audit", "at"), ("late", "event_time"), ("scores", "end")]
)
def test_each_stream_goes_by_its_own_time(path: str, stream: str, time: str) -> None:
    """Whatever its records call it."""
    days = [
        {time: f"2026-01-{day:02}T00:00:00.000000Z", "event_id": str(day), "audit_id": str(day)} for day in (1, 5, 9)
    ]
    kept(path, stream, days, keep_h=96)
    assert [r[time][8:10] for r in AlertStore(path).records(stream)] == ["09", "05"]


def test_a_large_store_is_emptied_step_by_step(path: str) -> None:
    """Whoever else writes waits for one step only: a checkpoint takes no more than so many rows."""
    fill(path, *(alert(subject) for subject in range(23)))
    with patch("flows.sinks.sqlite._AT_ONCE", 10):
        left = []
        sink = open_sink(SqliteSink(path, 24 * HOUR_US), "alerts")
        for subject in range(30, 34):
            sink.write([alert(subject, 100)])
            sink.flush()
            left.append(AlertStore(path).counts()["alerts"] - len(left) - 1)
        sink.close()
    assert left == [13, 3, 0, 0]


def test_a_locked_store_is_waited_for(path: str) -> None:
    """While another program holds the lock, alerts wait in memory; afterwards they are stored."""
    naps: list[float] = []
    sink = SqliteWriter(path, Stream.ALERTS, patience=Patience(tries=3, pause_s=0.01))
    sink._db.execute("PRAGMA busy_timeout=1")
    sink._sleep = naps.append
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    sink.write([alert(1)])
    assert sink.waiting == 1
    with pytest.raises(SinkError, match=r"table alerts: .* locked; 1 records wait in memory; end the program"):
        sink.flush()
    assert naps == [0.01, 0.02]
    other.execute("COMMIT")
    other.close()
    sink.close()
    assert AlertStore(path).counts()["alerts"] == 1


def test_many_writers_may_make_the_store_at_once(path: str) -> None:
    """Sinks of several streams, opened at the same moment, agree on one store and lose nothing."""
    streams = ["late", "rejects"] * 4
    with ThreadPoolExecutor(len(streams)) as pool:
        list(pool.map(lambda i: fill(path, {"source": "s", "offset": i}, stream=streams[i]), range(len(streams))))
    assert {k: v for k, v in AlertStore(path).counts().items() if v} == {"late": 4, "rejects": 4}


@pytest.mark.parametrize("version", [1, 2])
def test_a_store_of_an_older_build_gets_what_it_lacks(path: str, version: int) -> None:
    """A store without a table for audits is read as it is, and has one as soon as a run writes to it."""
    fill(path, alert(1))
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE audit")
        db.execute(f"PRAGMA user_version={version}")
    db.close()
    assert "audit" not in AlertStore(path).counts()
    sink = SqliteWriter(path, Stream.AUDIT)
    sink.write([{"audit_id": "1", "at": "t", "detector": "d", "cohort": "c", "command": "pause", "outcome": "applied"}])
    sink.close()
    assert AlertStore(path).counts()["audit"] == 1
    assert len(AlertStore(path).list_alerts()) == 1


def test_a_store_of_a_newer_build_is_refused(path: str) -> None:
    """A newer schema is neither written nor read; the message names both versions."""
    fill(path)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(SinkError, match="schema v99, this build knows v2"):
        open_sink(SqliteSink(path), "alerts")
    with pytest.raises(SinkError, match="schema v99"):
        AlertStore(path)


def test_files_that_are_no_store_are_refused_and_left_alone(tmp_path: Path) -> None:
    """Another program's database, a text file, a folder, a missing file: SinkError, and not a byte is changed."""
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as db:
        db.execute("CREATE TABLE precious (x)")
    db.close()
    text = tmp_path / "notes.txt"
    text.write_text("these are no tables at all" * 100)
    before = foreign.read_bytes(), text.read_bytes()
    for bad in (foreign, text, tmp_path):
        with pytest.raises(SinkError, match=str(bad)):
            open_sink(SqliteSink(str(bad)), "alerts")
        with pytest.raises(SinkError, match=str(bad)):
            AlertStore(bad)
    assert (foreign.read_bytes(), text.read_bytes()) == before
    with pytest.raises(SinkError, match="no such file"):
        AlertStore(tmp_path / "missing.db")
    with pytest.raises(SinkError, match="no table for the stream features"):
        open_sink(SqliteSink(str(tmp_path / "x.db")), "features")
    (tmp_path / "empty.db").touch()
    with pytest.raises(SinkError, match="is empty"):
        AlertStore(tmp_path / "empty.db")
