"""A run that becomes that of another job, without an engine."""

from pathlib import Path
from typing import Any

from flows.drive.local import LocalDriver
from flows.job import Job
from flows.job_stages import JobStages
from flows.sources.base import Source
from flows.stages import Operator
from flows.steps import Step
from state.chunks import Bundle, Saved
from tests.engine.scenarios import Told, openers, told


class Parted(LocalDriver):
    """Reads to where another run stopped, and becomes the driver of another job there."""

    def __init__(self, job: Job, source: Source, out: Path) -> None:
        self._job = job
        self.sinks = {stream: [opener()] for stream, opener in openers(out).values()}
        super().__init__(job, [source.open(name) for name in source.partition_names()], self.sinks)

    def read_to(self, positions: dict[str, Any]) -> None:
        for name, partition in self._partitions.items():
            while partition.position() != positions[name]:
                lines = partition.read(1)
                assert lines is not None
                self._drain(self.ingests[name].process(lines))

    def become(self, job: Job) -> None:
        stages, before = JobStages(job, tuple(self._partitions)).stages(), self.operators
        if self._job.judgement.cohorts.column != job.judgement.cohorts.column:
            before = {key: operator for key, operator in before.items() if key[0] != Step.POPULATION}
        self.ingests = {name: stages.ingest(name, resume=i.snapshot()) for name, i in self.ingests.items()}
        self._stages = {stage.name: stage for stage in stages.keyed}
        self.operators = {
            (stage.name, who): stage.build(who, resume=_saved(before.get((stage.name, who))))
            for stage in stages.keyed
            for who in stage.keys
        }


def _saved(operator: Operator | None) -> Saved | None:
    return None if operator is None else Bundle.open(Bundle.of(operator))


def evolved_locally(before: Job, after: Job, source: Source, positions: dict[str, Any], out: Path) -> Told:
    """What two jobs say, of which the first stops at these positions, and the second goes on from its state."""
    driver = Parted(before, source, out)
    driver.read_to(positions)
    driver.become(after)
    summary = driver.run()
    for opened in driver.sinks.values():
        opened[0].close()
    return told(out, summary)
