"""JSON Lines files that are cut back to a known position on resume, so that each record stands in them once."""

import fcntl
import json
import logging
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson
from xxhash import xxh3_64_hexdigest

from flows.sinks.base import BufferedSink, Patience, Record
from state.errors import SinkError

_log = logging.getLogger("driftnet.output")
_TAIL: Final = 1 << 16
_KNOWN_BYTES: Final = 1024
"""At the end of what was written, to know a file again."""


class JsonlWriter(BufferedSink[bytes]):
    """Appends lines to a file that it holds a lock on.

    resume_position: of an earlier `flush`; the file is cut to it.  Without one, the file is appended to (or emptied:
    overwrite), and a last line that was cut short by a crash is removed and logged.

    A file that others rename, delete or cut meanwhile (logrotate, with or without copytruncate) is noticed before the
    next write: what follows goes to a new file at the path, or to where the file ends now, and the log says so.  That
    is a turn; where it began is noted beside the file before anything is written there, so that a run that is killed
    before its next checkpoint takes back what it wrote on both sides.  On resume a file that is not what it was, is
    taken for rotated: one of the same folder that it was renamed to is cut to the position, and what follows goes on at
    the end of what is there.
    """

    errors = (OSError,)
    advice = "free space or repair the disk, then resume the run"

    def __init__(
        self, path: str, resume_position: Any = None, overwrite: bool = False, patience: Patience | None = None
    ) -> None:
        super().__init__(f"JSON Lines file {path}", patience or Patience())
        self._path = path
        self._note = Path(path).with_name(f".{Path(path).name}.turn")
        self._turn = self._flushes = 0
        self._fd = _open(path)
        try:
            size = os.fstat(self._fd).st_size
            if resume_position is not None:
                self._bytes = self._resumed(size, resume_position)
            else:
                self._note.unlink(missing_ok=True)
                self._bytes = 0 if overwrite else self._repaired(size)
            os.ftruncate(self._fd, self._bytes)
        except BaseException:
            os.close(self._fd)
            raise

    def _resumed(self, size: int, position: Any) -> int:
        kept = position.get("bytes") if isinstance(position, dict) else None
        if not isinstance(kept, int) or kept < 0:
            raise SinkError(
                f"{self._where}: the saved position is {position!r}, which no run wrote; start from a savepoint, or"
                " with fresh state"
            )
        self._turn = position.get("turn", 0)
        turned = self._turned()
        if turned is None and (_is_known(self._fd, size, position) or self._is_mine(size, position)):
            return kept
        renamed = self._renamed(position)
        if turned is not None:
            self._turn, begin = turned
            _log.warning("%s was rotated since the last checkpoint: written since is what follows there", self._where)
            return min(begin, size)
        _log.warning(
            "%s is not the file that was written to (%s bytes then, %s now): it was rotated, replaced or cut; %s, and"
            " this one goes on at its end",
            self._where,
            f"{kept:,}",
            f"{size:,}",
            f"{renamed} is what it was" if renamed else "what it was is not in its folder",
        )
        return self._repaired(size)

    def _is_mine(self, size: int, position: dict[str, Any]) -> bool:
        """Whether it is the same file, though somebody changed what stands in it (`driftnet forget` does)."""
        same, kept = os.fstat(self._fd).st_ino == position.get("inode"), position["bytes"]
        return same and kept <= size and os.pread(self._fd, 1, kept - 1) == b"\n"

    def _turned(self) -> tuple[int, int] | None:
        """The turn after the saved position, and where this file was then; None where there was none."""
        with suppress(OSError, ValueError, KeyError):
            note = json.loads(self._note.read_text())
            if note["turn"] > self._turn and note["inode"] == os.fstat(self._fd).st_ino:
                return int(note["turn"]), int(note["bytes"])
        return None

    def _renamed(self, position: dict[str, Any]) -> Path | None:
        """The file of the saved position under its new name, cut back to it; None if it is not in the folder."""
        here = os.fstat(self._fd).st_ino
        for file in sorted(Path(self._path).parent.iterdir()) if position.get("digest") else ():
            with suppress(OSError):
                if file.is_symlink() or file.stat().st_ino != position.get("inode") or file.stat().st_ino == here:
                    continue
                fd = os.open(file, os.O_RDWR)
                try:
                    if _is_known(fd, os.fstat(fd).st_size, position):
                        os.ftruncate(fd, position["bytes"])
                        os.fsync(fd)
                        return file
                finally:
                    os.close(fd)
        return None

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
        self._look()
        # At a fixed offset, not at the end: what a failed attempt left behind is overwritten by the next.
        data = memoryview(b"".join(items))
        done = 0
        while done < len(data):
            done += os.pwrite(self._fd, data[done:], self._bytes + done)
        self._bytes += done

    def _look(self) -> None:
        """Turns to where the path leads now, if somebody has taken the file away or cut it."""
        mine = os.fstat(self._fd)
        try:
            there = os.stat(self._path)  # noqa: PTH116 - before every write
        except FileNotFoundError:
            there = None
        if there is None or (there.st_dev, there.st_ino) != (mine.st_dev, mine.st_ino):
            try:
                fd = _open(self._path)
            except SinkError as error:
                raise OSError(str(error)) from error  # as for any sink that is down: it may pass
            try:
                begin = self._begin(fd, os.fstat(fd).st_size)
                os.ftruncate(self._fd, self._bytes)
                os.fsync(self._fd)
            except BaseException:
                os.close(fd)
                raise
            what = "renamed" if mine.st_nlink else "deleted"
            _log.warning("%s was %s: going on in a new file there", self._where, what)
            os.close(self._fd)
            self._fd, self._bytes = fd, begin
        elif there.st_size < self._bytes:
            begin = self._begin(self._fd, there.st_size)
            _log.warning("%s was cut from %d bytes to %d: going on there", self._where, self._bytes, there.st_size)
            self._bytes = begin

    def _begin(self, fd: int, size: int) -> int:
        """Notes, for good, where a turn begins."""
        fresh = self._note.with_name(f"{self._note.name}.new")
        fresh.write_text(json.dumps({"turn": self._turn + 1, "inode": os.fstat(fd).st_ino, "bytes": size}))
        with fresh.open("rb") as file:
            os.fsync(file.fileno())
        fresh.replace(self._note)
        self._turn, self._flushes = self._turn + 1, 0
        return size

    def _position(self) -> dict[str, Any]:
        self._look()
        os.ftruncate(self._fd, self._bytes)
        os.fsync(self._fd)
        self._flushes += 1
        if self._flushes == 2:  # the position before this one is saved, and knows the turn
            self._note.unlink(missing_ok=True)
        return {
            "bytes": self._bytes,
            "inode": os.fstat(self._fd).st_ino,
            "digest": _digest(self._fd, self._bytes),
            "turn": self._turn,
        }

    def _release(self) -> None:
        os.close(self._fd)


def _digest(fd: int, size: int) -> str:
    """Of the last bytes before a position."""
    known = min(size, _KNOWN_BYTES)
    return xxh3_64_hexdigest(os.pread(fd, known, size - known)) if known else ""


def _is_known(fd: int, size: int, position: dict[str, Any]) -> bool:
    """Whether the file has what had been written at a position; of first positions only the length is known."""
    kept = position["bytes"]
    return kept <= size and position.get("digest") in (None, _digest(fd, kept))


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
