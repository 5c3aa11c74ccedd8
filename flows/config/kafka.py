"""Kafka as a source and as a sink: tables, and the specs they stand for."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer
from pydantic_core import PydanticCustomError

from flows.config.section import Section, SourceSection, problem
from flows.durations import Duration
from flows.kafka.connection import Connection
from flows.kafka.properties import CLIENT, REGISTRY, instead
from flows.placeholders import Value, redacted
from state.durations import parse_moment_us
from state.types import MINUTE_US, SECOND_US

if TYPE_CHECKING:
    from flows.kafka.formats import FormatSpec
    from flows.kafka.topics import Start
    from flows.sinks.specs import SinkSpec
    from flows.sources.base import Source

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


def _plain(value: object) -> object:
    """Properties as librdkafka names them.  TOML reads a bare key with dots as tables inside each other, as --set does,
    which is to win over quoted keys.
    """
    if not isinstance(value, dict):
        raise problem(f"a {type(value).__name__}", 'a table such as { "security.protocol" = "SASL_SSL" }')
    found = dict(_flat(value))
    for key, each in found.items():
        if not isinstance(each, Value):  # without its value, which may be a secret
            raise problem(f"a {type(each).__name__}", "a text, a number, true or false", key)
    return found


def _flat(table: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in sorted(table.items(), key=lambda item: isinstance(item[1], dict)):
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", value


def _ours(value: dict[str, Value]) -> dict[str, Value]:
    _known(value, CLIENT)
    for key in value:
        if key in ("bootstrap.servers", "metadata.broker.list", "group.id", "enable.auto.commit", "transactional.id"):
            raise problem(f"the property {key!r}", "properties that Driftnet does not set itself", key)
    return value


def _known(value: dict[str, Value], known: AbstractSet[str]) -> dict[str, Value]:
    for key in value:
        if key not in known:
            hint = instead(key, known)
            raise problem(f"the property {key!r}", "properties that the client knows", key, hint)
    return value


_shown = PlainSerializer(redacted, return_type=dict)
Client = Annotated[dict[str, Value], BeforeValidator(_plain), AfterValidator(_ours), _shown]
Registry = Annotated[dict[str, Value], BeforeValidator(_plain), AfterValidator(partial(_known, known=REGISTRY)), _shown]


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


class KafkaConfig(_Cluster, SourceSection):
    """Topics of Kafka, all their partitions.  The offsets are part of the saved state."""

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
    format: Literal["json", "avro", "protobuf"] = Field("json", description="of values: json, avro or protobuf")
    registry: Registry = Field(
        {}, repr=False, description="avro: properties of the schema registry's client, at least url"
    )
    descriptor: str = Field("", description="protobuf: file of a descriptor set, with all imports")
    message: str = Field("", description="protobuf: full name of the message")
    framed: bool = Field(False, description="protobuf: whether Confluent's framing is in front of each value")
    discover: Duration = Field(MINUTE_US, description="how often to look for new partitions; 0: never")
    buffer_bytes: int = Field(16 << 20, ge=1 << 16, description="of messages fetched ahead, per partition")

    def mistakes(self) -> Iterator[PydanticCustomError]:
        needed = {"avro": ("registry",), "protobuf": ("descriptor", "message")}
        for key in needed.get(self.format, ()):
            if not getattr(self, key):
                yield problem("nothing", f'a value, for format "{self.format}"', key)
        for format_, keys in (*needed.items(), ("protobuf", ("framed",))):
            for key in keys:
                if getattr(self, key) and format_ != self.format:
                    yield problem(f"{key} with format {self.format}", f"{key} with format {format_}", key)
        if self.format == "avro" and self.registry and not self.registry.get("url"):
            yield problem("nothing", 'the registry\'s address, such as "http://localhost:8081"', ("registry", "url"))

    @property
    def is_live(self) -> bool:
        return self.until == "never"

    def source(self, name: str, line_bytes_max: int, *, metadata: bool = False) -> "Source":
        """What it stands for."""
        from flows.sources.kafka import KafkaSpec

        del line_bytes_max  # of a message, the decoder sees to it
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
            metadata=metadata,
            format=self._format_spec(),
        )

    def _format_spec(self) -> "FormatSpec | None":
        from flows.kafka.formats import AvroSpec, ProtobufSpec

        if self.format == "avro":
            return AvroSpec(tuple(self.registry.items()))
        return ProtobufSpec(self.descriptor, self.message, self.framed) if self.format == "protobuf" else None

    def bounded(self) -> "KafkaConfig":
        """The same, until what is there now."""
        return self.model_copy(update={"until": "now"}) if self.is_live else self

    def pinned(self, name: str) -> "KafkaConfig":
        """The same with start, and until, as the offsets that they stand for now.  Raises SourceError."""
        found: Any = self.source(name, 0)
        pinned = found.pinned()
        until = self.until if pinned.until is None else pinned.until
        return self.model_copy(update={"start": pinned.start, "until": until})


class KafkaSinkConfig(_Cluster):
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

    def sink(self) -> "SinkSpec":
        """What it stands for."""
        from flows.sinks.specs import KafkaSink

        return KafkaSink(self.connection, self.topic, self.transactional_id, self.delivery_timeout / SECOND_US)
