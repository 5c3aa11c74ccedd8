"""What every source must do."""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from flows.config.plugged import SourceSettings
from flows.contract import job
from flows.contract.lives import read_and_die
from flows.contract.settings import keep
from flows.contract.trial import SourceTrial
from flows.drive.assembly import Opener
from flows.sinks import JsonlSink
from flows.sources.base import Asked, Lines, Partition, Source
from flows.streams import Stream
from state.check import must
from state.pickles import copied

NAME: Final = "trial"
_STOPS: Final = 20
"""Of a long partition, so many places are tried."""
_EMPTY_MAX: Final = 10_000
"""Reads in a row that give nothing, after which there is no end."""


def source_of(settings: SourceSettings) -> Source:
    """What bounded settings stand for."""
    return settings.bounded().source(NAME, Asked())


def opened(settings: SourceSettings, partition: str, position: Any = None) -> Partition:
    """A reader at the beginning, or at a position."""
    reader = source_of(settings).open(partition)
    if position is not None:
        reader.seek(position)
    return reader


def partitions(trial: SourceTrial) -> None:
    """Saved positions are found again by them."""
    settings = trial.fresh()
    source = source_of(settings)
    names = source.partition_names()
    must(bool(names) and len(set(names)) == len(names), f"partitions are named {names}")
    must(source.name == NAME, f"its name is {source.name!r}, configured {NAME!r}")
    again = copied(source)
    must(source_of(settings).partition_names() == names == again.partition_names(), "names differ from time to time")
    for name in names:
        reader = source.open(name)
        must(reader.name == name, f"the partition {name!r} says that it is {reader.name!r}")
        reader.close()


def reads_all(trial: SourceTrial) -> None:
    """Many at once, few, one by one."""
    expected = list(trial.lines)
    for at_once in (100_000, 7, 1):
        settings, found = trial.fresh(), list[bytes]()
        for name in source_of(settings).partition_names():
            reader = opened(settings, name)
            for lines in _batches(reader, at_once):
                found += lines.lines
            more = reader.read(at_once)
            must(more is None or not more.lines, "there are lines behind the end")
            reader.close()
        must(found == expected, f"asked for {at_once} lines at a time: {_difference(found, expected)}")


def sizes(trial: SourceTrial) -> None:
    """At the beginning, in the middle and at the end."""
    settings = trial.fresh()
    for name in source_of(settings).partition_names():
        reader = opened(settings, name)
        for _ in (0, *_batches(reader, 3)):
            size, done, lag = reader.size_bytes, reader.done_bytes, reader.lag
            must(lag is None or lag >= 0, f"lag is {lag}")
            must(size is None or done is None or 0 <= done <= size, f"{done} of {size} bytes are done")
        reader.close()


def closes(trial: SourceTrial) -> None:
    """No file and no connection is left open."""
    if not Path("/proc/self/fd").is_dir():
        return
    settings = trial.fresh()
    _read_some(settings)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names alone
    for _ in range(3):
        _read_some(settings)
    left = len(os.listdir("/proc/self/fd")) - before  # noqa: PTH208
    must(left <= 0, f"{left} files or connections are left open")


def _read_some(settings: SourceSettings) -> None:
    for name in source_of(settings).partition_names():
        reader = opened(settings, name)
        reader.read(3)
        reader.close()


