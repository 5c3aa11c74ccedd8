"""Output streams: what there is, and what their records look like.  `Stream` is the catalogue."""

from flows.streams.catalogue import STREAMS, TABLES, Records, Store, Stream, json_schema

__all__ = ["STREAMS", "TABLES", "Records", "Store", "Stream", "json_schema"]
