"""What one process sees of itself: where its time goes, how far partitions, stages and sinks are.

Nothing here is asked for where a run is not listened to (`driftnet run --listen`).  Work is timed by the piece, by who
does it; everything else is looked at once a second, by a thread of its own, so that a process tells where it is also
while a piece of work does not end.
"""

import logging
import resource
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from flows.engine.monitor import Status
from flows.engine.names import key_name
from flows.engine.watch import Report, Reporting
from flows.metrics import catalogue as c
from flows.metrics.catalogue import Numbers, seconds
from flows.metrics.happening import Happening, What
from flows.metrics.observation import Observation
from flows.operators.messages import GroupInput
from flows.sinks.base import Record, Sink
from flows.sources.base import Lines, Partition
from flows.stages import IngestOperator, Stage
from flows.steps import Step
from flows.streams import Stream

_log: Final = logging.getLogger("driftnet.engine")
EVERY_S: Final = 1.0
_SAMPLED: Final = 16
"""Of a large read the bytes of one line in so many are counted."""
_FEW_LINES: Final = 256
_HAPPENED: Final = 2_000
"""Of what happens between two looks no more is told: a run that alerts on everybody must not fill memory."""
_OF_ALERTS: Final = {"id": "alert_id", **{name: name for name in ("kind", "severity", "cohort", "window")}}
"""What is told of an alert -> where its record has it."""
_PAGE_BYTES: Final = resource.getpagesize()


class Timed(Reporting):
    """As Reporting, and counts the time of what it surrounds."""

    __slots__ = ("busy_ns", "moved_ns", "since_ns")

    def __init__(self, stage: str, where: str, report: Report) -> None:
        super().__init__(stage, where, report)
        self.busy_ns = self.since_ns = self.moved_ns = 0

    def __enter__(self) -> None:
        super().__enter__()
        self.since_ns = time.monotonic_ns()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.moved_ns = time.monotonic_ns()
        self.busy_ns += self.moved_ns - self.since_ns
        self.since_ns = 0
        super().__exit__(kind, error, trace)


class _Read:
    """A source partition that is open."""

    __slots__ = ("asked_s", "bytes", "heard_s", "ingest", "reads", "records")

    def __init__(self, ingest: IngestOperator, reads: str) -> None:
        self.ingest = ingest
        self.reads = reads
        self.records = self.bytes = 0
        self.asked_s = self.heard_s = time.time()


class _Written:
    """A sink that is open."""

    __slots__ = ("done_s", "failed", "records", "sink", "stream")

    def __init__(self, stream: Stream, sink: Sink) -> None:
        self.stream = stream
        self.sink: Any = sink
        self.records = self.failed = 0
        self.done_s = 0.0


