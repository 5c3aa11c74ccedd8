"""Where records end: SQLite, JSON Lines, Parquet, the console, Kafka.  `open_sink` opens what a spec describes."""

from flows.sinks.base import Sink
from flows.sinks.specs import ConsoleSink, JsonlSink, KafkaSink, ParquetSink, SinkSpec, SqliteSink, open_sink

__all__ = ["ConsoleSink", "JsonlSink", "KafkaSink", "ParquetSink", "Sink", "SinkSpec", "SqliteSink", "open_sink"]
