"""Sink, and what the sinks that can be down for a moment have in common: a bounded buffer and patience."""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from state.errors import SinkError

_log = logging.getLogger(__name__)

Record = dict[str, Any]
Item = TypeVar("Item")


class Sink(Protocol):
    """The end of one output stream."""

    def write(self, records: list[Record]) -> None:
        """Takes records that orjson can write. Raises SinkError, and takes none, when the sink stays down."""

    def flush(self) -> Any:
        """Makes everything taken durable; returns a JSON value, the position to resume from. Raises SinkError."""

    def close(self) -> None:
        """Flushes and lets go. A second call does nothing."""


def each(sinks: Mapping[str, Sink], action: Callable[[Sink], Any]) -> dict[str, Any]:
    """Does it with every sink, by name: with those first that have nothing waiting, so that one that is down keeps none
    of the others from it.  Then raises what was raised first, if anything was.
    """
    found: dict[str, Any] = {}
    failed: list[Exception] = []
    for name in sorted(sinks, key=lambda name: bool(getattr(sinks[name], "waiting", 0))):
        try:
            found[name] = action(sinks[name])
        except Exception as error:  # raised below
            failed.append(error)
    if failed:
        raise failed[0]
    return found


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a sink may be down.

    tries: attempts of a flush, with pauses that start at pause_s and double (6 tries: 1.6 s of pauses).
    buffer_max: records kept meanwhile; a write beyond it flushes first.
    """

    tries: int = 6
    pause_s: float = 0.05
    buffer_max: int = 10_000

    def pauses(self) -> Iterator[float]:
        """Seconds to sleep before each attempt."""
        yield 0.0
        for i in range(self.tries - 1):
            yield self.pause_s * 2**i


class BufferedSink(ABC, Generic[Item]):
    """Keeps records until they are sent: a sink that is down for a moment loses nothing and blocks nobody.

    A write sends at once when it can; when it cannot, the records wait, and the next writes try again after a pause.
    Only a flush, or a write into a full buffer, insists; then SinkError says what, where and what to do, the buffer is
    kept, and flushing again goes on where it stopped.

    A sink that extends it has `errors`, what a send may raise that waiting can heal, `advice`, what to do when it does
    not heal, and four methods: `_encode(records)`, the items that `_send(items)` writes, all or none; `_position()`,
    which makes what was sent durable and returns the position; `_release()`, which lets go.
    """

    errors: tuple[type[Exception], ...]
    """What a send may raise that waiting can heal."""
    advice: str
    """What to do when it does not heal."""

    def __init__(
        self,
        where: str,
        patience: Patience,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._where = where
        self._patience = patience
        self._sleep = sleep
        self._clock = clock
        self._buffer: list[Item] = []
        self._retry_s = 0.0
        self._closed = False
        self.failures = 0
        """Attempts to write that failed."""

    @abstractmethod
    def _encode(self, records: list[Record]) -> list[Item]:
        """The records in the form that `_send` takes."""

    @abstractmethod
    def _send(self, items: list[Item]) -> None:
        """Writes all of them or none."""

    @abstractmethod
    def _position(self) -> Any:
        """Makes what was sent durable and returns the position."""

    @abstractmethod
    def _release(self) -> None:
        """Lets go of file or connection."""

    @property
    def waiting(self) -> int:
        """Records that are not sent yet."""
        return len(self._buffer)

    def write(self, records: list[Record]) -> None:
        items = self._encode(records)
        if self._buffer and len(self._buffer) + len(items) > self._patience.buffer_max:
            self._insist(self._drain)
        self._buffer += items
        if self._clock() >= self._retry_s:
            try:
                self._drain()
            except self.errors as error:
                self.failures += 1
                self._retry_s = self._clock() + self._patience.pause_s * 2**self._patience.tries
                _log.warning("%s is down (%s); %d records wait", self._where, error, len(self._buffer))

    def flush(self) -> Any:
        return self._insist(self._drain_and_sync)

    def close(self) -> None:
        if not self._closed:
            try:
                self.flush()
            finally:
                self._closed = True
                self._release()

    def _drain(self) -> None:
        if self._buffer:
            self._send(self._buffer)
            self._buffer = []

    def _drain_and_sync(self) -> Any:
        self._drain()
        return self._position()

    def _insist(self, action: Callable[[], Any]) -> Any:
        reason: Exception | None = None
        for pause_s in self._patience.pauses():
            if pause_s:
                self._sleep(pause_s)
            try:
                return action()
            except self.errors as error:
                self.failures += 1
                reason = error
        raise SinkError(
            f"{self._where}: cannot write after {self._patience.tries} tries: {reason};"
            f" {len(self._buffer)} records wait in memory; {self.advice}"
        ) from reason
