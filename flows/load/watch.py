"""What others see of a job under load: its alerts as they arrive, its lag, its processes."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from flows.kafka.address import Topic
from flows.kafka.topics import TIMEOUT_S, Heard, ask, partition_counts
from state.times import from_iso
from state.types import SECOND_US

_WAIT_S: Final = 0.05


@dataclass(frozen=True, slots=True)
class Arrival:
    """A record that arrived.  at_s: Unix time.  end_s: event time at which its window ended."""

    at_s: float
    end_s: float
    subject: str
    record: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Sample:
    """One look.  at_s: Unix time.  lag: records that the group has not been told.  told: sum of its offsets.

    cpu_s: of all processes since their start.  rss_bytes: of all of them.
    """

    at_s: float
    lag: int | None = None
    told: int | None = None
    cpu_s: float | None = None
    rss_bytes: int | None = None


@dataclass
class Seen:
    """What was seen, in its order."""

    arrivals: list[Arrival] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)


@contextmanager
def watching(
    events: Topic,
    alerts: Topic | None,
    group: str,
    pid: int | None,
    on_alert: Callable[[Arrival], None],
    every_s: float = 1.0,
) -> Iterator[Seen]:
    """Watches while the block runs.

    alerts: a topic of records with subject and end.  group: that the job tells its offsets to.  pid: of the job, whose
    child processes count too.
    """
    seen, over = Seen(), threading.Event()
    lag = _Lag(events, group)
    processes = _Processes(pid)
    threads = [threading.Thread(target=_sample, args=(seen, lag, processes, every_s, over), daemon=True)]
    if alerts is not None:
        consumer = _at_the_end(alerts)
        threads.append(threading.Thread(target=_collect, args=(seen, consumer, on_alert, over), daemon=True))
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()


def _at_the_end(topic: Topic) -> Any:
    """A consumer of what comes from now on."""
    from confluent_kafka import TopicPartition

    heard = Heard()
    consumer = topic.connection.consumer({"group.id": "driftnet-load", "enable.auto.commit": False, "error_cb": heard})
    count = partition_counts(consumer, heard, topic.connection.address, (topic.name,))[topic.name]
    partitions = [TopicPartition(topic.name, p) for p in range(count)]
    ends = [ask(lambda p=p: consumer.get_watermark_offsets(p, TIMEOUT_S)[1]) for p in partitions]  # type: ignore[misc]
    consumer.assign([TopicPartition(topic.name, p, end) for p, end in enumerate(ends)])
    return consumer


def _collect(seen: Seen, consumer: Any, on_alert: Callable[[Arrival], None], over: threading.Event) -> None:
    while not over.is_set():
        messages = consumer.consume(1000, _WAIT_S)
        at_s = time.time()
        for message in messages:
            if message.error() is None:
                record = orjson.loads(message.value())
                end_s = from_iso(record["end"]) / SECOND_US
                arrival = Arrival(at_s, end_s, record["subject"], record)
                seen.arrivals.append(arrival)
                on_alert(arrival)
    consumer.close()


def _sample(seen: Seen, lag: "_Lag", processes: "_Processes", every_s: float, over: threading.Event) -> None:
    while True:
        behind, told = lag.look()
        cpu_s, rss_bytes = processes.look()
        seen.samples.append(Sample(time.time(), behind, told, cpu_s, rss_bytes))
        if over.wait(every_s):
            lag.close()
            return


class _Lag:
    """What ordinary tools see of a consumer group."""

    def __init__(self, topic: Topic, group: str) -> None:
        from confluent_kafka import TopicPartition

        heard = Heard()
        self._consumer = topic.connection.consumer({"group.id": group, "enable.auto.commit": False, "error_cb": heard})
        count = partition_counts(self._consumer, heard, topic.connection.address, (topic.name,))[topic.name]
        self._partitions = [TopicPartition(topic.name, p) for p in range(count)]

    def look(self) -> tuple[int | None, int | None]:
        """Records behind, and the sum of the group's offsets; None until it was told all of them, and where brokers do
        not answer.
        """
        from confluent_kafka import KafkaException

        with suppress(KafkaException):
            told = [p.offset for p in self._consumer.committed(self._partitions, TIMEOUT_S)]
            ends = [self._consumer.get_watermark_offsets(p, TIMEOUT_S)[1] for p in self._partitions]
            if min(told) >= 0:
                return max(sum(ends) - sum(told), 0), sum(told)
        return None, None

    def close(self) -> None:
        self._consumer.close()


class _Processes:
    """A process and its children, as the system accounts for them."""

    def __init__(self, pid: int | None) -> None:
        self._pid = pid

    def look(self) -> tuple[float | None, int | None]:
        """CPU seconds and resident bytes; None where there is nothing to look at."""
        if self._pid is None:
            return None, None
        import psutil

        with suppress(psutil.Error):
            parent = psutil.Process(self._pid)
            return _account([parent, *parent.children(recursive=True)])
        return None, None


def _account(processes: Sequence[Any]) -> tuple[float, int]:
    import psutil

    cpu_s, rss_bytes = 0.0, 0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            cpu_s += times.user + times.system
            rss_bytes += process.memory_info().rss
    return cpu_s, rss_bytes
