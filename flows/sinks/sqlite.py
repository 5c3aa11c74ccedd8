"""The embedded store: one SQLite file, one table per stream, rows found again by the id of what they are about."""

import hashlib
import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson

from flows.filesystem import network_type
from flows.sinks.base import BufferedSink, Patience, Record
from flows.sinks.identity import record_id
from flows.sinks.retention import delete, index_times
from flows.streams import TABLES, Stream
from flows.streams.fields import affinity
from state.errors import SinkError
from state.times import iso

_log = logging.getLogger("driftnet.output")
SCHEMA_VERSION: Final = 2
_APPLICATION_ID: Final = int.from_bytes(b"DRFT", "big")
_WRITING_MS: Final = 50
_INSISTING_MS: Final = 1000
"""How long SQLite waits by itself for a lock."""
_AT_ONCE: Final = 10_000
"""Rows that leave at a checkpoint."""
_RUNS: Final = ("run_id", "started", "job", "digest", "version", "config", "sources")


def _ddl() -> Iterator[str]:
    """All that a store has; what is there already stays."""
    for name, table in TABLES.items():
        types = {f.name: affinity(f.type) for f in name.records.fields}
        own = ", ".join(f'"{c}" {types[c]}' for c in table.columns)
        head = f"CREATE TABLE IF NOT EXISTS {name}"
        yield f"{head} (id TEXT PRIMARY KEY, run_id TEXT NOT NULL, {own}, record TEXT NOT NULL)"
        for column in table.indexed:
            yield f'CREATE INDEX IF NOT EXISTS {name}_{column} ON {name} ("{column}")'
    runs = ", ".join(f"{c} TEXT NOT NULL" for c in _RUNS)
    yield f"CREATE TABLE IF NOT EXISTS runs ({runs}, PRIMARY KEY (run_id))"


def connect(path: str) -> sqlite3.Connection:
    """A connection to the store, made if there is none; autocommit, write-ahead log, every commit on the disk.

    Raises SinkError for a path that cannot be written, one on a network file system, a file that is no Driftnet store,
    and a newer schema.
    """
    if kind := network_type(path):
        raise SinkError(
            f"SQLite store {path} is on a network file system ({kind}), where SQLite loses data; choose a path on a"
            " disk of this machine, or a JSON Lines file or a topic of Kafka instead"
        )
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        # One second of SQLite's own waiting per attempt; threads: Bytewax may build and run a sink on different ones.
        db = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise SinkError(
            f"SQLite store {path}: cannot be opened: {error}; check the path and its permissions"
        ) from error
    try:
        check_schema(db, path)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        if not _is_whole(db):
            _create(db)
    except sqlite3.Error as error:
        db.close()
        raise SinkError(f"SQLite store {path}: cannot be used: {error}; check the path and its permissions") from error
    except SinkError:
        db.close()
        raise
    return db


def check_schema(db: sqlite3.Connection, path: str) -> None:
    """Raises SinkError unless the file is empty or a store that this build can use."""
    # In one statement, and so as of one moment: another writer may be making the store just now.
    tables, version, application = db.execute(
        "SELECT (SELECT count(*) FROM sqlite_master), user_version, application_id"
        " FROM pragma_user_version, pragma_application_id"
    ).fetchone()
    if tables and application != _APPLICATION_ID:
        raise SinkError(f"SQLite store {path} is a database of another program; choose another path")
    if version > SCHEMA_VERSION:
        raise SinkError(
            f"SQLite store {path} has schema v{version}, this build knows v{SCHEMA_VERSION};"
            " use a newer build, or choose another path"
        )


def _is_whole(db: sqlite3.Connection) -> bool:
    """Whether it is a store of now: one of before lacks the tables of streams that are new."""
    there = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
    return there >= set(TABLES) and db.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION


def _create(db: sqlite3.Connection) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        # Another worker may have been first while this one waited for the lock: nothing is made twice.
        for statement in _ddl():
            db.execute(statement)
        db.execute(f"PRAGMA application_id={_APPLICATION_ID}")
        db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


