"""Lines of another format than JSON: any source of lines, with each line decoded as it is read."""

from dataclasses import dataclass
from typing import Any

from flows.formats.base import Format, FormatSpec, decode
from flows.sources.base import Lines, Partition, Source


@dataclass(frozen=True, slots=True)
class Formatted:
    """A source whose lines are of a format."""

    source: Source
    format: FormatSpec

    @property
    def name(self) -> str:
        """As it is configured."""
        return self.source.name

    def partition_names(self) -> list[str]:
        """Those of the source."""
        return self.source.partition_names()

    def open(self, name: str) -> Partition:
        """A reader at the beginning of one partition."""
        return FormattedPartition(self.source.open(name), self.format.build())


class Around:
    """A partition that does what another one does."""

    def __init__(self, inner: Partition) -> None:
        self._inner = inner
        self.name = inner.name

    @property
    def size_bytes(self) -> int | None:
        return self._inner.size_bytes

    @property
    def done_bytes(self) -> int | None:
        return self._inner.done_bytes

    @property
    def lag(self) -> int | None:
        return self._inner.lag

    @property
    def ends_for_good(self) -> bool:
        return self._inner.ends_for_good

    def expect_more(self) -> None:
        self._inner.expect_more()

    def read(self, max_lines: int) -> Lines | None:
        return self._inner.read(max_lines)

    def position(self) -> Any:
        return self._inner.position()

    def seek(self, position: Any) -> None:
        self._inner.seek(position)

    def saved(self, position: Any) -> None:
        self._inner.saved(position)

    def close(self) -> None:
        self._inner.close()


class FormattedPartition(Around):
    """Positions and offsets are those of the lines before they are decoded; what is rejected stays as it was."""

    def __init__(self, inner: Partition, format_: Format) -> None:
        super().__init__(inner)
        self._format = format_

    def read(self, max_lines: int) -> Lines | None:
        """At most max_lines further lines, decoded; None at the end.  Raises SourceError."""
        found = self._inner.read(max_lines)
        if found is None or not found.lines:
            return found
        lines, refused = list(found.lines), dict(found.refused)
        decode(self._format, lines, refused)
        return Lines(lines, found.offsets, found.source, refused, found.idle)
