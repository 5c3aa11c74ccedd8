"""A run that becomes that of another job, without an engine."""

from pathlib import Path
from typing import Any

from flows.job import Job
from flows.local import LocalDriver
from flows.operators.alerts import AlertOperator
from flows.operators.population import PopulationOperator
from flows.operators.subject import SubjectOperator
from flows.operators.told import first_stage
from flows.sources.base import Source
from state.chunks import Bundle
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
                self._drain(self._ingests[name].process(lines))

    def become(self, job: Job) -> None:
        names = tuple(self._partitions)
        self._ingests = {n: first_stage(job, n, "events", i.snapshot()) for n, i in self._ingests.items()}
        self._subjects = [
            SubjectOperator(job, group, names, Bundle.open(Bundle.of(s))) for group, s in enumerate(self._subjects)
        ]
        cohorts, kept = self._cohorts, self._job.cohorts.column == job.cohorts.column
        self._cohorts = {
            n: PopulationOperator(job, n, Bundle.open(Bundle.of(cohorts[n])) if kept and n in cohorts else None)
            for n in job.cohorts.names
        }
        self._alerts = AlertOperator(job, Bundle.open(Bundle.of(self._alerts)))


def evolved_locally(before: Job, after: Job, source: Source, positions: dict[str, Any], out: Path) -> Told:
    """What two jobs say, of which the first stops at these positions, and the second goes on from its state."""
    driver = Parted(before, source, out)
    driver.read_to(positions)
    driver.become(after)
    summary = driver.run()
    for opened in driver.sinks.values():
        opened[0].close()
    return told(out, summary)
