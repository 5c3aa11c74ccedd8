"""What brokers do to those who depend on them, and what it costs: a pause, or an error that says what to do."""

import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from flows.sinks.kafka import KafkaWriter
from flows.sources.kafka import KafkaPartition
from flows.streams import Stream
from state.errors import SinkError, SourceError
from tests.kafka.brokers import Broker, apache, apaches, own_kafka, real_kafka
from tests.kafka.test_sink import alerts, numbers, writer
from tests.kafka.test_source import drained, opened, read_some, spec, wait_for
from tests.kafka.topics import Cluster

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")


def next_lines(reader: KafkaPartition, count: int) -> list[bytes]:
    found: list[bytes] = []
    while len(found) < count:
        found += read_some(reader, count - len(found)).lines
    return found


def delete_before(cluster: Cluster, topic: str, offset: int) -> None:
    admin, partition = AdminClient(cluster.properties), TopicPartition(topic, 0, offset)
    admin.delete_records([partition])[partition].result(30)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """One that tests may kill and start again; it keeps its topics."""
    with apache(tmp_path_factory.mktemp("killed")) as broker:
        yield broker


@own_kafka
def test_broker_is_killed_under_a_source(broker: Broker) -> None:
    """While it is gone nothing is given, and the partition is not idle; then everything is, once and in order."""
    cluster = Cluster(broker.address)
    topic = cluster.create()
    cluster.lines(topic, [b"%d" % i for i in range(100)])
    reader = opened(spec(cluster, topic))
    found = next_lines(reader, 100)
    wait_for(lambda: reader.read(10).idle)  # type: ignore[union-attr]
    broker.kill()
    wait_for(lambda: not reader.read(10).idle, 40)  # type: ignore[union-attr]
    broker.start()
    cluster.lines(topic, [b"%d" % i for i in range(100, 200)])
    found += next_lines(reader, 100)
    assert found == [b"%d" % i for i in range(200)]
    wait_for(lambda: reader.read(10).idle, 40)  # type: ignore[union-attr]


@own_kafka
@pytest.mark.parametrize("transactional_id", ["", "killed"])
def test_broker_is_killed_under_a_sink(broker: Broker, transactional_id: str) -> None:
    """What is written while it is gone is delivered when it is back: once, and in order."""
    cluster = Cluster(broker.address)
    topic = cluster.create()
    sink = writer(cluster, topic, transactional_id=transactional_id)
    sink.write(alerts(range(100)))
    sink.flush()
    broker.kill()
    sink.write(alerts(range(100, 200)))
    back = threading.Timer(2.0, broker.start)
    back.start()
    sink.flush()
    back.join()
    sink.write(alerts(range(200, 300)))
    sink.close()
    assert numbers(cluster, topic) == list(range(300))


@own_kafka
def test_leader_changes(tmp_path: Path) -> None:
    """When the node that leads the partitions is killed the others take over, and nobody notices but for the time."""
    with apaches(tmp_path, 3) as nodes:
        cluster = Cluster(",".join(node.address for node in nodes))
        admin = AdminClient(cluster.properties)
        for topic in ("plays", "alerts"):
            admin.create_topics([NewTopic(topic, 1, 3, config={"min.insync.replicas": "2"})])[topic].result()
        cluster.lines("plays", [b"%d" % i for i in range(50)])
        reader, sink = opened(spec(cluster, "plays")), writer(cluster, "alerts")
        found = next_lines(reader, 50)
        sink.write(alerts(range(50)))
        sink.flush()
        leader = admin.list_topics("plays").topics["plays"].partitions[0].leader
        nodes[leader - 1].kill()
        cluster.lines("plays", [b"%d" % i for i in range(50, 100)])
        sink.write(alerts(range(50, 100)))
        found += next_lines(reader, 50)
        sink.close()
        assert admin.list_topics("plays").topics["plays"].partitions[0].leader != leader
        assert found == [b"%d" % i for i in range(100)]
        assert numbers(cluster, "alerts") == list(range(100))


@real_kafka
@pytest.mark.parametrize(("on_lost", "goes_on_at"), [("earliest", 60), ("latest", 100)])
def test_retention_overtakes_a_saved_offset(cluster: Cluster, on_lost: Any, goes_on_at: int) -> None:
    """Saved offsets that are gone stop the run, with what there is; or it goes on where it was told to."""
    topic = cluster.create()
    cluster.lines(topic, [b"%d" % i for i in range(100)])
    delete_before(cluster, topic, 60)
    reader = opened(spec(cluster, topic))
    with pytest.raises(SourceError, match=r"offset to go on from, 40, is not there; the partition has 60 to 100"):
        reader.seek({"offset": 40})
    again = opened(spec(cluster, topic, on_lost=on_lost, until="now"))
    again.seek({"offset": 40})
    assert drained(again) == [b"%d" % i for i in range(goes_on_at, 100)]


@real_kafka
def test_retention_overtakes_a_reader(cluster: Cluster) -> None:
    """So do offsets that vanish while a run goes on."""
    topic = cluster.create()
    cluster.lines(topic, [b"%d" % i for i in range(100)])
    reader = opened(spec(cluster, topic, start={"": 0}, buffer_bytes=1 << 10))
    reader._consumer.pause([TopicPartition(topic, 0)])
    delete_before(cluster, topic, 60)
    reader._consumer.resume([TopicPartition(topic, 0)])
    with pytest.raises(SourceError, match="the partition has 60 to 100"):
        wait_for(lambda: reader.read(10).lines)  # type: ignore[union-attr]


