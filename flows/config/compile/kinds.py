"""[subjects]: further kinds of subjects over the same events -> SubjectKind."""

from dataclasses import replace
from typing import TYPE_CHECKING

from detectors.features.verdicts import VERDICT, counts_verdicts, feature_apart, sequence_apart, speaks
from flows.config.compile.declared import check_features, features_of, sequences_of, windows_of
from flows.config.compile.detectors import check_detectors, uses_of
from flows.config.compile.judgement import cohorts_of, judgement_of
from flows.config.compile.loans import lends_of, with_lent
from flows.config.compile.named import fits
from flows.config.compile.renames import renames_in
from flows.config.compile.stream import check_ttl, stream_of
from flows.config.problems import Problems
from flows.event_stream import StateSpec
from flows.job import Job, SubjectKind
from flows.wire.spec import WireSpec
from state.schema import SYSTEM_COLUMNS, Column, Kind, Schema

if TYPE_CHECKING:
    from flows.config.models import Config, SubjectConfig


def kinds_of(config: "Config", wire: WireSpec, problems: Problems) -> tuple[SubjectKind, ...]:
    """Those that there are no problems with."""
    own = config.event.kind
    if config.subjects and (own in SYSTEM_COLUMNS or own in wire.schema()):
        allowed = 'a word of your own, such as "user", that no event column has: with [subjects] it becomes one'
        problems.add(("event", "kind"), own, allowed)
        return ()
    found = (_kind(name, config, wire, problems) for name in config.subjects)
    return tuple(kind for kind in found if kind is not None)


def _kind(name: str, config: "Config", wire: WireSpec, problems: Problems) -> SubjectKind | None:
    mine, inner, before = config.subjects[name], problems.within("subjects", name), len(problems.lines)
    if name == config.event.kind:
        problems.add(("subjects", name), name, "another name than event.kind, which the stream's own subjects have")
    events = wire.schema()
    _check_key(mine, events, inner)
    verdict = (VERDICT,) if mine.key in config.labels.columns and VERDICT.name not in events else ()
    if not verdict and VERDICT.name not in events and any(speaks((*f.where, *f.of)) for f in mine.features.values()):
        inner.add(("key",), mine.key, "with conditions on `verdict`, a column that labels.columns names")
    own = Schema((*events.columns, Column(config.event.kind, Kind.ID), *verdict), events.has_event_id)
    lends = lends_of(name, mine, own, inner)
    schema = with_lent(own, config, name)
    fits(events, mine.where, ("where",), inner)
    cohorts = cohorts_of(mine.cohorts, schema, inner, ("cohorts",), name)
    sequences = sequences_of(mine, schema, inner)
    features = features_of(mine, schema, inner)
    if verdict and counts_verdicts(features, sequences):
        features = tuple(map(feature_apart, features))
        sequences = tuple(map(sequence_apart, sequences))
    uses = uses_of(mine, features, windows_of(mine, inner), inner)
    check_ttl(("ttl",), mine.ttl, uses.windows, inner)
    renamed = renames_in(mine, inner)
    check_features(schema, sequences, uses.features, uses.windows, inner)
    if len(problems.lines) > before:
        return None
    stream = replace(
        stream_of(config, wire, sequences, uses.features, uses.windows),
        schema=schema,
        state=StateSpec(mine.capacity, mine.ttl, mine.rows_per_pane_max),
        lends=lends,
    )
    job = Job(stream, judgement_of(config, cohorts, uses), renamed)
    check_detectors(job.judgement, stream.rows, inner)
    _check_rejects(job, inner)
    return SubjectKind(name, mine.key, mine.where, job, mine.alerts) if len(problems.lines) == before else None


def _check_key(mine: "SubjectConfig", events: Schema, problems: Problems) -> None:
    """Whether there is a column of ids to go by."""
    if problems.is_broken("event", "columns", mine.key):
        return
    ids = [column.name for column in events.columns if column.kind is Kind.ID]
    if mine.key not in ids:
        problems.unknown(("key",), mine.key, ids, "a column of kind id")


def _check_rejects(job: Job, problems: Problems) -> None:
    """Of a line that was rejected nothing is known but its subject."""
    if job.stream.tells_rejects:
        names = [f.name for f in job.stream.features if f.kind == "rejects"]
        problems.add(("features", names[0], "kind"), "rejects", "kinds of [features] alone for rejects")


def beside(job: Job, kinds: tuple[SubjectKind, ...]) -> Job:
    """The whole: all kinds share panes, so each is told the windows of the others."""
    if not kinds:
        return job
    everything = (job, *(kind.job for kind in kinds))

    def told(mine: Job) -> Job:
        others = [w.window for other in everything if other is not mine for w in other.stream.windows]
        return mine.with_stream(beside=tuple(others))

    return replace(told(job), kinds=tuple(replace(kind, job=told(kind.job)) for kind in kinds))
