"""Topics of Kafka: each partition is read in order by one consumer, from an offset that is part of our own state.

Assigned, not subscribed: which process reads what is fixed for a run, and no rebalance ever moves it.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, TypedDict

from flows.formats.base import FormatSpec, decode
from flows.kafka.connection import Connection
from flows.kafka.errors import in_words, is_lasting
from flows.kafka.metadata import with_metadata
from flows.kafka.topics import TIMEOUT_S, Heard, Start, ask, partition_counts, partition_name, start_offset
from flows.sources.base import Lines
from flows.wire.reject import Reason, Why
from state.errors import SourceError

if TYPE_CHECKING:
    from confluent_kafka import Consumer

_log: Final = logging.getLogger("driftnet.kafka")
WAIT_S: Final = 0.05
"""The longest time that a read of a bounded run waits; in a live one others are waiting."""
PROBE_S: Final = 5.0
"""A partition that has given nothing for this long is asked whether there is nothing, or nobody who could tell."""
_PROBE_TIMEOUT_S: Final = 1.0
_REFUSALS: Final = 3
"""Probes in a row; brokers that have just been started may not know their topics for a moment."""
_BUFFERED_MESSAGES: Final = 20_000

OnLost = Literal["fail", "earliest", "latest"]


@dataclass(frozen=True, slots=True)
class KafkaSpec:
    """Topics as a source; each of their partitions is one of ours, called name/topic/partition.

    group: where offsets are told to ordinary tools; nothing is read back from there, but for start = "committed".
    start: where a partition begins that no saved state knows.  until: None to go on for ever; "now" for what is there
    when a partition is opened; or "topic/partition" -> the offset to stop before.  on_lost: what to do when the brokers
    no longer have the offset to go on from.  buffer_bytes: of messages fetched ahead, per partition.
    metadata: whether values get the members of flows.kafka.metadata.  format: None for JSON.
    """

    connection: Connection
    topics: tuple[str, ...]
    name: str = "kafka"
    group: str = "driftnet"
    start: Start = "earliest"
    until: Literal["now"] | Mapping[str, int] | None = None
    on_lost: OnLost = "fail"
    buffer_bytes: int = 16 << 20
    metadata: bool = False
    format: FormatSpec | None = None

    def partition_names(self) -> list[str]:
        """All partitions of all topics.  Raises SourceError for brokers that do not answer and topics they lack."""
        heard = Heard()
        client = self.connection.consumer({"group.id": self.group, "error_cb": heard})
        try:
            counts = partition_counts(client, heard, self.connection.address, self.topics)
        finally:
            client.close()
        return [self._name(topic, number) for topic, count in counts.items() for number in range(count)]

    def open(self, name: str) -> "KafkaPartition":
        """A reader at the configured start of one partition.  Raises SourceError."""
        topic, _, number = name.removeprefix(f"{self.name}/").rpartition("/")
        return KafkaPartition(self, name, topic, int(number))

    def pinned(self) -> "KafkaSpec":
        """The same with start and until as the offsets that they stand for now.  Raises SourceError."""
        starts: dict[str, int] = {}
        ends: dict[str, int] = {}
        for name in self.partition_names():
            reader = self.open(name)
            starts[name.removeprefix(f"{self.name}/")] = reader.position()["offset"]
            if reader.until is not None:
                ends[name.removeprefix(f"{self.name}/")] = reader.until
            reader.close()
        return replace(self, start=starts, until=None if self.until is None else ends)

    def _name(self, topic: str, number: int) -> str:
        return f"{self.name}/{partition_name(topic, number)}"


class Position(TypedDict):
    """The next offset to read."""

    offset: int


class KafkaPartition:
    """Offsets are Kafka's; `source` is topic/partition.  A tombstone is a line of no bytes, refused as one.

    While the brokers cannot be reached, reads give no lines and do not call the partition idle: what was produced in
    the meantime is then not late.
    """

    size_bytes = None
    done_bytes = None
    ends_for_good = True
    """Where there is an end, it was chosen."""

    def __init__(
        self,
        spec: KafkaSpec,
        name: str,
        topic: str,
        number: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._spec = spec
        self._topic = topic
        self._number = number
        self._where = f"Kafka at {spec.connection.address}, {partition_name(topic, number)}"
        self._clock = clock
        self._format = None if spec.format is None else spec.format.build()
        self._heard = Heard()
        self._consumer = self._connect()
        self.until: int | None = None
        self._next = 0
        self._ask(self._begin)
        self._high = self._next
        self._end_seen = False
        self._probe_at = clock() + PROBE_S
        self._refusals = 0
        self._warned_at: dict[str, float] = {}

    def read(self, max_lines: int) -> Lines | None:
        """The messages that were fetched, at most max_lines, maybe none; None at the end.  Raises SourceError."""
        if self.until is not None and self._next >= self.until:
            return None
        found = self._consumer.consume(max_lines, WAIT_S if self.until is not None else 0.0)
        messages: list[Any] = [message for message in found if message.error() is None]
        if len(messages) < len(found):
            for message in found:
                if (error := message.error()) is not None:
                    self._meet(error, message.offset() or 0)
        if self.until is not None and messages and messages[-1].offset() >= self.until:
            messages = [message for message in messages if message.offset() < self.until]
            self._next = self.until
        if not messages:
            return self._nothing()
        self._end_seen = False
        self._probe_at = self._clock() + PROBE_S
        self._next = max(self._next, messages[-1].offset() + 1)
        return self._lines(messages)

    @property
    def lag(self) -> int:
        """How many offsets before the partition's end, as far as the brokers have told."""
        high = self._consumer.get_watermark_offsets(self._partition(), cached=True)[1]
        self._high = max(self._high, high)
        return max(self._high - self._next, 0)

    def position(self) -> Position:
        """The next offset."""
        return Position(offset=self._next)

    def seek(self, position: Position) -> None:
        """Goes to a `position()`.  Raises SourceError when the brokers have deleted what is there."""
        self._next = position["offset"]
        self._ask(self._check_kept)
        self._assign()

    def saved(self, position: Position) -> None:
        """Tells the consumer group, for the eyes of ordinary tools."""
        from confluent_kafka import KafkaException

        try:
            self._consumer.commit(offsets=[self._partition(position["offset"])], asynchronous=True)
        except KafkaException as error:
            self._warn(error.args[0])

    def expect_more(self) -> None:
        """Makes no difference."""

    def close(self) -> None:
        """Leaves; what was told to the group but is still under way is waited for."""
        self._consumer.close()

    def _connect(self) -> "Consumer":
        spec = self._spec
        return spec.connection.consumer(
            {
                "group.id": spec.group,
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "queued.max.messages.kbytes": max(spec.buffer_bytes >> 10, 1),
                "queued.min.messages": _BUFFERED_MESSAGES,
                "error_cb": self._heard,
                "on_commit": self._told,
            }
        )

    def _partition(self, offset: int = 0) -> Any:
        from confluent_kafka import TopicPartition

        return TopicPartition(self._topic, self._number, offset)

    def _ask(self, question: Callable[[], None]) -> None:
        """Raises SourceError when the brokers do not answer."""
        from confluent_kafka import KafkaException

        try:
            ask(question)
        except KafkaException as error:
            why = self._heard.or_else(error.args[0])
            self._consumer.close()
            raise SourceError(f"{self._where}: {in_words(why)}") from error

    def _begin(self) -> None:
        spec = self._spec
        self._next = start_offset(self._consumer, self._topic, self._number, spec.start)
        if spec.until == "now":
            self.until = self._consumer.get_watermark_offsets(self._partition(), TIMEOUT_S)[1]
        elif spec.until is not None:
            self.until = spec.until.get(partition_name(self._topic, self._number), 0)
        self._check_kept()
        self._assign()

    def _assign(self) -> None:
        self._consumer.assign([self._partition(self._next)])

    def _check_kept(self) -> None:
        low, _ = self._consumer.get_watermark_offsets(self._partition(), TIMEOUT_S)
        if self._next < low:
            self._lose()

    def _lose(self) -> None:
        """The offset to go on from is not there."""
        low, high = self._consumer.get_watermark_offsets(self._partition(), TIMEOUT_S)
        seen = f"{self._where}: the offset to go on from, {self._next}, is not there; the partition has {low} to {high}"
        if self._spec.on_lost == "fail":
            raise SourceError(
                f"{seen}. Retention has deleted it, or the topic was made anew. Start from a savepoint or in an empty"
                ' state directory, or accept the gap: on_lost = "earliest" or "latest"'
            )
        self._next = low if self._spec.on_lost == "earliest" else high
        _log.error("%s; going on at %d (on_lost = %r)", seen, self._next, self._spec.on_lost)
        self._assign()

    def _meet(self, error: Any, offset: int) -> None:
        """One of the errors that come in place of messages."""
        name = error.name()
        if name == "_PARTITION_EOF":
            self._end_seen = True
            self._high = max(self._high, offset)
            if self.until is not None and offset >= self.until:
                self._next = self.until  # what lies between, if anything, are marks of transactions
        elif name in ("_AUTO_OFFSET_RESET", "OFFSET_OUT_OF_RANGE"):
            self._ask(self._lose)
        elif is_lasting(error):
            raise SourceError(f"{self._where}: {in_words(error)}")
        else:
            self._warn(error)

    def _nothing(self) -> Lines:
        """No lines; idle when the brokers have said lately that there are none."""
        if self._heard.error is not None:
            self._warn(self._heard.error)
            self._end_seen = False
        if self._clock() >= self._probe_at:
            self._end_seen = self._probe()
            self._probe_at = self._clock() + PROBE_S
        self._heard.error = None
        return Lines((), (), partition_name(self._topic, self._number), idle=self._end_seen)

    def _probe(self) -> bool:
        """Whether the brokers say that there is nothing more.  Raises SourceError when they keep refusing to say."""
        from confluent_kafka import KafkaException

        try:
            high = self._consumer.get_watermark_offsets(self._partition(), _PROBE_TIMEOUT_S)[1]
        except KafkaException as error:
            why = self._heard.or_else(error.args[0])
            self._refusals = self._refusals + 1 if is_lasting(why) else 0
            if self._refusals >= _REFUSALS:
                raise SourceError(f"{self._where}: {in_words(why)}") from error
            self._warn(why)
            return False
        self._refusals = 0
        return high <= self._next

    def _warn(self, error: Any, every_s: float = 30.0) -> None:
        now_s = self._clock()
        if now_s >= self._warned_at.get(error.name(), 0.0):
            self._warned_at[error.name()] = now_s + every_s
            _log.warning("%s: %s; waiting for it to heal", self._where, in_words(error))

    def _told(self, error: Any, _: Any) -> None:
        if error is not None:
            _log.warning("%s: group %s was not told the offset: %s", self._where, self._spec.group, in_words(error))

    def _lines(self, messages: Sequence[Any]) -> Lines:
        values = [message.value() for message in messages]
        refused: dict[int, Why] = {}
        if None in values:
            for row, value in enumerate(values):
                if value is None:
                    refused[row] = Reason.TOMBSTONE, f"no value, key {_text(messages[row].key())}"
                    values[row] = b""
        if self._format is not None:
            decode(self._format, values, refused)
        lines = [*map(with_metadata, values, messages)] if self._spec.metadata else values
        offsets = [message.offset() for message in messages]
        return Lines(lines, offsets, partition_name(self._topic, self._number), refused)


def _text(key: bytes | None) -> str:
    return "none" if key is None else repr(key[:80].decode(errors="replace"))
