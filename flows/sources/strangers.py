"""Sources of plug-ins: whatever they raise says whose fault it is, and ends a run in good order."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from flows.sources.base import Lines, Partition, Source
from flows.sources.formatted import Around
from state.errors import DriftnetError, SourceError

Answer = TypeVar("Answer")


def ask(whose: str, what: str, question: Callable[[], Answer]) -> Answer:
    """What a plug-in answers.  Raises SourceError for whatever it raises that is none of our errors."""
    try:
        return question()
    except DriftnetError:
        raise
    except Exception as error:
        raise SourceError(
            f"{whose}: {what} raised {type(error).__name__}: {error}; tell its author. Nothing is lost: the run goes on"
            " from its last checkpoint"
        ) from error


@dataclass(frozen=True, slots=True)
class StrangersSource:
    """A source of a plug-in.  whose: which source of which distribution."""

    source: Source
    whose: str

    @property
    def name(self) -> str:
        """As it is configured."""
        return self.source.name

    def partition_names(self) -> list[str]:
        """Those of the source.  Raises SourceError."""
        return ask(self.whose, "partition_names", self.source.partition_names)

    def open(self, name: str) -> Partition:
        """A reader at the beginning of one partition.  Raises SourceError."""
        return _StrangersPartition(ask(self.whose, "open", lambda: self.source.open(name)), self.whose)


class _StrangersPartition(Around):
    def __init__(self, inner: Partition, whose: str) -> None:
        super().__init__(inner)
        self._whose = whose

    def read(self, max_lines: int) -> Lines | None:
        return ask(self._whose, "read", lambda: self._inner.read(max_lines))

    def position(self) -> Any:
        return ask(self._whose, "position", self._inner.position)

    def seek(self, position: Any) -> None:
        ask(self._whose, "seek", lambda: self._inner.seek(position))

    def saved(self, position: Any) -> None:
        ask(self._whose, "saved", lambda: self._inner.saved(position))

    def close(self) -> None:
        ask(self._whose, "close", self._inner.close)
