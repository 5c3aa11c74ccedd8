"""The engine-free driver: the same operators in one process. The reference semantics; replay and explain use it."""

import gc
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from flows.job import Job
from flows.operators.alerts import AlertOperator
from flows.operators.messages import CohortInput, GroupInput, Output, PolicyInput
from flows.operators.population import PopulationOperator, RoundObserver
from flows.operators.subject import SubjectOperator
from flows.operators.told import first_stage
from flows.outputs import Outputs
from flows.report import Summary
from flows.sinks.base import Sink
from flows.sources.base import Partition
from flows.streams import Stream
from state.types import END_OF_TIME_US

Message = GroupInput | CohortInput | PolicyInput


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is.  fraction: of the input's bytes, None when the size is unknown.  watermark_us: event time
    reached.
    """

    read: int
    fraction: float | None
    watermark_us: int


class LocalDriver:
    """Runs a job to the end of its input.

    sinks: stream -> open sinks.  batch_lines: lines read at a time; changes speed and memory, never results.
    observer: called with every scored round, before it is learned from.  until_us: stop after the rounds up to there.
    reads: partition -> "labels" or "control", of those that are not events.
    """

    def __init__(
        self,
        job: Job,
        partitions: Sequence[Partition],
        sinks: Mapping[Stream, Sequence[Sink]],
        batch_lines: int = 8192,
        observer: RoundObserver | None = None,
        until_us: int = END_OF_TIME_US,
        reads: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        names = tuple(p.name for p in partitions)
        self._partitions = {p.name: p for p in partitions}
        self._batch_lines = batch_lines
        self._until_us = until_us
        self._ingests = {name: first_stage(job, name, reads.get(name, "events")) for name in names}
        self._subjects = [SubjectOperator(job, group, names, told=reads) for group in range(job.key_groups)]
        self._cohorts = {name: PopulationOperator(job, name) for name in job.cohorts.names}
        for operator in self._cohorts.values():
            operator.observer = observer
        self._alerts = AlertOperator(job)
        self.outputs = Outputs(sinks)

    def run(self, progress: Callable[[Progress], None] | None = None) -> Summary:
        """Reads all partitions, the one furthest behind in event time first, so that none waits in memory for
        another.
        """
        started = time.perf_counter()
        # What exists now lives as long as the run: keep the cyclic collector from walking it again and again.
        gc.freeze()
        reading = dict(self._ingests)
        while reading:
            name = min(reading, key=lambda n: reading[n].watermark_us)
            lines = self._partitions[name].read(self._batch_lines)
            if lines is None:
                self._drain(reading.pop(name).finish())
            else:
                self._drain(reading[name].process(lines))
            if progress is not None:
                progress(self._progress())
            if min((i.watermark_us for i in reading.values()), default=END_OF_TIME_US) > self._until_us:
                break
        for partition in self._partitions.values():
            partition.close()
        self.outputs.flush()
        gc.unfreeze()
        return self.outputs.summary(time.perf_counter() - started)

    def _drain(self, emitted: Sequence[tuple[int | str, Message] | Message | Output]) -> None:
        """Delivers messages in the order in which they were sent until none is left."""
        waiting = deque(emitted)
        while waiting:
            item = waiting.popleft()
            match item:
                case Output():
                    self.outputs.write(item)
                case (int(group), GroupInput() as message):
                    waiting.extend(self._subjects[group].process(message))
                case (str(cohort), CohortInput() as message):
                    waiting.extend(self._cohorts[cohort].process(message))
                case PolicyInput():
                    waiting.extend(self._alerts.process(item))

    def _progress(self) -> Progress:
        sizes = [p.size_bytes for p in self._partitions.values()]
        done = [p.done_bytes for p in self._partitions.values()]
        known = [(d, s) for d, s in zip(done, sizes, strict=True) if d is not None and s]
        fraction = sum(d for d, _ in known) / sum(s for _, s in known) if len(known) == len(sizes) else None
        watermark_us = min(i.watermark_us for i in self._ingests.values())
        return Progress(self.outputs.counts.get("read", 0), fraction, watermark_us)
