"""Open-loop latency: events come due on a timetable fixed in advance, whether the pipeline keeps up or not.

Latency runs from the moment at which an event was due to the end of the batch that holds it, with all that the batch
set off: filing, windows that closed, scores, alerts. A stall therefore hurts everyone behind it, which a measurement
that waits for the pipeline before it sends the next event would not see (Gil Tene's "coordinated omission").
"""

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from bench.pipeline import BATCH_LINES
from flows.drive.local import LocalDriver, Progress
from flows.job import Job
from flows.sources.base import Lines, Unwatched
from state.types import F64

LOADS: Final = (0.5, 0.7, 0.9)
"""Shares of the sustained rate."""


class Timetable(Unwatched):
    """A partition whose event i is due i / rate seconds after the first read; a read waits until one is due.

    rate: events per second.  clock, sleep: in seconds.
    """

    name = "timetable"
    size_bytes = done_bytes = None

    def __init__(
        self,
        lines: Sequence[bytes],
        rate: float,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._lines = lines
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._start_s: float | None = None
        self._given = 0
        self._done: list[tuple[int, float]] = []

    def read(self, max_lines: int) -> Lines | None:
        """All lines that are due, at most max_lines; None after the last one."""
        if self._given == len(self._lines):
            return None
        if self._start_s is None:
            self._start_s = self._clock()
        while (due := self._due(self._start_s)) <= self._given:
            self._sleep(max(0.0, self._start_s + self._given / self._rate - self._clock()))
        first, self._given = self._given, min(due, self._given + max_lines)
        return Lines(self._lines[first : self._given], range(first, self._given), self.name)

    def _due(self, start_s: float) -> int:
        return min(len(self._lines), int((self._clock() - start_s) * self._rate) + 1)

    def stamp(self, progress: Progress) -> None:
        """Everything that was handed out is done now."""
        del progress
        if self._given > (self._done[-1][0] if self._done else 0):
            self._done.append((self._given, self._clock()))

    def latencies_s(self) -> F64:
        """(n,) seconds from due to done, of all events that are done."""
        if self._start_s is None:
            return np.zeros(0)
        ends, times = (np.array(column) for column in zip(*self._done, strict=True))
        done_s = np.repeat(times, np.diff(ends, prepend=0))
        return done_s - self._start_s - np.arange(ends[-1]) / self._rate

    def position(self) -> int:
        """The next line."""
        return self._given

    def seek(self, position: int) -> None:
        """Starts at that line."""
        self._given = position

    def close(self) -> None:
        """Nothing to let go of."""


def latency(
    job: Job, lines: Sequence[bytes], sustained: float, loads: Sequence[float] = LOADS, seconds_max: float = 10.0
) -> list[dict[str, Any]]:
    """Quantiles at each load.  sustained: events/s of the whole flow.  seconds_max: of each load.

    Every load is a new pipeline, so the figures hold its first, slower batches too.
    """
    found = []
    for load in loads:
        rate = load * sustained
        table = Timetable(lines[: max(1, int(rate * seconds_max))], rate)
        summary = LocalDriver(job, [table], {}, batch_lines=BATCH_LINES).run(table.stamp)
        latency_us = table.latencies_s() * 1e6
        assert summary.balanced, "lines were lost"
        assert len(latency_us) == summary.read, "events without a stamp"
        p50, p99, p999 = np.quantile(latency_us, [0.5, 0.99, 0.999]).tolist()
        quantiles = {"p50_us": p50, "p99_us": p99, "p999_us": p999, "max_us": float(latency_us.max())}
        found.append({"load": load, "rate": rate, **quantiles})
    return found
