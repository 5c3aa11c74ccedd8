"""Topics of Kafka keep the contracts of sources and sinks that plug-ins are held to."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from flows.config.kafka import KafkaConfig, KafkaSinkConfig
from flows.contract.job import events
from flows.contract.trial import SinkTrial, SourceTrial
from tests.contract.trials import Places, ids, trials
from tests.kafka.brokers import Broker, tansu
from tests.kafka.topics import Cluster

SECRET = "hunter2-of-the-brokers"
LINES = [*events()[:40], b"not JSON", *events()[40:80]]


@dataclass
class Topics(Places):
    """Of a broker, which is not there where the checks are only named."""

    broker: Broker | None = None

    @property
    def brokers(self) -> str:
        return self.broker.address if self.broker is not None else "127.0.0.1:1"

    def create(self, partitions: int = 1) -> str:
        return Cluster(self.brokers).create(partitions) if self.broker is not None else "t"


@contextmanager
def paused(broker: Any) -> Iterator[None]:
    """Its clients get no answers."""
    broker.pause()
    try:
        yield
    finally:
        broker.resume()


def sink(place: Topics) -> SinkTrial:
    """A topic of its own for each trial; records of a subject are in one partition."""

    def read(settings: KafkaSinkConfig) -> list[Any]:
        return [json.loads(message.value()) for message in Cluster(settings.brokers).read(settings.topic, 2)]

    def fresh() -> KafkaSinkConfig:
        client = {"ssl.key.password": SECRET}
        return KafkaSinkConfig(kind="kafka", brokers=place.brokers, topic=place.create(2), client=client)

    return SinkTrial(fresh, read, outage=lambda settings: paused(place.broker), outage_s=3.0, secret=SECRET)


def source(place: Topics) -> SourceTrial:
    """Two partitions, until what is there now."""
    topic = place.create(2)
    if place.broker is not None:
        for number, part in enumerate((LINES[:50], LINES[50:])):
            Cluster(place.brokers).lines(topic, part, number)
    client = {"ssl.key.password": SECRET}
    settings = KafkaConfig(kind="kafka", brokers=place.brokers, topics=(topic,), client=client)
    return SourceTrial(lambda: settings, LINES, SECRET)


@pytest.mark.parametrize("check", trials(sink, source, place=Topics), ids=ids)
def test_contract(check: Any, tmp_path: Path) -> None:
    """What a job relies on."""
    place = Topics(tmp_path)
    with tansu(tmp_path) as place.broker:
        check(place)
