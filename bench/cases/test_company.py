"""How true campaigns are in harder worlds: `driftnet bench quality --company`."""

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bench.quality.asked import Asked
from bench.quality.guard import campaign_mistakes
from bench.quality.kept import measured
from bench.quality.worlds import SMOKE_WORLDS, WORLDS, WorldScenario


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Small worlds with the tests, the whole table otherwise."""
    scenarios = SMOKE_WORLDS if metafunc.config.getoption("benchmark_disable") else WORLDS
    metafunc.parametrize("scenario", scenarios, ids=[s.id for s in scenarios])


@pytest.mark.benchmark(group="company")
def test_company(benchmark: BenchmarkFixture, scenario: WorldScenario) -> None:
    """One world, run and measured; what is said of all attackers is what is said of their kinds together."""
    found = benchmark.pedantic(measured, (scenario, Asked.here()), rounds=1)  # type: ignore[no-untyped-call]
    accounts = sum(kind["accounts"] for kind in found["kinds"])
    assert sum(kind["found"] for kind in found["kinds"]) == accounts - found["missed"]
    assert sum(kind["members"] for kind in found["kinds"]) == round((found["recall"] or 0.0) * accounts)
    assert bool(accounts) == bool(scenario.world.attackers)
    assert found["false"] <= found["false_ever"] <= found["campaigns_told"]
    benchmark.extra_info.update(kind="company", mistakes=campaign_mistakes(found), **found)
