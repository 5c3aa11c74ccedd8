"""Runs of events with labels and commands beside them: sources called "labels" and "control"."""

import json
from collections.abc import Sequence
from pathlib import Path

from flows.drive.assembly import Opener
from flows.drive.local import LocalDriver
from flows.engine.plan import Options, Plan, partitions_of
from flows.job import Job
from flows.job_stages import JobStages
from flows.sinks.specs import JsonlSink, open_sink
from flows.sources.base import Source
from flows.streams import Stream
from tests.engine.scenarios import STREAMS, Told, openers, same, told

READS = {"labels": "labels", "control": "control"}
ToldAll = tuple[Told, list[str]]
"""As of a run of events alone, and the audit records, sorted."""


def audit_of(directory: Path) -> list[str]:
    """Where the commands' file lies is not the point, and the id goes by it."""
    records = map(json.loads, (directory / "audit.jsonl").read_text().splitlines())
    return sorted(json.dumps({k: v for k, v in r.items() if k not in ("audit_id", "source")}) for r in records)


def run_beside_local(job: Job, sources: Sequence[Source], out: Path, batch_lines: int = 8192) -> ToldAll:
    """What the local driver says."""
    out.mkdir()
    sinks = {s: [open_sink(JsonlSink(str(out / f"{s}.jsonl")), s.value)] for s in STREAMS}
    partitions = [source.open(name) for source in sources for name in source.partition_names()]
    summary = LocalDriver(job, partitions, sinks, batch_lines, reads=READS).run()
    for opened in sinks.values():
        opened[0].close()
    return told(out, summary), audit_of(out)


def plan_beside(job: Job, sources: Sequence[Source], out: Path, options: Options) -> Plan:
    """The same on Bytewax."""
    of_name = partitions_of(sources)
    audit = {"audit": (Stream.AUDIT, Opener(JsonlSink(str(out / "audit.jsonl")), "audit", "run"))}
    return Plan(JobStages(job, tuple(of_name), READS).stages(), of_name, openers(out) | audit, options)


def same_all(one: ToldAll, other: ToldAll) -> None:
    """Asserts equality."""
    same(one[0], other[0])
    assert one[1] == other[1]
