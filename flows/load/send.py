"""The sender: an open loop, in which nobody who is slow delays what is due."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from flows.kafka.address import Topic
from flows.kafka.errors import in_words
from flows.kafka.topics import Heard, partition_counts
from flows.load.events import due_at
from state.errors import SinkError
from state.types import F64

if TYPE_CHECKING:
    from confluent_kafka import Producer

_TICK_S: Final = 0.01
_QUEUE: Final = 2_000_000
OnProgress = Callable[[int], None]
"""Told how many events are sent."""


@dataclass
class Sent:
    """What was sent.

    start_s: Unix time at which the first event was due; event i is due i / rate later.  users: of each event, by
    number.  late_s: how far behind its due time the sender was at worst.  failed: events that brokers did not take.
    """

    start_s: float
    rate: float
    users: list[bytes] = field(default_factory=list)
    late_s: float = 0.0
    failed: Counter[str] = field(default_factory=Counter)

    @property
    def due_s(self) -> F64:
        """(n,) Unix time at which each event was due."""
        return self.start_s + np.arange(len(self.users)) / self.rate


def send(lines: Iterable[bytes], rate: float, to: Topic, tick: OnProgress) -> Sent:
    """Sends each line when it is due, keyed by its account, with that moment as its event time.

    rate: events per second.  Raises SinkError for a topic that is not there; what brokers refuse later is counted.
    """
    heard = Heard()
    producer = to.connection.producer(
        {
            "error_cb": heard,
            "allow.auto.create.topics": False,
            "queue.buffering.max.messages": _QUEUE,
            "queue.buffering.max.kbytes": 1 << 20,
            "linger.ms": 5,
        }
    )
    partition_counts(producer, heard, to.connection.address, (to.name,), SinkError)
    # A moment to come, so that the first lines are there when they are due.
    sent = Sent(time.time() + 0.5, rate)
    clock_s = time.monotonic() + 0.5

    def told(error: Any, _: Any) -> None:
        if error is not None:
            sent.failed[in_words(error)] += 1

    for line in lines:
        number = len(sent.users)
        ahead_s = clock_s + number / rate - time.monotonic()
        while ahead_s > 0:
            producer.poll(min(ahead_s, _TICK_S))
            tick(number)
            ahead_s = clock_s + number / rate - time.monotonic()
        sent.late_s = max(sent.late_s, -ahead_s)
        value, user = due_at(line, int((sent.start_s + number / rate) * 1000))
        _produce(producer, to.name, value, user, told)
        sent.users.append(user)
    producer.flush(30)
    return sent


def _produce(producer: "Producer", topic: str, value: bytes, key: bytes, told: Callable[[Any, Any], None]) -> None:
    while True:
        try:
            producer.produce(topic, value, key, on_delivery=told)
        except BufferError:
            producer.poll(_TICK_S)  # late, and counted as such
        else:
            return
