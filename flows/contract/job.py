"""A small job on the engine that is killed in the middle of its input, and goes on."""

import multiprocessing
import signal
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson

from flows.config import loads
from flows.contract.lives import die
from flows.drive.assembly import Opener
from flows.drive.local import LocalDriver
from flows.engine.plan import Options, Plan, partitions_of
from flows.engine.run import execute
from flows.job import Job
from flows.job_stages import JobStages
from flows.sinks.base import Record
from flows.sinks.memory import MemoryWriter
from flows.sources.base import Lines, Partition, Source
from flows.sources.formatted import Around
from flows.streams import Stream
from flows.summary import Summary
from state.check import must

_CONFIG: Final = """
[job]
extends = "none"
name = "contract"
[event]
id = "id"
subject = "user"
time = { path = "at", unit = "s" }
[event.columns]
n = { kind = "number" }
[features]
events = { kind = "count" }
[windows]
hour = { kind = "tumbling", size = "1h" }
[detectors.many]
type = "rules"
params = { rules = [{ name = "many", feature = "events", above = 3 }] }
"""
_SUBJECTS: Final = 40
_EACH: Final = 5
_BEGIN_S: Final = 1_772_409_600
_TIMEOUT_S: Final = 180.0


@cache
def small_job() -> Job:
    """Four events in an hour are an alert."""
    return loads(_CONFIG, "contract").job()


def events() -> list[bytes]:
    """Lines of which each five are an alert."""
    return [
        orjson.dumps({"id": f"{k}-{i}", "user": f"u{k}", "at": _BEGIN_S + 3600 * k + 60 * i, "n": i})
        for k in range(_SUBJECTS)
        for i in range(_EACH)
    ]


@dataclass(frozen=True, slots=True)
class Dying:
    """A source whose process dies before its nth read of any partition."""

    source: Source
    reads: int

    @property
    def name(self) -> str:
        """As it is configured."""
        return self.source.name

    def partition_names(self) -> list[str]:
        """Those of the source."""
        return self.source.partition_names()

    def open(self, name: str) -> Partition:
        """A reader that dies."""
        return _Dying(self.source.open(name), self.reads)


class _Dying(Around):
    def __init__(self, inner: Partition, reads: int) -> None:
        super().__init__(inner)
        self._left = reads

    def read(self, max_lines: int) -> Lines | None:
        self._left -= 1
        if self._left == 0:
            die()
        return self._inner.read(max_lines)


def run(source: Source, openers: Mapping[str, tuple[Stream, Opener]], options: Options) -> Summary:
    """The job on the engine, to the end of the input."""
    sources = partitions_of([source])
    return execute(Plan(JobStages(small_job(), tuple(sources)).stages(), sources, openers, options))


def run_killed(
    source: Source, openers: Mapping[str, tuple[Stream, Opener]], state: Path, batch_lines: int, deaths: Sequence[int]
) -> Summary:
    """The same, in processes that die, one after the other, before these reads; then to the end, in this one."""
    options = Options(batch_lines=batch_lines, epoch_s=0.0, state_dir=state)
    for number, reads in enumerate(deaths):
        # The first one dies before it has a checkpoint, so that all that it wrote comes again.
        arguments = Dying(source, reads), openers, replace(options, epoch_s=options.epoch_s if number else 3600.0)
        process = multiprocessing.get_context("spawn").Process(target=run, args=arguments)
        process.start()
        process.join(_TIMEOUT_S)
        code = process.exitcode
        if code is None:
            process.kill()
        must(code == -signal.SIGKILL, f"a run that was to die before its read {reads} ended with {code}")
        process.close()
    return run(source, openers, options)


def run_whole(source: Source, *streams: Stream) -> tuple[Summary, dict[Stream, list[Record]]]:
    """The job without an engine, to the end of the input; what it says on these streams."""
    with ExitStack() as stack:
        partitions = [source.open(name) for name in source.partition_names()]
        for partition in partitions:
            stack.callback(partition.close)
        kept: dict[Stream, Any] = {stream: MemoryWriter() for stream in streams}
        summary = LocalDriver(small_job(), partitions, {stream: [sink] for stream, sink in kept.items()}).run()
    return summary, {stream: sink.records for stream, sink in kept.items()}
