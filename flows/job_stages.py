"""The stages of a job: the one place where the flow's graph stands.

                 by key column               by cohort
 ingest ═══► subject stage(s) ═══════► population stage(s) ════► alerts ──► sinks

A further stage of an operator that there is, such as a second subject stage keyed by another column, is one more entry.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from flows.evolution.fates import shape_of
from flows.evolution.layout import Layout, form_of
from flows.job import Job
from flows.operators.alerts.operator import AlertOperator
from flows.operators.ingest.operator import Ingest
from flows.operators.ingest.told import Told, first_stage
from flows.operators.messages import CohortInput, PolicyInput
from flows.operators.population.operator import PopulationOperator
from flows.operators.subject.operator import SubjectOperator
from flows.stages import Operator, Stage, Stages
from flows.steps import Step
from state.chunks import Saved
from state.schema import SUBJECT
from state.snapshot import reading


@dataclass(frozen=True, slots=True)
class Entry:
    """A stage of every job.

    name: a part of saved state; never changes.  step: what its operators do.  sends: kind of message -> the entry that
    it goes to, None for what nobody hears.  column: of a subject stage, the column that its keys are of: SUBJECT, or
    one of kind "id".  called: what a look into state calls its operators.
    """

    name: str
    step: Step
    called: str
    sends: Mapping[type, str | None] = field(default_factory=dict)
    column: str = ""


CATALOGUE: Final = (
    Entry(Step.SUBJECT.value, Step.SUBJECT, "groups", {CohortInput: Step.POPULATION.value}, SUBJECT),
    Entry(Step.POPULATION.value, Step.POPULATION, "cohorts", {PolicyInput: Step.ALERTS.value}),
    Entry(Step.ALERTS.value, Step.ALERTS, "policy"),
)
"""In the order of the flow."""


@dataclass(frozen=True, slots=True)
class JobStages:
    """Builds the operators of a job.  Picklable.

    partitions: the names of all source partitions.  reads: of those that are not events, "labels" or "control".
    unsaid: the layout of saved state that does not say its own; None for the job's.  cohort_numbers: of cohorts, where
    they are not their positions.
    """

    job: Job
    partitions: tuple[str, ...]
    reads: Mapping[str, str] = field(default_factory=dict)
    unsaid: Layout | None = None
    cohort_numbers: Mapping[str, int] = field(default_factory=dict)
    entries: tuple[Entry, ...] = CATALOGUE

    def ingest(self, partition: str, /, *, resume: bytes | None) -> Ingest | Told:
        """The first operator of one source partition."""
        routes = tuple((entry.name, entry.column) for entry in self.entries if entry.column)
        with reading(f"partition {partition}"):
            return first_stage(
                self.job.stream, self.job.columns, partition, self.reads.get(partition, "events"), resume, routes
            )

    def operator(self, entry: Entry, who: Any, resume: Saved | None) -> Operator:
        """The operator of one key of a stage.  who: a key group, a cohort, or None where there is one key."""
        return _KINDS[entry.step].build(self, entry, who, resume)

    def stages(self) -> Stages:
        """All of them, as the drivers take them."""
        time = self.job.stream.time
        return Stages(
            ingest=self.ingest,
            keyed=tuple(
                Stage(entry.name, _KINDS[entry.step].keys(self), _Build(self, entry), entry.sends, _holds_lines(entry))
                for entry in self.entries
            ),
            # One pane ahead keeps all partitions busy; more would only pile up rows in open panes.
            lead_us=self.job.stream.pane_us + time.out_of_orderness_us,
            out_of_orderness_us=time.out_of_orderness_us,
            idle_timeout_us=time.idle_timeout_us,
            shape=shape_of(self.job, self.cohort_numbers),
            unsaid=self.unsaid,
        )


def _holds_lines(entry: Entry) -> bool:
    """Each line has its fate in one stage, which is that of the subjects."""
    return entry.column == SUBJECT


@dataclass(frozen=True, slots=True)
class _Build:
    """`JobStages.operator` of one entry."""

    stages: JobStages
    entry: Entry

    def __call__(self, who: Any, /, *, resume: Saved | None) -> Operator:
        return self.stages.operator(self.entry, who, resume)


def _groups(stages: JobStages) -> dict[Any, int]:
    return {group: group for group in range(stages.job.stream.key_groups)}


def _cohorts(stages: JobStages) -> dict[Any, int]:
    names = stages.job.judgement.cohorts.names
    return {name: stages.cohort_numbers.get(name, position) for position, name in enumerate(names)}


def _one(stages: JobStages) -> dict[Any, int]:  # noqa: ARG001
    return {None: 0}


def _subject(stages: JobStages, entry: Entry, who: int, resume: Saved | None) -> SubjectOperator:
    # What people tell is about subjects: other stages do not hear it, and must not wait for it.
    of_subjects = entry.column == SUBJECT
    partitions = tuple(name for name in stages.partitions if of_subjects or name not in stages.reads)
    job, form = stages.job, form_of(stages.job, stages.unsaid)
    with reading(f"{entry.called} {who}" if not of_subjects else f"key group {who}"):
        return SubjectOperator(
            job.stream, job.judgement.audience, form, who, partitions, resume, stages.reads, entry.name
        )


def _population(stages: JobStages, entry: Entry, who: str, resume: Saved | None) -> PopulationOperator:
    job, form = stages.job, form_of(stages.job, stages.unsaid)
    with reading(f"cohort {who}"):
        return PopulationOperator(job.judgement, job.stream.rows, who, resume, form, entry.name)


def _alerts(stages: JobStages, entry: Entry, who: None, resume: Saved | None) -> AlertOperator:  # noqa: ARG001
    job, form = stages.job, form_of(stages.job, stages.unsaid)
    with reading("alert policy"):
        return AlertOperator(job.judgement, (w.name for w in job.stream.rows.windows), resume, form, entry.name)


@dataclass(frozen=True, slots=True)
class _Kind:
    """Of a step's operators: their keys with numbers, and how one is built."""

    keys: Callable[[JobStages], dict[Any, int]]
    build: Callable[[JobStages, Entry, Any, Saved | None], Operator]


_KINDS: Final[Mapping[Step, _Kind]] = {
    Step.SUBJECT: _Kind(_groups, _subject),
    Step.POPULATION: _Kind(_cohorts, _population),
    Step.ALERTS: _Kind(_one, _alerts),
}
