"""The stages of a job: the one place where the flow's graph stands.

                 by key column               by cohort
 ingest ═╦═► subject stage ══════════► population stage ═══╦═══► alerts ──► sinks
         ╠═► subject stage of a kind ═► its population ════╣                  ▲
         ╚═► co-action, by object ════► campaigns ═════════╩══════════════════╝

Each further kind of subjects (`[subjects.NAME]`) has the first two stages once more, under its name; each column of
objects that accounts coincide on (`[campaigns]`) has a co-action stage.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any, Final

from detectors.features.verdicts import VERDICT
from flows.campaigns import Campaigns
from flows.evolution.fates import shape_of
from flows.evolution.layout import Layout, form_of
from flows.job import Job, SubjectKind
from flows.operators.alerts.operator import AlertOperator, Teller
from flows.operators.campaigns.operator import CampaignOperator
from flows.operators.coaction.operator import CoactionOperator
from flows.operators.ingest.operator import Ingest
from flows.operators.ingest.route import Route
from flows.operators.ingest.told import Told, first_stage
from flows.operators.messages import CoactionInput, CohortInput, LoanInput, PolicyInput
from flows.operators.population.operator import PopulationOperator
from flows.operators.subject.operator import SubjectOperator
from flows.stages import Destination, Operator, Stage, Stages
from flows.steps import Step, stage_name
from flows.streams import Stream
from state.chunks import Saved
from state.schema import name_column
from state.snapshot import reading


@dataclass(frozen=True, slots=True)
class Entry:
    """A stage of a job.

    name: a part of saved state; never changes.  step: what its operators do.  sends: kind of message -> the entry that
    it goes to, None for what nobody hears.  called: what a look into state calls its operators.  kind: of the subjects
    that it is about; "" for those that the stream is keyed by, and for all.  column: of the objects whose key groups it
    has; "" for others.
    """

    name: str
    step: Step
    called: str
    sends: Mapping[type, Destination] = field(default_factory=dict)
    kind: str = ""
    column: str = ""

    @property
    def is_fed(self) -> bool:
        """Whether source partitions send to it."""
        return self.step in (Step.SUBJECT, Step.COACTION)

    @property
    def holds_lines(self) -> bool:
        """Each line has its fate in one stage, which is that of the stream's own subjects."""
        return self.step is Step.SUBJECT and not self.kind


CATALOGUE: Final = (
    Entry(Step.SUBJECT.value, Step.SUBJECT, "groups", {CohortInput: Step.POPULATION.value}),
    Entry(Step.POPULATION.value, Step.POPULATION, "cohorts", {PolicyInput: Step.ALERTS.value}),
    Entry(Step.ALERTS.value, Step.ALERTS, "policy"),
)
"""Of every job, in the order of the flow."""


def entries_of(job: Job) -> tuple[Entry, ...]:
    """All stages of a job, in the order of the flow."""
    kinds = (entry for kind in job.kinds for entry in _of_kind(kind))
    return (*kinds, *_of_campaigns(job.campaigns), *CATALOGUE)


def _of_campaigns(campaigns: Campaigns | None) -> Iterator[Entry]:
    if campaigns is None:
        return
    to: dict[type, Destination] = {CoactionInput: Step.CAMPAIGNS.value}
    for column, _ in campaigns.objects:
        yield Entry(stage_name(column, Step.COACTION), Step.COACTION, f"{column} objects", to, column=column)
    yield Entry(Step.CAMPAIGNS.value, Step.CAMPAIGNS, "campaigns", {PolicyInput: Step.ALERTS.value})


