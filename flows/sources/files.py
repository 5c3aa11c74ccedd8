"""JSON Lines files, plain or gzipped, named one by one, by directory or by pattern."""

import base64
import glob
import gzip
import logging
import os
import re
import zlib
from codecs import BOM_UTF8
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Final, Literal, NotRequired, TypedDict

import numpy as np
import orjson
from xxhash import xxh3_64_hexdigest, xxh3_64_intdigest

from flows.sources.base import Lines, Unwatched
from flows.sources.split import LineSplitter
from state.errors import SourceError

SUFFIXES: Final = (".jsonl", ".ndjson", ".json", ".jsonl.gz", ".ndjson.gz", ".json.gz")
"""What counts as an event file in a directory; a file that is named itself, or by a pattern, may be called anything."""
_log: Final = logging.getLogger("driftnet.input")
_BLOCK_BYTES: Final = 1 << 18
_GZIP_MAGIC: Final = b"\x1f\x8b"
_KNOWN_BYTES: Final = 4096
_PACKED_BYTES: Final = 32
"""Of a file, to know it again."""


@dataclass(frozen=True, slots=True)
class FilesSpec:
    """Files as a source.

    paths: files, directories (their event files, not those of folders inside) and patterns (* ? [] **), each sorted by
    name, numbers in them as numbers (day-2 before day-10), in the order given.  partitions: "sequence" reads all files
    one after the other as one partition called `name` (days that follow each other); "per_file" makes each file a
    partition, called by its path (files written side by side).  line_bytes_max: of a longer line only the beginning is
    read.  follow: of one file, whether it goes on at its end; it need not be there yet.
    """

    paths: tuple[str, ...]
    partitions: Literal["sequence", "per_file"] = "sequence"
    name: str = "files"
    line_bytes_max: int = 65_536
    follow: bool = False

    def partition_names(self) -> list[str]:
        """The partitions there are.  Raises SourceError when a path matches nothing."""
        files = self.files()
        return [self.name] if self.partitions == "sequence" else files

    def open(self, name: str) -> "FilesPartition":
        """A reader at the beginning of one partition.  Raises SourceError when a path matches nothing."""
        files = self.files() if self.partitions == "sequence" else [name]
        return FilesPartition(name, files, self.line_bytes_max, self.follow)

    def files(self) -> list[str]:
        """All files, each once.  Raises SourceError when a path matches nothing."""
        if not self.paths:
            raise SourceError(f"{self.name}: no paths given, expected at least one file, directory or pattern")
        if self.follow:
            if Path(self.paths[0]).is_dir():
                raise SourceError(f"{self.paths[0]}: is a directory, expected a file to follow")
            return list(self.paths)
        return list(dict.fromkeys(file for path in self.paths for file in _expand(path)))


class Position(TypedDict):
    """Where a reader stands: `skip` lines after line `line`, which begins at byte `byte` of the unpacked `file`.

    seen, digest: bytes that had been read, and a hash of the first and the last of them, to know the file again; not in
    the first savepoints.  before: where there are several files, those that were read to their end: 8 bytes of a hash
    of each name, 8 of its size, in base64; not in savepoints of before version 0.2.0.
    """

    file: str
    byte: int
    line: int
    skip: int
    seen: NotRequired[int]
    digest: NotRequired[str]
    before: NotRequired[str]


