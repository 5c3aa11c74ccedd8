"""Runs in the middle of whose input something happens: they stop in good order, or die."""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flows.engine.member import run_member
from flows.engine.plan import Options
from flows.engine.recovery import locked_state
from flows.engine.shutdown import Stop
from flows.engine.watch import FirstError
from flows.job import Job
from flows.sources.base import Lines, Partition, Source
from tests.engine.scenarios import bytewax_plan, run_bytewax


@dataclass(frozen=True)
class AtRead:
    """A source that does something just before the nth read of any partition, or of one only."""

    source: Source
    reads: int
    act: Callable[[], None]
    only: str = ""

    def partition_names(self) -> list[str]:
        return self.source.partition_names()

    def open(self, name: str) -> Partition:
        partition = self.source.open(name)
        read, left = partition.read, self.reads

        def acting(max_lines: int) -> Lines | None:
            nonlocal left
            left -= 1
            if left == 0:
                self.act()
            return read(max_lines)

        if self.only in ("", name):
            partition.read = acting  # type: ignore[method-assign]
        return partition


def die() -> None:
    """As of kill -9."""
    os.kill(os.getpid(), signal.SIGKILL)


def pause() -> None:
    """Longer than a process takes to start, and the clock is looked at."""
    time.sleep(4.0)


def ask_parent_to_stop() -> None:
    """From a process of a cluster, which reads no further until it has been told."""
    os.kill(os.getppid(), signal.SIGTERM)
    time.sleep(1.0)


def run_until(reads: int, job: Job, source: Source, out: Path, options: Options) -> None:
    """Runs in this process until the nth read of a partition; the state is in options.state_dir."""
    stop = Stop()
    plan = bytewax_plan(job, AtRead(source, reads, stop.set), out, options)
    assert options.state_dir is not None
    with locked_state(options.state_dir, plan.stages, tuple(plan.sources)) as store:
        run_member(plan, store, stop, FirstError(), lambda status: None)
    assert stop.is_set()


def run_cluster_until(reads: int, job: Job, source: Source, out: Path, options: Options) -> None:
    """Runs in options.processes processes until the nth read of the first partition, then stops as by SIGTERM."""
    args = (job, AtRead(source, reads, ask_parent_to_stop, source.partition_names()[0]), out, options)
    process = multiprocessing.get_context("spawn").Process(target=run_bytewax, args=args)
    process.start()
    process.join(120)
    assert process.exitcode == 0
    process.close()