class Observer:
    """Of one process, with so many worker threads.  reads: source partition -> what it holds."""

    def __init__(self, process: int, workers: int, stages: Sequence[str], reads: Mapping[str, str]) -> None:
        self._process = str(process)
        self._workers = workers
        self._stages = tuple(stages)
        self._all_reads = reads
        self._began_ns = time.monotonic_ns()
        self._watches: list[tuple[str, Timed]] = []
        self._partitions: dict[str, _Read] = {}
        self._sinks: dict[str, _Written] = {}
        self._operators: list[tuple[Stage, Any]] = []
        self._built: set[tuple[str, str]] = set()
        self._saved: dict[tuple[str, Any], int] = {}
        self._spent_ns: dict[tuple[str, str], int] = {}
        self._paced_ns = 0
        self._paced_since: tuple[int, int] | None = None
        self._checkpoint_ns = self._checkpoint_bytes = 0
        self._rows: dict[tuple[str, int], int] = {}
        self._happened: deque[Happening] = deque(maxlen=_HAPPENED)
        self.status = Status()
        """Of the process's Monitor."""
        self.begun = False

    def watch(self, stage: str, where: str, report: Report) -> Timed:
        """To surround each call of an operator, source or sink with."""
        watch = Timed(stage, where, report)
        self._watches.append((stage, watch))
        return watch

    def partition(self, name: str, ingest: IngestOperator) -> None:
        """A source partition was opened."""
        self._partitions[name] = _Read(ingest, self._all_reads.get(name, "events"))

    def lines(self, partition: Partition, lines: Lines) -> None:
        """It was asked for some."""
        read, found = self._partitions[partition.name], len(lines.lines)
        read.asked_s = time.time()
        if found:
            few = lines.lines if found <= _FEW_LINES else lines.lines[::_SAMPLED]
            read.records += found
            read.bytes += sum(map(len, few)) * found // len(few)
            read.heard_s = read.asked_s

    def routed(self, group: int, message: GroupInput) -> None:
        """Rows go to a key group."""
        if message.batch is not None:
            where = message.stage, group
            self._rows[where] = self._rows.get(where, 0) + len(message.batch)

    def operator(self, stage: Stage, who: Any, operator: Any) -> None:
        """One was built, for `who`.  One that has `observe(numbers)` puts what it knows to what others do
        (flows.metrics.catalogue.add), cheaply, whichever thread asks.
        """
        self._operators.append((stage, operator))
        self._built.add((stage.name, key_name(stage.keys[who])))
        if hasattr(operator, "observe"):
            operator.observe({})  # it counts from here on

    def sinks(self, opened: Mapping[str, tuple[Stream, Sink]]) -> None:
        """All were opened."""
        self._sinks = {name: _Written(stream, sink) for name, (stream, sink) in opened.items()}

    def wrote(self, stream: Stream, records: Sequence[Record], began_s: float) -> None:
        """Records were given to the sinks of a stream, since began_s, wall clock."""
        now_s = time.time()
        for written in self._sinks.values():
            if written.stream is stream:
                written.records += len(records)
                if not getattr(written.sink, "waiting", 0):
                    written.done_s = now_s
        for alert in records if stream is Stream.ALERTS else ():
            told = {f"alert.{name}": str(alert.get(field, "")) for name, field in _OF_ALERTS.items()}
            self._happened.append(Happening(What.ALERT, Step.SINKS.value, began_s, now_s, told))

    def flush(self, sink: Sink) -> Any:
        """`sink.flush()`, and when that went well."""
        (written,) = (w for w in self._sinks.values() if w.sink is sink)
        try:
            position = sink.flush()
        except Exception:
            written.failed += not hasattr(sink, "failures")
            raise
        written.done_s = time.time()
        return position

    def checkpoint(self, stage: str, who: Any, took_ns: int, wrote_bytes: int, state_bytes: int) -> None:
        """An operator's part of a checkpoint, which ended just now."""
        self._checkpoint_ns += took_ns
        self._checkpoint_bytes += wrote_bytes
        self._saved[stage, who] = state_bytes
        self._happens(What.CHECKPOINT, stage, took_ns, bytes=wrote_bytes, state_bytes=state_bytes)

    def restored(self, stage: str, took_ns: int, state_bytes: int) -> None:
        """An operator was built from saved state, just now."""
        self._happens(What.RESTORE, stage, took_ns, bytes=state_bytes)

    def _happens(self, what: What, stage: str, took_ns: int, **told: int) -> None:
        now_s = time.time()
        self._happened.append(Happening(what, stage, now_s - took_ns / 1e9, now_s, told))

    def paced(self) -> None:
        """A partition was held back, or is not any more."""
        held = bool(self.status.held_back)
        if held and self._paced_since is None:
            self._paced_since = time.monotonic_ns(), self._busy_ns()
        elif not held and self._paced_since is not None:
            self._paced_ns, self._paced_since = self._paced_in_all_ns(), None

    def _paced_in_all_ns(self) -> int:
        """Time in which partitions were held back and nobody was at work."""
        if self._paced_since is None:
            return self._paced_ns
        since_ns, busy_ns = self._paced_since
        return self._paced_ns + max(time.monotonic_ns() - since_ns - (self._busy_ns() - busy_ns), 0)

    def _busy_ns(self) -> int:
        return sum(watch.busy_ns for _, watch in list(self._watches))

    def look(self) -> Observation:
        """How it is now."""
        seen = Observation(time.time(), dict(self.status.counts), begun=self.begun)
        seen.opened, seen.built = set(self._partitions), set(self._built)
        seen.rows = dict(self._rows)
        seen.happened = [self._happened.popleft() for _ in range(len(self._happened))]
        self._look_at_time(seen)
        self._look_at_partitions(seen)
        for stage, operator in list(self._operators):
            if hasattr(operator, "observe"):
                operator.observe(seen.numbers)
            if hasattr(operator, "slow_rounds"):
                seen.happened += operator.slow_rounds()
            if stage.holds_lines:
                seen.waiting += operator.rows_waiting
        for (name, _), size in list(self._saved.items()):
            c.add(seen.numbers, c.STATE_BYTES, size, name)
        for name, written in self._sinks.items():
            self._look_at_sink(seen.numbers, name, written)
        c.add(seen.numbers, c.CHECKPOINT_SECONDS, self._checkpoint_ns / 1e9, self._process)
        c.add(seen.numbers, c.CHECKPOINT_BYTES, self._checkpoint_bytes, self._process)
        c.add(seen.numbers, c.CPU, time.process_time(), self._process)
        c.add(seen.numbers, c.MEMORY, _resident_bytes(), self._process)
        return seen

    def _look_at_time(self, seen: Observation) -> None:
        now_ns, now_s = time.monotonic_ns(), time.time()
        busy = dict.fromkeys(self._stages, 0)
        for stage, watch in list(self._watches):
            busy[stage] += watch.busy_ns
            since_ns = watch.since_ns
            if since_ns:
                busy[stage] += max(now_ns - since_ns, 0)
                since_s = now_s - (now_ns - since_ns) / 1e9
                seen.working[stage] = min(seen.working.get(stage, since_s), since_s)
            if watch.moved_ns:
                moved_s = now_s - (now_ns - watch.moved_ns) / 1e9
                seen.moved[stage] = max(seen.moved.get(stage, 0.0), moved_s)
        there_ns, all_busy = (now_ns - self._began_ns) * self._workers, sum(busy.values())
        for stage in self._stages:
            idle = max(there_ns - all_busy, 0)
            paced = min(self._paced_in_all_ns(), idle) if stage == Step.INGEST else 0
            times = busy[stage], all_busy - busy[stage] + paced, idle - paced
            for state, seen_ns in zip(c.STATES, times, strict=True):
                # A call that ends just now may be seen twice, or not at all: what was told is not taken back.
                spent_ns = self._spent_ns[stage, state] = max(seen_ns, self._spent_ns.get((stage, state), 0))
                c.add(seen.numbers, c.STAGE_SECONDS, spent_ns / 1e9 / self._workers, self._process, stage, state)
            c.add(seen.numbers, c.STAGE_MOVED, seen.moved.get(stage, 0.0), self._process, stage)

    def _look_at_partitions(self, seen: Observation) -> None:
        status, numbers = self.status, seen.numbers
        for name, read in list(self._partitions.items()):
            records, _ = status.lag.get(name, (0, 0.0))
            for metric, value in (
                (c.SOURCE_RECORDS, read.records),
                (c.SOURCE_BYTES, read.bytes),
                (c.SOURCE_WATERMARK, seconds(read.ingest.watermark_us)),
                (c.SOURCE_NEWEST, seconds(read.ingest.newest_us)),
                (c.SOURCE_HEARD, read.heard_s),
                (c.SOURCE_ASKED, read.asked_s),
                (c.SOURCE_LAG, records),
                (c.SOURCE_HELD, status.held_back.get(name, 0.0)),
                (c.SOURCE_UP, float(name not in status.lag_unknown)),
                (c.SOURCE_WAITING, read.ingest.rows_waiting),
            ):
                c.add(numbers, metric, value, name, read.reads)
            seen.waiting += read.ingest.rows_waiting

    def _look_at_sink(self, numbers: Numbers, name: str, written: _Written) -> None:
        where = name, written.stream.value
        c.add(numbers, c.SINK_RECORDS, written.records, *where)
        c.add(numbers, c.SINK_ERRORS, written.failed + getattr(written.sink, "failures", 0), *where)
        c.add(numbers, c.SINK_DONE, written.done_s, *where)
        c.add(numbers, c.SINK_WAITING, getattr(written.sink, "waiting", 0), *where)

    @contextmanager
    def telling(self, tell: Callable[[Observation], None], every_s: float = EVERY_S) -> Iterator[None]:
        """While the block runs, and once after it, tells what there is to see."""
        over = threading.Event()

        def work() -> None:
            while not over.wait(every_s):
                self._tell(tell)

        thread = threading.Thread(target=work, name="driftnet-observe", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self._tell(tell)

    def _tell(self, tell: Callable[[Observation], None]) -> None:
        try:
            tell(self.look())
        except Exception:  # a run does not end for want of a metric
            _log.exception("what this process tells of itself could not be put together")


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
