"""The same job on Bytewax, in one process or several: wall time, CPU of all processes, what checkpoints weigh."""

import resource
import time
from dataclasses import dataclass

from flows.engine.plan import Options, Plan, partitions_of
from flows.engine.run import execute
from flows.job import Job
from flows.job_stages import JobStages
from flows.sources.files import FilesSpec
from flows.summary import Summary


@dataclass(frozen=True, slots=True)
class Ran:
    """One run.  cpu_s: of this process and of its children."""

    summary: Summary
    wall_s: float
    cpu_s: float


def run_engine(job: Job, source: FilesSpec, options: Options) -> Ran:
    """Runs to the end of the files; there are no sinks."""
    sources = partitions_of([source])
    stages = JobStages(job, tuple(sources))
    plan = Plan(stages.stages(), sources, {}, options)
    wall_s, cpu_s = time.perf_counter(), _tree_cpu_s()
    summary = execute(plan)
    assert summary.balanced, "lines were lost"
    return Ran(summary, time.perf_counter() - wall_s, _tree_cpu_s() - cpu_s)


def _tree_cpu_s() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)
