"""The flow stage by stage, in one group with `orjson.loads`, whose CPU time is the yardstick."""

from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.cases.engine import MemorySource, bytewax_plan, run_bytewax, same
from bench.cases.layers import SENDER, Size, fingerprint, tell
from bench.pipeline import BATCH_LINES, Memory, reference, run, windows_only
from bench.scenarios import SCENARIOS
from flows.engine.plan import Options
from flows.job import Job
from flows.operators.ingest.operator import Ingest
from flows.sources.base import Lines


@pytest.fixture(scope="module")
def lines(size: Size) -> list[bytes]:
    """The events of all cases here."""
    return SCENARIOS["uniform"].lines(size(4_000, 200_000))


def _routed(job: Job, lines: list[bytes]) -> dict[int, int]:
    """Decoding, lateness, routing: rows by key group."""
    ingest = Ingest(job.stream, job.columns, SENDER)
    rows: dict[int, int] = {}
    for at in range(0, len(lines), BATCH_LINES):
        part = lines[at : at + BATCH_LINES]
        for item in ingest.process(Lines(part, range(at, at + len(part)), SENDER)):
            if isinstance(item, tuple) and item[1].batch is not None:
                rows[item[0]] = rows.get(item[0], 0) + len(item[1].batch)
    return rows


@pytest.mark.benchmark(group="flow")
def test_orjson_loads(benchmark: BenchmarkFixture, lines: list[bytes]) -> None:
    """The reference: every line parsed once, which is the least that anybody can do."""
    benchmark(reference, lines)
    tell(benchmark, per="event", n=len(lines), result=str(len(lines)), stage="orjson.loads")


@pytest.mark.benchmark(group="flow")
def test_decode(benchmark: BenchmarkFixture, job: Job, lines: list[bytes]) -> None:
    """Lines to columns, lateness, routing."""
    rows = benchmark(_routed, job, lines)
    assert sum(rows.values()) == len(lines)
    assert len(rows) == job.stream.key_groups
    tell(benchmark, per="event", n=len(lines), result=fingerprint(sorted(rows.items())), stage="decode")


@pytest.mark.benchmark(group="flow")
def test_windows(benchmark: BenchmarkFixture, job: Job, lines: list[bytes]) -> None:
    """Decoding, windows and 12 features."""
    rows = benchmark(windows_only, job.with_judgement(detectors=()), lines)
    # 20 events a user over 6 windows: a user is in a window with a chance of 1 - exp(-20 / 6).
    assert rows == pytest.approx(0.9643 * 6 * len(lines) / 20, rel=0.05)
    tell(benchmark, per="event", n=len(lines), result=str(rows), stage="windows", rows=rows)


@pytest.mark.benchmark(group="flow")
def test_whole(benchmark: BenchmarkFixture, job: Job, lines: list[bytes]) -> None:
    """Decoding, windows, Half-Space Trees, calibration, drift, alerts, by the local driver."""
    outcome = benchmark(lambda: run(job, [Memory(lines)]))
    assert outcome.counts["accepted"] == len(lines)
    told = fingerprint(sorted(outcome.counts.items()), outcome.findings)
    tell(benchmark, per="event", n=len(lines), result=told, stage="whole, local driver")


@pytest.mark.benchmark(group="flow")
def test_bytewax(benchmark: BenchmarkFixture, job: Job, lines: list[bytes], tmp_path: Path) -> None:
    """The same on Bytewax, one worker in this process, and the same result."""
    local = run(job, [Memory(lines)])
    plan = bytewax_plan(job, MemorySource(lines), tmp_path, Options())
    summary = benchmark(run_bytewax, plan)
    same(summary, tmp_path, local)
    told = fingerprint(sorted(local.counts.items()), local.findings)
    tell(benchmark, per="event", n=len(lines), result=told, stage="whole, Bytewax")
