"""Config: the whole configuration as frozen, checked tables."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, PrivateAttr
from pydantic_core import PydanticCustomError

from detectors.alerting.policy import PolicySpec
from detectors.calibrate import CalibrationSpec
from detectors.combine import Combination
from detectors.drift.spec import DriftSpec
from flows.config.campaigns import CampaignsConfig
from flows.config.declarations import DetectorConfig, FeatureConfig, SequenceConfig, WindowConfig
from flows.config.endpoints import SinksConfig, SourceConfig
from flows.config.layers import Layers
from flows.config.section import Declaration, Section, SpecTable, problem
from flows.config.tables import Monitors, Severities
from flows.config.where import WhereTable
from flows.durations import Duration, Moment
from flows.judgement import LabelSpec, LearningSpec
from flows.wire.path_text import format_path, parse_path
from flows.wire.spec import TIME_UNITS, Path
from state.durations import format_moment, parse_moment_us
from state.schema import Kind
from state.types import DAY_US, HOUR_US, MINUTE_US, SECOND_US
from state.words import did_you_mean, one_of

if TYPE_CHECKING:
    from flows.job import Job
    from flows.judgement import Judgement
    from flows.rows_spec import RowsSpec

_KIND_NAME: Final = r"^[a-z][a-z0-9_]{0,31}$"
TimeUnit = Literal["s", "ms", "us", "ns", "iso8601"]


def _parse_path(value: object) -> Path:
    try:
        return parse_path(value)
    except ValueError as error:
        raise problem(value, str(error)) from None


JsonPath = Annotated[Path, BeforeValidator(_parse_path), PlainSerializer(format_path)]


def _parse_limit(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str, datetime)):
        raise problem(value, "a number, or for a time column a moment such as 2024-05-01T12:00:00Z")
    return float(value) if isinstance(value, (int, float)) else float(parse_moment_us(value))


Limit = Annotated[float, BeforeValidator(_parse_limit)]


class CohortsConfig(Section):
    """Populations that are modelled apart."""

    column: str = Field(description="an enum column; a subject belongs to its last known word's cohort")
    values: tuple[str, ...] | None = Field(
        None,
        description='all words of the column in their order; absent: the same. Rows without a word are in "other"',
    )


class JobConfig(Section):
    """What the job is called and how it is cut."""

    name: str = Field("user-fraud", pattern=r"^[A-Za-z0-9_.-]{1,64}$", description="part of every alert's identity")
    extends: Literal["default", "none"] = Field(
        "default", description='"none" starts from nothing instead of the shipped streaming-platform configuration'
    )
    seed: int = Field(1, ge=0, description="of everything random in the models")
    key_groups: int = Field(
        8, ge=1, le=4096, description="virtual shards of subjects; fixed for the life of saved state"
    )
    cohorts: CohortsConfig | None = Field(None, description="absent: one population for all")
    combination: Combination = Field(
        Combination.HARMONIC,
        description="of probabilities: harmonic (one detector that is sure is enough), geometric (several that agree),"
        " agreement (harmonic, less of detectors that nobody agrees with), labels (the same, and by labels that come)",
    )


class EventTimeConfig(Section):
    """Where the event time is."""

    path: JsonPath = Field(description="JSON path")
    unit: TimeUnit = Field("ms", description="of the number there, since 1970 UTC; or text")


_OF_KINDS: Final = {
    "values": (Kind.ENUM,), "map": (Kind.ENUM,), "strict": (Kind.ENUM,), "scale": (Kind.NUMBER,),
    "min": (Kind.NUMBER, Kind.TIME), "max": (Kind.NUMBER, Kind.TIME), "network": (Kind.ID,),
}  # fmt: skip
"""Keys of a column -> the kinds that have them."""


class ColumnConfig(Declaration):
    """One column that features can use."""

    path: JsonPath = Field((), description="JSON path; absent: the column's name")
    kind: Kind = Field(description="id (text or integer, kept as a hash), number, enum (one of a few words) or time")
    unit: str = Field("", description="time: s, ms, us, ns or iso8601; number: a word for people")
    values: tuple[str, ...] = Field((), description="enum: the words; absent: those of map")
    map: dict[str, str] = Field(
        {}, description='enum: values that stand for a word, such as { NextSong = "play" }; a word stands for itself'
    )
    required: bool = Field(False, description="whether a line without it is rejected")
    strict: bool = Field(False, description="enum: whether another word rejects the line; else it counts as missing")
    scale: float = Field(1.0, description="number: the column holds value * scale")
    min: Limit | None = Field(None, description="number (after scaling) or time: a smaller value rejects the line")
    max: Limit | None = Field(None, description="number (after scaling) or time: a larger value rejects the line")

    network: tuple[int, ...] = Field(
        (),
        description="id of IP addresses: how many bits of IPv4 and of IPv6 count, such as [24, 48]; absent: the whole",
    )

    @property
    def words(self) -> tuple[str, ...]:
        """The words of an enum column; where they are not listed, those that `map` knows."""
        return self.values or tuple(dict.fromkeys(self.map.values()))

    @classmethod
    def mistakes_of_keys(cls, table: Mapping[str, Any]) -> Iterator[PydanticCustomError]:
        kind = table.get("kind")
        if not isinstance(kind, str) or kind not in set(Kind):
            return
        for key, kinds in _OF_KINDS.items():
            if key in table and kind not in kinds:
                yield problem(
                    f"{key} on a column of kind {kind}", f"{key} on columns of kind {' or '.join(kinds)}", key
                )

    def mistakes(self) -> Iterator[PydanticCustomError]:
        if self.kind is Kind.ENUM and (not self.words or len(set(self.words)) < len(self.words)):
            yield problem(list(self.values), "a list of different words", "values")
        for value, word in self.map.items():
            if word not in self.words:
                yield problem(
                    word, f"words of values: {one_of(self.words)}", ("map", value), did_you_mean(word, self.words)
                )
        if self.kind is Kind.TIME and self.unit not in TIME_UNITS:
            yield problem(self.unit, one_of(TIME_UNITS), "unit")
        if self.network and not (len(self.network) == 2 and 1 <= self.network[0] <= 32 and 1 <= self.network[1] <= 128):
            yield problem(
                list(self.network), "bits of IPv4 (1 to 32) and of IPv6 (1 to 128), such as [24, 48]", "network"
            )
        if self.scale == 0:
            yield problem(self.scale, "a number other than 0", "scale")


def _wrong_zone(name: str) -> Iterator[PydanticCustomError]:
    from zoneinfo import ZoneInfo, available_timezones

    try:
        _ = ZoneInfo(name or "UTC")
    except (ValueError, OSError, LookupError):  # also names that are no paths, and folders
        known = available_timezones()
        if not known:
            yield problem(name, "a zone, where there are any: install the package tzdata", "time_zone")
            return
        hint = did_you_mean(name, known)
        yield problem(name, 'a zone of the IANA database, such as "Europe/Berlin"', "time_zone", hint)


class EventConfig(Section):
    """Which JSON path of an event line becomes which column."""

    id: JsonPath = Field(
        (), description='JSON path of the event\'s id, unique per subject; "": the stream has none, duplicates stay'
    )
    time: EventTimeConfig = Field(EventTimeConfig(path=("event_time",)), description="when it happened")
    subject: JsonPath = Field(("user_id",), description="JSON path of the subject's id, the key of the stream")
    kind: str = Field("subject", pattern=_KIND_NAME, description="what such subjects are called in records")
    max_subject_chars: int = Field(512, ge=1, description="a line with a longer subject's id is rejected: it is kept")
    max_line_bytes: int = Field(65_536, ge=64, description="a longer line is rejected unread")
    time_min: Moment = Field(946_684_800_000_000, description="an earlier event is rejected")
    time_max: Moment = Field(4_102_444_800_000_000, description="an event at or after this is rejected")
    time_zone: str = Field(
        "", description='of ISO 8601 texts without an offset, such as "Europe/Berlin"; absent: UTC (docs/events.md)'
    )
    where: WhereTable = Field(
        (),
        description="the part of the stream that counts: a line that does not meet these conditions on columns is left"
        " out, whatever else may be wrong with it",
    )
    columns: dict[str, ColumnConfig] = Field({}, description="the columns, by name")

    @property
    def reads_metadata(self) -> bool:
        """Whether any path begins at what the source knows of a line beside its text, such as "@timestamp"."""
        paths = [self.id, self.time.path, self.subject, *(column.path for column in self.columns.values())]
        return any(path and str(path[0]).startswith("@") for path in paths)

    def mistakes(self) -> Iterator[PydanticCustomError]:
        if not self.subject:
            yield problem("", "a JSON path", "subject")
        yield from _wrong_zone(self.time_zone)
        if self.time_min >= self.time_max:
            yield problem(format_moment(self.time_min), "a moment before time_max", "time_min")


class TimeConfig(Section):
    """Event time: how much disorder is normal, when windows close."""

    out_of_orderness: Duration = Field(
        30 * SECOND_US, description="the watermark stays this far behind the newest event"
    )
    allowed_lateness: Duration = Field(0, description="windows wait this much longer before they close")
    ahead_max: Duration = Field(
        2 * MINUTE_US,
        description="an event further ahead of its partition, or of the clock of a live run, moves no time until others"
        " bear it out; 0s for any distance",
    )
    idle_timeout: Duration = Field(
        30 * SECOND_US, description="live runs: a silent partition stops holding the others up"
    )
    dedup_horizon: Duration = Field(HOUR_US, description="how long event ids are remembered, in event time")


class StateConfig(Section):
    """Bounds of what is remembered per key group."""

    capacity: int = Field(1_048_576, ge=1, description="subjects; beyond it the longest-silent leave")
    ttl: Duration = Field(30 * DAY_US, description="a subject silent for this long leaves")
    rows_per_pane_max: int = Field(4096, ge=1, description="rows of one subject and pane that are kept in full")


class SubjectConfig(Section):
    """A further kind of subjects: the same events under another key, with features, windows and detectors of their own.

    In its `where` and features there is one more column, called as `event.kind` says: whose event it is.
    """

    key: str = Field(description="the id column that holds their ids; an event without one is not theirs")
    where: WhereTable = Field((), description="the events that count for them")
    alerts: bool = Field(False, description="whether they are alerted themselves, out of the same budget")
    cohorts: CohortsConfig | None = Field(None, description="as job.cohorts; absent: one population for all")
    capacity: int = Field(1_048_576, ge=1, description="as state.capacity")
    ttl: Duration = Field(30 * DAY_US, description="as state.ttl")
    rows_per_pane_max: int = Field(4096, ge=1, description="as state.rows_per_pane_max")
    sequences: dict[str, SequenceConfig] = Field({}, description="as the section [sequences]")
    features: dict[str, FeatureConfig] = Field({}, description="as the section [features]")
    windows: dict[str, WindowConfig] = Field({}, description="as the section [windows]")
    detectors: dict[str, DetectorConfig] = Field({}, description="as the section [detectors]")
    lends: tuple[str, ...] = Field(
        (),
        description="names of features, which other kinds have as columns KIND_FEATURE of the events that name one",
    )
    lends_from: str = Field("", description="the window whose latest rows are lent; may be absent where there is one")


class ExemptConfig(Section):
    """Subjects that are not alerted."""

    file: str | None = Field(
        None,
        min_length=1,
        description="a JSON Lines file with subject, until and reason in each line, read at the start (docs/labels.md)",
    )


class Config(Section):
    """The whole configuration, section by section (docs/configuration.md); `load` and `loads` build it.

    The section [job] is the attribute `about`.
    """

    about: JobConfig = Field(JobConfig(), alias="job", description="name, seed, cohorts")
    event: EventConfig = Field(EventConfig(), description="the event schema")
    time: TimeConfig = Field(TimeConfig(), description="event time")
    state: StateConfig = Field(StateConfig(), description="bounds of memory")
    sequences: dict[str, SequenceConfig] = Field({}, description="derived columns, by name")
    features: dict[str, FeatureConfig] = Field({}, description="features, by name")
    windows: dict[str, WindowConfig] = Field({}, description="windows, by name")
    detectors: dict[str, DetectorConfig] = Field({}, description="detectors, by name")
    subjects: dict[Annotated[str, Field(pattern=_KIND_NAME)], SubjectConfig] = Field(
        {}, description="further kinds of subjects, by name"
    )
    campaigns: CampaignsConfig | None = Field(None, description="accounts that coincide; absent: nobody looks for any")
    calibration: Annotated[CalibrationSpec, SpecTable()] = Field(
        CalibrationSpec(), description="scores to probabilities"
    )
    learning: Annotated[LearningSpec, SpecTable()] = Field(LearningSpec(), description="what models do not learn from")
    labels: Annotated[LabelSpec, SpecTable()] = Field(LabelSpec(), description="how rows wait for their labels")
    drift: Annotated[DriftSpec, SpecTable(monitors=Monitors)] = Field(
        DriftSpec(), description="drift monitors, reactions"
    )
    alerts: Annotated[PolicySpec, SpecTable(severities=Severities)] = Field(PolicySpec(), description="when to alert")
    exempt: ExemptConfig = Field(ExemptConfig(), description="who is not alerted")
    sources: dict[str, SourceConfig] = Field({}, description="where events come from, by name")
    sinks: SinksConfig = Field(SinksConfig(), description="where output streams go")

    _layers: Layers = PrivateAttr(default_factory=Layers)

    def job(self) -> "Job":
        """The compiled job.  Raises ConfigError naming file, line, key, what was seen and what is allowed."""
        return self._job

    @cached_property
    def _job(self) -> "Job":
        from flows.config.compile import compile_job
        from flows.config.problems import Problems

        return compile_job(self, Problems(self._layers))

    def table_judgement(self, columns: tuple[str, ...]) -> "tuple[Judgement, RowsSpec]":
        """What judges the rows of a table, and what it is told of them: there is no stream.  Raises ConfigError."""
        from flows.config.compile import compile_table
        from flows.config.problems import Problems

        return compile_table(self, columns, Problems(self._layers))

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other sections, of which the job is compiled anew."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("_job", None)
        return copied

    @property
    def is_live(self) -> bool:
        """Whether events come in their own time, so that silence means that time passes."""
        return any(source.is_live for source in self.sources.values())

    def to_table(self) -> dict[str, Any]:
        """The effective configuration as plain values, complete: it extends nothing, and `loads` gives it back."""
        table = self.model_dump(exclude_none=True, by_alias=True)
        return table | {"job": table["job"] | {"extends": "none"}}

    def to_toml(self) -> str:
        """The effective configuration as TOML, see `to_table`."""
        from flows.config.toml import dumps

        return dumps(self.to_table())
