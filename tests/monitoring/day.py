"""A simulated platform through the shipped job, seen by the real observer and collector, on a clock of its own.

Operators are the real ones, driven as by `flows.drive.local`; only time, and what the machine says of disk, memory and
CPU, is made up, so that hours take seconds and every fault can be planted.
"""

import shutil
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from detectors import guard
from flows.config import loads
from flows.drive.local import LocalDriver
from flows.engine import observe
from flows.engine.monitor import Status
from flows.engine.observe import Observer
from flows.metrics import overview as overviews
from flows.metrics.collector import RunCollector
from flows.metrics.facts import Facts
from flows.metrics.overview import Overview
from flows.simulate.config import SimulationSpec
from flows.simulate.platform import Platform
from flows.sinks.memory import MemoryWriter
from flows.sources.base import Lines, Unwatched
from flows.streams import Stream
from state.types import SECOND_US
from tests.monitoring.rules import EVERY_S, Scrape

STAGES = ("subject", "population", "alerts")
GB = 1 << 30


class Named(Unwatched):
    """A partition that nobody opens."""

    size_bytes = done_bytes = None

    def __init__(self, name: str) -> None:
        self.name = name


class Day:
    """A live run, scraped every fifteen seconds.  What is planted: see the attributes."""

    def __init__(self, patch: pytest.MonkeyPatch, users: int = 250, hours: float = 24.0, **settings: Any) -> None:
        self.spec = SimulationSpec(users=users, duration_us=int(hours * 3600 * SECOND_US), tracks=5_000, **settings)
        self.now_s = self.began_s = self.spec.start_us / SECOND_US
        self.cpu_s = 0.0
        self.memory_bytes, self.free_bytes = GB // 5, 50 * GB
        self.stuck: set[str] = set()
        """Partitions that give nothing, although more and more is there."""
        self.broker_up = self.saves = self.answers = True
        """Whether brokers do, checkpoints are completed, and the run can be scraped."""
        self.change: Callable[[str, list[bytes]], list[bytes]] = lambda _, lines: lines
        """What becomes of the lines of a partition."""
        self.scrapes: list[Scrape] = []
        self._patch(patch)
        job = loads("").job()
        platform = Platform(self.spec)
        self._lines: dict[str, Iterator[list[bytes]]] = {
            name: platform.lines(name, EVERY_S * SECOND_US) for name in platform.partitions()
        }
        self.waiting: dict[str, list[bytes]] = {name: [] for name in self._lines}
        """Partition -> lines that are there and were not read."""
        self._reads = dict.fromkeys(self._lines, "events") | {"labels": "labels"}
        self._partitions = {name: Named(name) for name in self._reads}
        sinks = {Stream.ALERTS: [MemoryWriter()]}
        self.driver = LocalDriver(job, list(self._partitions.values()), sinks, reads={"labels": "labels"})
        facts = Facts.of_job(
            job,
            run="r",
            version="1",
            live=True,
            partitions=self._reads,
            processes=(0,),
            stages=STAGES,
            sinks={"alerts.memory": Stream.ALERTS},
            elsewhere=False,
        )
        self.overview = Overview(lambda: self.now_s)
        self._collector = RunCollector(self.overview.numbers)
        self._saved = 1, self.now_s
        self.overview.begin(facts, {}, None, lambda: self._saved)
        self.overview.start()
        self.observer = Observer(0, 1, facts.stages, self._reads)
        self.observer.status, self.observer.begun = Status(), True
        self.observer.sinks({"alerts.memory": (Stream.ALERTS, sinks[Stream.ALERTS][0])})
        for name, ingest in self.driver.ingests.items():
            self.observer.partition(name, ingest)
        for stage in self.driver._stages.values():
            for who in stage.keys:
                self.observer.operator(stage, who, self.driver.operators[stage.name, who])

    def _patch(self, patch: pytest.MonkeyPatch) -> None:
        clock = SimpleNamespace(
            time=lambda: self.now_s, monotonic_ns=lambda: int(self.now_s * 1e9), process_time=lambda: self.cpu_s
        )
        patch.setattr(observe, "time", clock)
        patch.setattr(observe, "_resident_bytes", lambda: self.memory_bytes)
        patch.setattr(overviews, "memory_limit_bytes", lambda: GB)
        usage = shutil._ntuple_diskusage
        disk = SimpleNamespace(disk_usage=lambda _: usage(100 * GB, 100 * GB - self.free_bytes, self.free_bytes))
        patch.setattr(overviews, "shutil", disk)
        patch.setattr(guard, "time", SimpleNamespace(thread_time_ns=lambda: int(self.cpu_s * 1e9)))

    def tick(self) -> None:
        """Fifteen seconds, and a scrape."""
        self.now_s += EVERY_S
        for name, lines in self._lines.items():
            self.waiting[name] += self.change(name, next(lines, []))
            self._read(name)
        self._read("labels")
        # Nobody waits for what people tell (flows.engine.pace).
        reached_us = min(self.driver.ingests[name].watermark_us for name in self._lines)
        self.driver._drain(self.driver.ingests["labels"].advance(reached_us))
        self.observer.status.counts = dict(self.driver.outputs.counts)
        self.overview.take(0, self.observer.look())
        if self.saves:
            self._saved = self._saved[0] + 3, self.now_s
        self.scrapes.append(dict(self._scraped()) if self.answers else {})

    def run(self, hours: float) -> None:
        """So long."""
        for _ in range(round(hours * 3600 / EVERY_S)):
            self.tick()

    def _read(self, name: str) -> None:
        status, waiting = self.observer.status, self.waiting.get(name, [])
        if not self.broker_up:
            status.lag_unknown.add(name)
            return
        fresh = [] if name in self.stuck else waiting
        lines = Lines(fresh, range(len(fresh)), name)
        self.observer.lines(self._partitions[name], lines)  # type: ignore[arg-type]
        for routed in (emitted := self.driver.ingests[name].process(lines, int(self.now_s * 1e6)) if fresh else ()):
            if isinstance(routed, tuple):
                self.observer.routed(*routed)
        self.driver._drain(emitted)
        if fresh:
            self.waiting[name] = []
        status.lag[name] = len(self.waiting.get(name, [])), 0.0

    def _scraped(self) -> Iterator[tuple[str, float]]:
        """Series of the scrape, their times told from the beginning of the day, as promtool's clock has them."""
        for family in self._collector.collect():
            shift_s = self.began_s + EVERY_S if family.name.endswith("_timestamp_seconds") else 0.0
            for sample in family.samples:
                labels = sample.labels | {"job": "driftnet", "instance": "a"}
                text = ",".join(f'{name}="{value}"' for name, value in labels.items())
                yield f"{sample.name}{{{text}}}", sample.value - shift_s if sample.value else 0.0
