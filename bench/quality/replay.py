"""Replay: recorded rows through the population stage, and what it found through the alert policy."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import orjson

from bench.quality.record import Recording
from flows.counters import Counts
from flows.job import Job
from flows.operators.alerts.operator import AlertOperator
from flows.operators.messages import Leaving, Output, PolicyInput
from flows.operators.population.operator import PopulationOperator, RoundObserver
from flows.streams import Stream


@dataclass(slots=True)
class Found:
    """What a replay gave: records of alerts and drift events, in their order, and counts."""

    alerts: list[dict[str, Any]] = field(default_factory=list)
    drift: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def add(self, leaving: Leaving) -> None:
        """One more output of an operator."""
        match leaving:
            case Counts(added=added):
                self.counts.update(added)
            case Output(Stream.ALERTS, records):
                self.alerts += records
            case Output(Stream.DRIFT, records):
                self.drift += records

    @property
    def digest(self) -> str:
        """Of all alerts and drift events, in 16 hexadecimal digits."""
        return blake2b(orjson.dumps([self.alerts, self.drift]), digest_size=8).hexdigest()


def judge(recording: Recording, job: Job, observer: RoundObserver | None = None) -> Iterator[PolicyInput | Leaving]:
    """The population stage: what it sends and tells, in its order.  job: may differ from the recorded one in whatever
    comes after the subject stage.
    """
    cohorts = {name: PopulationOperator(job.judgement, job.stream.rows, name) for name in job.judgement.cohorts.names}
    for operator in cohorts.values():
        operator.observer = observer
    for cohort, message in recording.messages():
        yield from cohorts[cohort].process(message)


def alert(judged: Iterable[PolicyInput | Leaving], job: Job) -> Found:
    """The alert stage, and all that was told before it."""
    policy = AlertOperator(job.judgement, (w.name for w in job.stream.rows.windows))
    found = Found()
    for message in judged:
        for output in policy.process(message) if isinstance(message, PolicyInput) else [message]:
            found.add(output)
    return found
