"""What tests do with topics, written with the plain client."""

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from flows.kafka.connection import Connection

Record = tuple[bytes | None, bytes | None]
"""Key and value."""


@dataclass(frozen=True)
class Cluster:
    """brokers: where it is.  client: how to speak to it."""

    brokers: str
    client: Mapping[str, Any] = field(default_factory=dict)

    @property
    def connection(self) -> Connection:
        return Connection(self.brokers, tuple(self.client.items()))

    @property
    def properties(self) -> dict[str, Any]:
        return {"bootstrap.servers": self.brokers, **self.client}

    def create(self, partitions: int = 1, name: str = "t", **config: str) -> str:
        """A new topic of a name that no other test has."""
        topic = f"{name}-{uuid.uuid4().hex[:8]}"
        admin = AdminClient(self.properties)
        admin.create_topics([NewTopic(topic, partitions, 1, config=config)])[topic].result()
        while len(admin.list_topics(timeout=10).topics.get(topic, _NOTHING).partitions) < partitions:
            time.sleep(0.05)
        return topic

    def produce(self, topic: str, records: Iterable[Record], partition: int = 0, **more: Any) -> None:
        producer = Producer(self.properties | {"linger.ms": 5})
        given = list(records)
        for key, value in given[:-1]:
            producer.produce(topic, value, key, partition, **more)
            producer.poll(0)
        assert producer.flush(30) == 0
        # A batch of its own: Tansu says that a partition ends after the first record of its last batch.
        for key, value in given[-1:]:
            producer.produce(topic, value, key, partition, **more)
        assert producer.flush(30) == 0

    def lines(self, topic: str, lines: Sequence[bytes], partition: int = 0) -> None:
        self.produce(topic, ((None, line) for line in lines), partition)

    def read(self, topic: str, partitions: int = 1, isolation: str = "read_committed") -> list[Any]:
        """All messages that are there, partition by partition."""
        own = {"group.id": "test", "enable.auto.commit": False, "enable.partition.eof": True, "fetch.wait.max.ms": 20}
        consumer = Consumer(self.properties | own | {"isolation.level": isolation})
        consumer.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
        found: dict[int, list[Any]] = {p: [] for p in range(partitions)}
        ends: set[int] = set()
        while len(ends) < partitions:
            for message in consumer.consume(500, 0.05):
                if message.error() is None:
                    found[message.partition()].append(message)
                else:
                    assert message.error().name() == "_PARTITION_EOF", message.error()
                    ends.add(message.partition())
        consumer.close()
        return [message for p in range(partitions) for message in found[p]]


_NOTHING: Any = SimpleNamespace(partitions={})
