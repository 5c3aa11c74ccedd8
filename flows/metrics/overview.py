"""The supervising process's picture of a run: what its processes told last, and what came of it."""

import platform
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from flows import counters
from flows.counters import Counter, Kind
from flows.metrics import catalogue as c
from flows.metrics.catalogue import Numbers
from flows.metrics.facts import Facts
from flows.metrics.host import memory_limit_bytes
from flows.metrics.observation import Observation
from flows.metrics.traces import Saved, Traces

_HALF_LIFE_S: Final = 60.0
"""After which rows count half for which key group is the busiest."""
_ROWS_LEAST: Final = 1_000.0
"""Fewer rows say nothing about that."""


class Overview:
    """Of one supervising process, over all starts of its processes.  For several threads.

    What only grows starts at 0 here, and goes on where processes are started again: work that is done again from the
    last checkpoint is counted once, as in the totals.
    """

    def __init__(self, clock_s: Callable[[], float] = time.time, traces: Traces | None = None) -> None:
        """traces: takes what happened, where somebody asks for it."""
        self._clock_s = clock_s
        self._traces = traces
        self._lock = threading.RLock()
        self.facts = Facts()
        self.started_s = clock_s()
        self.restarts = 0
        self.running = False
        self.stopping = False
        self.latest: dict[int, Observation] = {}
        """What each process told last, since it was started."""
        self._to_restore: frozenset[tuple[str, str]] = frozenset()
        self._saved: Saved = lambda: None
        self._saved_before: tuple[int, float] | None = None
        self._checkpoints = 0
        self._directory = Path()
        self._archive: Callable[[], Numbers] = dict
        self._last: dict[int, Observation] = {}
        """The same of those that were there before."""
        self._nothing: Numbers = {}
        """Every series of the run, of which nothing is known."""
        self._kept: Numbers = {}
        """What processes told that are gone: what they counted, and how far they were."""
        self._before: Mapping[str, int] | None = None
        self._most: dict[str, int] = {}
        self._rows: dict[tuple[str, int], float] = {}
        self._rows_told: dict[tuple[int, str, int], int] = {}
        self._rows_at_s = self.started_s

    def begin(self, facts: Facts, totals: Mapping[str, int], directory: Path | None, saved: Saved) -> None:
        """A plan is about to be run, the first one or, with other partitions, the next.  totals: of its state, from
        which it goes on.  directory: where that is.
        """
        with self._lock:
            self.facts, self._directory, self._saved = facts, directory or Path(), saved
            metrics = [metric for metric in c.CATALOGUE.values() if metric is not c.RUN_INFO]
            self._nothing = {metric.key(*values): 0.0 for metric in metrics for values in facts.series(metric)}
            self.stopping = False
            self._before = totals if self._before is None else self._before
            self._saved_before = self._saved_before or saved()

    def archived(self, numbers: Callable[[], Numbers]) -> None:
        """The run has an archive, which tells these of itself."""
        self._archive = numbers

    def start(self, saved: frozenset[tuple[str, str]] = frozenset()) -> None:
        """Its processes are being started.  saved: stage and key of the operators that have state to go on from."""
        with self._lock:
            self._to_restore = saved
            self.restarts += self.running
            self.running = True
            if self._traces is not None:
                self._traces.started(self.now_s, len(saved), self.restarts, self._saved())

    def end(self) -> None:
        """They have ended well, and nothing is started again."""
        with self._lock:
            self.running = False

    def gone(self) -> None:
        """None of its processes is there any more.  What they counted goes on; of the rest the last is known until
        somebody tells anew.
        """
        with self._lock:
            for key, value in c.merged([seen.numbers for seen in self.latest.values()]).items():
                self._kept[key] = self._kept.get(key, 0.0) * _grows(key) + value
            if self._traces is not None:
                self._traces.gone(self.now_s, self._saved, well=not self.running)
            self._last, self.latest, self._rows_told = self.latest or self._last, {}, {}

    def stop(self) -> None:
        """They were asked to stop."""
        self.stopping = True

    def take(self, process: int, seen: Observation) -> None:
        """A process told of itself."""
        with self._lock:
            self.latest[process] = seen
            if seen.counts:
                for key, n in seen.counts.items():
                    self._most[key] = max(self._most.get(key, 0), n)
            self._weigh(process, seen)
            if self._traces is not None:
                self._traces.take(process, seen, self.latest, self._saved)
                if not self.unready():
                    self._traces.restored()

    def _weigh(self, process: int, seen: Observation) -> None:
        """Which key groups rows went to lately."""
        fade = 0.5 ** (max(seen.at_s - self._rows_at_s, 0.0) / _HALF_LIFE_S)
        self._rows_at_s = max(self._rows_at_s, seen.at_s)
        self._rows = {where: rows * fade for where, rows in self._rows.items()}
        for where, rows in seen.rows.items():
            fresh = rows - self._rows_told.get((process, *where), 0)
            self._rows_told[process, *where] = rows
            self._rows[where] = self._rows.get(where, 0.0) + fresh

    def numbers(self) -> Numbers:
        """Every series that there is, now."""
        with self._lock:
            out, told = dict(self._nothing), c.merged([seen.numbers for seen in self.latest.values()])
            out |= {key: value for key, value in self._kept.items() if _grows(key) or not told}
            out |= {key: value + self._kept.get(key, 0.0) * _grows(key) for key, value in told.items()}
            return out | self._of_totals() | self._of_run() | self._archive()

    @property
    def totals(self) -> Mapping[str, int]:
        """Of the state's life, as they were told last."""
        told = (self.latest or self._last).values()
        return next((seen.counts for seen in told if seen.counts), {})

    def _of_totals(self) -> Numbers:
        totals, before, out = self.totals, self._before or {}, Numbers()
        grown = {key: n - before.get(key, 0) for key, n in self._most.items()}
        own, *_ = self.facts.kinds
        of_kinds = counters.of_kinds(grown)
        for counter in counters.CATALOGUE.values():
            metric = c.OF_COUNTERS[counter.name]
            since = grown if counter.kind is Kind.COUNTER else totals
            if counter.by_kind:
                for kind, of in {own: since, **of_kinds}.items():
                    out |= _labelled(metric, counter, of, kind)
            else:
                # Each line has its fate in one stage; what else stages of several kinds count is told together.
                for of in (since,) if counter.fate else (since, *of_kinds.values()):
                    for key, n in _labelled(metric, counter, of).items():
                        out[key] = out.get(key, 0.0) + n
        under_way = counters.unaccounted(totals)
        out[c.OF_COUNTERS[counters.OPEN.name].key()] = float(under_way)
        if not self.facts.elsewhere:
            waiting = sum(seen.waiting for seen in (self.latest or self._last).values())
            out[c.UNACCOUNTED.key()] = float(under_way - waiting)
        return out

    def _of_run(self) -> Numbers:
        facts = self.facts
        disk = shutil.disk_usage(self._directory)
        self._look_at_checkpoints()
        info = facts.version, platform.python_version(), facts.job, str(facts.live).lower()
        return {
            c.RUN_INFO.key(*info): 1.0,
            c.RUN_STARTED.key(): self.started_s,
            c.READY.key(): float(not self.unready()),
            c.RESTARTS.key(): float(self.restarts),
            c.KEY_GROUPS.key(): float(facts.key_groups),
            c.BUSIEST.key(): self._busiest(),
            c.CHECKPOINTS.key(): float(self._checkpoints),
            c.CHECKPOINT_DONE.key(): self._saved_before[1] if self._saved_before else 0.0,
            c.DISK_FREE.key(): float(disk.free),
            c.DISK_SIZE.key(): float(disk.total),
            c.MEMORY_LIMIT.key(): float(memory_limit_bytes()),
        }

    def _look_at_checkpoints(self) -> None:
        now, before = self._saved(), self._saved_before
        if now is not None and (before is None or now[0] != before[0]):
            self._checkpoints += max(now[0] - before[0], 1) if before else 1
            self._saved_before = now

    def _busiest(self) -> float:
        """Share of the rows of a stage that the busiest of its key groups has; 0 while there are few."""
        shares = [0.0]
        for stage in {stage for stage, _ in self._rows}:
            rows = [n for (of, _), n in self._rows.items() if of == stage]
            if sum(rows) >= _ROWS_LEAST:
                shares.append(max(rows) / sum(rows))
        return max(shares)

    def unready(self) -> list[str]:
        """Why the run is not ready: its state is not restored, or sources are not assigned; nothing where it is.

        Sinks are no part of it: Bytewax opens them with the first record.
        """
        facts, told = self.facts, dict(self.latest)
        if self.stopping:
            return ["the run is stopping"]
        if not self.running:
            return ["the run is not started yet"]
        again = f" (started again {self.restarts} times)" if self.restarts else ""
        silent = [n for n in facts.processes if n not in told or not told[n].begun]
        if silent:
            return [f"process {n} has not begun{again}" for n in silent]
        if facts.elsewhere:
            return []
        opened = set[str]().union(*(seen.opened for seen in told.values()))
        reasons = [f"source partition {name} is not open{again}" for name in facts.partitions if name not in opened]
        missing = self._to_restore.difference(*(seen.built for seen in told.values()))
        if missing:
            reasons.append(f"state of {len(missing)} of {len(self._to_restore)} operators is not restored{again}")
        return reasons

    @property
    def now_s(self) -> float:
        """The wall clock."""
        return self._clock_s()


def _labelled(metric: c.Metric, counter: Counter, totals: Mapping[str, int], *kind: str) -> Numbers:
    """kind: the first label's value, of what is told by kind."""
    if len(metric.labels) == len(kind):
        return {metric.key(*kind): float(counter.total(totals))}
    return {metric.key(*kind, value): float(n) for value, n in counter.by_label(totals).items()}


def _grows(key: c.Key) -> bool:
    return c.CATALOGUE[key[0]].kind is Kind.COUNTER
