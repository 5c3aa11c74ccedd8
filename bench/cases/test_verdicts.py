"""How true the verdicts are, day by day: `driftnet bench quality`."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.quality.asked import Asked
from bench.quality.guard import mistakes
from bench.quality.kept import measured
from bench.quality.scenarios import SMOKE, TABLE, Scenario


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Small scenarios with the tests, the whole table otherwise."""
    scenarios = SMOKE if metafunc.config.getoption("benchmark_disable") else TABLE
    metafunc.parametrize("scenario", scenarios, ids=[s.id for s in scenarios])


@pytest.mark.benchmark(group="verdicts")
def test_verdicts(benchmark: BenchmarkFixture, scenario: Scenario) -> None:
    """One scenario, recorded, replayed and measured; every alert is true or false, on one day, within its budget."""
    found = benchmark.pedantic(measured, (scenario, Asked.here()), rounds=1)  # type: ignore[no-untyped-call]
    days = found["days"]
    assert found["alerts"] == sum(day["true"] + day["false"] for day in days)
    assert found["false_alerts"] == sum(day["false"] for day in days)
    assert (
        sum(c["found"] for c in found["campaigns"]) == days[-1]["found"] == found["attackers_acting"] - found["missed"]
    )
    assert all(day["true"] + day["false"] <= 3 * found["budget"] for day in days)
    assert all(a["share"] >= b["share"] for a, b in zip(found["calibration"], found["calibration"][1:], strict=False))
    benchmark.extra_info.update(kind="verdicts", mistakes=mistakes(found), **found)
