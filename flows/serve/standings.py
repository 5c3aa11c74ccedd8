"""Standings as a store has them now, as bytes that are ready to be sent."""

import os
import sqlite3
from contextlib import ExitStack
from typing import Final

import orjson

from flows.sinks.sqlite import open_read_only
from flows.streams import Stream
from state.errors import SinkError

_WAIT_MS: Final = 100
"""How long SQLite waits by itself for a lock: everybody who asks waits with it."""


class StandingsReader:
    """Looks subjects up in a SQLite store, while a job writes to it; in a new one where somebody has taken it away.

    Raises SinkError where there is no store, or one that no job with standings has written.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._open()

    def _open(self) -> None:
        with ExitStack() as opening:
            self._db = opening.enter_context(open_read_only(self._path))
            there = os.stat(self._path)  # noqa: PTH116 - as in `get`
            self._file = there.st_dev, there.st_ino
            if self._db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", [Stream.STANDINGS]).fetchone() is None:
                raise SinkError(
                    f"SQLite store {self._path} has no standings; run a job of this build that writes them there:"
                    f' [sinks] standings = {{ kind = "sqlite", path = "{self._path}" }}'
                )
            self._db.execute(f"PRAGMA busy_timeout={_WAIT_MS}")
            self._opened = opening.pop_all()

    def get(self, subject: str, kind: str | None = None) -> bytes | None:
        """A JSON object with the subject and its standings, of one kind or of all; None where there is none.

        Raises SinkError while the store cannot be read.
        """
        try:
            there = os.stat(self._path)  # noqa: PTH116 - for every question
            if (there.st_dev, there.st_ino) != self._file:
                before = self._opened
                self._open()
                before.close()
            if kind is None:
                query, value = "SELECT record FROM standings WHERE subject = ? ORDER BY kind", subject
            else:
                query, value = "SELECT record FROM standings WHERE id = ?", f"{kind}:{subject}"
            found = [record.encode() for (record,) in self._db.execute(query, [value])]
        except (OSError, sqlite3.Error) as error:
            raise SinkError(f"SQLite store {self._path}: cannot be read: {error}") from error
        if not found:
            return None
        return b'{"subject":' + orjson.dumps(subject) + b',"standings":[' + b",".join(found) + b"]}"

    def close(self) -> None:
        """Lets go of the store."""
        self._opened.close()
