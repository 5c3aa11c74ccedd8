"""From a configuration to what runs: open partitions, sinks and their names, the record of the run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec

from flows.config.endpoints import FilesConfig, SourceConfig, SqliteConfig
from flows.config.kafka import KafkaConfig
from flows.config.models import Config
from flows.sinks import Sink, SinkSpec, open_sink
from flows.sinks.parquet import Names
from flows.sources.base import Partition, Source
from flows.streams import STREAMS, Stream
from flows.version import driftnet_version
from state.errors import ConfigError, SnapshotError
from state.times import iso_now


@dataclass(frozen=True, slots=True)
class Opener:
    """Opens one sink, at its beginning or at a position that an earlier `flush` returned.  Picklable."""

    spec: SinkSpec
    stream: Stream
    run_id: str
    names: Names = field(default_factory=dict)

    def __call__(self, position: Any = None, /) -> Sink:
        return open_sink(self.spec, self.stream, position, self.run_id, names=self.names)


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

    def _source(self, name: str, table: SourceConfig) -> Source:
        line_bytes_max = self.config.event.max_line_bytes
        if isinstance(table, KafkaConfig):
            return table.source(name, line_bytes_max, metadata=self.config.event.reads_metadata)
        return table.source(name, line_bytes_max)

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
            if isinstance(table, KafkaConfig):
                pinned = table.model_copy(update=known[name]) if name in known else table.pinned(name)
                known[name] = {"start": pinned.start, "until": pinned.until}
                sources[name] = pinned
        if known and file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            fresh = file.with_suffix(".new")
            fresh.write_text(json.dumps(known))
            fresh.replace(file)
        return replace(self, config=self.config.model_copy(update={"sources": sources}))

    @property
    def discover_s(self) -> float:
        """How often to look for partitions that were added to a source; 0 for never."""
        tables = [t for t in self.config.sources.values() if isinstance(t, KafkaConfig) and t.is_live and t.discover]
        return min((table.discover / 1e6 for table in tables), default=0.0)

    def inputs(self) -> "Inputs":
        """All partitions, open, of what there is now.  Raises SourceError, and ConfigError when two have one name."""
        live = KafkaConfig | FilesConfig
        tables = {n: t.bounded() if isinstance(t, live) else t for n, t in self.config.sources.items()}
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
        chosen = {s: [c.sink() for c in self.config.sinks.of(s)] + list(self.extra.get(s, ())) for s in STREAMS}
        tables = any(spec.columnar for specs in chosen.values() for spec in specs)
        names: Names = self.config.job().names if tables else {}
        for stream, specs in chosen.items():
            for spec in specs:
                name = wanted = f"{stream.value}.{spec.name}"
                again = count(1)
                while name in found:
                    name = f"{wanted}.{next(again)}"
                found[name] = (stream, Opener(spec, stream, self.run_id, names))
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
            update={"sources": {name: _absolute(s) for name, s in self.config.sources.items()}}
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


_Start = str | int | dict[str, int] | None


class _Pinned(msgspec.Struct, forbid_unknown_fields=True):
    """Where a source begins and ends; nothing else of it is taken from a file beside the state."""

    start: _Start
    until: _Start


def _starts(file: Path) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(file.read_bytes(), type=dict[str, _Pinned])
    except (OSError, msgspec.MsgspecError) as error:
        raise SnapshotError(f"{file} is damaged ({error}); start from a savepoint, or in an empty directory") from error
    return {name: {"start": pinned.start, "until": pinned.until} for name, pinned in found.items()}


def _absolute(source: Any) -> Any:
    if isinstance(source, FilesConfig):
        return source.model_copy(update={"paths": tuple(str(Path(p).absolute()) for p in source.paths)})
    return source
