"""What people would say of alerts: the truth about each alerted account, sent back once."""

import time
from collections.abc import Mapping

import orjson

from flows.kafka.address import Topic
from flows.load.watch import Arrival


class Labeller:
    """Called with each alert; sends the account's label.  truth: account -> whether it is an attacker."""

    def __init__(self, to: Topic, truth: Mapping[str, bool]) -> None:
        self._to = to
        self._truth = truth
        self._reported: set[str] = set()
        self._producer = to.connection.producer({"enable.idempotence": True})

    def __call__(self, arrival: Arrival) -> None:
        subject = arrival.subject
        if subject in self._reported or subject not in self._truth:
            return
        self._reported.add(subject)
        now_ms = int(time.time() * 1000)
        label = {"subject": subject, "label": int(self._truth[subject]), "at": now_ms, "by": "driftnet load"}
        self._producer.produce(self._to.name, orjson.dumps(label), subject.encode())
        self._producer.poll(0)

    def close(self) -> None:
        """Waits until all are delivered."""
        self._producer.flush(30)
