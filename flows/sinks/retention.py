"""What leaves a store: rows of a run, and rows that are older than a moment, in event time."""

import sqlite3

from flows.streams import Stream
from state.times import iso


def delete(
    db: sqlite3.Connection, stream: Stream, run_id: str | None = None, before_us: int | None = None, most: int = -1
) -> int:
    """Deletes rows of one stream, those of both kinds that are asked for; how many.

    run_id: only what this run stored first.  before_us: only what is older; streams without a time have nothing that
    is.  most: at most so many, -1 for all.
    """
    tests: list[str] = []
    values: list[str | int] = []
    if run_id is not None:
        tests.append("run_id = ?")
        values.append(run_id)
    if before_us is not None:
        if not stream.records.time:
            return 0
        tests.append(f'"{stream.records.time}" < ?')
        values.append(iso(before_us))
    rows = f"SELECT rowid FROM {stream} WHERE {' AND '.join(tests)} LIMIT ?"  # noqa: S608 - of the texts above
    return db.execute(f"DELETE FROM {stream} WHERE rowid IN ({rows})", [*values, most]).rowcount  # noqa: S608


def index_times(db: sqlite3.Connection, stream: Stream) -> None:
    """Makes what is old quick to find."""
    db.execute(f'CREATE INDEX IF NOT EXISTS {stream}_{stream.records.time} ON {stream} ("{stream.records.time}")')