class FilesPartition(Unwatched):
    """Files read one after the other.  Offsets are line numbers from 0 within each file; `source` is its path.

    A byte order mark at the beginning of a file is no part of its first line; blank lines are none.  Where more is
    expected, the last line of the last file is left for later if it has no end and is no JSON: somebody may be writing
    it.  follow: the one file has no end; a line that others are still writing waits until it is whole.
    """

    def __init__(self, name: str, files: Sequence[str], line_bytes_max: int = 65_536, follow: bool = False) -> None:
        self.name = name
        self._files = list(files)
        self._line_bytes_max = line_bytes_max
        self._follow = follow
        self._sizes = [0 if follow else _size(file) for file in files]
        self._raw: BufferedReader | None = None
        self._more = False
        self._enter(0)

    @property
    def size_bytes(self) -> int | None:
        """Bytes of all files as they lie on the disk, packed or not; None of one that is followed."""
        return None if self._follow else sum(self._sizes)

    @property
    def done_bytes(self) -> int:
        """How many of size_bytes were read."""
        done = sum(self._sizes[: self._index])
        if self._ended:
            return done + self._sizes[self._index]
        return done + self._raw.tell() if self._raw and self._raw.seekable() else done

    def expect_more(self) -> None:
        """The end of the last file is not taken for the end of its last line."""
        self._more = True

    def read(self, max_lines: int) -> Lines | None:
        """At most max_lines further lines, all of one file; None after the last file, none where it is followed.

        Raises SourceError.
        """
        while True:
            self._gather(max_lines)
            if self._lines:
                taken = self._take(max_lines)
                if taken.lines:
                    return taken
            elif self._follow:
                return Lines((), (), self._files[0])
            elif self._index + 1 == len(self._files):
                return None
            else:
                self._enter(self._index + 1)

    def position(self) -> Position:
        """The next line to read."""
        line, byte = self._begins[0]
        file = self._files[self._index]
        place = Position(file=file, byte=byte, line=line, skip=self._next_line - line)
        seen = self._fed_bytes
        digest = _digest(file, seen) if self._raw is None else _digest_of(self._raw.fileno(), seen)
        if digest is not None:
            place = Position(**place, seen=seen, digest=digest)
        return place if len(self._files) == 1 else Position(**place, before=self._read_before())

    def _read_before(self) -> str:
        pairs = [(_number(f), size) for f, size in zip(self._files, self._sizes[: self._index], strict=False)]
        return base64.b64encode(np.array(pairs, np.uint64).tobytes()).decode()

    def seek(self, position: Position) -> None:
        """Goes to a `position()`; a .gz file is unpacked again up to it.  Raises SourceError when it is not there."""
        file, skip = position["file"], position["skip"]
        if file not in self._files:
            raise SourceError(
                f"{self.name}: the saved position is in {file!r}, which is not among the {len(self._files)} input files"
                " any more; bring it back, or start without the saved state"
            )
        if position.get("digest") not in (None, _digest(file, position.get("seen", 0))):
            raise SourceError(
                f"{file}: what was read of it is not there any more; was it replaced? Bring it back, or give the new"
                " one another name"
            )
        if "before" in position:
            self._go_on_after(position["before"], file)
        self._enter(self._files.index(file), position["byte"], position["line"])
        self._gather(skip)
        if len(self._lines) < skip:
            raise SourceError(
                f"{file}: ends {skip - len(self._lines)} lines before the saved position; was it replaced?"
            )
        self._take(skip)

    def _go_on_after(self, before: str, current: str) -> None:
        """Puts the files that were read to their end first, and new ones after the current one, wherever they sort."""
        pairs = np.frombuffer(base64.b64decode(before), np.uint64).reshape(-1, 2)
        known = dict(zip(*pairs.T.tolist(), strict=True)) if len(pairs) else {}
        there = {file: _number(file) for file in self._files}
        read = [file for file in self._files if there[file] in known and file != current]
        new = [file for file in self._files if there[file] not in known and file != current]
        passed = [file for file in new if self._files.index(file) < self._files.index(current)]
        for file in passed:
            _log.warning("%s is new, and sorts before %s, which was read already: it is read after it", file, current)
        for file in read:
            if _size(file) != known[there[file]]:
                _log.warning(
                    "%s is not as it was when it was read to its end (%s bytes, %s now), and later files were read"
                    " since: what was added or changed is not read",
                    file,
                    f"{known[there[file]]:,}",
                    f"{_size(file):,}",
                )
        sizes = dict(zip(self._files, self._sizes, strict=True))
        self._files = [*read, current, *new]
        self._sizes = [known.get(there[file], sizes[file]) if file in read else sizes[file] for file in self._files]

    def close(self) -> None:
        """Closes the file that is being read."""
        if self._raw:
            self._raw.close()
        self._raw = None

    def _enter(self, index: int, byte: int = 0, line: int = 0) -> None:
        """Goes to the beginning of a line of a file, which is opened when it is read."""
        self.close()
        self._index = index
        self._fed_bytes = byte
        self._next_line = line
        self._begins = deque([(line, byte)])  # of the blocks whose lines wait: number and place of the first one
        self._lines: list[bytes] = []
        self._ended = False
        self._splitter = LineSplitter(self._line_bytes_max)

    def _gather(self, count: int) -> None:
        """Has `count` lines waiting, or as many as the file still has."""
        while len(self._lines) < count and not self._ended:
            try:
                if not self._fill():
                    return
            except SourceError:
                if not self._lines:
                    raise
                return  # what came before the damage first; the next read meets it again

    def _take(self, max_lines: int) -> Lines:
        """The first lines of those that wait."""
        lines, self._lines = self._lines[:max_lines], self._lines[max_lines:]
        first, self._next_line = self._next_line, self._next_line + len(lines)
        while len(self._begins) > 1 and self._begins[1][0] <= self._next_line:
            self._begins.popleft()
        return Lines.of_text(lines, first, self._files[self._index])

    def _fill(self) -> bool:
        """Adds the next block's lines to those that wait; False where a file that is followed has no more just now."""
        try:
            if self._follow and not self._goes_on():
                return False
            block = self._open().read1(_BLOCK_BYTES)  # unlike read(), gives what it has before it meets damage
        except (OSError, EOFError, zlib.error) as error:
            self.close()
            raise SourceError(
                f"{self._files[self._index]}: cannot be read at byte {self._fed_bytes}: {error}"
            ) from error
        line = self._next_line + len(self._lines)
        if self._begins[-1][0] < line:
            self._begins.append((line, self._fed_bytes - self._splitter.tail_bytes))
        text = block if self._fed_bytes else block.removeprefix(BOM_UTF8)
        self._lines += self._splitter.feed(text) if block else self._last_line()
        self._fed_bytes += len(block)
        if not block:
            self._ended = True
            self._note_size()
            self.close()
        return True

    def _goes_on(self) -> bool:
        """Whether there is more than was read.  Raises SourceError for a file that is not what it was."""
        file = self._files[0]
        try:
            found = Path(file).stat()
        except FileNotFoundError:
            if not self._fed_bytes:
                return False
            self.close()
            raise SourceError(f"{file}: was removed while it was followed; bring it back, and start again") from None
        is_other = self._raw is not None and not os.path.samestat(found, os.fstat(self._raw.fileno()))
        if is_other or found.st_size < self._fed_bytes:
            self.close()
            raise SourceError(
                f"{file}: was replaced or cut while it was followed; bring it back, or give the new one another name"
            )
        return found.st_size > self._fed_bytes

    def _last_line(self) -> list[bytes]:
        """What stands behind the last line's end: a line too, unless somebody is writing it."""
        lines = self._splitter.finish()
        if not self._more or self._index + 1 < len(self._files) or all(map(_whole, lines)):
            return lines
        _log.warning(
            "%s: ends in the middle of a line, which is left for the next run; --finish reads it as it is",
            self._files[self._index],
        )
        return []

    def _note_size(self) -> None:
        """As much as was read of the file: it may have grown since it was looked at first."""
        if self._raw is not None and self._raw.seekable():
            self._sizes[self._index] = self._raw.tell()

    def _open(self) -> BufferedReader | gzip.GzipFile:
        if self._raw is None:
            raw = self._raw = Path(self._files[self._index]).open("rb")  # noqa: SIM115 - closed at its end or by close()
            packed = not self._follow and raw.peek(2).startswith(_GZIP_MAGIC)
            self._stream = gzip.GzipFile(fileobj=raw) if packed else raw
            if self._fed_bytes:
                self._stream.seek(self._fed_bytes)
        return self._stream


