"""Parquet files by day of event time, each record in them once, whatever was killed meanwhile."""

import fcntl
import logging
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date, timedelta
from itertools import groupby, islice
from pathlib import Path
from typing import Any, Final

import orjson

from flows.sinks import parts
from flows.sinks.arrow import arrow_schema, arrow_table, pyarrow
from flows.sinks.base import Names, Patience, Record
from flows.sinks.jsonl import JsonlWriter
from flows.streams.fields import Field, Named
from state.errors import SinkError

_log: Final = logging.getLogger("driftnet.output")
_GROUP_ROWS: Final = 65_536
"""Rows that are turned into columns at a time."""
_OVER: Final = "T01:00"
"""When, on the day after it, a day's file is no longer kept open."""


class _Part:
    """A file that is not finished.  Its rows are lines of a journal, whose first line says what they are of.

    rows: so many.  is_full: whether it takes no more.
    """

    def __init__(self, folder: Path, number: int, day: str, patience: Patience) -> None:
        self.number, self.day, self.rows, self.is_full = number, day, 0, False
        self.file = parts.journal_of(folder, number)
        self._over = (date.fromisoformat(day) + timedelta(1)).isoformat() + _OVER
        self._patience = patience

    def begin(self, names: Names) -> None:
        self.journal = JsonlWriter(str(self.file), patience=self._patience)
        self.journal.write([dict(names)])

    def resume(self, saved: Mapping[str, Any]) -> Names:
        """As it was at a position; what its rows are of."""
        self.rows, self.is_full = saved["rows"], saved["full"]
        self.journal = JsonlWriter(str(self.file), saved["journal"], patience=self._patience)
        names: Names = orjson.loads(next(parts.lines(self.file)))
        return names

    def write(self, records: list[Record]) -> None:
        self.journal.write(records)
        self.rows += len(records)

    def is_over(self, newest: str) -> bool:
        return newest >= self._over

    def position(self) -> dict[str, Any]:
        """Makes its rows durable."""
        head = {"number": self.number, "day": self.day, "rows": self.rows, "full": self.is_full}
        return {**head, "journal": self.journal.flush()}


