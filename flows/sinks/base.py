"""Sink, what opens one, and what the sinks that can be down for a moment share: a bounded buffer and patience."""

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

from flows.streams import Stream
from state.errors import SinkError

_log = logging.getLogger(__name__)

Record = dict[str, Any]
Item = TypeVar("Item")
Names = Mapping[str, Sequence[str]]
"""The job's "features" and "detectors", which are columns of tables."""


class Delivery(StrEnum):
    """What becomes of a record that comes again, after a kill or in a second run.

    upsert: it takes the place of what was there under its id.  position: what was written since the position that a run
    goes on from is taken back, or known again; a run that begins anew adds.  again: it may be there twice, under the
    same id where it has one.  None of them loses a record.
    """

    UPSERT = "upsert"
    POSITION = "position"
    AGAIN = "again"


class Sink(Protocol):
    """The end of one output stream."""

    def write(self, records: list[Record]) -> None:
        """Takes records that orjson can write. Raises SinkError, and takes none, when the sink stays down."""

    def flush(self) -> Any:
        """Makes everything taken durable; returns a JSON value, the position to resume from. Raises SinkError."""

    def close(self) -> None:
        """Flushes and lets go. A second call does nothing."""


class SinkSpec(Protocol):
    """A sink as it is configured: picklable, and opened in whichever process writes."""

    @property
    def name(self) -> str:
        """Kind and place: what tells it from the other sinks of a stream.  Stable over restarts, and no secret."""

    def open(self, opening: "Opening") -> Sink:
        """The sink at work.  Raises SinkError, ConfigError."""


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

    tries: attempts of a flush, with pauses that start at pause_s and double (6 tries: 1.6 s of pauses) up to
    pause_s_max.  buffer_max: records kept meanwhile; a write beyond it flushes first.
    """

    tries: int = 6
    pause_s: float = 0.05
    buffer_max: int = 10_000
    pause_s_max: float = 5.0

    def pause(self, after: int) -> float:
        """Seconds to sleep after so many attempts, at least 1."""
        return min(self.pause_s * 2.0 ** min(after - 1, 30), self.pause_s_max)

    def pauses(self) -> Iterator[float]:
        """Seconds to sleep before each attempt."""
        yield 0.0
        for i in range(1, self.tries):
            yield self.pause(i)

    def lasting(self, outage_s: float) -> "Patience":
        """The same with as many attempts as it takes until the pauses alone last so long, at least those it has."""
        tries, slept_s = 1, 0.0
        while self.pause_s > 0 and slept_s < outage_s:
            slept_s += self.pause(tries)
            tries += 1
        return replace(self, tries=max(self.tries, tries))


@dataclass(frozen=True, slots=True)
class Opening:
    """What a sink is opened for.

    stream: whose records come; `stream.records` says what they have.  position: what `flush` returned when the state to
    resume from was saved; None to begin.  run_id: a name that no other run has.  names: the job's "features" and
    "detectors".  patience: how long to try.
    """

    stream: Stream
    position: Any = None
    run_id: str = ""
    names: Names = field(default_factory=dict)
    patience: Patience = field(default_factory=Patience)


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
        """Writes all of them or none; or the first of them, and takes those off the list."""

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
                self._retry_s = self._clock() + self._patience.pause(self._patience.tries + 1)
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

    def _briefly(self, action: Callable[[], Any]) -> None:
        """Does what a sink begins with: who starts a run is told soon that there is nobody.  Raises SinkError."""
        lasting, self._patience = self._patience, Patience()
        try:
            self._insist(action)
        finally:
            self._patience = lasting

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
