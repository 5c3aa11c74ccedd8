"""The whole: one configuration -> Job."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from detectors.features.declare import SequenceDecl
from flows.config.compile.campaigns import campaigns_of, check_bucket
from flows.config.compile.declared import check_features, features_of, sequences_of, windows_of
from flows.config.compile.detectors import Uses, check_detectors, uses_of
from flows.config.compile.digest import digest
from flows.config.compile.event import wire_of
from flows.config.compile.judgement import cohorts_of, exempt_of, judgement_of, log_left_out
from flows.config.compile.kinds import beside, kinds_of
from flows.config.compile.labels import check_labels
from flows.config.compile.loans import arranged, with_lent
from flows.config.compile.renames import renames_in
from flows.config.compile.stream import check_state, stream_of
from flows.config.problems import Problems
from flows.job import Job
from flows.judgement import CohortSpec
from flows.sinks.parts import parquet_columns
from flows.streams import STREAMS
from flows.wire.spec import WireSpec
from state.schema import Schema

if TYPE_CHECKING:
    from flows.config.models import Config


@dataclass(frozen=True, slots=True)
class _Parts:
    """What follows from more than one table."""

    wire: WireSpec
    schema: Schema
    cohorts: CohortSpec
    sequences: tuple[SequenceDecl, ...]
    uses: Uses

    def check_features(self, problems: Problems) -> None:
        """Whether each feature can read what it is given."""
        check_features(self.schema, self.sequences, self.uses.features, self.uses.windows, problems)


def _parts(config: "Config", problems: Problems) -> _Parts:
    wire = wire_of(config.event, problems)
    schema = with_lent(wire.schema(), config)
    cohorts = cohorts_of(config.about.cohorts, schema, problems)
    sequences = sequences_of(config, schema, problems)
    features = features_of(config, schema, problems)
    uses = uses_of(config, features, windows_of(config, problems), problems)
    check_state(config, uses.windows, problems)
    check_labels(config, problems)
    return _Parts(wire, schema, cohorts, sequences, uses)


def mistakes(config: "Config", problems: Problems) -> list[str]:
    """All that is wrong, a line each, as far as it shows without a whole job."""
    parts = _parts(config, problems)
    parts.check_features(problems)
    kinds_of(config, parts.wire, problems)
    campaigns_of(config, parts.wire.schema(), problems)
    exempt_of(config, problems)
    renames_in(config, problems)
    return problems.lines


def compile_job(config: "Config", problems: Problems) -> Job:
    """The compiled job.  Raises ConfigError with all that is wrong."""
    parts = _parts(config, problems)
    exempt, renamed = exempt_of(config, problems), renames_in(config, problems)
    kinds = kinds_of(config, parts.wire, problems)
    campaigns = campaigns_of(config, parts.wire.schema(), problems)
    if problems.lines:
        parts.check_features(problems)
        problems.raise_all()
    uses = parts.uses
    stream = replace(stream_of(config, parts.wire, parts.sequences, uses.features, uses.windows), schema=parts.schema)
    job = Job(stream, judgement_of(config, parts.cohorts, uses, exempt), renamed, campaigns=campaigns)
    rows = problems.guard((), lambda: stream.rows)
    if rows is None:  # of features that do not fit, each says so itself
        whole = len(problems.lines)
        parts.check_features(problems)
        del problems.lines[: whole if len(problems.lines) > whole else 0]
    else:
        job = beside(*arranged(job, kinds, problems))
        check_detectors(job.judgement, rows, problems)
        _check_columns(config, job, problems)
        check_bucket(job, problems)
    problems.raise_all()
    log_left_out(job.judgement)
    return job.with_judgement(digest=digest(job.stream, job.judgement, job.kinds, job.campaigns))


def _check_columns(config: "Config", job: Job, problems: Problems) -> None:
    """Of streams that go to files of columns, whether each has a name of its own."""
    for stream in STREAMS:
        for i, sink in enumerate(config.sinks.of(stream)):
            if sink.columnar:
                try:
                    parquet_columns(stream.records.fields, job.names)
                except ValueError as error:
                    key = ("sinks", stream.value, str(i))
                    problems.add(key, f"kind {sink.kind}", f"another kind: {error}")
