"""Kafka's records in and out, on the mock brokers that the client library brings: no network, one process.

The timer of the layers counts CPU, the client's threads and the brokers' included: what is ours is the difference to
the plain client, which takes the same messages and looks at nothing but their values.
"""

from collections.abc import Iterator
from itertools import count
from typing import Any

import numpy as np
import orjson
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.cases.layers import Size, fingerprint, fresh, tell
from bench.cases.test_sinks import _alert
from bench.scenarios import SCENARIOS
from detectors.base import Rows
from flows.kafka.connection import Connection
from flows.operators.population.join import LabelJoin
from flows.sinks.kafka import KafkaWriter
from flows.sources.kafka import KafkaPartition, KafkaSpec
from flows.streams import Stream
from flows.wire.told import Label
from state.types import DAY_US, MINUTE_US

confluent_kafka = pytest.importorskip("confluent_kafka")
_BATCH = 8192
_TOPICS = 4


@pytest.fixture(scope="module")
def brokers() -> Iterator[str]:
    """The address of a mock cluster.  It keeps the last 5 MB of a partition."""
    cluster = confluent_kafka.Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1, "log_level": 0})
    for number in range(_TOPICS):
        cluster.produce(f"alerts-{number}", b"{}")  # which makes the topic
    cluster.flush(10)
    yield ",".join(f"{b.host}:{b.port}" for b in cluster.list_topics(timeout=10).brokers.values())
    cluster.flush(1)  # it lives as long as its client


def _fill(brokers: str, lines: list[bytes]) -> None:
    producer = confluent_kafka.Producer({"bootstrap.servers": brokers, "linger.ms": 5})
    for line in lines:
        producer.produce("plays", line, partition=0, headers=[("tenant", b"eu")])
        producer.poll(0)
    assert producer.flush(30) == 0


class Plain:
    """The client alone: values of messages, and no question asked."""

    def __init__(self, brokers: str, messages: int) -> None:
        self._left = messages
        self._consumer = confluent_kafka.Consumer({"bootstrap.servers": brokers, "group.id": "bench"})
        self._consumer.assign([confluent_kafka.TopicPartition("plays", 0, 0)])

    def drain(self) -> list[bytes]:
        """All values."""
        found: list[bytes] = []
        while len(found) < self._left:
            found += [message.value() for message in self._consumer.consume(_BATCH, 0.05)]
        self._consumer.close()
        return found


class Source:
    """A source partition, up to where the topic ends."""

    def __init__(self, spec: KafkaSpec) -> None:
        self._reader: KafkaPartition = spec.open("kafka/plays/0")

    def drain(self) -> list[bytes]:
        """All lines."""
        found: list[bytes] = []
        while (lines := self._reader.read(_BATCH)) is not None:
            found += lines.lines
        self._reader.close()
        return found


@pytest.fixture(scope="module")
def filled(brokers: str, size: Size) -> tuple[str, list[bytes]]:
    """A topic of plays, and what is in it."""
    lines = SCENARIOS["uniform"].lines(size(500, 10_000))
    _fill(brokers, lines)
    return brokers, lines


@pytest.mark.benchmark(group="kafka")
@pytest.mark.parametrize("reader", ["client", "source", "metadata"])
def test_read(benchmark: BenchmarkFixture, filled: tuple[str, list[bytes]], reader: str) -> None:
    """All messages of a partition: by the plain client, as a source, and as one whose lines get metadata."""
    brokers, lines = filled
    spec = KafkaSpec(Connection(brokers), ("plays",), until="now", metadata=reader == "metadata")

    def opened() -> Plain | Source:
        return Plain(brokers, len(lines)) if reader == "client" else Source(spec)

    found = fresh(benchmark, opened, lambda source: source.drain())
    if reader == "metadata":
        read = [orjson.loads(line) for line in found]
        assert [(r["@offset"], r["@headers"]) for r in read] == [(i, {"tenant": "eu"}) for i in range(len(lines))]
        assert all(orjson.loads(line).items() <= r.items() for line, r in zip(lines, read, strict=True))
    else:
        assert found == lines
    tell(benchmark, per="event", n=len(lines), result=fingerprint(b"\n".join(lines)), reader=reader)


@pytest.mark.benchmark(group="kafka")
def test_write(benchmark: BenchmarkFixture, brokers: str, size: Size) -> None:
    """Alert records, 64 at a time, until the brokers have them all."""
    records = [_alert(number) for number in range(size(128, 2_048))]
    numbers = count()

    def opened() -> tuple[KafkaWriter, Any]:
        number = next(numbers)
        warm = KafkaWriter(Connection(brokers), f"alerts-{number % _TOPICS}", Stream.ALERTS)
        warm.write(records[:1])
        warm.flush()  # the producer has its id
        return warm, dict(warm.flush())

    def write(state: tuple[KafkaWriter, Any]) -> int:
        sink, before = state
        for at in range(0, len(records), 64):
            sink.write(records[at : at + 64])
        after = sink.flush()
        sink.close()
        return sum(after.values()) - sum(before.values())

    assert fresh(benchmark, opened, write) == len(records)
    tell(benchmark, per="record", n=len(records), result=fingerprint(repr(records)))


@pytest.mark.benchmark(group="kafka")
def test_label_join(benchmark: BenchmarkFixture, size: Size) -> None:
    """A day's rounds of five minutes wait; every label finds its subject's rows in all of them."""
    users, rounds, labels = size(50, 500), 288, size(5, 100)
    rng = np.random.default_rng(1)
    subject = np.sort(rng.choice(1 << 40, users, replace=False)).astype(np.uint64)
    x, score = rng.random((users, 12)), rng.random(users)
    told = [Label(0, int(s), 1.0, 0, DAY_US) for s in subject[:labels]]

    def waiting() -> LabelJoin:
        join = LabelJoin("w5m", ("judge",), DAY_US, users * rounds)
        for turn in range(rounds):
            end = np.full(users, (turn + 1) * 5 * MINUTE_US)
            join.add(Rows("w5m", int(end[0]), x, subject, end - 5 * MINUTE_US, end), {"judge": score}, score)
        return join

    lesson = fresh(benchmark, waiting, lambda join: join.match(DAY_US, told))
    assert lesson is not None
    assert len(lesson.rows.subject) == labels * rounds
    tell(benchmark, per="row", n=labels * rounds, result=fingerprint(lesson.rows.x), labels=labels)
