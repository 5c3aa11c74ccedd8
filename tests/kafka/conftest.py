"""A broker for each test process: the one that DRIFTNET_KAFKA names, Apache Kafka where its jars are, else Tansu."""

from collections.abc import Iterator

import pytest

from tests.kafka.brokers import GIVEN, JARS, apache, tansu
from tests.kafka.topics import Cluster


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Topics to make, write and read."""
    if GIVEN:
        yield Cluster(GIVEN)
        return
    with (apache if JARS else tansu)(tmp_path_factory.mktemp("broker")) as broker:
        yield Cluster(broker.address)
