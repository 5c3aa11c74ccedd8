"""Where records end: SQLite, JSON Lines, the console.  `open_sink` opens what a spec describes."""

from flows.sinks.base import Sink
from flows.sinks.specs import ConsoleSink, JsonlSink, SinkSpec, SqliteSink, open_sink

__all__ = ["ConsoleSink", "JsonlSink", "Sink", "SinkSpec", "SqliteSink", "open_sink"]
