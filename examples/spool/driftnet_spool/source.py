"""A spool as a source: the lines of its files, by their numbers; live until it is asked for what is there now."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field

from driftnet.kit import Asked, Lines, LinesSettings, SourceError, Unwatched
from driftnet_spool import folder as spool


class SpoolSourceSettings(LinesSettings):
    """A folder of numbered files of lines, each finished when it can be read, as the sink of this kind writes them."""

    kind: Literal["spool"] = Field(description="spool")
    folder: str = Field(min_length=1, description="where they are; files that were read may be removed")
    follow: bool = Field(True, description="live: wait for further files; else what is there now is all")

    @property
    def is_live(self) -> bool:
        """Whether it waits."""
        return self.follow

    def bounded(self) -> Self:
        """The same, until what is there now."""
        return self.model_copy(update={"follow": False})

    def source(self, name: str, asked: Asked) -> "SpoolSource":
        """What it stands for."""
        del asked
        return SpoolSource(name, self.folder, self.follow)


@dataclass(frozen=True, slots=True)
class SpoolSource:
    """The source as it is configured."""

    name: str
    folder: str
    follow: bool

    def partition_names(self) -> list[str]:
        """One: files follow each other."""
        if not Path(self.folder).is_dir():
            raise SourceError(f"{self.folder}: no such folder; name another, or make it")
        return [self.name]

    def open(self, name: str) -> "SpoolPartition":
        """A reader at the first file that is there."""
        return SpoolPartition(name, Path(self.folder), self.follow)


class SpoolPartition(Unwatched):
    """Offsets are numbers of lines, from 0 in each file; `source` is the file.

    Position: the number of the file, and of the line in it.
    """

    size_bytes = None
    done_bytes = None

    def __init__(self, name: str, folder: Path, follow: bool) -> None:
        self.name = name
        self._folder = folder
        self._follow = follow
        self._number = self._line = 0
        self._lines: list[bytes] | None = None

    def read(self, max_lines: int) -> Lines | None:
        """At most so many further lines of one file; none while it waits for another; None at the end."""
        while True:
            if self._lines is None:
                file = self._next_file()
                if file is None:
                    return Lines((), (), str(self._folder)) if self._follow else None
                self._load(file)
            taken = (self._lines or [])[self._line : self._line + max_lines]
            if taken:
                first, self._line = self._line, self._line + len(taken)
                return Lines.of_text(taken, first, str(self._folder / f"{self._number:012d}.jsonl"))
            self._number, self._line, self._lines = self._number + 1, 0, None

    def _next_file(self) -> Path | None:
        """The file of this number, or the next higher one."""
        try:
            found = spool.finished(self._folder)
        except OSError as error:
            raise SourceError(f"{self._folder}: cannot be read: {error.strerror}") from error
        if self._line and self._number not in found:
            raise SourceError(
                f"{self._folder}: the file {self._number:012d}.jsonl, of which {self._line} lines were read, is gone;"
                " bring it back, or start without the saved state"
            )
        number = next((number for number in found if number >= self._number), None)
        if number is None:
            return None
        self._number = number
        return found[number]

    def _load(self, file: Path) -> None:
        try:
            self._lines = file.read_bytes().splitlines()
        except OSError as error:
            raise SourceError(f"{file}: cannot be read: {error.strerror}") from error

    def position(self) -> Any:
        """The next line."""
        return {"file": self._number, "line": self._line}

    def seek(self, position: Any) -> None:
        """Goes there."""
        self._number, self._line, self._lines = position["file"], position["line"], None

    def close(self) -> None:
        """No file is held open."""
        self._lines = None
