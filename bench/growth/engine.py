"""The same job on Bytewax, in one process or several: wall time, CPU of all processes, what checkpoints weigh."""

import resource
import time
from dataclasses import dataclass, field
from pathlib import Path

from flows.engine.plan import Options, Plan, partitions_of
from flows.engine.run import execute
from flows.job import Job
from flows.operators.subject import SubjectOperator
from flows.report import Summary
from flows.sources.files import FilesSpec
from flows.worker import JobStages


@dataclass(frozen=True, slots=True)
class Ran:
    """One run.  cpu_s: of this process and of its children.  saved: size of each snapshot of a key group, by group."""

    summary: Summary
    wall_s: float
    cpu_s: float
    saved: dict[int, list[int]]


@dataclass(frozen=True, slots=True)
class _Stages(JobStages):
    """The job's stages; key groups in this process note how large their snapshots are."""

    saved: dict[int, list[int]] = field(default_factory=dict)

    def subject(self, group: int, /, *, resume: bytes | None) -> "SubjectOperator":
        return _Noted(self.job, group, self.partitions, resume, self.saved.setdefault(group, []))


class _Noted(SubjectOperator):
    def __init__(
        self, job: Job, group: int, partitions: tuple[str, ...], resume: bytes | None, sizes: list[int]
    ) -> None:
        super().__init__(job, group, partitions, resume)
        self._sizes = sizes

    def snapshot(self) -> bytes:
        blob = super().snapshot()
        self._sizes.append(len(blob))
        return blob


def run_engine(job: Job, source: FilesSpec, options: Options) -> Ran:
    """Runs to the end of the files; there are no sinks."""
    sources = partitions_of([source])
    stages = _Stages(job, tuple(sources))
    plan = Plan(stages.stages(), sources, {}, options)
    wall_s, cpu_s = time.perf_counter(), _tree_cpu_s()
    summary = execute(plan)
    assert summary.balanced, "lines were lost"
    return Ran(summary, time.perf_counter() - wall_s, _tree_cpu_s() - cpu_s, stages.saved)


def disk_bytes(directory: Path) -> int:
    """Bytes of all files below it."""
    return sum(file.stat().st_size for file in directory.rglob("*") if file.is_file())


def _tree_cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)
