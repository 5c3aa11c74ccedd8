"""Lines from standard input or any other pipe, as they come."""

import os
import selectors
from codecs import BOM_UTF8
from dataclasses import dataclass
from typing import Final

from flows.sources.base import Lines, Unwatched
from flows.sources.split import LineSplitter
from state.errors import SourceError

WAIT_S: Final = 0.05
"""The longest time that a read waits for input."""
_BLOCK_BYTES: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class StdinSpec:
    """Standard input as a source of one partition."""

    name: str = "stdin"
    line_bytes_max: int = 65_536

    def partition_names(self) -> list[str]:
        """Just the one."""
        return [self.name]

    def open(self, name: str) -> "PipePartition":
        """A reader of what comes from now on."""
        return PipePartition(name, 0, self.line_bytes_max)


class PipePartition(Unwatched):
    """Reads what is there, and waits no longer than WAIT_S when nothing is.  Offsets are line numbers from 0;
    blank lines are none.

    A pipe cannot go back: after a restart, lines that were read but not yet in a snapshot are gone, and `seek` goes on
    counting lines where the earlier reader was.
    """

    size_bytes = None
    done_bytes = None

    def __init__(self, name: str, fd: int, line_bytes_max: int = 65_536) -> None:
        """fd: an open file descriptor (pipe, socket, terminal or file); it stays the caller's to close."""
        self.name = name
        self._fd = fd
        self._splitter = LineSplitter(line_bytes_max)
        self._waiting: list[bytes] = []
        self._next_line = 0
        self._begins = True
        self._ended = False
        self._selector = selectors.SelectSelector()  # the others refuse ordinary files: driftnet replay - < events
        self._selector.register(fd, selectors.EVENT_READ)

    def read(self, max_lines: int) -> Lines | None:
        """The lines that are there, at most max_lines, maybe none; None at the end.  Raises SourceError."""
        wait_s = WAIT_S
        while len(self._waiting) < max_lines and not self._ended and self._selector.select(wait_s):
            self._waiting += self._receive()
            wait_s = 0.0  # a slow writer's half line is no reason to wait again
        if not self._waiting and self._ended:
            return None
        lines, self._waiting = self._waiting[:max_lines], self._waiting[max_lines:]
        first, self._next_line = self._next_line, self._next_line + len(lines)
        return Lines.of_text(lines, first, self.name)

    def position(self) -> int:
        """The number of the next line."""
        return self._next_line

    def seek(self, position: int) -> None:
        """Numbers the next line `position`; nothing is skipped."""
        self._next_line = position

    def close(self) -> None:
        """Stops watching the descriptor."""
        self._selector.close()

    def _receive(self) -> list[bytes]:
        try:
            block = os.read(self._fd, _BLOCK_BYTES)
        except OSError as error:
            raise SourceError(f"{self.name}: cannot be read: {error}") from error
        self._ended = not block
        if self._begins:
            self._begins, block = False, block.removeprefix(BOM_UTF8)
            if not block and not self._ended:
                return []
        return self._splitter.feed(block) if block else self._splitter.finish()
