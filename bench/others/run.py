"""Runs the systems in turns on one input; no time counts before its output was compared with the reference."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.others.equality import Rows, compare, digest, read_rows
from bench.others.events import write_events
from bench.others.meter import Usage, measure
from bench.others.systems import REFERENCE, ROOT, System

TIMEOUT_S: Final = 3600.0
_START_UP_EVENTS: Final = 20


class DifferentRowsError(AssertionError):
    """A system's output is not the reference's."""


@dataclass(slots=True)
class Measured:
    """One system's figures, by round.  start_up_cpu_s: what it takes for an input of next to nothing."""

    cpu_s: list[float] = field(default_factory=list)
    wall_s: list[float] = field(default_factory=list)
    peak_rss_bytes: int = 0
    rows: int = 0
    equal_rows: int = 0
    start_up_cpu_s: float | None = None
    failed: str = ""


class Arena:
    """A folder with the input, and the reference output of each job.

    events: lines of input.  A run that fails, or gives other rows, is remembered with its reason and not run again.
    """

    def __init__(self, folder: Path, events: int) -> None:
        self._folder = folder
        self.events = events
        self._source = folder / f"events-{events}.jsonl"
        write_events(self._source, events)
        self._bare = folder / "bare"
        self._bare.mkdir()
        (self._bare / "bench").symlink_to(ROOT / "bench", target_is_directory=True)
        self._references: dict[str, Rows] = {}

    def reference(self, job: str) -> Rows:
        """The plain script's rows."""
        if job not in self._references:
            target = self._folder / f"reference-{job}.jsonl"
            self._run(REFERENCE, self._source, target, job)
            self._references[job] = read_rows(target)
        return self._references[job]

    def digest(self, job: str) -> str:
        """A hash of the rows that all systems must give."""
        return digest(self.reference(job))

    def rounds(
        self, systems: Sequence[System], job: str, rounds: int, tell: Callable[[str], None] = lambda _: None
    ) -> dict[str, Measured]:
        """By name.  Every round runs all systems, every other one in reverse.  tell: is told what runs."""
        found = {system.name: Measured() for system in systems}
        for turn in range(rounds):
            for system in systems if turn % 2 == 0 else reversed(systems):
                measured = found[system.name]
                if not measured.failed:
                    tell(f"{job}, round {turn + 1} of {rounds}: {system.name}")
                    try:
                        self._round(system, job, measured)
                    except (DifferentRowsError, RuntimeError, TimeoutError) as error:
                        measured.failed = str(error)
        return found

    def start_up(self, system: System, job: str) -> float:
        """CPU seconds for an input of next to nothing."""
        source = self._folder / "start-up.jsonl"
        if not source.exists():
            write_events(source, _START_UP_EVENTS)
        return self._run(system, source, self._folder / "start-up-rows.jsonl", job).cpu_s

    def _round(self, system: System, job: str, measured: Measured) -> None:
        reference = self.reference(job)
        target = self._folder / "rows.jsonl"
        usage = self._run(system, self._source, target, job)
        comparison = compare(reference, target)
        measured.rows, measured.equal_rows = comparison.rows, comparison.equal
        if not comparison.same:
            raise DifferentRowsError(
                f"{system.name}, {job}: {comparison.equal} of {comparison.rows} rows are equal; {comparison.difference}"
            )
        measured.cpu_s.append(usage.cpu_s)
        measured.wall_s.append(usage.wall_s)
        measured.peak_rss_bytes = max(measured.peak_rss_bytes, usage.peak_rss_bytes)

    def _run(self, system: System, source: Path, target: Path, job: str) -> Usage:
        target.unlink(missing_ok=True)
        where = self._bare if system.venv else ROOT
        usage = measure(system.command(source, target, job), system.environ(self._bare), where, TIMEOUT_S)
        if usage.code:
            raise RuntimeError(f"{system.name}, {job}: exit code {usage.code}: {usage.output[-2000:]}")
        return usage
