"""A Kafka topic as a sink: idempotent, in order for each key, and each record once, whatever was killed meanwhile."""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import orjson

from flows.kafka.connection import Connection
from flows.kafka.errors import in_words, is_lasting
from flows.kafka.topics import TIMEOUT_S, Heard, ask, partition_counts
from flows.sinks.base import Patience, Record
from flows.streams import Stream
from state.errors import SinkError

if TYPE_CHECKING:
    from confluent_kafka import Producer

_log: Final = logging.getLogger("driftnet.kafka")
ID_HEADER: Final = "driftnet-id"
_POLL_S: Final = 0.25
_TRANSACTION_MS: Final = 300_000
_KNOWN_S: Final = 3600.0
"""What has not come again after so long will not: a live run whose idle clock went otherwise may find other things."""
_Place = tuple[int, int]
"""Partition and offset."""


@dataclass(frozen=True, slots=True)
class _Item:
    key: bytes
    value: bytes
    id: bytes


class KafkaWriter:
    """Hands records to a producer at once, and keeps them until the brokers have them.

    A write waits only when patience.buffer_max records are under way; a flush waits until all are there. The producer
    sends again for as long as waiting can heal; brokers that are away for longer than delivery_s, and what waiting does
    not heal, raise SinkError, and nothing is forgotten.

    resume_position: "partition" -> next offset, of an earlier `flush`. What was written since, by a run that was killed
    before it could save its state, is read back, and not written again when it comes again.

    transactional_id: if not empty, records become visible (to read_committed) with the flush, all or none, and an
    earlier writer of the same id is shut out.
    """

    def __init__(
        self,
        connection: Connection,
        topic: str,
        stream: Stream,
        resume_position: Mapping[str, int] | None = None,
        transactional_id: str = "",
        delivery_s: float = 120.0,
        patience: Patience | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._connection = connection
        self._topic = topic
        self._stream = stream
        self._transactional_id = transactional_id
        self._delivery_s = delivery_s
        self._buffer_max = (patience or Patience()).buffer_max
        self._clock = clock
        self._where = f"Kafka at {connection.address}, topic {topic}"
        self._waiting: dict[int, _Item] = {}
        """Records that are not known to be safe, by number, in order."""
        self._last = self._given = 0
        """Numbers of the last record that was taken, and of the last one that the producer has."""
        self._acknowledged = 0
        """Records of the open transaction that the brokers have."""
        self._in_transaction = False
        self._life = 0
        self._failed: Any = None
        self._closed = self._given_up = False
        self.failures = 0
        """Times that something was not delivered, and had to be sent again or given up."""
        self._heard = Heard()
        self._producer = self._connect()
        partitions = partition_counts(self._producer, self._heard, connection.address, (topic,), SinkError)
        self._next = self._ends(partitions[topic])
        self._known: dict[bytes, list[_Place]] = {}
        """Records that are there, and have not come again yet: id -> where, in the order of the partition."""
        self._known_until_s = clock() + _KNOWN_S
        if resume_position is not None:
            self._read_back(resume_position)

    @property
    def waiting(self) -> int:
        """Records that are not known to be safe yet."""
        return len(self._waiting)

    def write(self, records: list[Record]) -> None:
        """Raises SinkError when too many records wait, and cannot be delivered."""
        for record in records:
            item = self._encode(record)
            if self._is_known(item):
                continue
            if len(self._waiting) >= self._buffer_max:
                self.flush()
            self._last += 1
            self._waiting[self._last] = item
        self._give()

    def flush(self) -> dict[str, int]:
        """Waits until all is delivered, and commits it; returns where the topic's partitions go on.

        Raises SinkError; the records are kept, and another flush tries again.
        """
        # Who has given up already is not made to wait again for the sake of an orderly end.
        until_s = self._clock() + (0.0 if self._closed and self._given_up else self._delivery_s)
        while self._waiting:
            if self._failed is not None:
                self._start_over()
            self._give()
            self._producer.flush(_POLL_S)
            if self._failed is None and self._in_transaction and self._acknowledged == len(self._waiting):
                self._commit()
            if self._failed is not None and is_lasting(self._failed):
                raise self._undelivered(in_words(self._failed))
            if self._waiting and self._clock() > until_s:
                why = f": {in_words(self._heard.error)}" if self._heard.error is not None else ""
                raise self._undelivered(f"no answer for {self._delivery_s:g} s{why}")
        self._given_up = False
        return self._position()

    def _position(self) -> dict[str, int]:
        """Where the partitions go on; where a known record has not come again yet, there: the next run must know it."""
        found = dict(self._next)
        if self._known and self._clock() > self._known_until_s:
            _log.warning("%s: %d records that were written before did not come again", self._where, len(self._known))
            self._known = {}
        for places in self._known.values():
            for partition, offset in places:
                found[partition] = min(found[partition], offset)
        return {str(partition): offset for partition, offset in sorted(found.items())}

    def _is_known(self, item: _Item) -> bool:
        """Whether the record is there already; each one that is there counts once."""
        places = self._known.get(item.id)
        if places is None:
            return False
        places.pop(0)
        if not places:
            del self._known[item.id]
        return True

    def close(self) -> None:
        """Flushes and lets go."""
        if not self._closed:
            self._closed = True
            try:
                self.flush()
            finally:
                self._take_back()

    def _encode(self, record: Record) -> _Item:
        value = orjson.dumps(record)
        told = self._stream.records
        key = "/".join(str(record.get(field, "")) for field in told.key).encode()
        name = record.get(told.id) if told.id else None
        return _Item(key, value, str(name or hashlib.blake2b(value, digest_size=16).hexdigest()).encode())

    def _connect(self) -> "Producer":
        own: dict[str, Any] = {
            "enable.idempotence": True,
            "allow.auto.create.topics": False,
            "error_cb": self._heard,
            # For ever: what gives up, and says what waits, is `flush`. A producer that gave up would go on with the
            # next record, and change their order.
            "message.timeout.ms": 0,
            # Room for what may wait, whatever its size.
            "queue.buffering.max.messages": 0,
            "queue.buffering.max.kbytes": 1 << 20,
        }
        if not self._transactional_id:
            return self._connection.producer(own)
        timeouts = {"message.timeout.ms": _TRANSACTION_MS, "transaction.timeout.ms": _TRANSACTION_MS}
        producer = self._connection.producer(own | timeouts | {"transactional.id": self._transactional_id})
        self._ask(lambda: producer.init_transactions(self._delivery_s))
        return producer

    def _give(self) -> None:
        """Hands the producer what it does not have, as far as it takes it."""
        from confluent_kafka import KafkaException

        try:
            while self._given < self._last and self._failed is None:
                if self._transactional_id and not self._in_transaction:
                    self._producer.begin_transaction()
                    self._in_transaction = True
                item = self._waiting[self._given + 1]
                headers: list[tuple[str, Any]] = [(ID_HEADER, item.id), ("driftnet-stream", self._stream.encode())]
                told = partial(self._told, self._life, self._given + 1)
                self._producer.produce(self._topic, item.value, item.key, headers=headers, on_delivery=told)
                self._given += 1
        except BufferError:
            pass  # what is under way makes room
        except KafkaException as error:
            self._failed = error.args[0]
        self._producer.poll(0)

    def _told(self, life: int, number: int, error: Any, message: Any) -> None:
        """What became of a record."""
        if life != self._life:
            return
        if error is not None:
            self._failed = self._failed or error
            return
        partition = message.partition()
        self._next[partition] = max(self._next.get(partition, 0), message.offset() + 1)
        if self._transactional_id:
            self._acknowledged += 1
        else:
            del self._waiting[number]

    def _commit(self) -> None:
        from confluent_kafka import KafkaException

        try:
            self._producer.commit_transaction(self._delivery_s)
        except KafkaException as error:
            if not error.args[0].retriable():
                self._failed = error.args[0]
            return
        self._waiting.clear()
        self._in_transaction, self._acknowledged = False, 0

    def _start_over(self) -> None:
        """Takes everything back from the producer, to give it again in order."""
        from confluent_kafka import KafkaException

        why = self._failed
        self.failures += 1
        _log.warning("%s: %s; %d records are sent again", self._where, in_words(why), len(self._waiting))
        self._take_back()
        try:
            if self._in_transaction and not why.fatal():
                self._producer.abort_transaction(self._delivery_s)
            elif why.fatal():
                self._producer = self._connect()
        except KafkaException as error:
            raise self._undelivered(in_words(error.args[0])) from error
        self._in_transaction, self._acknowledged, self._failed = False, 0, None
        self._given = min(self._waiting) - 1

    def _take_back(self) -> None:
        """The producer forgets what it has, without a word."""
        from confluent_kafka import KafkaException

        self._life += 1
        with suppress(KafkaException):  # of one that was shut out
            self._producer.purge()
            self._producer.flush(_POLL_S)

    def _undelivered(self, why: str) -> SinkError:
        self._given_up = True
        self.failures += 1
        return SinkError(
            f"{self._where}: {len(self._waiting)} records of the {self._stream} are not delivered: {why}. None is lost:"
            " they come again when the run goes on from its last checkpoint"
        )

    def _ask(self, question: Callable[[], Any]) -> Any:
        """Raises SinkError when the brokers do not answer, or say no."""
        from confluent_kafka import KafkaException

        try:
            return ask(question)
        except KafkaException as error:
            raise SinkError(f"{self._where}: {in_words(self._heard.or_else(error.args[0]))}") from error

    def _ends(self, partitions: int) -> dict[int, int]:
        """The next offset of each partition, now."""
        from confluent_kafka import TopicPartition

        consumer = self._connection.consumer({"group.id": "driftnet", "error_cb": self._heard})

        def end(partition: int) -> int:
            return consumer.get_watermark_offsets(TopicPartition(self._topic, partition), TIMEOUT_S)[1]

        try:
            return {p: self._ask(partial(end, p)) for p in range(partitions)}
        finally:
            consumer.close()

    def _read_back(self, position: Mapping[str, int]) -> None:
        """Gets to know the records behind a position."""
        from confluent_kafka import TopicPartition

        own = {
            "group.id": "driftnet",
            "error_cb": self._heard,
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "fetch.wait.max.ms": 20,
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
        }
        behind = set(self._next)
        consumer = self._connection.consumer(own)
        consumer.assign([TopicPartition(self._topic, p, position.get(str(p), 0)) for p in behind])
        until_s = self._clock() + self._delivery_s
        while behind:
            for message in consumer.consume(1000, _POLL_S):
                error = message.error()
                if error is None:
                    place: Any = message.partition(), message.offset()
                    self._next[place[0]] = max(self._next[place[0]], place[1] + 1)
                    headers: Any = message.headers() or ()
                    for value in (value for name, value in headers if name == ID_HEADER):
                        self._known.setdefault(value, []).append(place)
                elif error.name() == "_PARTITION_EOF":
                    behind.discard(message.partition() or 0)
                elif is_lasting(error):
                    raise SinkError(f"{self._where}: what was written since the checkpoint: {in_words(error)}")
            if self._clock() > until_s:
                raise SinkError(f"{self._where}: what was written since the checkpoint cannot be read: no answer")
        consumer.close()
        if self._known:
            _log.info("%s: %d records were written after the checkpoint", self._where, len(self._known))
