"""The one interface of all sources."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from flows.wire.reject import Why


@dataclass(frozen=True, slots=True)
class Lines:
    """Consecutive lines of one partition, without their line ends.  No lines: nothing is there at the moment.

    offsets: where each line stands in `source`, for people and for the dead-letter stream.
    refused: position in `lines` -> why the source itself rejects that line, which nobody decodes then.
    idle: of no lines, whether that means that nothing was written; False when the source cannot tell just now.
    """

    lines: Sequence[bytes]
    offsets: Sequence[int]
    source: str
    refused: Mapping[int, Why] = field(default_factory=dict)
    idle: bool = True

    @classmethod
    def of_text(cls, lines: Sequence[bytes], first: int, source: str) -> "Lines":
        """Lines of a text.  first: the number of the first.  Blank ones have a number, and are left out."""
        if all(map(bytes.strip, lines)):
            return cls(lines, range(first, first + len(lines)), source)
        kept = [(line, number) for number, line in enumerate(lines, first) if line.strip()]
        return cls([line for line, _ in kept], [number for _, number in kept], source)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a job asks of its sources.

    line_bytes_max: of a longer line the beginning will do, which is rejected for its length.  metadata: whether the
    configuration reads what a broker knows beside a value (`@timestamp`, docs/kafka.md).
    """

    line_bytes_max: int = 65_536
    metadata: bool = False


class Partition(Protocol):
    """A part of the input that is read in order, by one reader.

    name: stable over restarts.  size_bytes, done_bytes: for progress, in one unit; None when unknown.
    lag: records that others have written and nobody has read yet; None when unknown.
    ends_for_good: whether nothing can be there later that follows its end.
    """

    @property
    def name(self) -> str: ...

    @property
    def size_bytes(self) -> int | None: ...

    @property
    def done_bytes(self) -> int | None: ...

    @property
    def lag(self) -> int | None: ...

    @property
    def ends_for_good(self) -> bool: ...

    def expect_more(self) -> None:
        """To be called before the first read where its end will not be taken for one."""

    def read(self, max_lines: int) -> Lines | None:
        """At most max_lines further lines, fewer as suits the source; None at the end.  Raises SourceError."""

    def position(self) -> Any:
        """The next line to read, as a JSON value."""

    def seek(self, position: Any) -> None:
        """Goes to a `position()` of an earlier reader of this partition.  Raises SourceError when it is not there."""

    def saved(self, position: Any) -> None:
        """A run that is started again goes on from that position: for sources that tell others."""

    def close(self) -> None:
        """Releases what the partition holds; it is not read again."""


class Unwatched:
    """The part of a Partition that is empty where nobody else looks at the input."""

    lag = None
    ends_for_good = False

    def expect_more(self) -> None:
        """Makes no difference."""

    def saved(self, position: Any) -> None:
        """Nobody is told."""


class Source(Protocol):
    """A configured input: names its partitions without reading them, and opens them one by one, wherever they run:
    picklable.
    """

    @property
    def name(self) -> str:
        """As it is configured."""

    def partition_names(self) -> list[str]:
        """The partitions there are, in a fixed order.  Raises SourceError when there is nothing to read."""

    def open(self, name: str) -> Partition:
        """A reader at the beginning of one partition."""