def positions(trial: SourceTrial) -> None:
    """After every number of lines, or many of them."""
    settings = trial.fresh()
    for name in source_of(settings).partition_names():
        whole = _whole(settings, name)
        step = max(1, len(whole) // _STOPS)
        for stop in (*range(0, len(whole), step), len(whole)):
            reader, before = opened(settings, name), list[tuple[bytes, int]]()
            while len(before) < stop:
                before += _pairs(reader.read(stop - len(before)))
            told = reader.position()
            reader.close()
            position = json.loads(json.dumps(told))
            must(position == told, f"the position {told!r} is {position!r} as JSON")
            reader = opened(settings, name, position)
            must(reader.position() == position, f"at {position!r} the position is {reader.position()!r}")
            rest = [pair for lines in _batches(reader, 5) for pair in _pairs(lines)]
            reader.close()
            must(before + rest == whole, f"stopped after {stop} lines: {_difference(before + rest, whole)}")


def killed(trial: SourceTrial) -> None:
    """From the last position but one that it told, as after a checkpoint."""
    settings = trial.fresh()
    name = source_of(settings).partition_names()[0]
    whole = [line for line, _ in _whole(settings, name)]
    told = read_and_die(settings, name, None, 3, 2)
    (first, position), *_ = told
    reader = opened(settings, name, position)
    rest = [line for lines in _batches(reader, 4) for line in lines.lines]
    reader.close()
    before = [bytes.fromhex(line) for line in first]
    must(before + rest == whole, f"after a kill: {_difference(before + rest, whole)}")


def job_killed(trial: SourceTrial) -> None:
    """Against the totals and the dead letters of a run that nobody kills."""
    settings = trial.fresh()
    source = source_of(settings)
    whole, said = job.run_whole(source, Stream.REJECTS, Stream.LATE, Stream.ALERTS)
    with TemporaryDirectory(prefix="driftnet-contract-") as place:
        files = {stream: Path(place) / f"{stream}.jsonl" for stream in said}
        openers = {stream.value: (stream, Opener(JsonlSink(str(file)), stream, NAME)) for stream, file in files.items()}
        at_once = max(1, whole.read // 8)
        summary = job.run_killed(source, openers, Path(place) / "state", at_once, deaths=(3, 2))
        found = {stream: list(map(json.loads, file.read_bytes().splitlines())) for stream, file in files.items()}
    must(summary.read == whole.read, f"{whole.read} lines were read by one run, {summary.read} by killed ones")
    must(summary.balanced, "not every line is accounted for")
    for stream, records in said.items():
        there = Counter(json.dumps(record, sort_keys=True) for record in found[stream])
        must(there == Counter(json.dumps(r, sort_keys=True) for r in records), f"{stream} are not those of one run")


def keeps_secrets(trial: SourceTrial) -> None:
    """Neither settings nor what they stand for."""
    settings = trial.fresh()
    source = settings.source(NAME, Asked())
    keep(settings, trial.secret, repr(source), str(source))


def _batches(reader: Partition, at_once: int) -> Iterator[Lines]:
    """Up to the end."""
    empty = 0
    while (found := reader.read(at_once)) is not None:
        must(len(found.lines) == len(found.offsets), f"{len(found.lines)} lines have {len(found.offsets)} offsets")
        must(len(found.lines) <= at_once, f"asked for {at_once} lines, given {len(found.lines)}")
        must(all(isinstance(line, bytes) for line in found.lines), "lines are bytes")
        must(not any(b"\n" in line for line in found.lines), "a line has a line end")
        empty = 0 if found.lines else empty + 1
        must(empty <= _EMPTY_MAX, "there is no end")
        yield found


def _pairs(found: Lines | None) -> list[tuple[bytes, int]]:
    must(found is not None, "an end came before all lines")
    return [] if found is None else list(zip(found.lines, found.offsets, strict=True))


def _whole(settings: SourceSettings, name: str) -> list[tuple[bytes, int]]:
    reader = opened(settings, name)
    found = [pair for lines in _batches(reader, 1000) for pair in _pairs(lines)]
    reader.close()
    return found


def _difference(found: list[Any], expected: list[Any]) -> str:
    """The first place where two lists differ."""
    at = next((i for i, (a, b) in enumerate(zip(found, expected, strict=False)) if a != b), None)
    if at is None:
        return f"{len(found)} lines came, expected {len(expected)}"
    return f"line {at} is {str(found[at])[:80]}, expected {str(expected[at])[:80]}"
