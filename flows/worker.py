"""A job on Bytewax: the engine's plan, made from a configuration."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from flows.assemble import Assembly
from flows.engine.growth import Growth
from flows.engine.monitor import OnProgress
from flows.engine.plan import Options, Plan, partitions_of
from flows.engine.run import execute
from flows.engine.stages import Stages
from flows.fates import shape_of
from flows.job import Job
from flows.layout import Layout
from flows.operators.alerts import AlertOperator
from flows.operators.ingest import Ingest
from flows.operators.population import PopulationOperator
from flows.operators.subject import SubjectOperator
from flows.operators.told import Told, first_stage
from flows.report import Summary
from flows.saved_job import CONFIG_NOTE, numbered_cohorts, unsaid_layout
from state.chunks import Saved
from state.snapshot import reading

STARTS_NOTE: Final = "starts.json"
"""Where sources that others write to began, in the state directory."""


@dataclass(frozen=True, slots=True)
class JobStages:
    """Builds the operators of a job.  Picklable.

    partitions: the names of all source partitions.  reads: of those that are not events, "labels" or "control".
    unsaid: the layout of saved state that does not say its own; None for the job's.  cohort_numbers: see Stages.
    """

    job: Job
    partitions: tuple[str, ...]
    reads: Mapping[str, str] = field(default_factory=dict)
    unsaid: Layout | None = None
    cohort_numbers: Mapping[str, int] = field(default_factory=dict)

    def ingest(self, partition: str, /, *, resume: bytes | None) -> Ingest | Told:
        """The first stage of one source partition."""
        with reading(f"partition {partition}"):
            return first_stage(self.job, partition, self.reads.get(partition, "events"), resume)

    def subject(self, group: int, /, *, resume: Saved | None) -> SubjectOperator:
        """The subject stage of one key group."""
        with reading(f"key group {group}"):
            return SubjectOperator(self.job, group, self.partitions, resume, self.reads, self.unsaid)

    def population(self, cohort: str, /, *, resume: Saved | None) -> PopulationOperator:
        """The population stage of one cohort."""
        with reading(f"cohort {cohort}"):
            return PopulationOperator(self.job, cohort, resume, self.unsaid)

    def alerts(self, _: None, /, *, resume: Saved | None) -> AlertOperator:
        """The alert policy."""
        with reading("alert policy"):
            return AlertOperator(self.job, resume, self.unsaid)

    def stages(self) -> Stages:
        """All of them, as the engine takes them."""
        time = self.job.time
        return Stages(
            groups=self.job.key_groups,
            cohorts=self.job.cohorts.names,
            ingest=self.ingest,
            subject=self.subject,
            population=self.population,
            alerts=self.alerts,
            # One pane ahead keeps all partitions busy; more would only pile up rows in open panes.
            lead_us=self.job.pane_us + time.out_of_orderness_us,
            out_of_orderness_us=time.out_of_orderness_us,
            idle_timeout_us=time.idle_timeout_us,
            shape=shape_of(self.job),
            unsaid=self.unsaid,
            cohort_numbers=self.cohort_numbers,
        )


def plan(assembly: Assembly, options: Options) -> Plan:
    """What every process of a run must know.  Raises ConfigError, SourceError."""
    sources = partitions_of(assembly.sources())
    unsaid = unsaid_layout(options.state_dir, assembly.config)
    job = assembly.config.job()
    numbers = numbered_cohorts(options.state_dir, job)
    stages = JobStages(job, tuple(sources), assembly.reads(sources), unsaid, numbers).stages()
    return Plan(stages, sources, assembly.openers(), options, {CONFIG_NOTE: assembly.config.to_toml()})


def work(assembly: Assembly, options: Options, progress: OnProgress | None = None) -> Summary:
    """Runs to the end of the input, or until a signal, on Bytewax; see `flows.engine.run.execute`.

    When others add partitions to the input of a run with saved state, it goes on with them.
    """
    assembly = assembly.pinned(options.state_dir and options.state_dir / STARTS_NOTE)
    while True:
        planned = plan(assembly, options)
        assembly.record()
        growth = Growth(planned.sources, assembly.discover_s)
        summary = execute(planned, progress, growth)
        if not growth.found:
            return summary
