"""A Kafka topic as a sink: each record once and in order, or an error that says what waits."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import pytest

from flows.sinks.base import Patience
from flows.sinks.kafka import KafkaWriter
from flows.streams import Stream
from state.errors import SinkError
from tests.kafka.brokers import Broker, real_kafka, tansu
from tests.kafka.topics import Cluster

Records = list[dict[str, Any]]


def alerts(numbers: range) -> Records:
    return [{"alert_id": f"a{i}", "subject": f"u{i % 3}", "n": i} for i in numbers]


def writer(cluster: Cluster, topic: str, position: Any = None, stream: str = "alerts", **settings: Any) -> KafkaWriter:
    return KafkaWriter(cluster.connection, topic, Stream(stream), position, **settings)


def numbers(cluster: Cluster, topic: str, partitions: int = 1, isolation: str = "read_committed") -> list[int]:
    return [orjson.loads(m.value())["n"] for m in cluster.read(topic, partitions, isolation)]


@dataclass
class Clock:
    """Turned by so much each time that somebody looks: however busy the machine is, waiting takes as many turns."""

    step_s: float = 0.0
    now_s: float = 0.0

    def __call__(self) -> float:
        self.now_s += self.step_s
        return self.now_s


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """One that the test may pause."""
    with tansu(tmp_path) as broker:
        yield broker


def test_messages(cluster: Cluster) -> None:
    """Value: the record as JSON; key: the subject; a header says which record it is; a subject's records in order."""
    topic = cluster.create(4)
    sink = writer(cluster, topic)
    sink.write(alerts(range(300)))
    sink.close()
    found = cluster.read(topic, 4)
    assert sorted(orjson.loads(m.value())["n"] for m in found) == list(range(300))
    for subject in ("u0", "u1", "u2"):
        mine = [m for m in found if m.key() == subject.encode()]
        assert len({m.partition() for m in mine}) == 1
        assert [orjson.loads(m.value())["n"] for m in mine] == list(range(int(subject[1]), 300, 3))
    assert found[0].headers() == [
        ("driftnet-id", f"a{orjson.loads(found[0].value())['n']}".encode()),
        ("driftnet-stream", b"alerts"),
    ]


@pytest.mark.parametrize(
    ("stream", "record", "key"),
    [
        ("drift", {"event_id": "e", "cohort": "free", "name": "plays"}, b"free/plays"),
        ("late", {"subject": "u1", "event_time": "t"}, b"u1"),
        ("rejects", {"source": "plays/0", "offset": 3}, b"plays/0"),
        ("scores", {"subject": "u1", "end": "t"}, b"u1"),
    ],
)
def test_key_of_each_stream(cluster: Cluster, stream: str, record: dict[str, Any], key: bytes) -> None:
    """Records of the other streams are keyed by what they are about too."""
    topic = cluster.create()
    sink = writer(cluster, topic, stream=stream)
    sink.write([record])
    sink.close()
    (message,) = cluster.read(topic)
    assert (message.key(), orjson.loads(message.value())) == (key, record)


@pytest.mark.parametrize("transactional_id", ["", "job"])
def test_what_was_written_since_the_checkpoint_is_not_repeated(cluster: Cluster, transactional_id: str) -> None:
    """A run that goes on from an earlier position writes only what is not there: each record is there once."""
    topic = cluster.create(3)
    own = {"transactional_id": transactional_id and f"{transactional_id}-{topic}"}
    first = writer(cluster, topic, **own)
    first.write(alerts(range(10)))
    position = first.flush()
    first.write(alerts(range(10, 20)))
    first.flush()  # and the run is killed before its state is saved
    again = writer(cluster, topic, position, **own)
    again.write(alerts(range(10, 25)))
    again.close()
    assert sorted(numbers(cluster, topic, 3)) == list(range(25))


def test_killed_again_before_all_has_come_again(cluster: Cluster) -> None:
    """A checkpoint between two known records does not forget the second one, which comes only after the next kill."""
    topic = cluster.create(3)
    first = writer(cluster, topic)
    start = first.flush()
    first.write(alerts(range(20)))
    first.flush()
    second = writer(cluster, topic, start)
    second.write(alerts(range(8)))
    between = second.flush()
    third = writer(cluster, topic, between)
    third.write(alerts(range(8, 25)))
    third.close()
    assert sorted(numbers(cluster, topic, 3)) == list(range(25))
    last = writer(cluster, topic, third.flush())
    assert last._known == {}


def test_known_records_that_never_come_again_are_forgotten(cluster: Cluster) -> None:
    """After an hour they hold the position back no more."""
    topic = cluster.create()
    now_s = 0.0
    first = writer(cluster, topic)
    start = first.flush()
    first.write(alerts(range(3)))
    end = first.flush()
    second = writer(cluster, topic, start, clock=lambda: now_s)
    assert second.flush() == start
    now_s = 3601.0
    assert second.flush() == end


def test_a_kill_before_the_first_checkpoint_repeats_nothing(cluster: Cluster) -> None:
    """Where a fresh sink begins is a position too; what others wrote before does not matter."""
    topic = cluster.create(2)
    cluster.lines(topic, [b'{"n": -1}'])
    beginning = writer(cluster, topic).flush()
    assert beginning == {"0": 1, "1": 0}
    for _ in range(2):
        sink = writer(cluster, topic, beginning)
        sink.write(alerts(range(5)))
        sink.flush()
    assert sorted(numbers(cluster, topic, 2)) == [-1, *range(5)]


