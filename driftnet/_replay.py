"""replay: recorded events through the whole flow, in this process."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from flows.config import load
from flows.sinks.base import Record, Sink
from flows.sinks.memory import MemoryWriter
from flows.sources.base import Lines, Partition, Unwatched
from flows.streams import STREAMS, Stream
from flows.summary import Summary
from state.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from flows.config.endpoints import FilesConfig
    from flows.config.models import Config
    from flows.drive.local import Progress

Event = Mapping[str, Any] | bytes | str
"""One input line: a mapping that orjson can write, or JSON text."""
_EVENTS: Final = "events"
_LABELS: Final = "labels"


@dataclass(frozen=True, slots=True)
class Replay:
    """What a replay gave.

    summary: its totals; `summary.balanced` says whether every line is accounted for.  records: stream -> its records in
    the order in which they came, for the streams that were asked for; their members are those of docs/schemas.
    """

    summary: Summary
    records: Mapping[str, list[Record]] = field(default_factory=dict)

    @property
    def alerts(self) -> list[Record]:
        """The alerts, in the order in which they were raised; empty where that stream was not asked for."""
        return self.records.get("alerts", [])


def files(*paths: str | Path, side_by_side: bool = False) -> "FilesConfig":
    """Files of JSON Lines, plain or .gz, for `replay`.

    paths: files, directories and patterns such as "days/*.jsonl.gz".  side_by_side: they were written in parallel, and
    are read so; else each follows the one before it, as days do.  What is there is looked up when they are read.

        >>> import driftnet
        >>> driftnet.files("monday.jsonl.gz", "tuesday.jsonl.gz").paths
        ('monday.jsonl.gz', 'tuesday.jsonl.gz')
    """
    from flows.config.endpoints import FilesConfig

    if not paths:
        raise SourceError("files: seen no path, expected at least one file, directory or pattern")
    return FilesConfig(
        kind="files", paths=tuple(map(str, paths)), partitions="per_file" if side_by_side else "sequence"
    )


def replay(
    events: "Iterable[Event] | FilesConfig | None" = None,
    config: "Config | str | Path | None" = None,
    *,
    labels: "Iterable[Event] | FilesConfig | None" = None,
    streams: Collection[str] = ("alerts", "drift"),
    sinks: Mapping[str, Sequence[Sink]] | None = None,
    progress: "Callable[[Progress], None] | None" = None,
) -> Replay:
    """Runs events to their end: the same code as a live run, and the same alerts to the bit.

    events: lines in memory (mappings, or JSON as bytes or str), `files(...)`, or None for the sources of the
    configuration, as far as there is something now.  config: what `load` or `loads` gave, the path of a TOML file, or
    None for the shipped configuration.  labels: what was found out about subjects (docs/labels.md), beside `events`.
    streams: whose records are kept in memory and given back: names of output streams (docs/streams.md).  sinks: stream
    -> sinks of your own, which are flushed at the end and closed by you.  progress: called after each batch with how
    far it is: lines `read`, the `fraction` of the input's bytes or None, event time reached as `watermark_us`.

    The configuration's own sinks are left alone: nothing is written but what `sinks` write.
    Raises ConfigError, SourceError, and what a sink raises.

        >>> import driftnet
        >>> found = driftnet.replay([b"not JSON", {"event_id": "e1", "user_id": "u1"}], streams=["rejects"])
        >>> [(reject["offset"], reject["reason"]) for reject in found.records["rejects"]]
        [(0, 'not_json'), (1, 'missing_field')]
    """
    from flows.config.endpoints import FilesConfig
    from flows.drive.assembly import Assembly
    from flows.drive.local import LocalDriver

    for stream in (*streams, *(sinks or ())):
        if stream not in STREAMS:
            raise ConfigError(f"streams: seen {stream!r}, allowed: {', '.join(STREAMS)}")
    if events is None and labels is not None:
        raise ConfigError("labels: seen labels without events; name them in the configuration, or give both")
    given = {name: lines for name, lines in ((_EVENTS, events), (_LABELS, labels)) if lines is not None}
    found = load(config) if config is None or isinstance(config, str | Path) else config
    if given:
        # What is in memory stands in as a file, so that the job is what it would be if it lay in one.
        tables = {name: lines if isinstance(lines, FilesConfig) else files("-") for name, lines in given.items()}
        sources = {name: table.model_copy(update={"reads": name}) for name, table in tables.items()}
        found = found.model_copy(update={"sources": sources})
    partitions: list[Partition] = [
        _Memory(n, lines) for n, lines in given.items() if not isinstance(lines, FilesConfig)
    ]
    reads = {p.name: _LABELS for p in partitions if p.name == _LABELS}
    in_memory = {p.name for p in partitions}
    on_disk = {name: table for name, table in found.sources.items() if name not in in_memory}
    if on_disk or not given:
        opened = Assembly(found.model_copy(update={"sources": on_disk})).inputs()
        partitions += opened.partitions
        reads |= opened.reads
    kept = {stream: MemoryWriter() for stream in streams}
    takers: dict[Stream, list[Sink]] = {
        s: [*(sinks or {}).get(s, ()), *([kept[s]] if s in kept else [])] for s in STREAMS
    }
    job = found.job().asking(stream for stream, taken in takers.items() if taken)
    summary = LocalDriver(job, partitions, takers, reads=reads).run(progress)
    return Replay(summary, {stream: sink.records for stream, sink in kept.items()})


class _Memory(Unwatched):
    """Lines that somebody gives one after the other, as a partition that is read once."""

    size_bytes = None
    done_bytes = None

    def __init__(self, name: str, lines: Iterable[Event]) -> None:
        if isinstance(lines, bytes | str | Path | Mapping):
            raise SourceError(
                f"{name}: seen one {type(lines).__name__}, expected lines one after the other; a file is"
                " driftnet.files(path)"
            )
        self.name = name
        self._lines: Iterator[Event] = iter(lines)
        self._read = 0

    def read(self, max_lines: int) -> Lines | None:
        lines = [_line(item) for item in islice(self._lines, max_lines)]
        first, self._read = self._read, self._read + len(lines)
        return Lines.of_text(lines, first, self.name) if lines else None

    def position(self) -> int:
        return self._read

    def seek(self, position: Any) -> None:
        raise SourceError(f"{self.name}: lines in memory are read once, and not from {position} on")

    def close(self) -> None:
        self._lines = iter(())


def _line(item: Event) -> bytes:
    if isinstance(item, bytes):
        return item
    return item.encode() if isinstance(item, str) else orjson.dumps(item)
