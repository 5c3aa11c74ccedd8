"""Where events come from and where records go: tables, and the specs they stand for."""

from collections.abc import Iterator, Sequence
from functools import partial
from glob import has_magic
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, create_model
from pydantic_core import PydanticCustomError

from flows.config.company import CompanyConfig
from flows.config.formats import LinesSettings
from flows.config.kafka import KafkaConfig, KafkaSinkConfig
from flows.config.load import DEFAULT_STORE
from flows.config.plugged import OfKind, SinkSettings, SourceSettings, kinds_of
from flows.config.section import Section, problem, together
from flows.config.servers import PostgresConfig, RedisConfig, WebhookConfig
from flows.durations import Duration, Moment
from flows.sinks.base import Delivery
from flows.streams import STREAMS, Stream
from state.durations import format_duration
from state.types import DAY_US, HOUR_US, SECOND_US
from state.words import did_you_mean, one_of

if TYPE_CHECKING:
    from flows.sinks.base import SinkSpec
    from flows.sources.base import Asked, Source

_MONDAY_US = 1_772_409_600 * SECOND_US


class FilesConfig(LinesSettings):
    """JSON Lines files, plain or gzipped."""

    kind: Literal["files"] = Field(description="files")
    paths: tuple[str, ...] = Field(min_length=1, description="files, directories and patterns such as data/*.jsonl.gz")
    partitions: Literal["sequence", "per_file"] = Field(
        "sequence",
        description="sequence: one after the other, as days are; per_file: side by side, as written in parallel",
    )
    follow: bool = Field(
        False,
        description="live: wait for lines that are appended to the one file that paths names, which need not be there"
        " yet",
    )

    def mistakes(self) -> Iterator[PydanticCustomError]:
        yield from super().mistakes()
        if self.follow and (len(self.paths) > 1 or self.paths[0].endswith(".gz") or has_magic(self.paths[0])):
            yield problem(list(self.paths), "one file that is not packed, with follow", "paths")

    @property
    def is_live(self) -> bool:
        return self.follow

    def bounded(self) -> "FilesConfig":
        return self.model_copy(update={"follow": False})

    def absolute(self) -> "FilesConfig":
        return self.model_copy(update={"paths": tuple(str(Path(path).absolute()) for path in self.paths)})

    def source(self, name: str, asked: "Asked") -> "Source":
        """What it stands for."""
        from flows.sources.files import FilesSpec

        return FilesSpec(self.paths, self.partitions, name, asked.line_bytes_max, self.follow)


class StdinConfig(LinesSettings):
    """Lines from standard input."""

    resumes: ClassVar[bool] = False
    kind: Literal["stdin"] = Field(description="stdin")

    @property
    def is_live(self) -> bool:
        return True

    def source(self, name: str, asked: "Asked") -> "Source":
        """What it stands for."""
        from flows.sources.stdin import StdinSpec

        return StdinSpec(name, asked.line_bytes_max)


def _campaigns(value: object) -> object:
    from flows.simulate.company.kinds import ALL_NAMES

    known = list(ALL_NAMES)
    if not isinstance(value, (list, tuple)):
        raise problem(value, f"a list of campaigns: {one_of(known)}")
    for name in value:
        if name not in known:
            raise problem(name, f"campaigns: {one_of(known)}", (), did_you_mean(name, known))
    return value


