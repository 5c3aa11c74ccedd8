"""A Kafka topic as a source: what is given, from where to where, and what is said when it cannot go on."""

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from confluent_kafka import Consumer, TopicPartition
from google.protobuf import descriptor_pb2

from flows.formats.protobuf import ProtobufSpec
from flows.sources.base import Lines
from flows.sources.kafka import KafkaPartition, KafkaSpec
from flows.wire.reject import Reason
from state.errors import SourceError
from tests.kafka.brokers import real_kafka
from tests.kafka.topics import Cluster


def spec(cluster: Cluster, *topics: str, **settings: Any) -> KafkaSpec:
    return KafkaSpec(cluster.connection, topics, name="main", **settings)


def opened(spec: KafkaSpec, partition: int = 0, topic: int = 0) -> KafkaPartition:
    return spec.open(f"main/{spec.topics[topic]}/{partition}")


def drained(reader: KafkaPartition, most: int = 1000) -> list[bytes]:
    """Everything up to the end of a bounded partition."""
    found: list[bytes] = []
    while (lines := reader.read(most)) is not None:
        found += lines.lines
    return found


def wait_for(condition: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    until = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)
    return found


def read_some(reader: KafkaPartition, most: int = 1000) -> Lines:
    """The next lines of a live partition."""

    def some() -> Lines | None:
        lines = reader.read(most)
        assert lines is not None
        return lines if lines.lines else None

    found: Lines = wait_for(some)
    return found


def test_partitions_of_all_topics(cluster: Cluster) -> None:
    """Each partition of each topic is one of ours, in order."""
    plays, ads = cluster.create(3, "plays"), cluster.create(1, "ads")
    names = [f"main/{plays}/0", f"main/{plays}/1", f"main/{plays}/2", f"main/{ads}/0"]
    assert spec(cluster, plays, ads).partition_names() == names


def test_lines_and_offsets(cluster: Cluster) -> None:
    """What was produced comes out as it was, in order, with Kafka's offsets, in batches no larger than asked for."""
    topic = cluster.create(2)
    sent = [b"%d" % i for i in range(2500)]
    cluster.lines(topic, sent, partition=1)
    reader = opened(spec(cluster, topic, until="now"), 1)
    found: list[bytes] = []
    while (lines := reader.read(400)) is not None:
        assert len(lines.lines) <= 400
        assert list(lines.offsets) == list(range(len(found), len(found) + len(lines.lines)))
        assert lines.source == f"{topic}/1"
        found += lines.lines
    assert found == sent
    assert reader.position() == {"offset": 2500}
    reader.close()


def test_until_now_does_not_wait_for_more(cluster: Cluster) -> None:
    """What is produced after a bounded partition was opened is not part of it; an empty one ends at once."""
    topic = cluster.create(2)
    cluster.lines(topic, [b"1", b"2"])
    reader = opened(spec(cluster, topic, until="now"))
    cluster.lines(topic, [b"3"])
    assert drained(reader) == [b"1", b"2"]
    assert drained(opened(spec(cluster, topic, until="now"), 1)) == []


def test_seek_goes_on_where_an_earlier_reader_was(cluster: Cluster) -> None:
    """A position leads another reader to the next message."""
    topic = cluster.create()
    cluster.lines(topic, [b"%d" % i for i in range(100)])
    first = opened(spec(cluster, topic, until="now"))
    seen = list(read_some(first, 30).lines)
    assert 0 < len(seen) <= 30
    second = opened(spec(cluster, topic, until="now"))
    second.seek(first.position())
    assert seen + drained(second) == [b"%d" % i for i in range(100)]


def test_starts(cluster: Cluster) -> None:
    """A run without saved state begins at the earliest message, the latest, or offsets that it is given."""
    topic = cluster.create()
    cluster.lines(topic, [b"%d" % i for i in range(10)])

    def begins(start: Any) -> int:
        return opened(spec(cluster, topic, start=start)).position()["offset"]

    assert begins("earliest") == 0
    assert begins({f"{topic}/0": 7}) == 7
    assert begins({"other/0": 7}) == 0
    latest = opened(spec(cluster, topic, start="latest"))
    wait_for(lambda: latest.read(10).idle)  # type: ignore[union-attr]
    cluster.lines(topic, [b"new"])
    assert list(read_some(latest).lines) == [b"new"]


@real_kafka
def test_start_at_a_moment(cluster: Cluster) -> None:
    """A moment stands for the first message that was written then or later, the end when there is none."""
    topic = cluster.create()
    began_ms = int(time.time() * 1000) - 100_000
    for i in range(10):
        cluster.produce(topic, [(None, b"%d" % i)], timestamp=began_ms + i * 1000)
    for after_ms, offset in ((-5, 0), (4000, 4), (4001, 5), (60_000, 10)):
        start = (began_ms + after_ms) * 1000
        assert opened(spec(cluster, topic, start=start)).position() == {"offset": offset}


def test_group_is_told(cluster: Cluster) -> None:
    """Saved offsets are committed to the group, where ordinary tools and `start = "committed"` find them."""
    topic = cluster.create()
    cluster.lines(topic, [b"%d" % i for i in range(10)])
    group = f"group-{topic}"
    reader = opened(spec(cluster, topic, group=group))
    reader.saved({"offset": 6})
    reader.close()
    tool = Consumer(cluster.properties | {"group.id": group})
    wait_for(lambda: tool.committed([TopicPartition(topic, 0)], 10)[0].offset == 6)
    assert opened(spec(cluster, topic, group=group, start="committed")).position() == {"offset": 6}
    assert opened(spec(cluster, topic, group=f"{group}-other", start="committed")).position() == {"offset": 0}


