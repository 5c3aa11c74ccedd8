"""A real run sends what it counts and what happens to a receiver, and says in its log where an alert's trace is."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from prometheus_client.parser import text_string_to_metric_families

from flows.simulate.config import SimulationSpec
from flows.simulate.platform import Platform
from state.types import HOUR_US
from tests.monitoring.otlp import Receiver, Series, attributes_of, receiving, wait_for
from tests.small import SMALL

MOVES = ("_timestamp_seconds", "process_cpu", "resident_memory", "stage_seconds", "disk_free", "busiest", "checkpoint")
"""What these say has another value at every moment."""


def lines() -> list[bytes]:
    platform = Platform(SimulationSpec(users=600, duration_us=5 * HOUR_US, tracks=2_000, partitions=1))
    return [line.rstrip(b"\n") for chunk in platform.lines(platform.partitions()[0]) for line in chunk]


@contextmanager
def running(place: Path, url: str, *more: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A run that reads its standard input, two processes, with the log as JSON in a file."""
    (place / "small.toml").write_text(SMALL)
    command = [sys.executable, "-m", "flows.cli", "--log-format", "json", "run", "small.toml"]
    command += ["--set", 'sources.main={kind="stdin"}', "--state-dir", "kept", "--epoch", "500ms", "--no-print", *more]
    environ = os.environ | {
        "OTEL_EXPORTER_OTLP_ENDPOINT": url,
        "OTEL_METRIC_EXPORT_INTERVAL": "400",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
    }
    with (place / "log").open("ab") as log:
        run = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, cwd=place, env=environ)
    with run:
        try:
            yield run
        finally:
            run.kill()


def logged(place: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (place / "log").read_text().splitlines() if line.startswith('{"')]


def scrape(address: str) -> Series:
    with urlopen(f"http://{address}/metrics", timeout=10) as answer:
        families = text_string_to_metric_families(answer.read().decode())
        return {(f.name, frozenset(s.labels.items())): s.value for f in families for s in f.samples}


def still(series: Series) -> Series:
    """What does not change while nothing happens."""
    return {key: value for key, value in series.items() if not any(word in key[0] for word in MOVES)}


def test_a_run_is_seen_by_a_collector(tmp_path: Path) -> None:
    """Metrics are those of /metrics; checkpoints, a second run's restore and alerts are traces, and the log has the
    ids of alerts and of their traces.
    """
    events = lines()
    half = len(events) // 2
    with receiving() as receiver:
        with running(tmp_path, receiver.url, "--processes", "2", "--listen", "0") as run:
            assert run.stdin is not None
            run.stdin.write(b"\n".join(events[:half]) + b"\n")
            run.stdin.flush()
            (address,) = wait_for(
                lambda: [
                    line["event"].split("http://")[1].split("/")[0]
                    for line in logged(tmp_path)
                    if "metrics and health" in line["event"]
                ]
            )
            read = "driftnet_lines_read", frozenset[tuple[str, str]]()
            wait_for(lambda: scrape(address)[read] > half - 500)
            same_as_scrape(receiver, address)
            run.stdin.close()
            assert run.wait(60) == 0, (tmp_path / "log").read_text()
        first = {span["alert_id"]: span for span in logged(tmp_path) if "alert_id" in span}
        checkpoints(receiver)
        assert receiver.named("restore") == []
        with running(tmp_path, receiver.url) as run:
            assert run.stdin is not None
            run.stdin.write(b"\n".join(events[half:]) + b"\n")
            run.stdin.close()
            assert run.wait(60) == 0, (tmp_path / "log").read_text()
        (restore,) = map(attributes_of, receiver.named("restore"))
        assert restore["driftnet.restore.operators"] == restore["driftnet.restore.parts"] > 3
        assert restore["driftnet.restore.bytes"] > 1_000
    alerts = {attributes_of(span)["driftnet.alert.id"]: span.trace_id.hex() for span in receiver.named("alert")}
    told = {line["alert_id"]: line for line in logged(tmp_path) if "alert_id" in line}
    assert alerts == {alert: line["trace_id"] for alert, line in told.items()}
    assert len(told) > len(first) > 0
    runs = {resource["service.instance.id"] for resource in receiver.resources}
    assert runs == {line["run"] for line in told.values()}
    assert {(line["process"] in (0, 1), line["stage"], line["level"]) for line in told.values()} == {
        (True, "sinks", "info")
    }


def same_as_scrape(receiver: Receiver, address: str) -> None:
    """Once nothing happens any more, all that stands still is the same; and there are the same series."""

    def same() -> bool:
        scraped, had = scrape(address), len(receiver.metrics)
        wait_for(lambda: len(receiver.metrics) > had + 1)
        assert receiver.metrics[-1].keys() == scraped.keys()
        return still(receiver.metrics[-1]) == still(scraped)

    wait_for(same)
    assert sum(value != 0 for value in still(receiver.metrics[-1]).values()) > 15


def checkpoints(receiver: Receiver) -> None:
    """Their bytes are those that metrics tell, and each has all processes in it that had something to save."""
    spans = receiver.named("checkpoint")
    told = [attributes_of(span) for span in spans]
    wrote = sum(n for key, n in receiver.metrics[-1].items() if key[0] == "driftnet_checkpoint_bytes")
    assert sum(of["driftnet.checkpoint.bytes"] for of in told) == wrote > 1_000
    epochs = [of["driftnet.checkpoint.epoch"] for of in told]
    assert epochs == sorted(set(epochs))
    assert max(of["driftnet.processes"] for of in told) == 2
    assert all(span.end_time_unix_nano > span.start_time_unix_nano for span in spans)
    parents = {span.span_id for span in spans}
    children = [span for span in receiver.spans if span.parent_span_id]
    assert {span.name for span in children} >= {"checkpoint subject", "checkpoint population", "checkpoint alerts"}
    assert {span.parent_span_id for span in children} == parents


@pytest.mark.parametrize("extra", [True, False])
def test_without_a_collector_or_the_extra(tmp_path: Path, extra: bool) -> None:
    """A run goes on without a collector, and says so once; without the extra it does not begin."""
    with receiving() as gone:
        url = gone.url
    if not extra:
        (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['opentelemetry.sdk.metrics'] = None\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
        with running(tmp_path, url) as run:
            _, _ = run.communicate(b"\n".join(lines()[:5_000]) + b"\n", timeout=100)
    text = (tmp_path / "log").read_text()
    if not extra:
        assert run.returncode == 2
        assert 'pip install "driftnet[otel]"' in text
        return
    assert run.returncode == 0, text
    away = [line for line in logged(tmp_path) if "do not arrive" in line["event"]]
    assert sorted(line["event"].split()[0] for line in away) == ["metrics", "traces"]
    assert {line["logger"] for line in away} == {"driftnet.metrics"}
    assert "opentelemetry" not in {line["logger"].split(".")[0] for line in logged(tmp_path)}
