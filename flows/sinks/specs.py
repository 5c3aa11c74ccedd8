"""Our own sinks as configuration describes them: each opens its writer."""

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from flows.kafka.connection import Connection
from flows.placeholders import Value
from flows.sinks.base import Names, Opening, Patience, Sink, SinkSpec
from flows.sinks.console import ConsoleWriter
from flows.sinks.jsonl import JsonlWriter
from flows.sinks.kafka import KafkaWriter
from flows.sinks.parquet import ParquetWriter
from flows.sinks.postgres import PostgresWriter
from flows.sinks.redis import Form, RedisWriter
from flows.sinks.sqlite import SqliteWriter
from flows.sinks.webhook import WebhookWriter
from flows.streams import Stream


@dataclass(frozen=True, slots=True)
class SqliteSink:
    """The embedded store, for all streams of a job and for many runs; records are upserted by their id.

    keep_us: how old rows may become, in event time; 0 for any age.
    """

    path: str
    keep_us: int = 0

    @property
    def name(self) -> str:
        """Kind and place: what tells it from the other sinks of a stream."""
        return f"sqlite.{self.path}"

    def open(self, opening: Opening) -> Sink:
        """The sink at work.  Raises SinkError, ConfigError."""
        return SqliteWriter(self.path, opening.stream, opening.run_id, opening.patience, self.keep_us)


@dataclass(frozen=True, slots=True)
class JsonlSink:
    """One record per line, one stream per file.  overwrite: a fresh run empties the file; without it, it appends."""

    path: str
    overwrite: bool = False

    @property
    def name(self) -> str:
        """Kind and place: what tells it from the other sinks of a stream."""
        return f"jsonl.{self.path}"

    def open(self, opening: Opening) -> Sink:
        """The sink at work.  Raises SinkError, ConfigError."""
        return JsonlWriter(self.path, opening.position, self.overwrite, opening.patience)


@dataclass(frozen=True, slots=True)
class ParquetSink:
    """A folder of typed columns, by day of event time, for one stream.  rows_max: of a file."""

    path: str
    rows_max: int = 250_000

    @property
    def name(self) -> str:
        """Kind and place: what tells it from the other sinks of a stream."""
        return f"parquet.{self.path}"

    def open(self, opening: Opening) -> Sink:
        """The sink at work.  Raises SinkError, ConfigError."""
        told = opening.stream.records
        return ParquetWriter(
            self.path, told.fields, opening.names, told.time, self.rows_max, opening.position, opening.patience
        )


@dataclass(frozen=True, slots=True)
class ConsoleSink:
    """One short line per record.  to: "stdout" or "stderr"."""

    to: str = "stdout"

    @property
    def name(self) -> str:
        """Kind and place: what tells it from the other sinks of a stream."""
        return f"console.{self.to}"

    def open(self, opening: Opening) -> Sink:
        """The sink at work.  Raises SinkError, ConfigError."""
        return ConsoleWriter(self.to, opening.stream)


@dataclass(frozen=True, slots=True)
class KafkaSink:
    """One stream into one topic.  transactional_id: empty for no transactions.  delivery_s: see KafkaWriter."""

    connection: Connection
    topic: str
    transactional_id: str = ""
    delivery_s: float = 120.0

    @property
    def name(self) -> str:
        """Kind and place: what tells it from the other sinks of a stream."""
        return f"kafka.{self.topic}"

    def open(self, opening: Opening) -> Sink:
        """The sink at work.  Raises SinkError, ConfigError."""
        return KafkaWriter(
            self.connection,
            self.topic,
            opening.stream,
            opening.position,
            self.transactional_id,
            self.delivery_s,
            opening.patience,
        )


@dataclass(frozen=True, slots=True)
class PostgresSink:
    """One stream into one table.  table: "" for the stream's name.  outage_s: how long the server may be away."""

    url: str = field(repr=False)
    table: str = ""
    outage_s: float = 300.0

    @property
    def name(self) -> str:
        """Kind and place: what tells it from the other sinks of a stream."""
        return f"postgres.{self.table}"

    def open(self, opening: Opening) -> Sink:
        """The sink at work.  Raises SinkError, ConfigError."""
        lasting = opening.patience.lasting(self.outage_s)
        return PostgresWriter(self.url, opening.stream, self.table, opening.run_id, lasting)


@dataclass(frozen=True, slots=True)
class RedisSink:
    """One stream into keys, or into a stream, of Valkey or Redis: see RedisWriter.  outage_s: as of PostgresSink."""

    url: str = field(repr=False)
    prefix: str = ""
    form: Form = "keys"
    expire_s: float = 0.0
    length_max: int = 0
    outage_s: float = 300.0

    @property
    def name(self) -> str:
        """Kind and place: what tells it from the other sinks of a stream."""
        return f"redis.{self.prefix}.{self.form}"

    def open(self, opening: Opening) -> Sink:
        """The sink at work.  Raises SinkError, ConfigError."""
        return RedisWriter(
            self.url,
            opening.stream,
            self.prefix,
            self.form,
            self.expire_s,
            self.length_max,
            opening.position,
            opening.patience.lasting(self.outage_s),
        )


@dataclass(frozen=True, slots=True)
class WebhookSink:
    """A request per record: see WebhookWriter.  outage_s: how long it may be away until records are dead letters."""

    url: str = field(repr=False)
    dead_letters: str
    template: str = "record"
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    values: tuple[tuple[str, Value], ...] = field(default=(), repr=False)
    secret: str = field(default="", repr=False)
    timeout_s: float = 10.0
    outage_s: float = 300.0

    @property
    def name(self) -> str:
        """Kind and place: what tells it from the other sinks of a stream."""
        return f"webhook.{self.template}"

    def open(self, opening: Opening) -> Sink:
        """The sink at work.  Raises SinkError, ConfigError."""
        return WebhookWriter(
            self.url,
            opening.stream,
            self.dead_letters,
            self.template,
            dict(self.headers),
            dict(self.values),
            self.secret,
            self.timeout_s,
            opening.patience.lasting(self.outage_s),
        )


def open_sink(
    spec: SinkSpec,
    stream: str,
    resume_position: Any = None,
    run_id: str = "",
    patience: Patience = Patience(),  # noqa: B008 - frozen
    names: Names = MappingProxyType({}),
) -> Sink:
    """The sink at work, of any spec.  See `Opening`.  Raises SinkError for a place that cannot be written."""
    return spec.open(Opening(Stream(stream), resume_position, run_id, names, patience))
