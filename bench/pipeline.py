"""The pipeline in growing pieces: the bodies that are timed against `orjson.loads` on the same lines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import orjson

from flows.drive.local import LocalDriver
from flows.evolution.layout import form_of
from flows.job import Job
from flows.operators.ingest.operator import Ingest
from flows.operators.messages import CohortInput
from flows.operators.population.operator import RoundObserver
from flows.operators.subject.operator import SubjectOperator
from flows.sources.base import Lines, Partition, Unwatched
from flows.streams import Stream

BATCH_LINES = 32_768


class Memory(Unwatched):
    """A partition that is already in memory, so that only the pipeline is timed."""

    size_bytes = done_bytes = None

    def __init__(self, lines: list[bytes], name: str = "memory") -> None:
        self.name = name
        self._lines = lines
        self._next = 0

    def read(self, max_lines: int) -> Lines | None:
        start, self._next = self._next, self._next + max_lines
        lines = self._lines[start : self._next]
        return Lines(lines, range(start, start + len(lines)), "memory") if lines else None

    def position(self) -> int:
        return self._next

    def seek(self, position: int) -> None:
        self._next = position

    def close(self) -> None:
        """Nothing to let go of."""


@dataclass(slots=True)
class Collect:
    """A sink that keeps its records."""

    records: list[dict[str, Any]] = field(default_factory=list)

    def write(self, records: list[dict[str, Any]]) -> None:
        self.records += records

    def flush(self) -> None:
        """Nothing is on its way."""

    def close(self) -> None:
        """Nothing to let go of."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run gave.  findings: hash of which alerts and drift events it raised.  alerts: their records."""

    counts: dict[str, int]
    findings: str
    alerts: list[dict[str, Any]] = field(default_factory=list, compare=False, repr=False)

    @staticmethod
    def of(counts: dict[str, int], alerts: list[dict[str, Any]], drift: list[dict[str, Any]]) -> "Outcome":
        """Ids and severities only: the floats in the records depend on the order of additions.  Without the counts that
        go by how many source partitions there are.
        """
        told = sorted([a["alert_id"], a["severity"], a["subject"]] for a in alerts)
        told += sorted([d["event_id"]] for d in drift)
        of_lines = {name: n for name, n in sorted(counts.items()) if not name.startswith("filled.")}
        return Outcome(of_lines, blake2b(orjson.dumps(told), digest_size=8).hexdigest(), alerts)

    @property
    def digest(self) -> str:
        """All of it in 16 hexadecimal digits."""
        return blake2b(orjson.dumps([self.counts, self.findings]), digest_size=8).hexdigest()


def total(counts: Mapping[str, int], counter: str) -> int:
    """Of all its labels together.  By name, not by the catalogue: the cases measure older code too."""
    by_label = [n for key, n in counts.items() if key.startswith(f"{counter}.")]
    return sum(by_label) if by_label else counts.get(counter, 0)


def reference(lines: Sequence[bytes]) -> None:
    """What every JSON pipeline must do at least."""
    for line in lines:
        orjson.loads(line)


def decode_only(job: Job, lines: list[bytes]) -> None:
    """Decoding, lateness and routing."""
    ingest = Ingest(job.stream, job.columns, "memory")
    for start in range(0, len(lines), BATCH_LINES):
        part = lines[start : start + BATCH_LINES]
        ingest.process(Lines(part, range(start, start + len(part)), "memory"))


def windows_only(job: Job, lines: list[bytes]) -> int:
    """Decoding, windows and features; returns the number of window rows."""
    ingest = Ingest(job.stream, job.columns, "memory")
    subjects = [
        SubjectOperator(job.stream, job.judgement.audience, form_of(job), group, ("memory",))
        for group in range(job.stream.key_groups)
    ]
    rows = 0
    for start in range(0, len(lines) + BATCH_LINES, BATCH_LINES):
        part = lines[start : start + BATCH_LINES]
        sent = ingest.process(Lines(part, range(start, start + len(part)), "memory")) if part else ingest.finish()
        for message in sent:
            if isinstance(message, tuple):
                for out in subjects[message[0]].process(message[1]):
                    if isinstance(out, tuple) and isinstance(out[1], CohortInput):
                        rows += sum(map(len, out[1].rows))
    return rows


def whole(job: Job, lines: list[bytes]) -> dict[str, int]:
    """Everything, through the local driver; returns the counts."""
    return run(job, [Memory(lines)]).counts


def run(job: Job, partitions: Sequence[Partition], observer: RoundObserver | None = None) -> Outcome:
    """Everything, through the local driver."""
    alerts, drift = Collect(), Collect()
    sinks = {Stream.ALERTS: [alerts], Stream.DRIFT: [drift]}
    driver = LocalDriver(job, partitions, sinks, batch_lines=BATCH_LINES, observer=observer)
    summary = driver.run()
    assert summary.balanced, "lines were lost"
    return Outcome.of(driver.outputs.counts, alerts.records, drift.records)