@real_kafka
def test_topic_is_made_anew(cluster: Cluster) -> None:
    """An offset beyond the end of a topic that was deleted and made again stops the run, instead of skipping to it."""
    topic = cluster.create()
    cluster.lines(topic, [b"%d" % i for i in range(100)])
    position = {"offset": 90}
    admin = AdminClient(cluster.properties)
    admin.delete_topics([topic])[topic].result()
    wait_for(lambda: topic not in admin.list_topics(timeout=5).topics)
    time.sleep(1.0)
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
    cluster.lines(topic, [b"new"])
    reader = opened(spec(cluster, topic))
    reader.seek(position)  # type: ignore[arg-type]
    with pytest.raises(SourceError, match=r"offset to go on from, 90, is not there; the partition has 0 to 1"):
        wait_for(lambda: reader.read(10).lines)  # type: ignore[union-attr]


@real_kafka
def test_topic_is_deleted(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """A topic that vanishes while it is read stops the run."""
    monkeypatch.setattr("flows.sources.kafka.PROBE_S", 0.5)
    topic = cluster.create()
    cluster.lines(topic, [b"1"])
    reader = opened(spec(cluster, topic))
    next_lines(reader, 1)
    admin = AdminClient(cluster.properties)  # a variable: without one nobody waits for the answer
    admin.delete_topics([topic])[topic].result(30)
    with pytest.raises(SourceError, match="is not there"):
        wait_for(lambda: reader.read(10).lines, 60)  # type: ignore[union-attr]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A broker that asks for a password, and lets ann do everything and bob nothing."""
    users = "".join(f' user_{name}="{name}-secret"' for name in ("ann", "bob"))
    login = "org.apache.kafka.common.security.plain.PlainLoginModule required"
    settings = {
        "listener.name.client.sasl.enabled.mechanisms": "PLAIN",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "listener.name.client.plain.sasl.jaas.config": f'{login} username="ann" password="ann-secret"{users};',
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ann;User:ANONYMOUS",
    }
    client = {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanism": "PLAIN",
        "sasl.username": "ann",
        "sasl.password": "ann-secret",
    }
    with apache(tmp_path_factory.mktemp("guarded"), settings, "SASL_PLAINTEXT", client) as broker:
        yield Cluster(broker.address, client)


def as_user(cluster: Cluster, name: str, password: str) -> Cluster:
    return replace(cluster, client={**cluster.client, "sasl.username": name, "sasl.password": password})


@own_kafka
def test_password_is_right(guarded: Cluster) -> None:
    """Security properties reach the client: with the right ones everything works."""
    topic = guarded.create()
    guarded.lines(topic, [b"1"])
    assert drained(opened(spec(guarded, topic, until="now"))) == [b"1"]
    sink = writer(guarded, guarded.create())
    sink.write(alerts(range(3)))
    sink.close()


@own_kafka
def test_password_is_wrong(guarded: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says so, and not that nobody answers; the password is in no message."""
    monkeypatch.setattr("flows.kafka.topics.partition_counts.__defaults__", (SourceError, 3.0))
    wrong = as_user(guarded, "ann", "not-her-secret")
    with pytest.raises(SourceError, match=r"check sasl\.username, sasl\.password") as caught:
        spec(wrong, "plays").partition_names()
    assert "not-her-secret" not in str(caught.value)


@own_kafka
def test_not_allowed(guarded: Cluster) -> None:
    """A user without rights is told which one is missing, when reading and when writing."""
    topic = guarded.create()
    bob = as_user(guarded, "bob", "bob-secret")
    with pytest.raises(SourceError, match=r"(?i)authorization failed; .*READ and DESCRIBE"):
        spec(bob, topic).partition_names()
    with pytest.raises(SinkError, match=r"(?i)authorization failed; .*WRITE"):
        KafkaWriter(bob.connection, topic, Stream.ALERTS)


@own_kafka
def test_encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS properties reach the client; a certificate that nobody trusts is told from brokers that are away."""
    store, authority = tmp_path / "broker.p12", tmp_path / "ca.pem"
    tool = ["keytool", "-keystore", str(store), "-storetype", "PKCS12", "-storepass", "sesame", "-alias", "broker"]
    name = ["-dname", "CN=127.0.0.1", "-ext", "SAN=ip:127.0.0.1", "-validity", "2"]
    subprocess.run([*tool, "-genkeypair", "-keyalg", "RSA", *name], check=True, capture_output=True)
    authority.write_bytes(subprocess.run([*tool, "-exportcert", "-rfc"], check=True, capture_output=True).stdout)
    settings = {"ssl.keystore.location": str(store), "ssl.keystore.type": "PKCS12", "ssl.keystore.password": "sesame"}
    settings |= {"ssl.truststore.location": str(store), "ssl.truststore.password": "sesame"}
    client = {"security.protocol": "SSL", "ssl.ca.location": str(authority)}
    with apache(tmp_path, settings, "SSL", client) as broker:
        cluster = Cluster(broker.address, client)
        topic = cluster.create()
        cluster.lines(topic, [b"1"])
        assert drained(opened(spec(cluster, topic, until="now"))) == [b"1"]
        monkeypatch.setattr("flows.kafka.topics.partition_counts.__defaults__", (SourceError, 3.0))
        stranger = Cluster(broker.address, {"security.protocol": "SSL"})
        with pytest.raises(SourceError, match=r"check security\.protocol and the ssl\.\* properties"):
            spec(stranger, topic).partition_names()
