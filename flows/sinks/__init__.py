"""Where records end: SQLite, JSON Lines, the console, Kafka.  `open_sink` opens what a spec describes."""

from flows.sinks.base import Sink
from flows.sinks.specs import ConsoleSink, JsonlSink, KafkaSink, SinkSpec, SqliteSink, open_sink

__all__ = ["ConsoleSink", "JsonlSink", "KafkaSink", "Sink", "SinkSpec", "SqliteSink", "open_sink"]
