"""What a run on topics says of itself to those who watch it."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.kafka.brokers import Broker, tansu
from tests.kafka.test_run import Job
from tests.kafka.test_source import wait_for
from tests.kafka.topics import Cluster


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """One that a test may end."""
    with tansu(tmp_path) as broker:
        yield broker


def scraped(address: str, name: str) -> dict[str, float]:
    """Of a metric: label value, the first, -> value."""
    with urlopen(f"http://{address}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        samples = [sample for family in families for sample in family.samples if sample.name == name]
    return {next(iter(sample.labels.values())): sample.value for sample in samples}


def test_a_dead_broker_is_seen(broker: Broker, tmp_path: Path) -> None:
    """Its partitions are up until it is gone, and then all of them are not; what had come was counted."""
    job = Job(Cluster(broker.address), tmp_path)
    with job.running("--state-dir", "kept", "--listen", "0"):
        wait_for(lambda: "metrics and health" in job.log(), 40)
        (address,) = re.findall(r"http://(\S+)/metrics", job.log())
        job.pay("quiet", 3, 0, int(time.time() * 1000))
        wait_for(lambda: sum(scraped(address, "driftnet_source_records_total").values()) == 3, 40)
        up = scraped(address, "driftnet_source_up")
        assert len(up) == 2
        wait_for(lambda: set(scraped(address, "driftnet_source_up").values()) == {1.0}, 40)
        assert set(scraped(address, "driftnet_source_lag_records").values()) == {0.0}
        # What waits for a sink when the broker goes is waited for by all else, until it is delivered or given up.
        wait_for(lambda: bool(job.records("scores")), 40)
        wait_for(lambda: min(scraped(address, "driftnet_sink_success_timestamp_seconds").values()) > 0, 40)
        wait_for(lambda: set(scraped(address, "driftnet_sink_waiting_records").values()) == {0.0}, 40)
        broker.kill()
        wait_for(lambda: set(scraped(address, "driftnet_source_up").values()) == {0.0}, 60)
        with urlopen(f"http://{address}/livez", timeout=10) as answer:
            assert answer.status == 200, "it waits, and is alive"