def test_records_without_an_id_are_known_by_what_they_say(cluster: Cluster) -> None:
    """Of late, rejected and scored ones the whole record is the id; two equal ones count twice."""
    topic = cluster.create()
    record = {"source": "plays/0", "offset": 1}
    sink = writer(cluster, topic, stream="rejects")
    start = sink.flush()
    sink.write([record])
    sink.flush()
    again = writer(cluster, topic, start, stream="rejects")
    again.write([record, record, {**record, "offset": 2}])
    again.close()
    assert [orjson.loads(m.value())["offset"] for m in cluster.read(topic)] == [1, 1, 2]


def test_standings_of_one_subject_are_known_one_by_one(cluster: Cluster) -> None:
    """They have one key, for compaction, and one id; after a kill none is taken for another one that is there."""
    topic = cluster.create()
    told = [
        {"standing_id": "user:u1", "kind": "user", "subject": "u1", "judged": f"2026-03-02T00:00:0{n}.000000Z", "n": n}
        for n in range(4)
    ]
    sink = writer(cluster, topic, stream="standings")
    position = sink.flush()
    sink.write(told[:2])
    sink.flush()  # and is killed
    again = writer(cluster, topic, position, "standings")
    again.write([told[1], told[2], told[0], told[3]])
    again.close()
    found = cluster.read(topic)
    assert [orjson.loads(m.value())["n"] for m in found] == [0, 1, 2, 3]
    assert {m.key() for m in found} == {b"user/u1"}


def test_broker_that_does_not_answer(tmp_path: Path, broker: Broker) -> None:
    """What cannot be delivered waits, bounded; the error says how much; when the broker is back nothing is missing."""
    cluster = Cluster(broker.address)
    topic = cluster.create()
    clock = Clock()
    sink = writer(cluster, topic, delivery_s=1.0, patience=Patience(buffer_max=100), clock=clock)
    sink.write(alerts(range(10)))
    sink.flush()
    broker.pause()
    clock.step_s = 0.3
    sink.write(alerts(range(10, 60)))
    with pytest.raises(SinkError, match=r"50 records of the alerts are not delivered: no answer for 1 s"):
        sink.flush()
    with pytest.raises(SinkError, match="100 records"):
        sink.write(alerts(range(60, 200)))
    assert sink.waiting == 100
    broker.resume()
    clock.step_s = 0.0
    sink.write(alerts(range(110, 120)))
    sink.close()
    assert numbers(cluster, topic) == list(range(120))


def test_end_after_giving_up_is_quick(broker: Broker) -> None:
    """Who has waited for the brokers in vain is not made to wait again when the run ends."""
    cluster = Cluster(broker.address)
    clock = Clock()
    sink = writer(cluster, cluster.create(), delivery_s=20.0, clock=clock)
    broker.pause()
    sink.write(alerts(range(3)))
    clock.step_s = 10.0
    with pytest.raises(SinkError, match="3 records"):
        sink.flush()
    began_s, clock.step_s = clock.now_s, 1.0
    with pytest.raises(SinkError, match="3 records"):
        sink.close()
    assert clock.now_s - began_s < 5.0
    sink.close()
    broker.resume()


@real_kafka
def test_transaction_is_seen_as_a_whole(cluster: Cluster) -> None:
    """Before the flush a consumer of committed records sees nothing, after it everything."""
    topic = cluster.create()
    sink = writer(cluster, topic, transactional_id=f"tx-{topic}")
    sink.write(alerts(range(50)))
    sink._producer.flush(10)
    assert numbers(cluster, topic) == []
    assert numbers(cluster, topic, isolation="read_uncommitted") == list(range(50))
    sink.flush()
    assert numbers(cluster, topic) == list(range(50))


@real_kafka
def test_open_transaction_of_a_killed_run_is_never_seen(cluster: Cluster) -> None:
    """What a killed run had not committed is aborted by the next one, which writes it again: each record once."""
    topic = cluster.create(2)
    own = {"transactional_id": f"tx-{topic}"}
    first = writer(cluster, topic, **own)
    position = first.flush()
    first.write(alerts(range(30)))
    first._producer.flush(10)
    second = writer(cluster, topic, position, **own)
    second.write(alerts(range(30)))
    second.close()
    assert sorted(numbers(cluster, topic, 2)) == list(range(30))
    assert len(numbers(cluster, topic, 2, "read_uncommitted")) == 60


@real_kafka
def test_second_run_shuts_out_the_first(cluster: Cluster) -> None:
    """Two writers of one transactional id: the older one is told so, and what it had open is not seen."""
    topic = cluster.create()
    own = {"transactional_id": f"tx-{topic}"}
    old = writer(cluster, topic, **own)
    old.write(alerts(range(5)))
    new = writer(cluster, topic, **own)
    new.write(alerts(range(5, 8)))
    new.flush()
    with pytest.raises(SinkError, match="another run uses the same transactional id"):
        old.flush()
    assert numbers(cluster, topic) == [5, 6, 7]


@real_kafka
def test_record_that_is_too_large(cluster: Cluster) -> None:
    """A record beyond the topic's limit stops the run with the limit's name; what came before it is delivered."""
    topic = cluster.create(**{"max.message.bytes": "2000"})
    sink = writer(cluster, topic)
    sink.write(alerts(range(5)))
    sink.flush()
    sink.write([{"alert_id": "big", "subject": "u", "n": 5, "text": "x" * 5000}])
    with pytest.raises(SinkError, match=r"too large.*max\.message\.bytes"):
        sink.flush()
    assert numbers(cluster, topic) == list(range(5))


def test_unknown_topic(cluster: Cluster) -> None:
    """A topic that is not there is named before anything is read."""
    with pytest.raises(SinkError, match="topic 'nowhere' does not exist"):
        writer(cluster, "nowhere")
