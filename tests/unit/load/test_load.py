"""A load's own arithmetic: which events, when they are due, and what latency is."""

import time
from collections import Counter
from typing import Any

import numpy as np
import orjson
import pytest
from rich.console import Console

from flows.kafka.address import parse_topic
from flows.load.events import Events, due_at
from flows.load.figures import figures, latencies_s
from flows.load.send import Sent
from flows.load.watch import Arrival, Sample, Seen
from state.errors import ConfigError


def test_events_are_as_many_as_asked_for_and_the_same_again() -> None:
    """More than a simulated day has, if need be; the same seed gives the same lines."""
    lines = list(Events(60, 9_000, seed=3).lines())
    assert len(lines) == 9_000
    assert lines == list(Events(60, 9_000, seed=3).lines())
    assert lines != list(Events(60, 9_000, seed=4).lines())
    assert {orjson.loads(line)["user_id"] for line in lines} <= set(Events(60, 1, seed=3).truth())


def test_due_at_changes_the_time_alone() -> None:
    """The event time is the moment given, all else is as it was; the account is told."""
    (line,) = Events(60, 1, seed=1).lines()
    moved, user = due_at(line, 1_234_567_890_123)
    before = orjson.loads(line)
    assert orjson.loads(moved) == before | {"event_time": 1_234_567_890_123}
    assert user.decode() == before["user_id"]


def arrival(at_s: float, end_s: float, subject: str) -> Arrival:
    return Arrival(at_s, end_s, subject, {})


def test_latency_counts_from_when_the_last_event_of_the_window_was_due() -> None:
    """Of the subject's events before the window's end the last one; later ones have no part in it."""
    sent = Sent(1000.0, 2.0, [b"a", b"b", b"a", b"a", b"b"])  # due at 1000, 1000.5, 1001, 1001.5, 1002
    seen = [arrival(1010.0, 1001.5, "a"), arrival(1010.0, 1010.0, "b"), arrival(1.0, 1000.5, "b"), arrival(1, 2, "c")]
    from_event, from_window = latencies_s(sent, seen)
    assert from_event.tolist() == [9.0, 8.0]
    assert from_window.tolist() == [8.5, 0.0]


def test_figures() -> None:
    """Rates between the first and the last telling while events were sent; the worst lag and the last one."""
    sent = Sent(1000.0, 100.0, [b"a"] * 1000, late_s=0.02, failed=Counter({"no": 2}))
    looks = [(1000, None, None), (1001, 90, 10), (1002, 190, 10), (1003, 40, 260), (1004, 140, 260), (1005, 20, 480)]
    samples = [Sample(float(s), lag, told, 2.0 * (s - 1000), (s - 999) << 20) for s, lag, told in looks]
    samples.append(Sample(1020.0, 0, 1000, 99.0, 1 << 20))
    found = figures(sent, Seen([arrival(1002.5, 1001.0, "a")] * 3, samples))
    assert (found.events, found.offered_per_s, found.failed) == (1000, 100.0, {"no": 2})
    assert found.done_per_s == pytest.approx((480 - 260) / 2)
    assert (found.lag_max, found.lag_end) == (190, 0)
    assert found.cores == pytest.approx(2.0)
    assert found.rss_max_bytes == 6 << 20
    assert found.event_to_alert_s == pytest.approx(dict.fromkeys(("p50", "p99", "p99.9", "max"), 1002.5 - 1000.99))
    assert found.window_to_alert_s["max"] == 1.5


def test_nothing_seen() -> None:
    """Without alerts, group or process there are no figures of theirs, and no zeros that look like some."""
    found = figures(Sent(1.0, 1.0, [b"a"]), Seen([], [Sample(1.0)]))
    unknown: list[Any] = [found.done_per_s, found.lag_max, found.lag_end, found.cores, found.rss_max_bytes]
    assert unknown == [None] * 5
    assert found.event_to_alert_s == {}
    for watched in (True, False):
        console = Console(width=400)
        with console.capture() as printed:
            console.print(figures(Sent(1.0, 1.0, [b"a"]), Seen([], [Sample(61.0)]), watched=watched).table())
        assert ("0 in 60 s: a window is judged when it has ended" in printed.get()) == watched


@pytest.mark.parametrize("text", ["kafka://h:1/t", "kafka://h:1,i:2/a.b_c-1"])
def test_topics(text: str) -> None:
    """Brokers and the topic's name."""
    topic = parse_topic(text, (("a", "b"),))
    assert f"kafka://{topic.connection.brokers}/{topic.name}" == text
    assert topic.connection.properties == (("a", "b"),)


@pytest.mark.parametrize("text", ["", "h:1/t", "kafka://h/t", "kafka://h:1", "kafka://h:1/", "kafka://h:1/a/b"])
def test_not_topics(text: str) -> None:
    """What is seen, and how it should look."""
    with pytest.raises(ConfigError, match=r"allowed: kafka://host:port/topic"):
        parse_topic(text)


def test_open_loop_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events keep their times when the brokers take long: how late the sender was is told."""
    from flows.load import send as module

    class Slow:
        def __init__(self) -> None:
            self.given: list[dict[str, Any]] = []

        def produce(self, topic: str, value: bytes, key: bytes, on_delivery: Any) -> None:
            if len(self.given) == 20:
                time.sleep(0.3)
            self.given.append(orjson.loads(value))

        def poll(self, timeout: float) -> None:
            time.sleep(timeout)

        def flush(self, timeout: float) -> None:
            pass

    slow = Slow()
    topic = parse_topic("kafka://h:1/t")
    monkeypatch.setattr(type(topic.connection), "producer", lambda self, own: slow)
    monkeypatch.setattr(module, "partition_counts", lambda *args: {})
    sent = module.send(Events(60, 100, seed=1).lines(), 200.0, topic, lambda count: None)
    times = np.array([event["event_time"] for event in slow.given])
    assert np.diff(times).tolist() == pytest.approx([5.0] * 99, abs=1)
    assert times[0] == int(sent.start_s * 1000)
    assert 0.25 < sent.late_s < 2.0
