"""Runs that stop in good order in the middle of their input, without a signal."""

from dataclasses import dataclass
from pathlib import Path

from flows.engine.member import run_member
from flows.engine.plan import Options
from flows.engine.recovery import locked_state
from flows.engine.shutdown import Stop
from flows.engine.watch import FirstError
from flows.job import Job
from flows.sources.base import Lines, Partition, Source
from tests.engine.scenarios import bytewax_plan


@dataclass(frozen=True)
class Pausing:
    """A source that asks for a stop instead of the nth read of any partition."""

    source: Source
    reads: int
    stop: Stop

    def partition_names(self) -> list[str]:
        return self.source.partition_names()

    def open(self, name: str) -> Partition:
        partition = self.source.open(name)
        read, left = partition.read, self.reads

        def pausing(max_lines: int) -> Lines | None:
            nonlocal left
            left -= 1
            if left == 0:
                self.stop.set()
            return read(max_lines)

        partition.read = pausing  # type: ignore[method-assign]
        return partition


def run_until(reads: int, job: Job, source: Source, out: Path, options: Options) -> None:
    """Runs in this process until the nth read of a partition; the state is in options.state_dir."""
    stop = Stop()
    plan = bytewax_plan(job, Pausing(source, reads, stop), out, options)
    assert options.state_dir is not None
    with locked_state(options.state_dir, plan.stages, tuple(plan.sources)) as store:
        run_member(plan, store, stop, FirstError(), lambda status: None)
    assert stop.is_set()
