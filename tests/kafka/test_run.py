"""`driftnet run` on topics, as its users run it: a configuration file, processes, signals, ordinary tools beside it."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions

from tests.kafka.brokers import real_kafka
from tests.kafka.test_source import wait_for
from tests.kafka.topics import Cluster

_CONFIG = """
[job]
name = "cards"
extends = "none"
key_groups = 2
[event]
time = {{ path = "@timestamp", unit = "ms" }}
subject = "card"
[event.columns]
amount = {{ kind = "number", required = true }}
shop = {{ kind = "id", path = "@headers.shop" }}
[time]
out_of_orderness = "0s"
idle_timeout = "1s"
[features.count]
kind = "count"
[features.shops]
kind = "nunique"
column = "shop"
[windows.w]
kind = "tumbling"
size = "2s"
[detectors.many]
type = "rules"
params.rules = [{{ name = "many", feature = "count", above = 3, p = 1e-9 }}]
[alerts]
budget_per_day = 100000
[sources.main]
kind = "kafka"
brokers = "{brokers}"
topics = "{events}"
group = "{events}"
discover = "1s"
[sinks]
alerts = {{ kind = "kafka", brokers = "{brokers}", topic = "{alerts}" }}
rejects = {{ kind = "kafka", brokers = "{brokers}", topic = "{rejects}" }}
scores = {{ kind = "kafka", brokers = "{brokers}", topic = "{scores}" }}
"""


_TOLD = """
[sources.labels]
kind = "kafka"
brokers = "{brokers}"
topics = "{labels}"
reads = "labels"
[sources.control]
kind = "kafka"
brokers = "{brokers}"
topics = "{control}"
reads = "control"
[sinks]
audit = {{ kind = "kafka", brokers = "{brokers}", topic = "{audit}" }}
"""


@dataclass
class Job:
    """A configuration on topics of its own."""

    cluster: Cluster
    place: Path

    def __post_init__(self) -> None:
        self.topics = {name: self.cluster.create(2, name) for name in ("events", "alerts", "rejects", "scores")}
        self.events = self.topics["events"]
        (self.place / "job.toml").write_text(_CONFIG.format(brokers=self.cluster.brokers, **self.topics))

    @contextmanager
    def running(self, *options: str) -> Iterator["subprocess.Popen[str]"]:
        """The command at work; killed if it is still there at the end."""
        command = [sys.executable, "-m", "flows.cli", "run", "job.toml", "--no-print", "--json", "--epoch", "200ms"]
        with (self.place / "log").open("a") as log:
            process = subprocess.Popen(
                [*command, "--status-every", "1s", *options],
                cwd=self.place,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
            try:
                yield process
            finally:
                process.kill()
                process.communicate()

    def pay(self, card: str, count: int, partition: int, at_ms: int, **more: Any) -> None:
        """Payments in as many shops."""
        for i in range(count):
            value = orjson.dumps({"card": card, "amount": i} | more)
            headers = [("shop", f"s{i}".encode())]
            self.cluster.produce(self.events, [(card.encode(), value)], partition, timestamp=at_ms + i, headers=headers)

    def records(self, stream: str, partitions: int = 2) -> list[dict[str, Any]]:
        return [orjson.loads(m.value()) for m in self.cluster.read(self.topics[stream], partitions)]

    def log(self) -> str:
        return (self.place / "log").read_text()


def end(process: "subprocess.Popen[str]") -> dict[str, Any]:
    """Stops the run as an operator would; what it printed."""
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    # Processes that wait for each other say so before.
    found: dict[str, Any] = orjson.loads(out[out.index("{") :])["summary"]
    return found


@pytest.fixture
def job(cluster: Cluster, tmp_path: Path) -> Job:
    return Job(cluster, tmp_path)


def test_alerts_come_while_it_runs(job: Job) -> None:
    """Time and a column come from what Kafka knows of a record; alerts are there at once, bad lines in their topic, the
    group knows how far the run is, and the run says that it is behind nothing.
    """
    now_ms = int(time.time() * 1000) // 2000 * 2000
    with job.running("--state-dir", "kept") as process:
        job.pay("quiet", 2, 0, now_ms)
        job.pay("greedy", 9, 1, now_ms)
        job.cluster.produce(job.events, [(b"gone", None), (b"k", b"{")], 0, timestamp=now_ms)
        wait_for(partial(job.records, "alerts"), 40)
        (alert,) = job.records("alerts")
        assert (alert["subject"], alert["rules"]) == ("greedy", ["many"])
        wait_for(lambda: len(job.records("rejects")) == 2)
        assert [(r["source"], r["offset"], r["reason"]) for r in job.records("rejects")] == [
            (f"{job.events}/0", 2, "tombstone"),
            (f"{job.events}/0", 3, "not_json"),
        ]
        scored = {r["subject"]: r for r in job.records("scores")}
        assert scored["greedy"]["start"].startswith(time.strftime("%Y-%m-%dT%H:%M", time.gmtime(now_ms / 1000)))
        tool = Consumer(job.cluster.properties | {"group.id": job.events})
        partitions = [TopicPartition(job.events, p) for p in (0, 1)]
        wait_for(lambda: [p.offset for p in tool.committed(partitions, 10)] == [4, 9])
        totals = end(process)
    assert totals["balanced"]
    assert {name.rpartition("/")[2]: lag for name, lag in totals["lag"].items()} == {"0": [0, 0.0], "1": [0, 0.0]}
    assert "lag none" in job.log()


def test_labels_and_commands_come_back(job: Job) -> None:
    """What people find out teaches the running job, and what they want of its detectors is done, and on record."""
    for name in ("labels", "control", "audit"):
        job.topics[name] = job.cluster.create(1, name)
    own = {"brokers": job.cluster.brokers, **job.topics}
    config = job.place / "job.toml"
    config.write_text(config.read_text().replace("[sinks]", _TOLD.format(**own)))
    with job.running("--state-dir", "kept") as process:
        now_ms = int(time.time() * 1000) // 2000 * 2000
        job.pay("greedy", 9, 0, now_ms)
        job.pay("quiet", 2, 1, now_ms)
        wait_for(lambda: len(job.records("scores")) == 2, 40)
        at = int(time.time() * 1000)
        labels = [{"subject": card, "label": int(card == "greedy"), "at": at} for card in ("greedy", "quiet")]
        job.cluster.lines(job.topics["labels"], [b"{", *map(orjson.dumps, labels)])
        pause = {"command": "pause", "detector": "many", "at": at, "by": "ann"}
        job.cluster.lines(job.topics["control"], [orjson.dumps(pause)])
        wait_for(lambda: job.records("audit", 1), 40)
        job.pay("greedy", 9, 0, int(time.time() * 1000) + 4000)
        wait_for(lambda: len(job.records("scores")) == 3, 40)
        totals = end(process)
    (audit,) = job.records("audit", 1)
    assert (audit["command"], audit["outcome"], audit["by"]) == ("pause", "applied", "ann")
    assert [a["subject"] for a in job.records("alerts")] == ["greedy"]
    assert totals["labels"] == {"read": 3, "rejected": 1}
    assert sum(totals["labelled"].values()) == 2
    assert totals["labelled"] == {"fraud_suspected": 1, "genuine_cleared": 1}
    assert totals["control"] == {"read": 1}


@pytest.mark.parametrize("processes", [1, 2])
def test_kill_and_start_again(job: Job, processes: int) -> None:
    """A live run that is killed, parent and all, goes on where it was: every card is scored once."""
    options = ("--state-dir", "kept", "--processes", str(processes))
    began_ms = int(time.time() * 1000) // 2000 * 2000 - 20_000
    for life in range(3):
        with job.running(*options) as process:
            for i in range(4):
                job.pay(f"card-{life}-{i}", 5, i % 2, began_ms + life * 4000)
            if life == 2:
                wait_for(lambda: len(job.records("scores")) == 12, 60)
                assert end(process)["balanced"]
            else:
                time.sleep(2.5 + processes)
    subjects = sorted(r["subject"] for r in job.records("scores"))
    assert subjects == sorted(f"card-{life}-{i}" for life in range(3) for i in range(4))
    assert len(job.records("alerts")) == 12


def test_latest_is_where_the_first_start_was(job: Job) -> None:
    """A run that begins at the latest and is killed before it saved anything begins there again."""
    config = job.place / "job.toml"
    config.write_text(config.read_text().replace('discover = "1s"', 'start = "latest"'))
    job.pay("before", 5, 0, int(time.time() * 1000) - 60_000)
    with job.running("--state-dir", "kept", "--epoch", "1h"):
        wait_for((job.place / "kept" / "starts.json").exists)
        time.sleep(1)
    job.pay("between", 5, 0, int(time.time() * 1000))
    with job.running("--state-dir", "kept") as process:
        wait_for(partial(job.records, "alerts"), 40)
        end(process)
    assert [r["subject"] for r in job.records("alerts")] == ["between"]


@real_kafka
def test_new_partitions_are_read(job: Job) -> None:
    """Partitions that are added to the topic are found and read, while all state stays."""
    now_ms = int(time.time() * 1000)
    with job.running("--state-dir", "kept") as process:
        job.pay("old", 5, 0, now_ms)
        wait_for(partial(job.records, "alerts"), 40)
        admin = AdminClient(job.cluster.properties)
        admin.create_partitions([NewPartitions(job.events, 3)])[job.events].result()
        wait_for(lambda: f"new partitions of the input: main/{job.events}/2" in job.log())
        job.pay("new", 5, 2, int(time.time() * 1000))
        wait_for(lambda: len(job.records("alerts")) == 2, 40)
        assert end(process)["read"] == 10


def test_load(job: Job) -> None:
    """`driftnet load` tells what a job makes of its events, and sends back what is true of its alerts."""
    config = job.place / "job.toml"
    text = config.read_text().replace('subject = "card"', 'subject = "user_id"').replace("amount =", "ms_played =")
    config.write_text(text.replace('path = "@timestamp"', 'path = "event_time"'))
    labels = job.cluster.create(1, "labels")
    place = f"kafka://{job.cluster.brokers}"
    with job.running("--state-dir", "kept") as process:
        wait_for(lambda: "lag none" in job.log(), 40)
        command = [sys.executable, "-m", "flows.cli", "load", "--rate", "400", "--users", "60", "--minutes", "0.15"]
        command += ["--to", f"{place}/{job.events}", "--group", job.events, "--pid", str(process.pid), "--json"]
        command += ["--alerts", f"{place}/{job.topics['alerts']}", "--labels", f"{place}/{labels}", "--settle", "4"]
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        totals = end(process)
    found = orjson.loads(done.stdout)
    assert (found["events"], totals["read"]) == (3600, 3600)
    assert found["alerts"] == totals["outputs"]["alerts"] > 10
    assert 0 < found["window_to_alert_s"]["p50"] <= found["event_to_alert_s"]["p50"] <= found["event_to_alert_s"]["max"]
    assert 200 < found["done_per_s"] < 600
    assert found["lag_end"] is not None
    assert found["cores"] > 0
    assert found["rss_max_bytes"] > 50 << 20
    told = {orjson.loads(m.value())["subject"] for m in job.cluster.read(labels)}
    assert told == {alert["subject"] for alert in job.records("alerts")}


def test_explain(job: Job) -> None:
    """An alert of a live run on a topic is rebuilt from the topic, to the bit, also when the run began at its end."""
    config = job.place / "job.toml"
    text = config.read_text().replace('discover = "1s"', 'start = "latest"')
    config.write_text(
        text.replace("[sinks]", '[sinks]\nlate = { kind = "console" }').replace("alerts = {", "alerts = [{")
    )
    text = config.read_text()
    line = next(line for line in text.splitlines() if line.startswith("alerts = [{"))
    config.write_text(text.replace(line, f'{line}, {{ kind = "sqlite", path = "kept.db" }}]'))
    job.pay("before", 5, 0, int(time.time() * 1000) - 60_000)
    with job.running("--state-dir", "kept") as process:
        wait_for(lambda: "lag none" in job.log(), 40)
        job.pay("greedy", 9, 1, int(time.time() * 1000))
        wait_for(partial(job.records, "alerts"), 40)
        end(process)
    (alert,) = job.records("alerts")
    command = [sys.executable, "-m", "flows.cli", "explain", alert["alert_id"], "--db", "kept.db", "--json"]
    done = subprocess.run(command, cwd=job.place, capture_output=True, text=True, check=False, timeout=60)
    assert "sources.main is not a source of your own configuration; nothing was opened" in done.stderr
    command += ["--config", "job.toml"]
    done = subprocess.run(command, cwd=job.place, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert orjson.loads(done.stdout)["reproduced"] is True


def test_password_is_not_printed(job: Job) -> None:
    """Neither the log, nor what is kept in the state directory and the store, has the secret."""
    config = job.place / "job.toml"
    secret = '\n[sources.main.client]\n"sasl.password" = "hunter2"\n'
    config.write_text(config.read_text().replace("[sinks]", f'{secret}[sinks]\ndrift = {{ kind = "sqlite" }}'))
    with job.running("--state-dir", "kept") as process:
        wait_for(lambda: "saved yet" in job.log())
        time.sleep(1)
        out = str(end(process))
    show = subprocess.run(
        [sys.executable, "-m", "flows.cli", "config", "show", "job.toml"],
        cwd=job.place,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "[redacted]" in show.stdout
    assert "hunter2" not in show.stdout + show.stderr + out + job.log()
    kept = [p for p in job.place.rglob("*") if p.is_file() and p.name != "job.toml"]
    assert kept
    assert not [p for p in kept if b"hunter2" in p.read_bytes()]