class SqliteWriter(BufferedSink[tuple[Any, ...]]):
    """Upserts records of one stream: what is emitted twice (after a crash, in a second replay) is stored once, as of
    the run that was first.

    The id is the record's own where its stream has one, else a hash of the whole record.  A record of another
    configuration about the same is another one: its id is followed by a dot and the configuration's digest.
    So is a drift or audit record that says something else, in another run (a second one has a digest of that, too).
    A standing takes the place of the one before it, whatever it is of.

    keep_us: rows that are older than the newest one written, by so much event time, leave the stream's table from time
    to time, of whichever run; 0 for never.

    A store that others rename, delete or empty meanwhile is noticed before the next write: what follows goes to a new
    one at the path, which is told the run too, and the log says so.
    """

    errors = (sqlite3.Error,)
    advice = "end the program that holds the file, or free space, then resume the run"

    def __init__(
        self, path: str, stream: Stream, run_id: str = "", patience: Patience | None = None, keep_us: int = 0
    ) -> None:
        super().__init__(f"SQLite store {path}, table {stream}", patience or Patience())
        if stream not in TABLES:
            raise SinkError(f"SQLite store {path}: no table for the stream {stream}; there are: {', '.join(TABLES)}")
        self._stream = stream
        self._columns = TABLES[stream].columns
        self._id = stream.records.id
        self._run_id = run_id
        self._sent = 0
        marks = ", ".join("?" * (len(self._columns) + 3))
        replaced = (*self._columns, "record", *(["run_id"] if stream.records.latest else []))
        own = ", ".join(f'"{c}" = excluded."{c}"' for c in replaced)
        self._insert = f"INSERT INTO {stream} VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {own}"  # noqa: S608
        self._path = path
        self._keep_us = keep_us
        self._newest = ""
        """The latest record written, by its time."""
        self._pruned = ""
        """Up to where rows have left."""
        self._wait_ms = _WRITING_MS
        self._run: tuple[Any, ...] | None = None
        self._digests: dict[str, str] = {}
        """Run id -> digest of its configuration."""
        self._open()

    def _open(self) -> None:
        self._db = connect(self._path)
        there = os.stat(self._path)  # noqa: PTH116 - as in _look
        self._file = there.st_dev, there.st_ino
        self._busy(self._wait_ms)
        if self._keep_us:
            index_times(self._db, self._stream)
        self._run = self._db.execute("SELECT * FROM runs WHERE run_id = ?", [self._run_id]).fetchone() or self._run

    def _look(self) -> None:
        """Turns to a new store, if somebody has taken the file away."""
        try:
            there = os.stat(self._path)  # noqa: PTH116 - before every write
        except FileNotFoundError:
            there = None
        if there is not None and (there.st_dev, there.st_ino) == self._file and there.st_size:
            return
        gone = there is None or not there.st_size
        if there is not None and gone:
            Path(self._path).unlink()  # or closing would write what SQLite has in memory into it
        try:
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # what was committed belongs to the file that is gone
        except sqlite3.Error:
            _log.debug("%s: what is gone cannot be read any more", self._where)
        self._db.close()
        if gone:
            # SQLite would take the log of the old file for one of the new one's.
            for rest in ("-wal", "-shm"):
                Path(self._path + rest).unlink(missing_ok=True)
        try:
            self._open()
            if self._run is not None:
                marks = ", ".join("?" * len(self._run))
                self._db.execute(f"INSERT OR IGNORE INTO runs VALUES ({marks})", self._run)  # noqa: S608
        except (SinkError, OSError) as error:
            raise sqlite3.OperationalError(str(error)) from error  # as for any sink that is down: it may pass
        _log.warning("%s: the file was renamed, deleted or emptied: going on in a new store there", self._where)

    def _encode(self, records: list[Record]) -> list[tuple[Any, ...]]:
        items = []
        for record in records:
            text = orjson.dumps(record)
            items.append(
                (
                    record_id(self._stream, record, text),
                    self._run_id,
                    *(record.get(c) for c in self._columns),
                    text.decode(),
                )
            )
        return items

    def _send(self, items: list[tuple[Any, ...]]) -> None:
        self._look()
        self._db.execute("BEGIN IMMEDIATE")
        try:
            apart = self._id and not self._stream.records.latest
            self._db.executemany(self._insert, map(self._apart, items) if apart else items)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise
        self._sent += len(items)
        if self._keep_us:
            at = 2 + self._columns.index(self._stream.records.time)
            self._newest = max(self._newest, *(item[at] or "" for item in items))

    def _apart(self, item: tuple[Any, ...]) -> tuple[Any, ...]:
        """The row, under an id of its own where another record has the plain one."""
        plain, run_id, text = item[0], item[1], item[-1]
        digest = self._owner(run_id, text)
        said = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
        for key in (plain, f"{plain}.{digest}", f"{plain}.{digest}.{said}"):
            query = f"SELECT run_id, record FROM {self._stream} WHERE id = ?"  # noqa: S608 - a key of TABLES
            there = self._db.execute(query, [key]).fetchone()
            if there is None:
                break
            # The same alert may be told again with more evidence; the others are what they are.
            if self._owner(*there) == digest and (self._stream.records.told_again or text == there[1]):
                break
        return (key, *item[1:])

    def _owner(self, run_id: str, record: str) -> str:
        """The digest of the configuration that a record is of; of runs that are not known the run's id."""
        if self._stream.records.told_again:
            return str(orjson.loads(record)["config_digest"])
        found = self._digests.get(run_id)
        if found is None:
            known = self._db.execute("SELECT digest FROM runs WHERE run_id = ?", [run_id]).fetchone()
            found = self._digests[run_id] = str(known[0]) if known else run_id
        return found

    def _position(self) -> dict[str, int]:
        if self._keep_us and self._newest:
            self._prune()
        return {"rows": self._sent}  # every send is a commit; nothing is taken back on resume, the ids see to that

    def _prune(self) -> None:
        """Lets go of what is too old, a part of it at a time, so that nobody waits for long."""
        newest_us = np.datetime64(self._newest.removesuffix("Z"), "us").astype(int)
        before = iso(int(newest_us) - self._keep_us)
        hour = len("2026-03-02T07")
        if before[:hour] <= self._pruned[:hour]:
            return
        gone = delete(self._db, self._stream, before_us=int(newest_us) - self._keep_us, most=_AT_ONCE)
        if gone < _AT_ONCE:
            self._pruned = before
        if gone:
            _log.info("%s: %d rows from before %s were deleted (keep)", self._where, gone, before)

    def _insist(self, action: Callable[[], Any]) -> Any:
        """Here SQLite itself may wait for whoever has the lock; in a write other sinks would wait with it."""
        self._busy(_INSISTING_MS)
        try:
            return super()._insist(action)
        finally:
            self._busy(_WRITING_MS)

    def _busy(self, wait_ms: int) -> None:
        self._wait_ms = wait_ms
        with suppress(sqlite3.Error):  # no store at the moment: the next one is told
            self._db.execute(f"PRAGMA busy_timeout={wait_ms}")

    def _release(self) -> None:
        self._db.close()


def open_read_only(path: str) -> closing[sqlite3.Connection]:
    """A connection that cannot write.  Raises SinkError when there is no store at the path."""
    if not Path(path).is_file():
        raise SinkError(f"SQLite store {path}: there is no such file; run a job whose alerts go there, or name another")
    try:
        db = sqlite3.connect(
            f"{Path(path).absolute().as_uri()}?mode=ro", uri=True, timeout=5.0, check_same_thread=False
        )
        check_schema(db, path)
        if db.execute("PRAGMA user_version").fetchone()[0] == 0:
            raise SinkError(f"SQLite store {path} is empty; run a job whose alerts go there, or name another")
    except sqlite3.Error as error:
        raise SinkError(f"SQLite store {path}: cannot be read: {error}") from error
    return closing(db)