def _expand(path: str) -> list[str]:
    """The files that a path stands for, sorted.  Raises SourceError if there are none."""
    place = Path(path)
    if place.is_dir():
        here = (f for f in place.iterdir() if f.name.endswith(SUFFIXES) and f.name[0] != "." and f.is_file())
        if files := sorted(map(str, here), key=_in_order):
            return files
        raise SourceError(f"{path}: no event files here, looked for *{', *'.join(SUFFIXES)}; {_there(place)}")
    if place.exists():
        return [path]
    # Path.glob takes no absolute patterns.
    if files := sorted((f for f in glob.glob(path, recursive=True) if Path(f).is_file()), key=_in_order):  # noqa: PTH207
        return files
    looked = "no file matches this pattern" if glob.has_magic(path) else "no such file or directory"
    raise SourceError(f"{path}: {looked}; {_there(place.parent)}")


def _in_order(file: str) -> tuple[list[tuple[str, int]], str]:
    """For sorting: numbers in names as numbers."""
    parts = re.split(r"([0-9]+)", file)
    return [(text, int(number)) for text, number in zip(parts[::2], [*parts[1::2], 0], strict=True)], file


def _number(file: str) -> int:
    return xxh3_64_intdigest(os.fsencode(file))


def _whole(line: bytes) -> bool:
    """Whether nothing can be missing: no JSON object begins with another."""
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return False


def _digest(file: str, seen: int) -> str | None:
    try:
        with Path(file).open("rb") as raw:
            return _digest_of(raw.fileno(), seen)
    except OSError:
        return None


def _digest_of(number: int, seen: int) -> str | None:
    """Of the first and last of so many bytes of an open file; of a packed one, of its first.  None for none."""
    if not seen:
        return None
    try:
        if os.pread(number, len(_GZIP_MAGIC), 0) == _GZIP_MAGIC:
            return xxh3_64_hexdigest(os.pread(number, _PACKED_BYTES, 0))
        size = min(_KNOWN_BYTES, seen)
        return xxh3_64_hexdigest(os.pread(number, size, 0) + os.pread(number, size, seen - size))
    except OSError:  # a pipe by name
        return None


def _there(directory: Path) -> str:
    """What a directory holds, for an error message; of a missing one, what its nearest parent holds."""
    while not directory.is_dir() and directory != directory.parent:
        directory = directory.parent
    names = sorted(f.name + "/" * f.is_dir() for f in directory.iterdir())
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"{directory} holds {', '.join(names[:8]) + more if names else 'nothing'}"


def _size(file: str) -> int:
    try:
        return Path(file).stat().st_size
    except OSError as error:
        raise SourceError(f"{file}: cannot be read: {error.strerror}") from error
