"""A job inside Bytewax, its alerts and drift events in files, for the cases that run the engine."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import orjson

from bench.pipeline import Memory, Outcome
from flows.counters import FILLED
from flows.drive.assembly import Opener
from flows.engine.plan import Options, Plan, partitions_of
from flows.engine.run import execute
from flows.job import Job
from flows.job_stages import JobStages
from flows.sinks.specs import JsonlSink
from flows.sources.base import Partition, Source
from flows.streams import Stream
from flows.summary import Summary


@dataclass(frozen=True, slots=True)
class MemorySource:
    """Lines in memory as a source of one partition."""

    lines: list[bytes]
    name: str = "memory"

    def partition_names(self) -> list[str]:
        """The one partition."""
        return ["memory"]

    def open(self, name: str) -> Partition:
        """A reader at the beginning."""
        return Memory(self.lines, name)


def bytewax_plan(job: Job, source: Source, directory: Path, options: Options) -> Plan:
    """The job as `driftnet run` hands it to the engine.  directory: for alerts.jsonl and drift.jsonl, emptied first."""
    sources = partitions_of([source])
    sinks = {s: JsonlSink(str(directory / f"{s}.jsonl"), overwrite=True) for s in (Stream.ALERTS, Stream.DRIFT)}
    openers = {s.value: (s, Opener(sink, s, "bench")) for s, sink in sinks.items()}
    return Plan(JobStages(job, tuple(sources)).stages(), sources, openers, options)


def run_bytewax(plan: Plan) -> Summary:
    """To the end of the input; the totals without the time taken, so that equal runs are equal."""
    return replace(execute(plan), elapsed_s=0.0)


def same(summary: Summary, directory: Path, local: Outcome) -> None:
    """Asserts that a run on Bytewax gave what the local driver gave: totals, alerts and drift events."""
    assert summary.balanced, "lines were lost"
    # Outcomes leave out what goes by the number of source partitions.
    totals = {key: n for key, n in summary.totals.items() if n and not key.startswith(f"{FILLED.name}.")}
    assert totals == local.counts
    alerts, drift = (_records(directory / f"{stream}.jsonl") for stream in (Stream.ALERTS, Stream.DRIFT))
    assert Outcome.of(local.counts, alerts, drift) == local


def _records(file: Path) -> list[dict[str, object]]:
    lines: Sequence[bytes] = file.read_bytes().splitlines()
    return [orjson.loads(line) for line in lines]
