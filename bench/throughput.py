"""The whole pipeline as a multiple of the CPU time of `orjson.loads` per line, on the same lines in the same process.

    python bench/throughput.py [--events 1000000] [--rounds 3] [--profile]

Stages are added one by one and interleaved with the reference, so that all meet the same weather; the smallest CPU time
of each is kept. The job is bench/uniform.toml.
"""

import argparse
import cProfile
import gc
import pstats
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import orjson

from flows.config.load import load
from flows.job import Job
from flows.local import LocalDriver
from flows.operators.ingest import Ingest
from flows.operators.subject import SubjectOperator
from flows.simulate.workload import uniform_plays
from flows.sources.base import Lines
from state.types import MINUTE_US

JOB = Path(__file__).parent / "uniform.toml"
_BATCH = 8192


class Memory:
    """A partition that is already in memory, so that only the pipeline is timed."""

    name = "memory"
    size_bytes = done_bytes = None

    def __init__(self, lines: list[bytes]) -> None:
        self._lines = lines
        self._next = 0

    def read(self, max_lines: int) -> Lines | None:
        start, self._next = self._next, self._next + max_lines
        lines = self._lines[start : self._next]
        return Lines(lines, range(start, start + len(lines)), "memory") if lines else None

    def position(self) -> int:
        return self._next

    def seek(self, position: int) -> None:
        self._next = position

    def close(self) -> None:
        """Nothing to let go of."""


def cpu_s(work: Callable[[], object]) -> float:
    """CPU seconds of this process for one call."""
    gc.collect()
    start = time.process_time()
    work()
    return time.process_time() - start


def reference(lines: Sequence[bytes]) -> None:
    """What every JSON pipeline must do at least."""
    for line in lines:
        orjson.loads(line)


def decode_only(job: Job, lines: list[bytes]) -> None:
    """Decoding, lateness and routing."""
    ingest = Ingest(job, "memory")
    for start in range(0, len(lines), _BATCH):
        part = lines[start : start + _BATCH]
        ingest.process(Lines(part, range(start, start + len(part)), "memory"))


def windows_only(job: Job, lines: list[bytes]) -> int:
    """Decoding, windows and features; returns the number of window rows."""
    ingest = Ingest(job, "memory")
    subjects = [SubjectOperator(job, group, ("memory",)) for group in range(job.key_groups)]
    rows = 0
    for start in range(0, len(lines) + _BATCH, _BATCH):
        part = lines[start : start + _BATCH]
        sent = ingest.process(Lines(part, range(start, start + len(part)), "memory")) if part else ingest.finish()
        for message in sent:
            if isinstance(message, tuple):
                for out in subjects[message[0]].process(message[1]):
                    rows += sum(map(len, out[1].rows)) if isinstance(out, tuple) else 0
    return rows


def whole(job: Job, lines: list[bytes]) -> dict[str, int]:
    """Everything, through the local driver; returns the counts."""
    driver = LocalDriver(job, [Memory(lines)], {}, batch_lines=_BATCH)
    summary = driver.run()
    assert summary.balanced, "lines were lost"
    return dict(driver.outputs.counts)


def measure(events: int, users: int, rounds: int) -> dict[str, float]:
    """CPU seconds of each stage and the reference, smallest of `rounds`, and the number of window rows."""
    lines = [line for batch in uniform_plays(events, users, 30 * MINUTE_US) for line in batch]
    job = load(JOB, environ={}).job()
    windows = replace(job, detectors=())
    stages: dict[str, Callable[[], object]] = {
        "orjson.loads": lambda: reference(lines),
        "decode": lambda: decode_only(windows, lines),
        "windows": lambda: windows_only(windows, lines),
        "whole": lambda: whole(job, lines),
    }
    gc.freeze()
    best: dict[str, float] = dict.fromkeys(stages, float("inf"))
    for turn in range(rounds):
        for name in stages if turn % 2 == 0 else reversed(stages):
            best[name] = min(best[name], cpu_s(stages[name]))
    return {**best, "rows": float(windows_only(windows, lines))}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--users", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    if options.profile:
        lines = [line for batch in uniform_plays(options.events, options.users, 30 * MINUTE_US) for line in batch]
        job = load(JOB, environ={}).job()
        with cProfile.Profile() as profile:
            whole(job, lines)
        pstats.Stats(profile).sort_stats("tottime").print_stats(40)
        return
    found = measure(options.events, options.users, options.rounds)
    rows = found.pop("rows")
    print(f"{options.events:,} events, {options.users:,} users, {rows:,.0f} window rows")
    for name, seconds in found.items():
        per_event = seconds / options.events * 1e6
        print(f"{name:14s} {per_event:6.2f} us/event   x {seconds / found['orjson.loads']:.2f}")


if __name__ == "__main__":
    main()
