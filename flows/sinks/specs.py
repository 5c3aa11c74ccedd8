"""Sinks as configuration describes them.

columnar: whether each field of a record is a column of its own, so that the job's features and detectors are.
"""

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar

from flows.kafka.connection import Connection
from flows.placeholders import Value
from flows.sinks.base import Patience, Sink
from flows.sinks.console import ConsoleWriter
from flows.sinks.jsonl import JsonlWriter
from flows.sinks.kafka import KafkaWriter
from flows.sinks.parquet import Names, ParquetWriter
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

    columnar: ClassVar[bool] = False
    path: str
    keep_us: int = 0

    @property
    def name(self) -> str:
        """Kind and place: what tells it from the other sinks of a stream."""
        return f"sqlite.{self.path}"


@dataclass(frozen=True, slots=True)
class JsonlSink:
    """One record per line, one stream per file.  overwrite: a fresh run empties the file; without it, it appends."""

    columnar: ClassVar[bool] = False
    path: str
    overwrite: bool = False

    @property
    def name(self) -> str:
        """Kind and place: what tells it from the other sinks of a stream."""
        return f"jsonl.{self.path}"


@dataclass(frozen=True, slots=True)
class ParquetSink:
    """A folder of typed columns, by day of event time, for one stream.  rows_max: of a file."""

    columnar: ClassVar[bool] = True
    path: str
    rows_max: int = 250_000

    @property
    def name(self) -> str:
        """Kind and place: what tells it from the other sinks of a stream."""
        return f"parquet.{self.path}"


@dataclass(frozen=True, slots=True)
class ConsoleSink:
    """One short line per record.  to: "stdout" or "stderr"."""

    columnar: ClassVar[bool] = False
    to: str = "stdout"

    @property
    def name(self) -> str:
        """Kind and place: what tells it from the other sinks of a stream."""
        return f"console.{self.to}"


@dataclass(frozen=True, slots=True)
class KafkaSink:
    """One stream into one topic.  transactional_id: empty for no transactions.  delivery_s: see KafkaWriter."""

    columnar: ClassVar[bool] = False
    connection: Connection
    topic: str
    transactional_id: str = ""
    delivery_s: float = 120.0

    @property
    def name(self) -> str:
        """Kind and place: what tells it from the other sinks of a stream."""
        return f"kafka.{self.topic}"


@dataclass(frozen=True, slots=True)
class PostgresSink:
    """One stream into one table.  table: "" for the stream's name.  outage_s: how long the server may be away."""

    columnar: ClassVar[bool] = False
    url: str = field(repr=False)
    table: str = ""
    outage_s: float = 300.0

    @property
    def name(self) -> str:
        """Kind and place: what tells it from the other sinks of a stream."""
        return f"postgres.{self.table}"


@dataclass(frozen=True, slots=True)
class RedisSink:
    """One stream into keys, or into a stream, of Valkey or Redis: see RedisWriter.  outage_s: as of PostgresSink."""

    columnar: ClassVar[bool] = False
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


@dataclass(frozen=True, slots=True)
class WebhookSink:
    """A request per record: see WebhookWriter.  outage_s: how long it may be away until records are dead letters."""

    columnar: ClassVar[bool] = False
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


SinkSpec = SqliteSink | JsonlSink | ParquetSink | ConsoleSink | KafkaSink | PostgresSink | RedisSink | WebhookSink


def open_sink(
    spec: SinkSpec,
    stream: str,
    resume_position: Any = None,
    run_id: str = "",
    patience: Patience = Patience(),  # noqa: B008 - frozen
    names: Names = MappingProxyType({}),
) -> Sink:
    """The sink at work.

    stream: the name of one with records.  resume_position: what `flush` returned when the state to resume from was
    saved; what was written since is taken back, or replaced.  run_id: stored beside SQLite's rows.  names: the job's
    "features" and "detectors", which are columns of Parquet files.
    Raises SinkError for a place that cannot be written.
    """
    its = Stream(stream)
    match spec:
        case SqliteSink(path, keep_us):
            return SqliteWriter(path, its, run_id, patience, keep_us)
        case JsonlSink(path, overwrite):
            return JsonlWriter(path, resume_position, overwrite, patience)
        case ParquetSink(path, rows_max):
            told = its.records
            return ParquetWriter(path, told.fields, names, told.time, rows_max, resume_position, patience)
        case ConsoleSink(to):
            return ConsoleWriter(to, its)
        case KafkaSink(connection, topic, transactional_id, delivery_s):
            return KafkaWriter(connection, topic, its, resume_position, transactional_id, delivery_s, patience)
        case PostgresSink(url, table, outage_s):
            return PostgresWriter(url, its, table, run_id, patience.lasting(outage_s))
        case RedisSink(url, prefix, form, expire_s, length_max, outage_s):
            lasting = patience.lasting(outage_s)
            return RedisWriter(url, its, prefix, form, expire_s, length_max, resume_position, lasting)
        case WebhookSink():
            return WebhookWriter(
                spec.url,
                its,
                spec.dead_letters,
                spec.template,
                dict(spec.headers),
                dict(spec.values),
                spec.secret,
                spec.timeout_s,
                patience.lasting(spec.outage_s),
            )