def _of_kind(kind: SubjectKind) -> Iterator[Entry]:
    judgement = kind.job.judgement
    # Without detectors, and where nobody reads their values, rows have nowhere to go.
    judged = bool(judgement.detectors or judgement.asked & {Stream.SCORES, Stream.FEATURES})
    population, lends = stage_name(kind.name, Step.POPULATION), kind.job.stream.lends
    sends: dict[type, Destination] = {CohortInput: population if judged else None}
    if lends is not None:
        sends[LoanInput] = tuple(stage_name(to.kind, Step.SUBJECT) for to in lends.to)
    yield Entry(stage_name(kind.name, Step.SUBJECT), Step.SUBJECT, f"{kind.name} groups", sends, kind.name)
    if judged:
        sends = {PolicyInput: Step.ALERTS.value if kind.alerts else None}
        yield Entry(population, Step.POPULATION, f"{kind.name} cohorts", sends, kind.name)


@dataclass(frozen=True, slots=True)
class JobStages:
    """Builds the operators of a job.  Picklable.

    partitions: the names of all source partitions.  reads: of those that are not events, "labels" or "control".
    unsaid: the layout of saved state that does not say its own; None for the job's.  cohort_numbers: of cohorts of all
    kinds, where they are not their positions.
    """

    job: Job
    partitions: tuple[str, ...]
    reads: Mapping[str, str] = field(default_factory=dict)
    unsaid: Layout | None = None
    cohort_numbers: Mapping[str, int] = field(default_factory=dict)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The stages of the job, before they are built."""
        return entries_of(self.job)

    def job_of(self, entry: Entry) -> Job:
        """What is known and thought of the subjects that an entry is about."""
        return next((kind.job for kind in self.job.kinds if kind.name == entry.kind), self.job)

    def ingest(self, partition: str, /, *, resume: bytes | None) -> Ingest | Told:
        """The first operator of one source partition."""
        with reading(f"partition {partition}"):
            return first_stage(
                self.job.stream, self.job.decoded, partition, self.reads.get(partition, "events"), resume,
                tuple(map(self._route, filter(_IS_FED, self.entries))), self.job.kinds_known, self.job.carried,
            )  # fmt: skip

    def _stage(self, entry: Entry) -> Stage:
        keys = _KINDS[entry.step].keys(self, entry)
        return Stage(entry.name, keys, _Build(self, entry), entry.sends, entry.holds_lines, entry.is_fed)

    def _route(self, entry: Entry) -> Route:
        kind = next((kind for kind in self.job.kinds if kind.name == entry.kind), None)
        if entry.column:
            return self._route_of_objects(entry.name, entry.column)
        if kind is None:
            alone = not self.job.kinds and self.job.campaigns is None
            return Route(entry.name, columns=None if alone else self.job.columns)
        own, verdicts = self.job.judgement.own_kind, VERDICT.name in kind.job.columns
        return Route(entry.name, kind.name, kind.key, kind.where, kind.job.columns, owner=own, verdicts=verdicts)

    def _route_of_objects(self, stage: str, column: str) -> Route:
        campaigns, own = self.job.campaigns, self.job.judgement.own_kind
        assert campaigns is not None
        parent = campaigns.parent_of(column)
        columns = frozenset({own, name_column(own), *([parent] if parent else ())})
        return Route(stage, column, column, campaigns.where, columns, owner=own)

    def operator(self, entry: Entry, who: Any, resume: Saved | None) -> Operator:
        """The operator of one key of a stage.  who: a key group, a cohort, or None where there is one key."""
        return _KINDS[entry.step].build(self, entry, who, resume)

    def stages(self) -> Stages:
        """All of them, as the drivers take them."""
        time = self.job.stream.time
        return Stages(
            ingest=self.ingest,
            keyed=tuple(map(self._stage, self.entries)),
            # One pane ahead keeps all partitions busy; more would only pile up rows in open panes.
            lead_us=self.job.stream.pane_us + time.out_of_orderness_us,
            out_of_orderness_us=time.out_of_orderness_us,
            idle_timeout_us=time.idle_timeout_us,
            shape=shape_of(self.job, self.cohort_numbers),
            unsaid=self.unsaid,
        )


_IS_FED: Final = attrgetter("is_fed")


@dataclass(frozen=True, slots=True)
class _Build:
    """`JobStages.operator` of one entry."""

    stages: JobStages
    entry: Entry

    def __call__(self, who: Any, /, *, resume: Saved | None) -> Operator:
        return self.stages.operator(self.entry, who, resume)


def _groups(stages: JobStages, entry: Entry) -> dict[Any, int]:  # noqa: ARG001
    return {group: group for group in range(stages.job.stream.key_groups)}


def _cohorts(stages: JobStages, entry: Entry) -> dict[Any, int]:
    names = stages.job_of(entry).judgement.cohorts.names
    return {name: stages.cohort_numbers.get(name, position) for position, name in enumerate(names)}


def _one(stages: JobStages, entry: Entry) -> dict[Any, int]:  # noqa: ARG001
    return {None: 0}


def _subject(stages: JobStages, entry: Entry, who: int, resume: Saved | None) -> SubjectOperator:
    job = stages.job_of(entry)
    form = form_of(job, None if entry.kind else stages.unsaid)
    audience = replace(job.judgement.audience, heard=entry.sends[CohortInput] is not None)
    with reading(f"{entry.kind} key group {who}".lstrip()):
        return SubjectOperator(job.stream, audience, form, who, stages.partitions, resume, stages.reads, entry.name)


def _population(stages: JobStages, entry: Entry, who: str, resume: Saved | None) -> PopulationOperator:
    job = stages.job_of(entry)
    form = form_of(job, None if entry.kind else stages.unsaid)
    with reading(f"cohort {who}"):
        return PopulationOperator(job.judgement, job.stream.rows, who, resume, form, entry.name)


def _alerts(stages: JobStages, entry: Entry, who: None, resume: Saved | None) -> AlertOperator:  # noqa: ARG001
    job = stages.job
    others = {kind.name: _teller(kind.job) for kind in job.kinds if kind.alerts}
    own = _teller(job, stages.unsaid)
    with reading("alert policy"):
        campaigns = job.campaigns is not None
        return AlertOperator(own.judgement, own.windows, resume, own.form, entry.name, others, campaigns=campaigns)


def _coaction(stages: JobStages, entry: Entry, who: int, resume: Saved | None) -> CoactionOperator:
    campaigns, stream = stages.job.campaigns, stages.job.stream
    assert campaigns is not None
    of_events = [name for name in stages.partitions if name not in stages.reads]
    with reading(f"{entry.column} key group {who}"):
        late_us, pane_us = stream.time.allowed_lateness_us, stream.pane_us
        return CoactionOperator(campaigns, entry.column, who, of_events, late_us, resume, pane_us)


def _campaigns(stages: JobStages, entry: Entry, who: None, resume: Saved | None) -> CampaignOperator:  # noqa: ARG001
    job = stages.job
    assert job.campaigns is not None
    with reading("campaigns"):
        return CampaignOperator(job.campaigns, job.stream.key_groups, job.name, job.digest, resume)


def _teller(job: Job, unsaid: Layout | None = None) -> Teller:
    return Teller(job.judgement, tuple(w.name for w in job.stream.rows.windows), form_of(job, unsaid))


@dataclass(frozen=True, slots=True)
class _Kind:
    """Of a step's operators: their keys with numbers, and how one is built."""

    keys: Callable[[JobStages, Entry], dict[Any, int]]
    build: Callable[[JobStages, Entry, Any, Saved | None], Operator]


_KINDS: Final[Mapping[Step, _Kind]] = {
    Step.SUBJECT: _Kind(_groups, _subject),
    Step.POPULATION: _Kind(_cohorts, _population),
    Step.COACTION: _Kind(_groups, _coaction),
    Step.CAMPAIGNS: _Kind(_one, _campaigns),
    Step.ALERTS: _Kind(_one, _alerts),
}
