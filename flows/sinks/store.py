"""The reading side of the embedded store, and the table of runs that lets `explain` replay an alert."""

import sqlite3
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import msgspec
import orjson

from flows.sinks.base import Record
from flows.sinks.retention import delete
from flows.sinks.sqlite import connect, open_read_only
from flows.streams import TABLES
from state.errors import SinkError
from state.times import from_iso, iso


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job.

    run_id: given to `open_sink`.  started: ISO 8601 UTC.  digest: the job's.  version: Driftnet's.
    config: the effective configuration as text (TOML or JSON).  sources: JSON text, how to open the sources again.
    """

    run_id: str
    started: str
    job: str
    digest: str
    version: str
    config: str
    sources: str


Moment = Annotated[str, msgspec.Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d")]


class _Reason(msgspec.Struct):
    feature: str
    seen: float | None
    typical_own: float | None
    typical_cohort: float | None
    share: float
    detector: str


class _Evidence(msgspec.Struct):
    window: str
    end: Moment
    tail_probability: float


class _Said(msgspec.Struct):
    detector: str
    version: int
    tail_probability: float


class _Member(msgspec.Struct):
    subject: str
    joined: Moment
    tail_probability: float
    rules: list[str]


class _Object(msgspec.Struct):
    column: str
    object: str
    members: int
    pairs: int
    last: Moment


class _Campaign(msgspec.Struct):
    change: str
    alerted: Moment
    kind: str
    size: int
    suspicious: int
    members: list[_Member]
    joined: list[str]
    left: list[str]
    absorbed: list[str]
    into: str
    closure: float
    coincidences: int
    at_stake: int
    shared: int
    objects: list[_Object]


class _Alert(msgspec.Struct):
    """What is shown of an alert's record: a store may come from anybody."""

    alert_id: str
    severity: str
    subject: str
    cohort: str
    window: str
    start: Moment
    stop: Moment
    end: Moment
    raised: Moment
    first: Moment
    tail_probability: float
    window_tail_probability: float
    rules: list[str]
    evidence: list[_Evidence]
    detectors: list[_Said]
    suppressed_repeats: int
    reasons: list[_Reason]
    job: str
    config_digest: str
    campaign: _Campaign | msgspec.UnsetType = msgspec.UNSET


def record_run(path: str, run: Run) -> None:
    """Stores the run in the store at `path`, which is made if there is none.  Raises SinkError."""
    db = connect(path)
    try:
        db.execute("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)", astuple(run))
    except sqlite3.Error as error:
        raise SinkError(f"SQLite store {path}: cannot record the run: {error}") from error
    finally:
        db.close()


def prune(path: str, run_id: str | None = None, before_us: int | None = None) -> dict[str, int]:
    """Deletes what a run stored first (and the run, without before_us), or all that is older; rows by table.

    Of streams whose records have no event time, only those of a run.  A job may write meanwhile.  Raises SinkError.
    """
    with open_read_only(path):
        pass
    db = connect(path)
    try:
        db.execute("BEGIN IMMEDIATE")
        deleted = {str(stream): delete(db, stream, run_id, before_us) for stream in TABLES}
        if run_id is not None and before_us is None:
            deleted["runs"] = db.execute("DELETE FROM runs WHERE run_id = ?", [run_id]).rowcount
        db.execute("COMMIT")
    except sqlite3.Error as error:
        raise SinkError(f"SQLite store {path}: cannot be pruned: {error}; nothing was deleted") from error
    finally:
        db.close()
    return deleted


