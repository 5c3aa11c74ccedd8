"""JSON Lines files that are cut back to a known position on resume, so that each record stands in them once."""

import fcntl
import logging
import os
import stat
from pathlib import Path
from typing import Any, Final

import orjson

from flows.sinks.base import BufferedSink, Patience, Record
from state.errors import SinkError

_log = logging.getLogger(__name__)
_TAIL: Final = 1 << 16


class JsonlWriter(BufferedSink[bytes]):
    """Appends lines to a file that it holds a lock on.

    resume_position: {"bytes": n} of an earlier `flush`; the file is cut to it.  Without one, the file is appended to
    (or emptied: overwrite), and a last line that was cut short by a crash is removed and logged.
    """

    errors = (OSError,)
    advice = "free space or repair the disk, then resume the run"

    def __init__(
        self, path: str, resume_position: Any = None, overwrite: bool = False, patience: Patience | None = None
    ) -> None:
        super().__init__(f"JSON Lines file {path}", patience or Patience())
        self._path = path
        self._fd = _open(path)
        try:
            size = os.fstat(self._fd).st_size
            if resume_position is not None:
                self._bytes = self._resumed(size, resume_position)
            else:
                self._bytes = 0 if overwrite else self._repaired(size)
            os.ftruncate(self._fd, self._bytes)
        except BaseException:
            os.close(self._fd)
            raise

    def _resumed(self, size: int, position: Any) -> int:
        kept = position.get("bytes") if isinstance(position, dict) else None
        if not isinstance(kept, int) or not 0 <= kept <= size:
            raise SinkError(
                f"{self._where} has {size} bytes, the saved position is {position!r}: the file was replaced or cut"
                " since; put the old file back, or start with fresh state"
            )
        return kept

    def _repaired(self, size: int) -> int:
        """The size without a torn last line."""
        tail_at = max(0, size - _TAIL)
        tail = os.pread(self._fd, size - tail_at, tail_at)
        whole = tail.rfind(b"\n") + 1
        torn = tail[whole:]
        if not torn:
            return size
        if not torn.startswith(b"{") or (tail_at and not whole):
            raise SinkError(
                f"{self._where} ends with {torn[:40]!r}, which does not look like a record that was cut short;"
                " the file is left as it is, choose another path"
            )
        _log.warning("%s: removed a last line that was cut short, %d bytes: %r", self._where, len(torn), torn[:80])
        return tail_at + whole

    def _encode(self, records: list[Record]) -> list[bytes]:
        return [orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE) for record in records]

    def _send(self, items: list[bytes]) -> None:
        # At a fixed offset, not at the end: what a failed attempt left behind is overwritten by the next.
        data = memoryview(b"".join(items))
        done = 0
        while done < len(data):
            done += os.pwrite(self._fd, data[done:], self._bytes + done)
        self._bytes += done

    def _position(self) -> dict[str, int]:
        os.ftruncate(self._fd, self._bytes)
        os.fsync(self._fd)
        return {"bytes": self._bytes}

    def _release(self) -> None:
        os.close(self._fd)


def _open(path: str) -> int:
    """A file descriptor for reading and writing, locked for this writer."""
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise SinkError(f"JSON Lines file {path}: cannot be opened for writing: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise SinkError(
                f"JSON Lines file {path} is not a regular file; for a terminal or a pipe use kind='console'"
            )
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(fd)
        raise SinkError(
            f"JSON Lines file {path} is being written by another sink or process; give each stream its own file"
        ) from error
    except SinkError:
        os.close(fd)
        raise
    return fd
