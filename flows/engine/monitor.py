"""What a run tells about itself while it runs: totals, rows in open panes, bytes read."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from flows.counters import OPEN, unaccounted
from flows.sources.base import Partition
from flows.summary import Summary
from state.types import SECOND_US, START_OF_TIME_US

OnProgress = Callable[[Summary, float | None], None]
"""Called with the totals so far, and the share of the input's bytes that was read (None when its size is unknown)."""


@dataclass(slots=True)
class Status:
    """One process's part of the picture.

    counts: totals of the job's life, in the process that has the sinks.  elapsed_s: time that the
    job has run in all, there.
    open_rows: rows in open panes, by key group, and rows that wait for others, by source partition, once the run has
    stopped.  bytes: partition -> (read, all), None when
    the size is unknown.  lag: partition -> (records, seconds) behind those who write, where that is known;
    lag_unknown: partitions whose source cannot say now.  notes: partition -> why time does not go by it as usual.
    held_back: partition -> seconds of event time that it is ahead of the one it waits for, in a live run.  paused,
    nothing_new: source partitions that were read to an end that may not be one, and those of them that had nothing new.
    resumed: lines that earlier runs had read.
    """

    counts: dict[str, int] = field(default_factory=dict)
    elapsed_s: float = 0.0
    open_rows: dict[int | str, int] = field(default_factory=dict)
    bytes: dict[str, tuple[int, int] | None] = field(default_factory=dict)
    lag: dict[str, tuple[int, float]] = field(default_factory=dict)
    lag_unknown: set[str] = field(default_factory=set)
    notes: dict[str, str] = field(default_factory=dict)
    held_back: dict[str, float] = field(default_factory=dict)
    paused: int = 0
    nothing_new: int = 0
    resumed: int = 0


class Monitor:
    """Collects a process's status and publishes it, at most every every_s seconds."""

    def __init__(self, publish: Callable[[Status], None], every_s: float = 0.5) -> None:
        self.status = Status()
        self._publish = publish
        self._every_s = every_s
        self._next_s = 0.0

    def totals(self, counts: Mapping[str, int], elapsed_s: float) -> None:
        """New totals of the job's life, and the time that it has run in all."""
        self.status.counts, self.status.elapsed_s = dict(counts), elapsed_s
        self.tick()

    def partition(self, partition: Partition, watermark_us: int, *, answers: bool = True) -> None:
        """A partition was asked for lines, whether it had any or not.  watermark_us: how far it had come before.
        answers: whether its source can say what there is.
        """
        records = partition.lag
        self.status.lag_unknown.discard(partition.name)
        if records is not None and not answers:
            self.status.lag_unknown.add(partition.name)
        if records is not None:
            behind_s = time.time() - watermark_us / SECOND_US if records and watermark_us > START_OF_TIME_US else 0.0
            self.status.lag[partition.name] = (records, max(behind_s, 0.0))
        size, done = partition.size_bytes, partition.done_bytes
        self.status.bytes[partition.name] = None if size is None or done is None else (done, size)
        self.tick()

    def note(self, partition: str, what: str | None) -> None:
        """Why time does not go by a partition as usual; None for as usual."""
        self.status.notes.pop(partition, None)
        if what is not None:
            self.status.notes[partition] = what
        self.tick()

    def held_back(self, partition: str, ahead_us: int) -> None:
        """A partition is not read, because it is so far ahead of another one; 0 for one that is read."""
        self.status.held_back.pop(partition, None)
        if ahead_us:
            self.status.held_back[partition] = ahead_us / SECOND_US
        self.tick()

    def pause(self, *, nothing_new: bool) -> None:
        """A source partition was read to an end that may not be one."""
        self.status.paused += 1
        self.status.nothing_new += nothing_new

    def open_rows(self, where: int | str, rows: int) -> None:
        """The run stops, with so many rows in a key group's open panes, or before the end of a source partition."""
        self.status.open_rows[where] = rows

    def finish(self) -> None:
        """The sinks were closed: publishes the last totals."""
        self._publish(self.status)

    def tick(self) -> None:
        """Publishes if it is time."""
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + self._every_s
            self._publish(self.status)


def summary(statuses: Iterable[Status], elapsed_s: float, *, running: bool) -> Summary:
    """The processes' statuses as one.  elapsed_s: of this run.  While it goes on, what has no fate yet counts as open.

    This run's time counts once, also where processes were started again in it from a checkpoint that knew a part of it.
    """
    counts: dict[str, int] = {}
    lag: dict[str, tuple[int, float]] = {}
    lag_unknown: set[str] = set()
    notes: dict[str, str] = {}
    held_back: dict[str, float] = {}
    opened = paused = nothing_new = resumed = 0
    for status in statuses:
        counts |= status.counts
        lag |= status.lag
        lag_unknown |= status.lag_unknown
        notes |= status.notes
        held_back |= status.held_back
        elapsed_s = max(elapsed_s, status.elapsed_s)
        opened += sum(status.open_rows.values())
        paused += status.paused
        nothing_new += status.nothing_new
        resumed += status.resumed
    if running:
        opened = unaccounted(counts)
    return Summary(
        counts | {OPEN.key(): opened},
        elapsed_s,
        lag=dict(sorted(lag.items())),
        lag_unknown=sorted(lag_unknown),
        notes=dict(sorted(notes.items())),
        held_back=dict(sorted(held_back.items())),
        paused=paused,
        resumed=resumed,
        nothing_new=bool(paused) and paused == nothing_new,
    )


def fraction(statuses: Iterable[Status]) -> float | None:
    """The share of the input's bytes that was read."""
    sizes = [size for status in statuses for size in status.bytes.values()]
    known = [size for size in sizes if size is not None]
    total = sum(size for _, size in known)
    return sum(done for done, _ in known) / total if total and len(known) == len(sizes) else None
