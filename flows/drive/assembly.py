"""From a configuration to what runs: open partitions, sinks and their names, the record of the run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec

from flows.config.endpoints import SqliteConfig, sink_kinds, source_kinds
from flows.config.formats import LinesSettings
from flows.config.models import Config
from flows.config.plugged import SinkSettings, SourceSettings
from flows.sinks.base import Names, Opening, Sink, SinkSpec
from flows.sinks.strangers import ask as ask_sink
from flows.sinks.strangers import open_strangers
from flows.sources.base import Asked, Partition, Source
from flows.sources.formatted import Formatted
from flows.sources.strangers import StrangersSource
from flows.sources.strangers import ask as ask_source
from flows.streams import STREAMS, Stream
from flows.version import driftnet_version
from state.errors import ConfigError, SnapshotError
from state.times import iso_now


@dataclass(frozen=True, slots=True)
class Opener:
    """Opens one sink, at its beginning or at a position that an earlier `flush` returned.  Picklable.

    whose: of a plug-in's sink, which one and whose it is.
    """

    spec: SinkSpec
    stream: Stream
    run_id: str
    names: Names = field(default_factory=dict)
    whose: str = ""

    def __call__(self, position: Any = None, /) -> Sink:
        opening = Opening(Stream(self.stream), position, self.run_id, self.names)
        return open_strangers(self.spec, opening, self.whose) if self.whose else self.spec.open(opening)


class Inputs(NamedTuple):
    """Open partitions, and what those hold that do not hold events: "labels" or "control", by name."""

    partitions: list[Partition]
    reads: dict[str, str]


@dataclass(frozen=True, slots=True)
class Assembly:
    """A configuration with the parts that it names.

    extra: sinks beside the configured ones, by stream; a command's own.  run_id: a name that no other run has.
    """

    config: Config
    extra: Mapping[Stream, Sequence[SinkSpec]] = field(default_factory=dict)
    run_id: str = field(default_factory=lambda: uuid4().hex[:16])

    def sources(self) -> list[Source]:
        """The sources, not yet read.  Raises ConfigError when there is none."""
        if not self.config.sources:
            raise ConfigError('sources: seen none, allowed: at least one, such as [sources.main] kind = "files"')
        return [self._source(name, table) for name, table in self.config.sources.items()]

    def _source(self, name: str, table: SourceSettings) -> Source:
        asked = Asked(self.config.event.max_line_bytes, self.config.event.reads_metadata)
        if origin := source_kinds().origins.get(table.kind):
            whose = f"sources.{name}, kind {table.kind!r} of the distribution {origin!r}"
            theirs = ask_source(whose, "source", lambda: table.source(name, asked))
            source: Source = StrangersSource(theirs, whose)
        else:
            source = table.source(name, asked)
        format_ = table.format.format() if isinstance(table, LinesSettings) else None
        return source if format_ is None else Formatted(source, format_)

    def reads(self, partitions: Mapping[str, Source]) -> dict[str, str]:
        """Partition -> what it holds, for those that do not hold events."""
        reads = {partition: self.config.sources[source.name].reads for partition, source in partitions.items()}
        return {partition: what for partition, what in reads.items() if what != "events"}

    def pinned(self, file: Path | None) -> "Assembly":
        """The same with the sources that others write to beginning, for good, where they begin now.

        file: where that is kept, so that a second start begins where the first one did.  Raises SourceError.
        """
        known = _starts(file) if file is not None and file.exists() else {}
        sources = dict(self.config.sources)
        for name, table in sources.items():
            if table.begins:
                begun = {key: value for key, value in known.get(name, {}).items() if key in table.begins}
                sources[name] = table.model_copy(update=begun) if begun else table.pinned(name)
                known[name] = {key: getattr(sources[name], key) for key in table.begins}
        if known and file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            fresh = file.with_suffix(".new")
            fresh.write_text(json.dumps(known))
            fresh.replace(file)
        return replace(self, config=self.config.model_copy(update={"sources": sources}))

    @property
    def discover_s(self) -> float:
        """How often to look for partitions that were added to a source; 0 for never."""
        return min(filter(None, (table.discover_s for table in self.config.sources.values())), default=0.0)

    def inputs(self) -> "Inputs":
        """All partitions, open, of what there is now.  Raises SourceError, and ConfigError when two have one name."""
        tables = {name: table.bounded() for name, table in self.config.sources.items()}
        sources = replace(self, config=self.config.model_copy(update={"sources": tables})).sources()
        opened = {(i, name): source.open(name) for i, source in enumerate(sources) for name in source.partition_names()}
        names = [p.name for p in opened.values()]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ConfigError(f"sources: seen two partitions named {twice!r}, allowed: each name once")
        reads = {p.name: tables[sources[i].name].reads for (i, _), p in opened.items()}
        return Inputs(list(opened.values()), {name: what for name, what in reads.items() if what != "events"})

    def partitions(self) -> list[Partition]:
        """The partitions of `inputs`, where all hold events."""
        return self.inputs().partitions

    def openers(self) -> dict[str, tuple[Stream, Opener]]:
        """A name that is stable over restarts -> the stream that the sink takes, and how to open it.

        The name says stream, kind and place: a saved position finds its sink again whatever was added before it.
        """
        found: dict[str, tuple[Stream, Opener]] = {}
        tables = {stream: self.config.sinks.of(stream) for stream in STREAMS}
        names: Names = self.config.job().names if any(t.columnar for of in tables.values() for t in of) else {}
        for stream in STREAMS:
            chosen = [_stands_for(stream, table) for table in tables[stream]]
            for spec, whose in [*chosen, *((spec, "") for spec in self.extra.get(stream, ()))]:
                name = wanted = f"{stream.value}.{spec.name}"
                again = count(1)
                while name in found:
                    name = f"{wanted}.{next(again)}"
                found[name] = (stream, Opener(spec, stream, self.run_id, names, whose))
        return found

    def sinks(self) -> dict[Stream, list[Sink]]:
        """All sinks, open.  Raises SinkError."""
        opened: dict[Stream, list[Sink]] = {}
        for stream, opener in self.openers().values():
            opened.setdefault(stream, []).append(opener())
        return opened

    def positions(self) -> dict[str, Any]:
        """Name -> where each sink stands when it is opened anew.  Raises SinkError."""
        found: dict[str, Any] = {}
        for name, (_, opener) in self.openers().items():
            sink = opener()
            found[name] = sink.flush()
            sink.close()
        return found

    def record(self) -> None:
        """Writes down the run in each store, so that `explain` can replay it, and records of different configurations
        are told apart.  Raises SinkError.
        """
        from flows.sinks.store import Run, record_run

        config = self.config.model_copy(
            update={"sources": {name: table.absolute() for name, table in self.config.sources.items()}}
        )
        table = config.to_table()
        job = self.config.job()
        run = Run(
            run_id=self.run_id,
            started=iso_now("seconds"),
            job=job.name,
            digest=job.digest,
            version=driftnet_version(),
            config=config.to_toml(),
            sources=json.dumps(table["sources"]),
        )
        sinks = (sink for stream in STREAMS for sink in self.config.sinks.of(stream))
        for path in dict.fromkeys(sink.path for sink in sinks if isinstance(sink, SqliteConfig)):
            record_run(path, run)


def _stands_for(stream: Stream, table: SinkSettings) -> tuple[SinkSpec, str]:
    """The sink of a table, and of a plug-in's, which one and whose it is."""
    origin = sink_kinds().origins.get(table.kind)
    if not origin:
        return table.sink(), ""
    whose = f"sinks.{stream}, kind {table.kind!r} of the distribution {origin!r}"
    return ask_sink(whose, "sink", table.sink), whose


_Start = str | int | dict[str, int] | None


def _starts(file: Path) -> dict[str, Any]:
    """Source -> where it begins and ends; nothing else of it is taken from a file beside the state."""
    try:
        return msgspec.json.decode(file.read_bytes(), type=dict[str, dict[str, _Start]])
    except (OSError, msgspec.MsgspecError) as error:
        raise SnapshotError(f"{file} is damaged ({error}); start from a savepoint, or in an empty directory") from error