class SimulatorConfig(SourceSettings):
    """A simulated streaming platform with attackers."""

    kind: Literal["simulator"] = Field(description="simulator")
    users: int = Field(5000, ge=50, le=5_000_000, description="accounts on the first day, attackers included")
    duration: Duration = Field(DAY_US, ge=1000, le=366 * DAY_US, description="how much event time is simulated")
    start: Moment = Field(_MONDAY_US, ge=0, description="when it begins")
    seed: int = Field(1, ge=0, description="the same seed gives the same events")
    campaigns: Annotated[tuple[str, ...], BeforeValidator(_campaigns)] | None = Field(
        None, description="names of attacks; absent: one of each kind"
    )
    attackers: float = Field(1.0, ge=0, le=100, description="factor on the accounts of all attacks; 0 for none")
    attack_day: int = Field(1, ge=1, le=366, description="day on which the attacks begin, 1 for the first")
    campaign_accounts: int = Field(
        25, ge=1, le=1_000_000, description="an attack with more accounts is several campaigns of its kind, at most 16"
    )
    active_share: float = Field(0.28, ge=0, le=1, description="of plain people, those who listen on most days")
    tracks: int = Field(40_000, ge=2000, le=5_000_000, description="size of the genuine catalogue")
    partitions: int = Field(2, ge=1, le=256, description="streams of lines that arrive side by side")
    partition_by: Literal["user", "event"] = Field(
        "user", description="user: an account's events stay in one partition"
    )
    disorder: Duration = Field(10 * SECOND_US, le=DAY_US, description="an event arrives at most this late")
    duplicate_share: float = Field(0.002, ge=0, le=0.5, description="of events, sent twice")
    bad_line_share: float = Field(0.0, ge=0, le=0.5, description="broken lines of each kind, per good line")
    weekends: bool = Field(
        True, description="people play less on Saturdays and Sundays, later in the day, and not from work"
    )
    holidays: float = Field(13.0, ge=0, le=365, description="days per year on which a country lives as at a weekend")
    outage: Duration = Field(
        HOUR_US, ge=0, le=6 * HOUR_US, description="once a week nothing is heard for so long, then a rush; 0s for never"
    )
    hit: float = Field(
        0.2, ge=0, le=1, description="share of the people who play the song that comes out on Fridays again and again"
    )
    taste: float = Field(0.01, ge=0, le=1, description="share of everybody's favourites that changes in a day")
    growth: float = Field(
        0.004, ge=0, le=1, description="accounts that sign up on each day after the first, per account in users"
    )
    company: CompanyConfig | None = Field(
        None, description="a harder world, in which campaigns hide among people and people keep company; absent: none"
    )
    speed: float | None = Field(None, gt=0, description="seconds of event time per second; absent: as fast as it goes")

    def mistakes(self) -> Iterator[PydanticCustomError]:
        from flows.simulate.company.kinds import PLAIN_NAMES

        farms = [name for name in self.campaigns or () if name not in PLAIN_NAMES]
        if farms and self.company is None:
            yield problem(farms, f"{one_of(PLAIN_NAMES)}; farms are in the world of company = {{}}", "campaigns")

    @property
    def is_live(self) -> bool:
        return self.speed is not None

    def simulation(self) -> Any:
        """The SimulationSpec.  Raises ConfigError."""
        from flows.simulate.company.kinds import campaigns_of
        from flows.simulate.config import SimulationSpec

        company = self.company.settings() if self.company else None
        chosen = tuple(c for c in campaigns_of(company) if self.campaigns is None or c.name in self.campaigns)
        return SimulationSpec(
            users=self.users,
            duration_us=self.duration,
            start_us=self.start,
            seed=self.seed,
            campaigns=chosen,
            active_share=self.active_share,
            tracks=self.tracks,
            partitions=self.partitions,
            partition_by=self.partition_by,
            disorder_us=self.disorder,
            duplicate_share=self.duplicate_share,
            bad_line_share=self.bad_line_share,
            attackers=self.attackers,
            attack_day=self.attack_day,
            campaign_accounts=self.campaign_accounts,
            weekends=self.weekends,
            holidays=self.holidays,
            outage_us=self.outage,
            hit=self.hit,
            taste=self.taste,
            growth=self.growth,
            company=company,
        )

    def source(self, name: str, asked: "Asked") -> "Source":
        """What it stands for."""
        from flows.simulate.platform import Platform
        from flows.sources.simulator import SimulatorSpec

        del asked  # broken lines may be longer on purpose
        return SimulatorSpec(Platform(self.simulation()), self.speed, name)


def events_of(files: Sequence[str], *, per_file: bool = False) -> FilesConfig | StdinConfig:
    """Recorded events that a command names: files, directories, patterns, or "-" alone for standard input."""
    if list(files) == ["-"]:
        return StdinConfig(kind="stdin")
    return FilesConfig(kind="files", paths=tuple(files), partitions="per_file" if per_file else "sequence")


BUILT_IN_SOURCES: Final[tuple[type[SourceSettings], ...]] = (FilesConfig, StdinConfig, SimulatorConfig, KafkaConfig)
source_kinds = kinds_of("driftnet.sources", SourceSettings, BUILT_IN_SOURCES)  # type: ignore[type-abstract]
SourceConfig = Annotated[SourceSettings, OfKind(SourceSettings, source_kinds, a_word_will_do=False)]


