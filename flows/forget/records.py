"""One subject out of the records that a run has written: stores, JSON Lines, Parquet; dead letters among them."""

import base64
import re
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from flows.sinks import parts
from flows.sinks.sqlite import check_schema
from flows.streams import TABLES, Stream
from flows.wire.paths import walk
from flows.wire.spec import Path as JsonPath
from state.errors import SinkError

if TYPE_CHECKING:
    import pyarrow as pa

_SHORT: Final = 4
"""An id of fewer characters is looked for between quotes only, in lines that have none where it belongs."""


class About:
    """Whether a record is about a subject.

    name: the subject's id.  path: where events have it.  kind: of the subject; "" for those that the stream is keyed
    by, which are all but the others, whatever a run called them.  others: further kinds.  Records of dead letters hold
    lines as they came, each of a subject of the stream's own: one that has an id counts by that, in one that has none
    where it belongs the id's text is enough.
    """

    def __init__(self, name: str, path: JsonPath, kind: str = "", others: frozenset[str] = frozenset()) -> None:
        self.name = name
        self.kind = kind
        self.others = others
        self._path = path
        quoted = re.escape(orjson.dumps(name).decode())
        bare = rf"|(?<!\w){re.escape(name)}(?!\w)" if len(name) >= _SHORT else ""
        self._text = re.compile(quoted + bare)

    def __call__(self, record: Any) -> bool:
        if not isinstance(record, dict):
            return False
        if "subject" in record and not isinstance(record.get("subject"), dict):
            return str(record["subject"]) == self.name and self._is_of(record.get("kind"))
        raw = record.get("raw")
        if isinstance(raw, str) and not self.kind:
            return self._raw(base64.b64decode(raw).decode(errors="replace") if "raw_encoding" in record else raw)
        return False

    def _is_of(self, kind: Any) -> bool:
        return kind == self.kind if self.kind else kind not in self.others

    def _raw(self, line: str) -> bool:
        value = walk(_parsed(line), self._path, None)
        if isinstance(value, str | int):
            return str(value) == self.name
        return self._text.search(line) is not None


def forget_in_store(path: Path, about: About, record: dict[str, Any]) -> Counter[str]:
    """What was removed from a SQLite store, by table; the record of it goes to the table audit.

    Raises SinkError for a file that is no store, and one that cannot be written.
    """
    found: Counter[str] = Counter()
    try:
        with closing(sqlite3.connect(path, timeout=10.0, isolation_level=None)) as db:
            check_schema(db, str(path))
            there = {name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
            db.execute("PRAGMA secure_delete=ON")
            db.execute("BEGIN IMMEDIATE")
            for table in sorted(name for name in there if name in TABLES):
                rows = db.execute(f"SELECT rowid, record FROM {table}")  # noqa: S608 - a key of TABLES
                gone = [(row,) for row, text in rows if about(_parsed(text))]
                db.executemany(f"DELETE FROM {table} WHERE rowid = ?", gone)  # noqa: S608 - a key of TABLES
                found[table] += len(gone)
            if Stream.AUDIT in there:
                told = orjson.dumps(record | {"removed": +found}).decode()
                columns = [record.get(column, "") for column in TABLES[Stream.AUDIT].columns]
                values = [record["audit_id"], "", *columns, told]
                db.execute(f"INSERT INTO audit VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608
            db.execute("COMMIT")
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise SinkError(f"SQLite store {path}: cannot be written: {error}; stop what writes to it") from error
    return found


def forget_in_lines(path: Path, about: About) -> int:
    """How many lines of a JSON Lines file were removed.

    A line's place stays, as spaces, which readers of JSON Lines skip: a run goes on in the file at a saved position.
    """
    found: list[tuple[int, int]] = []
    try:
        with path.open("r+b") as file:
            at = 0
            for line in file:
                if about(_parsed(line)):
                    found.append((at, len(line.rstrip(b"\r\n"))))
                at += len(line)
            for at, length in found:
                file.seek(at)
                file.write(b" " * length)
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror}") from error
    return len(found)


def forget_in_parquet(folder: Path, about: About) -> int:
    """How many rows of a folder of Parquet files, and of what is to become one, were removed.

    The files that had some are made anew.  Raises SinkError.
    """
    try:
        rows = sum(
            parts.keep(found.file, lambda table: _is_of_others(table, about)) for found in parts.finished(folder)
        )
    except OSError as error:
        raise SinkError(f"{folder}: cannot be written: {error}") from error
    return rows + sum(forget_in_lines(journal, about) for journal in parts.journals(folder).values())


def _is_of_others(table: "pa.Table", about: About) -> Any:
    """True for rows that are not the subject's; streams without subjects have no others."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if "subject" not in table.column_names:
        return [True] * len(table)
    others = pc.fill_null(pc.not_equal(table["subject"], about.name), True)
    if "kind" not in table.column_names:
        return [True] * len(table) if about.kind else others
    kind = pc.fill_null(table["kind"], "")
    if about.kind:
        return pc.or_(others, pc.not_equal(kind, about.kind))
    return pc.or_(others, pc.is_in(kind, pa.array(sorted(about.others), pa.string())))


def _parsed(text: str | bytes) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
