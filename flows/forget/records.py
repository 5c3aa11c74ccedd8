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

    def cleared(self, record: Any) -> Any:
        """What stays of a record: itself, where it is of others; a campaign without the member; None for nothing."""
        if self(record):
            return None
        for name in ("campaign", "alert"):  # of an alert, of the audit
            if isinstance(record, dict) and isinstance(record.get(name), dict):
                rest = self.cleared(record[name])
                return record if rest is record[name] else record | {name: rest}
        members = record.get("members") if isinstance(record, dict) else None
        if not isinstance(members, list) or not self._is_of(record.get("kind")):
            return record
        named = {name: record.get(name, []) for name in ("joined", "left")}
        others = [member for member in members if member["subject"] != self.name]
        if len(others) == len(members) and not any(self.name in names for names in named.values()):
            return record
        without = {name: [each for each in names if each != self.name] for name, names in named.items()}
        return record | without | {"members": others, "size": len(others)}

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
                parsed = ((row, _parsed(text)) for row, text in rows)
                cleared = [(row, rest) for row, record in parsed if (rest := about.cleared(record)) is not record]
                gone = [(row,) for row, rest in cleared if rest is None]
                db.executemany(f"DELETE FROM {table} WHERE rowid = ?", gone)  # noqa: S608 - a key of TABLES
                kept = TABLES[Stream(table)].columns
                own = ", ".join(f'"{column}" = ?' for column in (*kept, "record"))
                db.executemany(
                    f"UPDATE {table} SET {own} WHERE rowid = ?",  # noqa: S608 - names of the catalogue
                    [
                        (*(rest[column] for column in kept), orjson.dumps(rest).decode(), row)
                        for row, rest in cleared
                        if rest is not None
                    ],
                )
                found[table] += len(cleared)
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
    """How many lines of a JSON Lines file were removed, or have lost a member of a campaign.

    A line's place stays, filled with spaces, which readers of JSON Lines skip: a run goes on in the file at a saved
    position.
    """
    found: list[tuple[int, bytes]] = []
    try:
        with path.open("r+b") as file:
            at = 0
            for line in file:
                record, length = _parsed(line), len(line.rstrip(b"\r\n"))
                rest = about.cleared(record)
                if rest is not record:
                    text = b"" if rest is None else orjson.dumps(rest)
                    found.append((at, text.ljust(length) if len(text) <= length else b" " * length))
                at += len(line)
            for at, text in found:
                file.seek(at)
                file.write(text)
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror}") from error
    return len(found)


def forget_in_parquet(folder: Path, about: About) -> int:
    """How many rows of a folder of Parquet files, and of what is to become one, were removed; a campaign's whole record
    goes with a member, of which the run's next one has the others.

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

    if "members" in table.column_names:  # of campaigns
        return [about.cleared(record) is record for record in table.to_pylist()]
    if "subject" not in table.column_names:
        return [True] * len(table)
    if "campaign" in table.column_names:  # alerts, of which some may be campaigns'
        told = table.select(["kind", "subject", "campaign"]).to_pylist()
        return [about.cleared(record) is record for record in told]
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
