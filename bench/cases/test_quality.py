"""How good the alerts are, and how fast they were found in the same run: the shipped configuration on its own world."""

import statistics
from collections.abc import Callable
from typing import Any

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.measure.turns import Turns
from bench.pipeline import Memory, reference, run
from flows.config.endpoints import SimulatorConfig
from flows.config.load import load
from flows.drive.assembly import Assembly
from flows.simulate.evaluation import evaluate
from flows.simulate.platform import Platform
from flows.sources.base import Partition

Size = Callable[[Any, Any], Any]


@pytest.mark.benchmark(group="quality")
def test_quality(benchmark: BenchmarkFixture, pytestconfig: pytest.Config, size: Size) -> None:
    """What `driftnet run` does without a file: a day of 5,000 users; the alerts stay within their budget."""
    config = load(environ={}, settings=size(["sources.main.users=200", "sources.main.duration=4h"], []))
    (source,) = config.sources.values()
    assert isinstance(source, SimulatorConfig)
    job = config.job()
    partitions = {p.name: _all_lines(p) for p in Assembly(config).partitions()}
    lines = [line for of_partition in partitions.values() for line in of_partition]
    turns = Turns(
        {"orjson.loads": lambda: reference(lines)},
        lambda: run(job, [Memory(found, name) for name, found in partitions.items()]),
    )
    rounds = pytestconfig.getoption("benchmark_min_rounds")
    outcome = benchmark.pedantic(turns.main, setup=turns.before, teardown=turns.after, rounds=rounds)  # type: ignore[no-untyped-call]
    assert all(result == outcome for result in turns.results)
    assert outcome.counts["read"] == len(lines)
    truth = Platform(source.simulation()).truth()
    found = evaluate(outcome.alerts, truth)
    assert found.alerts == outcome.counts.get("out.alerts", 0) <= 2 * config.alerts.budget_per_day
    benchmark.extra_info.update(
        kind="quality",
        result=outcome.digest,
        events=len(lines),
        users=source.users,
        cpu_s=turns.cpu_s,
        events_per_s=len(lines) / statistics.median(turns.wall_s),
        ratio=turns.ratios("orjson.loads"),
        alerts=found.alerts,
        precision=found.precision,
        account_precision=found.account_precision,
        recall=found.recall,
        campaigns=[
            {
                "name": c.name,
                "accounts": c.accounts,
                "found": c.found,
                "recall": c.found / c.accounts,
                "median_ttd_s": c.detection_s,
            }
            for c in found.campaigns
        ],
    )


def _all_lines(partition: Partition) -> list[bytes]:
    lines: list[bytes] = []
    while (part := partition.read(65_536)) is not None:
        lines += part.lines
    return lines
