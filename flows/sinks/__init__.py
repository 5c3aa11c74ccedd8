"""Where records end: SQLite, JSON Lines, Parquet, the console, Kafka, PostgreSQL, Valkey or Redis, webhooks.

`open_sink` opens what a spec describes.
"""

from flows.sinks.base import Sink, SinkSpec
from flows.sinks.specs import (
    ConsoleSink,
    JsonlSink,
    KafkaSink,
    ParquetSink,
    PostgresSink,
    RedisSink,
    SqliteSink,
    WebhookSink,
    open_sink,
)

__all__ = [
    "ConsoleSink",
    "JsonlSink",
    "KafkaSink",
    "ParquetSink",
    "PostgresSink",
    "RedisSink",
    "Sink",
    "SinkSpec",
    "SqliteSink",
    "WebhookSink",
    "open_sink",
]
