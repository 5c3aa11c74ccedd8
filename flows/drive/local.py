"""The engine-free driver: the same operators in one process. The reference semantics; replay and explain use it."""

import gc
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from flows.batches import BATCH_LINES
from flows.counters import READ
from flows.job import Job
from flows.job_stages import JobStages
from flows.operators.messages import Leaving
from flows.operators.population.operator import PopulationOperator, RoundObserver
from flows.sinks.base import Sink
from flows.sinks.outputs import Outputs
from flows.sources.base import Partition
from flows.stages import Routed, Stage, addressed
from flows.steps import Step, stage_name
from flows.streams import Stream
from flows.summary import Summary
from state.types import END_OF_TIME_US


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
    reads: partition -> "labels" or "control", of those that are not events.  observed: the kind of subjects whose
    rounds are observed.
    """

    def __init__(
        self,
        job: Job,
        partitions: Sequence[Partition],
        sinks: Mapping[Stream, Sequence[Sink]],
        batch_lines: int = BATCH_LINES,
        observer: RoundObserver | None = None,
        until_us: int = END_OF_TIME_US,
        reads: Mapping[str, str] = MappingProxyType({}),
        observed: str = "",
    ) -> None:
        names = tuple(p.name for p in partitions)
        self._partitions = {p.name: p for p in partitions}
        self._batch_lines = batch_lines
        self._until_us = until_us
        stages = JobStages(job, names, reads).stages()
        self.ingests = {name: stages.ingest(name, resume=None) for name in names}
        self._stages = {stage.name: stage for stage in stages.keyed}
        self.operators = {
            (stage.name, who): stage.build(who, resume=None) for stage in stages.keyed for who in stage.keys
        }
        """By stage and key."""
        for (stage, _), operator in self.operators.items():
            if isinstance(operator, PopulationOperator) and stage == stage_name(observed, Step.POPULATION):
                operator.observer = observer
        self.outputs = Outputs(sinks)

    def run(self, progress: Callable[[Progress], None] | None = None) -> Summary:
        """Reads all partitions, the one furthest behind in event time first, so that none waits in memory for
        another.
        """
        started = time.perf_counter()
        # What exists now lives as long as the run: keep the cyclic collector from walking it again and again.
        gc.freeze()
        reading = dict(self.ingests)
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

    def _drain(self, emitted: Sequence[Routed]) -> None:
        """Delivers messages in the order in which they were sent until none is left."""
        waiting: deque[tuple[Stage | None, Any]] = deque((None, item) for item in emitted)
        while waiting:
            sender, item = waiting.popleft()
            if isinstance(item, Leaving):
                self.outputs.write(item)
                continue
            to, who, message = addressed(sender, item) if sender else (item[1].stage, *item)
            if to is not None:
                stage = self._stages[to]
                waiting.extend((stage, answer) for answer in self.operators[to, who].process(message))

    def _progress(self) -> Progress:
        sizes = [p.size_bytes for p in self._partitions.values()]
        done = [p.done_bytes for p in self._partitions.values()]
        known = [(d, s) for d, s in zip(done, sizes, strict=True) if d is not None and s]
        fraction = sum(d for d, _ in known) / sum(s for _, s in known) if len(known) == len(sizes) else None
        watermark_us = min(i.watermark_us for i in self.ingests.values())
        return Progress(READ.total(self.outputs.counts), fraction, watermark_us)
