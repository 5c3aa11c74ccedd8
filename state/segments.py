"""Segments: one operator's chunks in append-only files of its own, cleaned as in a log-structured file system.

Source: Rosenblum & Ousterhout 1992, The design and implementation of a log-structured file system.
"""

import os
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from state.chunks import Chunks, Ref
from state.errors import CheckpointError, SnapshotError

SEGMENT_BYTES: Final = 4 << 20
"""A segment that has reached this size is closed."""
_SPARSE: Final = 0.5
"""Closed segments with a smaller share of live bytes are cleaned: what lives in them is written again."""
_CLEANED_BYTES: Final = 4 << 20
"""So much is written again by one snapshot, about."""
_HISTORY: Final = 4
"""Snapshots whose chunks stay.  The engine commits an epoch before it ends the next one, so that it goes on from the
latest snapshot or from the one before, or in a cluster from the one before that; a fourth is kept for caution."""
_SUFFIX: Final = ".seg"


class Segments(Chunks):
    """Files `<number>.seg` in a directory that nobody else writes to.

    A snapshot is taken inside `writing()`, and is on the disk when that ends.  Segments that no recent snapshot refers
    to are deleted.  Not for several threads at once.

    deleting: surrounds deletions; gives False while somebody copies the files, and then none happens.
    """

    def __init__(
        self,
        directory: Path,
        segment_bytes: int = SEGMENT_BYTES,
        deleting: Callable[[], AbstractContextManager[bool]] = lambda: nullcontext(True),
    ) -> None:
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._deleting = deleting
        self._last = max(self._sizes(), default=0)
        """The highest number."""
        self._fresh, self._moved = self._opened(), _Open(0, segment_bytes)
        """What is new, and what was moved: what has lived for long lives on, and is not moved again beside what dies.
        Of the latter none is open at first.
        """
        self._live: dict[int, Ref] = {}
        self._history: deque[frozenset[int]] = deque(maxlen=_HISTORY)
        self.written_bytes = 0
        """All that this object wrote."""

    @property
    def live_bytes(self) -> int:
        """What the latest snapshot refers to."""
        return sum(ref.size for ref in self._live.values())

    def put(self, frame: bytes) -> Ref:
        if self._fresh.size >= self._segment_bytes:
            self._flush(self._fresh)
            self._fresh = self._opened()
        ref = self._fresh.put(self, frame)
        self._live[id(ref)] = ref
        return ref

    def _opened(self) -> "_Open":
        self._last += 1
        return _Open(self._last)

    def keep(self, ref: Ref) -> bool:
        if not super().keep(ref):
            return False
        self._live[id(ref)] = ref
        return True

    def get(self, ref: Ref) -> bytes:
        self._live[id(ref)] = ref
        for open_ in (self._fresh, self._moved):
            if ref.segment == open_.number and ref.offset in open_.pending:
                return open_.pending[ref.offset]
        path = self._path(ref.segment)
        try:
            with path.open("rb") as file:
                file.seek(ref.offset)
                frame = file.read(ref.size)
        except OSError as error:
            raise SnapshotError(
                f"saved state {path} cannot be read: {error.strerror}; put the state directory back as it was,"
                " or start from a savepoint"
            ) from error
        if len(frame) < ref.size:
            raise SnapshotError(
                f"saved state {path} ends at byte {ref.offset + len(frame)}, expected {ref.offset + ref.size} or more;"
                " put the state directory back as it was, or start from a savepoint"
            )
        return frame

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Surrounds the taking of a snapshot.  Raises CheckpointError when it cannot be written."""
        self._clean()
        self._live.clear()
        yield
        self._flush(self._fresh)
        self._flush(self._moved)
        self.settle()

    def settle(self) -> None:
        """What was put, kept or read makes up the latest snapshot; deletes what none of the recent ones refers to."""
        self._history.append(frozenset(ref.segment for ref in self._live.values()))
        needed = frozenset({self._fresh.number, self._moved.number}).union(*self._history)
        doomed = [number for number in self._sizes() if number not in needed]
        if doomed:
            with self._deleting() as allowed:
                for number in doomed if allowed else ():
                    self._path(number).unlink(missing_ok=True)

    def _clean(self) -> None:
        """Moves what lives in sparse segments to a segment of such."""
        live: Counter[int] = Counter()
        for ref in self._live.values():
            live[ref.segment] += ref.size
        sizes = self._sizes()
        opened = self._fresh.number, self._moved.number
        sparse = {n for n, size in live.items() if n not in opened and size < _SPARSE * sizes.get(n, 0)}
        left_bytes = _CLEANED_BYTES
        for ref in list(self._live.values()) if sparse else ():
            if ref.segment in sparse and left_bytes > 0:
                left_bytes -= ref.size
                if self._moved.size >= self._segment_bytes:
                    self._flush(self._moved)
                    self._moved = self._opened()
                moved = self._moved.put(self, self.get(ref))
                ref.segment, ref.offset = moved.segment, moved.offset

    def _flush(self, segment: "_Open") -> None:
        """Writes what is pending, through to the disk."""
        if not segment.pending:
            return
        path = self._path(segment.number)
        data = memoryview(b"".join(segment.pending.values()))
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            is_new = not path.exists()
            with path.open("ab", buffering=0) as file:
                done = 0
                while done < len(data):
                    done += file.write(data[done:])
                os.fdatasync(file.fileno())
            if is_new:
                _sync_directory(self._directory)
        except OSError as error:
            raise CheckpointError(
                f"state cannot be saved in {path}: {error.strerror}; free space or repair the disk, then start the run"
                " again: it goes on from the last checkpoint"
            ) from error
        self.written_bytes += len(data)
        segment.pending = {}

    def _sizes(self) -> dict[int, int]:
        """Bytes of each segment."""
        if not self._directory.exists():
            return {}
        return {
            int(e.name.removesuffix(_SUFFIX)): e.stat().st_size
            for e in os.scandir(self._directory)
            if e.name.endswith(_SUFFIX)
        }

    def _path(self, number: int) -> Path:
        return self._directory / f"{number}{_SUFFIX}"


@dataclass(slots=True)
class _Open:
    """A segment that is written to.  pending: offset -> frame, of those that are not in its file yet."""

    number: int
    size: int = 0
    pending: dict[int, bytes] = field(default_factory=dict)

    def put(self, chunks: Chunks, frame: bytes) -> Ref:
        ref = Ref(chunks, self.number, self.size, len(frame))
        self.pending[self.size] = frame
        self.size += len(frame)
        return ref


def _sync_directory(directory: Path) -> None:
    """Makes a new file's name durable."""
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