class AlertStore:
    """What a store holds. Reads while runs write; each call sees all that was flushed before it."""

    def __init__(self, path: str | Path) -> None:
        """Raises SinkError when there is no store that this build can read."""
        self._path = str(path)
        with open_read_only(self._path):
            pass

    def list_alerts(
        self,
        severity: str | None = None,
        subject: str | None = None,
        since_us: int | None = None,
        until_us: int | None = None,
        limit: int | None = 100,
        run_id: str | None = None,
    ) -> list[Record]:
        """Alert records, latest raised first, and among those the most improbable; each with the "run_id" of the run
        that stored it first.

        severity, subject, run_id: exact.  since_us <= raised < until_us: event time, microseconds.  limit: None for
        all.
        """
        tests: list[tuple[str, Any]] = []
        if severity is not None:
            tests.append(("severity = ?", severity))
        if subject is not None:
            tests.append(("subject = ?", subject))
        if since_us is not None:
            tests.append(("raised >= ?", iso(since_us)))
        if until_us is not None:
            tests.append(("raised < ?", iso(until_us)))
        if run_id is not None:
            tests.append(("run_id = ?", run_id))
        where = " WHERE " + " AND ".join(test for test, _ in tests) if tests else ""
        order = " ORDER BY raised DESC, tail_probability, id LIMIT ?"
        values = [*(value for _, value in tests), -1 if limit is None else limit]
        query = f"SELECT record, run_id FROM alerts{where}{order}"  # noqa: S608 - of the texts above
        return [self._alert(*row) for row in self._rows(query, values)]

    def get(self, prefix: str, run_id: str | None = None) -> Record | None:
        """The alert whose id starts so, of this run or any; of several configurations that have it, what was stored
        last.  None when there is none.  Raises SinkError when there are several.
        """
        high = prefix[:-1] + chr(ord(prefix[-1]) + 1) if prefix else "~"
        query = "SELECT id, record, run_id, rowid FROM alerts WHERE id >= ? AND id < ? ORDER BY id LIMIT 100"
        rows = [row for row in self._rows(query, [prefix, high]) if run_id in (None, row[2])]
        ids = list(dict.fromkeys(row[0].split(".")[0] for row in rows))
        if len(ids) > 1:
            found = ", ".join(ids[:3])
            raise SinkError(
                f"alert id {prefix!r} is not unique: {found}{', ...' if len(ids) > 3 else ''}; give more digits"
            )
        return self._alert(*max(rows, key=lambda row: row[3])[1:3]) if rows else None

    def _alert(self, text: Any, run_id: str) -> Record:
        """An alert's record.  Raises SinkError for what no run wrote."""
        try:
            record: Record = orjson.loads(text)
            msgspec.convert(record, _Alert)
            from_iso(record["end"])
        except (TypeError, ValueError) as error:
            raise SinkError(f"SQLite store {self._path}: has an alert that no run wrote: {error}") from None
        return record | {"run_id": run_id}

    def records(self, stream: str, limit: int | None = 100) -> list[Record]:
        """Records of a stream that has a table, last stored first."""
        if stream not in TABLES:
            raise SinkError(f"store {self._path}: no stream {stream!r}; there are: {', '.join(TABLES)}")
        query = f"SELECT record FROM {stream} ORDER BY rowid DESC LIMIT ?"  # noqa: S608 - a key of TABLES
        return [orjson.loads(r) for (r,) in self._rows(query, [-1 if limit is None else limit])]

    def counts(self) -> dict[str, int]:
        """Rows by stream, and of alerts by severity: {"alerts": 3, "alerts.high": 2, ..., "runs": 1}."""
        there = {name for (name,) in self._rows("SELECT name FROM sqlite_master", [])}  # older stores have no audit
        tables = [t for t in (*TABLES, "runs") if t in there]
        out = {str(t): self._rows(f"SELECT count(*) FROM {t}", [])[0][0] for t in tables}  # noqa: S608 - keys of TABLES
        by_severity = self._rows("SELECT severity, count(*) FROM alerts GROUP BY severity ORDER BY severity", [])
        return out | {f"alerts.{severity}": n for severity, n in by_severity}

    def runs(self) -> list[Run]:
        """All runs, latest first."""
        query = f"SELECT {_RUN} FROM runs ORDER BY started DESC, rowid DESC"  # noqa: S608 - fields of Run
        rows = self._rows(query, [])
        if not all(isinstance(value, str) for row in rows for value in row):
            raise SinkError(f"SQLite store {self._path}: has a run that was not written by one")
        return [Run(*row) for row in rows]

    def run_named(self, text: str) -> Run:
        """The run whose id starts so, or the "last" one.  Raises SinkError unless there is exactly one."""
        runs = self.runs()
        found = runs[:1] if text == "last" else [run for run in runs if run.run_id.startswith(text)]
        if len(found) != 1:
            what = f"{len(found)} runs are" if found else "no run is"
            raise SinkError(f"store {self._path}: {what} called {text!r}; `driftnet alerts runs` shows them")
        return found[0]

    def alerts_by_run(self) -> dict[str, int]:
        """Run id -> how many alerts it stored first."""
        return dict(self._rows("SELECT run_id, count(*) FROM alerts GROUP BY run_id", []))

    def run_of(self, alert: Record) -> Run | None:
        """The run that stored this alert of `get` first, else the latest of the same configuration, else None."""
        runs, digest = self.runs(), alert["config_digest"]
        mine = next((r for r in runs if r.run_id == alert["run_id"]), None)
        return mine or next((r for r in runs if r.digest == digest), None)

    def _rows(self, query: str, values: list[Any]) -> list[tuple[Any, ...]]:
        try:
            with open_read_only(self._path) as db:
                return db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise SinkError(f"SQLite store {self._path}: cannot be read: {error}") from error


_RUN = ", ".join(f.name for f in fields(Run))
