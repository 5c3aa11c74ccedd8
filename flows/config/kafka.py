"""Kafka as a source and as a sink: tables, and the specs they stand for."""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from flows.config.formats import FORMATS_SAID, IN_FORMAT, OF_FORMATS, AnyFormat, JsonFormat
from flows.config.plugged import SinkSettings, SourceSettings
from flows.config.properties import Client
from flows.config.section import Section, problem
from flows.durations import Duration
from flows.kafka.connection import Connection
from flows.sinks.base import Delivery
from state.durations import parse_moment_us
from state.types import MINUTE_US, SECOND_US

if TYPE_CHECKING:
    from flows.kafka.topics import Start
    from flows.sinks.base import SinkSpec
    from flows.sources.base import Asked, Source

_WORDS = ("earliest", "latest", "committed")
_ALLOWED = f'{", ".join(_WORDS)}, a moment such as "2024-05-01T12:00:00Z", or a table {{ "topic/partition" = offset }}'


def _start(value: object) -> object:
    if isinstance(value, dict):
        return _offsets(value)
    if isinstance(value, str) and value not in _WORDS:
        try:
            parse_moment_us(value)
        except ValueError:
            raise problem(value, _ALLOWED) from None
    elif not isinstance(value, str):
        raise problem(value, _ALLOWED)
    return value


def _until(value: object) -> object:
    if isinstance(value, dict):
        return _offsets(value)
    if value not in ("never", "now"):
        raise problem(value, 'never, now, or a table { "topic/partition" = offset }')
    return value


def _offsets(value: dict[Any, Any]) -> dict[str, int]:
    for name, offset in value.items():
        if not isinstance(offset, int) or isinstance(offset, bool) or offset < 0:
            raise problem(offset, "an offset, 0 or more", str(name))
        if not str(name).rpartition("/")[2].isdigit():
            raise problem(name, 'names such as "plays/0", topic and partition', str(name))
    return value


def _topics(value: object) -> object:
    """One topic may be written without the brackets of a list."""
    return (value,) if isinstance(value, str) else value


def _hosts(value: str) -> str:
    if "@" in value:
        raise problem("a text with an @", 'host:port; users and passwords are properties of client, "sasl.username"')
    return value


class _Cluster(Section):
    brokers: Annotated[str, AfterValidator(_hosts)] = Field(
        "localhost:9092", min_length=1, description='host:port of one or more, separated by commas, or "${NAME}"'
    )
    client: Client = Field(
        {},
        repr=False,
        description='further properties of librdkafka, such as "security.protocol" or "sasl.password"; "${NAME}" in a'
        " text stands for an environment variable; secrets are never printed",
    )

    @property
    def connection(self) -> Connection:
        """How to get there."""
        return Connection(self.brokers, tuple(self.client.items()))


class KafkaConfig(_Cluster, SourceSettings):
    """Topics of Kafka, all their partitions.  The offsets are part of the saved state."""

    begins: ClassVar[tuple[str, ...]] = ("start", "until")
    moved: ClassVar[dict[str, str]] = dict.fromkeys(OF_FORMATS, IN_FORMAT)
    kind: Literal["kafka"] = Field(description="kafka")
    topics: Annotated[tuple[str, ...], BeforeValidator(_topics)] = Field(min_length=1, description="one or more")
    group: str = Field("driftnet", min_length=1, description="consumer group that offsets are told to, for other tools")
    start: Annotated[str | dict[str, int], BeforeValidator(_start)] = Field(
        "earliest", description=f"where a run without saved state begins: {_ALLOWED}"
    )
    until: Annotated[str | dict[str, int], BeforeValidator(_until)] = Field(
        "never", description='never: live; now: what is there at the start; or a table { "topic/partition" = offset }'
    )
    on_lost: Literal["fail", "earliest", "latest"] = Field(
        "fail", description="when retention has deleted the offset to go on from: fail, or go on there"
    )
    format: AnyFormat = Field(JsonFormat(kind="json"), description=f"of values: {FORMATS_SAID}")
    discover: Duration = Field(MINUTE_US, description="how often to look for new partitions; 0: never")
    buffer_bytes: int = Field(16 << 20, ge=1 << 16, description="of messages fetched ahead, per partition")

    @property
    def is_live(self) -> bool:
        return self.until == "never"

    @property
    def discover_s(self) -> float:
        return self.discover / SECOND_US if self.is_live else 0.0

    def source(self, name: str, asked: "Asked") -> "Source":
        """What it stands for."""
        from flows.sources.kafka import KafkaSpec

        start: Start = self.start
        if isinstance(start, str) and start not in _WORDS:
            start = parse_moment_us(start)
        until: Any = None if self.until == "never" else self.until
        return KafkaSpec(
            connection=self.connection,
            topics=self.topics,
            name=name,
            group=self.group,
            start=start,
            until=until,
            on_lost=self.on_lost,
            buffer_bytes=self.buffer_bytes,
            metadata=asked.metadata,
            format=self.format.format(),
        )

    def bounded(self) -> "KafkaConfig":
        return self.model_copy(update={"until": "now"}) if self.is_live else self

    def pinned(self, name: str) -> "KafkaConfig":
        """The same with start, and until, as the offsets that they stand for now.  Raises SourceError."""
        from flows.sources.base import Asked

        found: Any = self.source(name, Asked())
        pinned = found.pinned()
        until = self.until if pinned.until is None else pinned.until
        return self.model_copy(update={"start": pinned.start, "until": until})


class KafkaSinkConfig(_Cluster, SinkSettings):
    """A topic for one stream: one JSON record per message, in order for each key, which is what it is about."""

    kind: Literal["kafka"] = Field(description="kafka")
    topic: str = Field(min_length=1, description="it must exist")
    transactional_id: str = Field(
        "",
        description="absent: records are there as soon as they are written; else they are committed with each"
        " checkpoint, and a second run of the same id is shut out",
    )
    delivery_timeout: Duration = Field(
        2 * MINUTE_US, ge=SECOND_US, description="how long the brokers may be away before the run gives up"
    )

    @property
    def delivery(self) -> Delivery:
        return Delivery.POSITION

    def sink(self) -> "SinkSpec":
        """What it stands for."""
        from flows.sinks.specs import KafkaSink

        return KafkaSink(self.connection, self.topic, self.transactional_id, self.delivery_timeout / SECOND_US)