class SqliteConfig(SinkSettings):
    """The embedded store, which `driftnet alerts` reads; a record is kept once, however often it comes."""

    kind: Literal["sqlite"] = Field(description="sqlite")
    path: str = Field(DEFAULT_STORE, min_length=1, description="the database file; several streams may share one")
    keep: Duration = Field(
        0,
        description="rows of this stream that are so much older than its newest one, in the time of the events, are"
        " deleted as the job goes; 0s: never; not for rejects, which have no time",
    )

    @property
    def delivery(self) -> Delivery:
        return Delivery.UPSERT

    def refuses(self, stream: Stream) -> Iterator[PydanticCustomError]:
        yield from super().refuses(stream)
        if self.keep and not stream.records.time:
            allowed = f"none: {stream} have no time; `driftnet alerts prune --run` deletes those of a run"
            yield problem(format_duration(self.keep), allowed, "keep")

    def sink(self) -> "SinkSpec":
        """What it stands for."""
        from flows.sinks.specs import SqliteSink

        return SqliteSink(self.path, self.keep)


class JsonlConfig(SinkSettings):
    """A JSON Lines file for one stream."""

    kind: Literal["jsonl"] = Field(description="jsonl")
    path: str = Field(min_length=1, description="the file")
    overwrite: bool = Field(False, description="whether a fresh run empties the file first; else it appends")

    @property
    def delivery(self) -> Delivery:
        return Delivery.POSITION

    def sink(self) -> "SinkSpec":
        """What it stands for."""
        from flows.sinks.specs import JsonlSink

        return JsonlSink(self.path, self.overwrite)


class ParquetConfig(SinkSettings):
    """Parquet files for one stream, in a folder for each day of event time; needs `driftnet[parquet]`."""

    columnar: ClassVar[bool] = True
    kind: Literal["parquet"] = Field(description="parquet")
    path: str = Field(min_length=1, description="the folder")
    rows_max: int = Field(
        250_000,
        ge=1,
        description="a file that has so many rows takes no more, and is followed by another one of its day",
    )

    @property
    def delivery(self) -> Delivery:
        return Delivery.POSITION

    def sink(self) -> "SinkSpec":
        """What it stands for."""
        from flows.sinks.specs import ParquetSink

        return ParquetSink(self.path, self.rows_max)


class ConsoleConfig(SinkSettings):
    """One short line per record."""

    kind: Literal["console"] = Field(description="console")
    to: Literal["stdout", "stderr"] = Field("stdout", description="stdout or stderr")

    def sink(self) -> "SinkSpec":
        """What it stands for."""
        from flows.sinks.specs import ConsoleSink

        return ConsoleSink(self.to)


BUILT_IN_SINKS: Final[tuple[type[SinkSettings], ...]] = (
    SqliteConfig,
    JsonlConfig,
    ParquetConfig,
    ConsoleConfig,
    KafkaSinkConfig,
    PostgresConfig,
    RedisConfig,
    WebhookConfig,
)
sink_kinds = kinds_of("driftnet.sinks", SinkSettings, BUILT_IN_SINKS)  # type: ignore[type-abstract]
SinkConfig = Annotated[SinkSettings, OfKind(SinkSettings, sink_kinds, a_word_will_do=False)]


def _as_list(value: object) -> object:
    """One sink may be written without the brackets of a list."""
    return (value,) if isinstance(value, dict) else value


def _suits(stream: Stream, sinks: tuple[SinkConfig, ...]) -> tuple[SinkConfig, ...]:
    """The sinks, where all of them can take the stream's records."""
    problems = [_at(i, found) for i, sink in enumerate(sinks) for found in sink.refuses(stream)]
    if problems:
        raise together(stream, problems)
    return sinks


def _at(place: int, found: PydanticCustomError) -> PydanticCustomError:
    said = dict(found.context or {})
    return problem(said["seen"], said["allowed"], (str(place), *said["key"]), said["hint"])


class _Sinks(Section):
    """The sinks of each output stream, as lists; a stream without one is counted and dropped."""

    def of(self, stream: Stream) -> tuple[SinkConfig, ...]:
        """Those of one stream."""
        found: tuple[SinkConfig, ...] = getattr(self, stream.value)
        return found


if TYPE_CHECKING:
    SinksConfig = _Sinks
else:
    _sinks_of = {
        s.value: (
            Annotated[tuple[SinkConfig, ...], BeforeValidator(_as_list), AfterValidator(partial(_suits, s))],
            Field((), description=s.records.about),
        )
        for s in STREAMS
    }
    SinksConfig = create_model("SinksConfig", __base__=_Sinks, __doc__=_Sinks.__doc__, **_sinks_of)