def test_pinned(cluster: Cluster) -> None:
    """A start that moves is turned into offsets, so that a second start begins where the first one did."""
    topic = cluster.create(2)
    cluster.lines(topic, [b"1", b"2"])
    pinned = spec(cluster, topic, start="latest", until="now").pinned()
    cluster.lines(topic, [b"3"])
    start = pinned.start
    assert isinstance(start, dict)
    assert start[f"{topic}/1"] == 0
    assert opened(pinned).until == start[f"{topic}/0"]
    assert spec(cluster, topic).pinned().until is None


def test_tombstone_is_refused_with_its_key(cluster: Cluster) -> None:
    """A message without a value is a line that the source itself rejects; the others are as they were."""
    topic = cluster.create()
    cluster.produce(topic, [(b"u1", b"{}"), (b"u2", None), (None, None), (b"u3", b"")])
    lines = read_some(opened(spec(cluster, topic, until="now")))
    assert list(lines.lines) == [b"{}", b"", b"", b""]
    assert lines.refused == {
        1: (Reason.TOMBSTONE, "no value, key 'u2'"),
        2: (Reason.TOMBSTONE, "no value, key none"),
    }


def test_metadata(cluster: Cluster) -> None:
    """With metadata, an object gets members for topic, partition, offset, time, key and headers; others stay."""
    topic = cluster.create()
    moment = {"timestamp": 1_700_000_000_123, "headers": [("tenant", b"eu"), ("raw", b"\xff")]}
    cluster.produce(topic, [(b"k", b' {"a": 1} '), (b"k", b"{}"), (b"k", b"[1]"), (b"k", b'{"@key": "x"}')], **moment)
    lines = read_some(opened(spec(cluster, topic, until="now", metadata=True))).lines
    added = {"@topic": topic, "@partition": 0, "@timestamp": 1_700_000_000_123, "@key": "k"}
    added["@headers"] = {"tenant": "eu", "raw": "\ufffd"}
    assert orjson.loads(lines[0]) == {"a": 1, "@offset": 0, **added}
    assert orjson.loads(lines[1]) == {"@offset": 1, **added}
    assert lines[2] == b"[1]"
    assert orjson.loads(lines[3]) == {"@offset": 3, **added}


def test_format(cluster: Cluster, tmp_path: Path) -> None:
    """Values of another format become JSON lines, with metadata if asked for; what is none is refused as it came."""
    descriptor = tmp_path / "d.desc"
    file = descriptor_pb2.FileDescriptorProto(name="d.proto", package="m", syntax="proto3")
    string = descriptor_pb2.FieldDescriptorProto.TYPE_STRING
    file.message_type.add(name="Play").field.add(name="user", number=1, type=string, label=1)
    descriptor.write_bytes(descriptor_pb2.FileDescriptorSet(file=[file]).SerializeToString())
    topic = cluster.create()
    cluster.produce(topic, [(None, b"\n\x03ann"), (None, b"\xff"), (None, None), (None, b"\n\x03bob")])
    protobuf = ProtobufSpec(str(descriptor), "m.Play")
    lines = read_some(opened(spec(cluster, topic, until="now", format=protobuf, metadata=True)))
    users = [orjson.loads(lines.lines[i]) for i in (0, 3)]
    assert [(found["user"], found["@offset"]) for found in users] == [("ann", 0), ("bob", 3)]
    assert list(lines.lines[1:3]) == [b"\xff", b""]
    assert {row: reason for row, (reason, _) in lines.refused.items()} == {1: Reason.UNDECODABLE, 2: Reason.TOMBSTONE}


def test_idle_only_when_the_end_is_known(cluster: Cluster) -> None:
    """A partition that has given everything is idle; one whose messages are still under way is not."""
    topic = cluster.create(2)
    cluster.lines(topic, [b"1"])
    reader = opened(spec(cluster, topic))
    first = reader.read(10)
    assert first is not None
    assert first.lines or not first.idle
    wait_for(lambda: reader.read(10).idle)  # type: ignore[union-attr]


def test_lag_is_what_was_written_and_not_read(cluster: Cluster) -> None:
    """Lag falls as messages are read, down to nothing."""
    topic = cluster.create()
    cluster.lines(topic, [b"%d" % i for i in range(1000)])
    reader = opened(spec(cluster, topic))
    given = len(read_some(reader, 100).lines)
    assert reader.lag <= 1000 - given
    wait_for(lambda: reader.read(1000).idle)  # type: ignore[union-attr]
    assert reader.lag == 0


def test_unknown_topic(cluster: Cluster) -> None:
    """The message says what is there, and what was meant if that is clear."""
    topic = cluster.create(name="listening")
    with pytest.raises(SourceError, match=rf"topic '{topic}s' does not exist; did you mean '{topic}'\?"):
        spec(cluster, f"{topic}s").partition_names()


def test_no_broker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brokers that do not answer are named, with what to look at."""
    monkeypatch.setattr("flows.kafka.topics.partition_counts.__defaults__", (SourceError, 1.0))
    with pytest.raises(SourceError, match=r"Kafka at 127\.0\.0\.1:1 does not answer: .* is it running"):
        spec(Cluster("127.0.0.1:1"), "plays").partition_names()


def test_wrong_property(cluster: Cluster) -> None:
    """A property that the client does not know is named before anything is read."""
    from state.errors import ConfigError

    wrong = replace(cluster, client={"sasl.pasword": "x"})
    with pytest.raises(ConfigError, match=r"properties do not fit: No such configuration property: \"sasl.pasword\""):
        spec(wrong, "plays").partition_names()
