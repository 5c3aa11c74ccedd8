"""One process and two: the same files through Bytewax, start-up included; wall-clock time and CPU of all processes."""

import resource
import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.cases.engine import bytewax_plan, run_bytewax, same
from bench.cases.layers import Size, fingerprint, fresh, tell
from bench.pipeline import run
from bench.scenarios import SCENARIOS
from flows.engine.plan import Options, Plan
from flows.job import Job
from flows.sources.files import FilesSpec
from flows.summary import Summary

_PARTS = 2


def _files(lines: list[bytes], directory: Path) -> FilesSpec:
    """The lines in two files that are read side by side."""
    directory.mkdir()
    paths = [directory / f"events-{part}.jsonl" for part in range(_PARTS)]
    for part, path in enumerate(paths):
        path.write_bytes(b"\n".join(lines[part::_PARTS]))
    return FilesSpec(tuple(map(str, paths)), "per_file")


def _cpu_s() -> float:
    """CPU seconds of this process and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


@pytest.mark.benchmark(group="processes", timer=time.perf_counter)
@pytest.mark.parametrize("processes", [1, 2])
def test_processes(
    benchmark: BenchmarkFixture, size: Size, smoke: bool, job: Job, tmp_path: Path, processes: int
) -> None:
    """Two files of events.  Timed by the wall; cpu_s in params is that of the whole tree."""
    lines = SCENARIOS["uniform"].lines(size(4_000, 400_000))
    source = _files(lines, tmp_path / "all")
    options = Options(processes=processes)
    cpu_s: list[float] = []
    wall_s: list[float] = []

    def timed(plan: Plan) -> Summary:
        before_s, started_s = _cpu_s(), time.perf_counter()
        summary = run_bytewax(plan)
        wall_s.append(time.perf_counter() - started_s)
        cpu_s.append(_cpu_s() - before_s)
        return summary

    start_up = {}
    if not smoke:
        timed(bytewax_plan(job, _files(lines[:_PARTS], tmp_path / "few"), tmp_path, options))
        start_up = {"start_up_wall_s": wall_s.pop(), "start_up_cpu_s": cpu_s.pop()}
    plan = bytewax_plan(job, source, tmp_path, options)
    summary = fresh(benchmark, lambda: plan, timed, rounds=size(1, 3))
    local = run(job, [source.open(name) for name in source.partition_names()])
    same(summary, tmp_path, local)
    tell(
        benchmark,
        per="event",
        n=len(lines),
        result=fingerprint(sorted(local.counts.items()), local.findings),
        processes=processes,
        timer="wall",
        wall_s=wall_s,
        cpu_s=cpu_s,
        **start_up,
    )