class ParquetWriter:
    """Writes records into a folder, a folder in it for each day of event time, with columns that have types.

    fields: of the records.  names: those of the job that are columns.  time: the field that says which day it is.
    rows_max: a file that has so many takes no more.  resume_position: of an earlier `flush`.

    Rows wait in journals beside the folders of the days, and become a file when the day has been over for an hour, when
    they are rows_max, and at the end of a run.  A file stays as it is once it is there: while a run goes on it is only
    made of rows that an earlier position has too, so that a run that is killed takes none back.  On resume journals are
    cut to the position, and files that were begun after it are deleted; one that was made by the end of a run that
    failed, and so has rows from after the position, is cut as well.
    """

    def __init__(
        self,
        path: str,
        fields: Iterable[Field],
        names: Names,
        time: str,
        rows_max: int,
        resume_position: Any = None,
        patience: Patience | None = None,
    ) -> None:
        self._where = f"Parquet files {path}"
        pyarrow(self._where)
        self._folder = Path(path)
        self._fields = tuple(fields)
        self._names: Names = {f.type.of: list(names[f.type.of]) for f in self._fields if isinstance(f.type, Named)}
        self._time = time
        self._rows_max = rows_max
        self._patience = patience or Patience()
        self._parts: list[_Part] = []
        self._open: dict[str, _Part] = {}
        """Of these, by day, those that take rows."""
        self._saved: set[int] = set()
        """Numbers of those that the last position says are full."""
        self._newest = ""
        self._closed = False
        try:
            parts.parquet_columns(self._fields, self._names)
            self._lock = self._locked()
        except (ValueError, OSError) as error:
            raise SinkError(f"{self._where}: {error}") from None
        try:
            parts.remove_unfinished(self._folder)
            self._next = self._begun() if resume_position is None else self._resumed(resume_position)
        except OSError as error:
            self._release()
            raise SinkError(f"{self._where}: {error}") from error
        except BaseException:
            self._release()
            raise

    def _locked(self) -> int:
        self._folder.mkdir(parents=True, exist_ok=True)
        fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise ValueError("another sink or process writes there; give each stream its own folder") from None
        return fd

    def _begun(self) -> int:
        """The number of the first file.  Rows of a run that was killed, and that nobody goes on with, are finished."""
        left = parts.journals(self._folder)
        for number, journal in sorted(left.items()):
            first = next(islice(parts.lines(journal), 1, None), None)
            if first is None:
                journal.unlink()
            else:
                self._publish(journal, number, orjson.loads(first)[self._time][:10])
                _log.warning("%s: rows that a run had left when it was killed are finished", self._where)
        return max([*left, *(found.number for found in parts.finished(self._folder))], default=0) + 1

    def _resumed(self, position: Any) -> int:
        try:
            number, saved = int(position["next"]), {int(part["number"]): part for part in position["parts"]}
        except (TypeError, KeyError, ValueError):
            raise SinkError(
                f"{self._where}: the saved position is {position!r}, which no run wrote; start from a savepoint, or"
                " with fresh state"
            ) from None
        there, left = {f.number: f.file for f in parts.finished(self._folder)}, parts.journals(self._folder)
        for file in (file for begun, file in there.items() if begun >= number):
            parts.remove(file)
        for journal in (journal for begun, journal in left.items() if begun not in saved or begun in there):
            journal.unlink()
        for begun, part in saved.items():
            if begun in there:
                if parts.cut(there[begun], part["rows"]):
                    _log.warning("%s: %s had rows from after the checkpoint", self._where, there[begun])
            elif begun in left:
                self._resume(part)
            else:
                _log.warning("%s: file %d was taken away; what follows goes to a new one", self._where, begun)
        return number

    def _resume(self, saved: Mapping[str, Any]) -> None:
        part = _Part(self._folder, saved["number"], saved["day"], self._patience)
        if part.resume(saved) != self._names:
            part.is_full = True
        self._parts.append(part)
        if not part.is_full:
            self._open[part.day] = part

    @property
    def waiting(self) -> int:
        """Records that are not on the disk yet."""
        return sum(part.journal.waiting for part in self._parts)

    @property
    def failures(self) -> int:
        """Attempts to write to the journals of these that failed."""
        return sum(part.journal.failures for part in self._parts)

    def write(self, records: list[Record]) -> None:
        for day, of_day in groupby(records, lambda record: record[self._time][:10]):
            mine = list(of_day)
            part = self._open.get(day) or self._begin(day)
            part.write(mine)
            self._newest = max(self._newest, *(record[self._time] for record in mine))
            if part.rows >= self._rows_max:
                self._fill(part)

    def _begin(self, day: str) -> _Part:
        part = _Part(self._folder, self._next, day, self._patience)
        part.begin(self._names)
        self._next += 1
        self._parts.append(part)
        self._open[day] = part
        return part

    def _fill(self, part: _Part) -> None:
        part.is_full = True
        del self._open[part.day]

    def flush(self) -> dict[str, Any]:
        for part in [part for part in self._open.values() if part.is_over(self._newest)]:
            self._fill(part)
        for part in [part for part in self._parts if part.number in self._saved]:
            try:
                self._finish(part)
            except OSError as error:
                _log.warning("%s: %s; its rows wait for the next checkpoint", part.file, error)
        positions = [part.position() for part in self._parts]
        self._saved = {part.number for part in self._parts if part.is_full}
        return {"next": self._next, "parts": positions}

    def _finish(self, part: _Part) -> None:
        part.journal.flush()
        self._publish(part.file, part.number, part.day, part.journal)
        self._parts.remove(part)

    def _publish(self, journal: Path, number: int, day: str, writer: JsonlWriter | None = None) -> None:
        """Makes a file of a journal.  writer: of the journal, which is closed."""
        rows = parts.lines(journal)
        columns = parts.parquet_columns(self._fields, orjson.loads(next(rows)))
        groups = iter(lambda: [orjson.loads(line) for line in islice(rows, _GROUP_ROWS)], [])
        file = parts.file_of(self._folder, number, day)
        parts.put(file, (arrow_table(columns, group) for group in groups), arrow_schema(columns))
        if writer is not None:
            writer.close()
        journal.unlink()

    def close(self) -> None:
        """Finishes all files and lets go.  Raises SinkError; rows that are no file yet stay in their journals."""
        if self._closed:
            return
        self._closed = True
        try:
            for part in list(self._parts):
                self._finish(part)
        except OSError as error:
            raise SinkError(
                f"{self._where}: cannot be finished: {error}; free space or repair the disk, then resume the run"
            ) from error
        finally:
            self._release()

    def _release(self) -> None:
        for part in self._parts:
            with suppress(SinkError):  # it has been said what is wrong
                part.journal.close()
        os.close(self._lock)
