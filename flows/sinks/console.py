"""One short line per record, for people who watch a run."""

import sys
from typing import TextIO

from flows.printing import printable
from flows.sinks.base import Record
from flows.streams import Stream
from state.errors import SinkError


class ConsoleWriter:
    """Writes lines to standard output or standard error."""

    def __init__(self, to: str, stream: Stream, out: TextIO | None = None) -> None:
        if to not in ("stdout", "stderr"):
            raise SinkError(f"console sink: seen to={to!r}, allowed: stdout, stderr")
        self._out: TextIO = out or getattr(sys, to)
        self._line = stream.records.line
        self._to = to

    def write(self, records: list[Record]) -> None:
        try:
            self._out.writelines(printable(self._line(record)) + "\n" for record in records)
        except OSError as error:
            raise SinkError(f"console sink: {self._to} is gone: {error.strerror}; send the stream elsewhere") from error

    def flush(self) -> None:
        try:
            self._out.flush()
        except OSError as error:
            raise SinkError(f"console sink: {self._to} is gone: {error.strerror}; send the stream elsewhere") from error

    def close(self) -> None:
        self.flush()
