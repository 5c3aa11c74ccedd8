"""The topics that a cluster has, and where their partitions begin and end."""

import difflib
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from flows.kafka.errors import in_words, is_lasting
from state.errors import DriftnetError, SourceError

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Producer

TIMEOUT_S: Final = 10.0
"""How long a question to the brokers may take."""
_PAUSE_S: Final = 0.2
Answer = TypeVar("Answer")
Start = str | int | Mapping[str, int]
"""earliest, latest, committed; a moment in microseconds; or "topic/partition" -> offset, others from the earliest."""


def ask(question: Callable[[], Answer], timeout_s: float = TIMEOUT_S) -> Answer:
    """What the brokers answer.  Those that are just starting, or changing leaders, are asked again for timeout_s.

    Raises KafkaException.
    """
    from confluent_kafka import KafkaException

    until_s = time.monotonic() + timeout_s
    while True:
        try:
            return question()
        except KafkaException as error:
            if is_lasting(error.args[0]) or time.monotonic() > until_s:
                raise
        time.sleep(_PAUSE_S)


def partition_name(topic: str, partition: int) -> str:
    """As in "plays/3"."""
    return f"{topic}/{partition}"


class Heard:
    """The last error of a client as a whole, which its calls do not raise: give `self` as its "error_cb"."""

    def __init__(self) -> None:
        self.error: Any = None

    def __call__(self, error: Any) -> None:
        if self.error is None or not is_lasting(self.error):
            self.error = error

    def or_else(self, error: Any) -> Any:
        """The heard error if it says more than the one that a call raised."""
        return self.error if self.error is not None and is_lasting(self.error) else error


def partition_counts(
    client: "Consumer | Producer",
    heard: Heard,
    brokers: str,
    topics: tuple[str, ...],
    failure: type[DriftnetError] = SourceError,
    timeout_s: float = TIMEOUT_S,
) -> dict[str, int]:
    """Topic -> number of its partitions.  Raises `failure` for brokers that do not answer and topics they lack.

    heard: what the client's errors are told to.
    """
    from confluent_kafka import KafkaException

    try:
        found = {topic: client.list_topics(topic, timeout_s).topics[topic] for topic in topics}
        for topic, metadata in found.items():
            if metadata.error is not None or not metadata.partitions:
                known = client.list_topics(timeout=timeout_s).topics
                raise failure(_missing(brokers, topic, metadata.error, [t for t in known if t[:2] != "__"]))
    except KafkaException as error:
        client.poll(0)  # only now `heard` is told
        why = heard.or_else(error.args[0])
        waited = "" if is_lasting(why) else f" (waited {timeout_s:g} s; is it running, and is the address right?)"
        raise failure(f"Kafka at {brokers} does not answer: {in_words(why)}{waited}") from error
    return {topic: len(metadata.partitions) for topic, metadata in found.items()}


def _missing(brokers: str, topic: str, error: Any, known: list[str]) -> str:
    where = f"Kafka at {brokers}: topic {topic!r}"
    if error is not None and error.name() != "UNKNOWN_TOPIC_OR_PART":
        return f"{where}: {in_words(error)}"
    close = difflib.get_close_matches(topic, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else "."
    return f"{where} does not exist{hint} There are: {', '.join(sorted(known)[:8]) or 'none'}"


def start_offset(consumer: "Consumer", topic: str, partition: int, start: Start) -> int:
    """The offset that a start stands for now.  Raises KafkaException when the brokers do not answer."""
    from confluent_kafka import TopicPartition

    if isinstance(start, Mapping):
        named = start.get(partition_name(topic, partition))
        if named is not None:
            return named
        start = "earliest"
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), TIMEOUT_S)
    if start == "latest":
        return high
    if start == "committed":
        told = consumer.committed([TopicPartition(topic, partition)], TIMEOUT_S)[0].offset
        return told if told >= 0 else low
    if isinstance(start, int):
        at = consumer.offsets_for_times([TopicPartition(topic, partition, start // 1000)], TIMEOUT_S)[0].offset
        return at if at >= 0 else high
    return low
